package mdmtest

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// apnsClient is an ordinary HTTP/2 client with a push certificate.
func apnsClient(t *testing.T, a *APNs, certs ...tls.Certificate) *http.Client {
	t.Helper()
	protocols := &http.Protocols{}
	protocols.SetHTTP2(true)
	transport := &http.Transport{
		Protocols:       protocols,
		MaxConnsPerHost: 1,
		TLSClientConfig: &tls.Config{RootCAs: a.RootCAs, Certificates: certs},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

type apnsMessage struct {
	method string
	path   string
	body   string
	header map[string]string
	cert   *tls.Certificate
	noCert bool
}

func (m apnsMessage) request(t *testing.T, a *APNs) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), m.method, a.URL+m.path, strings.NewReader(m.body))
	require.NoError(t, err)
	r.Header.Set("apns-topic", a.Topic)
	r.Header.Set("apns-push-type", "mdm")
	for name, value := range m.header {
		if value == "" {
			r.Header.Del(name)
			continue
		}
		r.Header.Set(name, value)
	}
	return r
}

// apnsReason sends r and returns the status and Apple's reason.
func apnsReason(t *testing.T, c *http.Client, r *http.Request) (int, string) {
	t.Helper()
	resp, err := c.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 2, resp.ProtoMajor)
	require.True(t, isAPNsID(resp.Header.Get("apns-id")))
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if len(body) == 0 {
		return resp.StatusCode, ""
	}
	var answer struct{ Reason string }
	require.NoError(t, json.Unmarshal(body, &answer))
	return resp.StatusCode, answer.Reason
}

func TestAPNsRefusesWhatAppleRefuses(t *testing.T) {
	a := NewAPNs(t)
	topicless, err := a.IssueCertificate("", time.Time{}, time.Time{})
	require.NoError(t, err)
	good := apnsMessage{method: "POST", path: "/3/device/00ff", body: `{"mdm":"magic"}`}
	change := func(f func(*apnsMessage)) apnsMessage {
		m := good
		f(&m)
		return m
	}
	header := func(name, value string) apnsMessage {
		return change(func(m *apnsMessage) { m.header = map[string]string{name: value} })
	}
	for _, c := range []struct {
		name   string
		send   apnsMessage
		status int
		reason string
	}{
		{"good", good, 200, ""},
		{"all headers", change(func(m *apnsMessage) {
			m.header = map[string]string{"apns-priority": "10", "apns-expiration": "0", "apns-id": "eabeae54-14a8-11e5-b60b-1697f925ec7b"}
		}), 200, ""},
		{"upper case", change(func(m *apnsMessage) { m.path = "/3/device/00FF" }), 200, ""},
		{"method", change(func(m *apnsMessage) { m.method = "PUT" }), 405, "MethodNotAllowed"},
		{"path", change(func(m *apnsMessage) { m.path = "/2/device/00ff" }), 404, "BadPath"},
		{"longer path", change(func(m *apnsMessage) { m.path = "/3/device/00ff/x" }), 404, "BadPath"},
		{"no token", change(func(m *apnsMessage) { m.path = "/3/device/" }), 400, "MissingDeviceToken"},
		{"base64 token", change(func(m *apnsMessage) { m.path = "/3/device/AP8=" }), 400, "BadDeviceToken"},
		{"no body", change(func(m *apnsMessage) { m.body = "" }), 400, "PayloadEmpty"},
		{"large body", change(func(m *apnsMessage) { m.body = `{"mdm":"` + strings.Repeat("m", 4096) + `"}` }), 413, "PayloadTooLarge"},
		{"largest body", change(func(m *apnsMessage) { m.body = `{"mdm":"` + strings.Repeat("m", 4086) + `"}` }), 200, ""},
		{"another key", change(func(m *apnsMessage) { m.body = `{"mdm":"magic","aps":{}}` }), 400, "InvalidPushType"},
		{"no magic", change(func(m *apnsMessage) { m.body = `{"mdm":""}` }), 400, "InvalidPushType"},
		{"a number", change(func(m *apnsMessage) { m.body = `{"mdm":1}` }), 400, "InvalidPushType"},
		{"two values", change(func(m *apnsMessage) { m.body = `{"mdm":"a"}{"mdm":"b"}` }), 400, "InvalidPushType"},
		{"not JSON", change(func(m *apnsMessage) { m.body = `mdm` }), 400, "InvalidPushType"},
		{"no topic", header("apns-topic", ""), 400, "MissingTopic"},
		{"another topic", header("apns-topic", "com.apple.mgmt.other"), 400, "TopicDisallowed"},
		{"no type", header("apns-push-type", ""), 400, "InvalidPushType"},
		{"another type", header("apns-push-type", "alert"), 400, "InvalidPushType"},
		{"priority", header("apns-priority", "7"), 400, "BadPriority"},
		{"expiration", header("apns-expiration", "tomorrow"), 400, "BadExpirationDate"},
		{"id", header("apns-id", "1"), 400, "BadMessageId"},
		{"no certificate", change(func(m *apnsMessage) { m.noCert = true }), 403, "MissingProviderToken"},
		{"certificate without a topic", change(func(m *apnsMessage) { m.cert = &topicless }), 403, "BadCertificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := apnsClient(t, a, a.Certificate)
			if c.send.noCert {
				client = apnsClient(t, a)
			} else if c.send.cert != nil {
				client = apnsClient(t, a, *c.send.cert)
			}
			rejected, delivered := len(a.Rejected()), a.Stats().Delivered
			status, reason := apnsReason(t, client, c.send.request(t, a))
			require.Equal(t, c.status, status)
			require.Equal(t, c.reason, reason)
			if status == 200 {
				require.Len(t, a.Rejected(), rejected)
				require.Equal(t, delivered+1, a.Stats().Delivered)
				return
			}
			require.Len(t, a.Rejected(), rejected+1)
			require.Equal(t, delivered, a.Stats().Delivered)
		})
	}
	t.Run("repeated header", func(t *testing.T) {
		r := good.request(t, a)
		r.Header.Add("apns-topic", a.Topic)
		status, reason := apnsReason(t, apnsClient(t, a, a.Certificate), r)
		require.Equal(t, 400, status)
		require.Equal(t, "DuplicateHeaders", reason)
	})
	t.Run("certificate of another authority", func(t *testing.T) {
		_, err := apnsClient(t, a, NewAPNs(t).Certificate).Do(good.request(t, a))
		require.Error(t, err)
	})
	t.Run("HTTP/1.1", func(t *testing.T) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.RootCAs, Certificates: []tls.Certificate{a.Certificate}, NextProtos: []string{"http/1.1"}}}
		defer transport.CloseIdleConnections()
		_, err := (&http.Client{Transport: transport}).Do(good.request(t, a))
		require.Error(t, err)
	})
}

func TestAPNsAnswersAsTold(t *testing.T) {
	a := NewAPNs(t)
	c := apnsClient(t, a, a.Certificate)
	send := func(token string) (int, string) {
		return apnsReason(t, c, apnsMessage{method: "POST", path: "/3/device/" + token, body: `{"mdm":"m"}`}.request(t, a))
	}
	var mu sync.Mutex
	var woken []string
	a.OnPush(func(token, magic string) {
		mu.Lock()
		defer mu.Unlock()
		woken = append(woken, token)
		require.Equal(t, "m", magic)
	})
	a.Gone("AA", time.UnixMilli(1454402113000))
	a.Answer("bb", APNsAnswer{Status: 429, Reason: "TooManyRequests", RetryAfter: "7"})
	a.Answer("", APNsAnswer{Status: 503, Reason: "Shutdown"})

	resp, err := c.Do(apnsMessage{method: "POST", path: "/3/device/bb", body: `{"mdm":"m"}`}.request(t, a))
	require.NoError(t, err)
	require.Equal(t, 429, resp.StatusCode)
	require.Equal(t, "7", resp.Header.Get("Retry-After"))
	require.NoError(t, resp.Body.Close())
	status, reason := send("bb")
	require.Equal(t, 503, status)
	require.Equal(t, "Shutdown", reason)
	status, _ = send("BB")
	require.Equal(t, 200, status)
	resp, err = c.Do(apnsMessage{method: "POST", path: "/3/device/aa", body: `{"mdm":"m"}`}.request(t, a))
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 410, resp.StatusCode)
	require.JSONEq(t, `{"reason":"Unregistered","timestamp":1454402113000}`, string(body))
	a.Revive("aa")
	status, _ = send("aa")
	require.Equal(t, 200, status)
	require.Equal(t, []string{"bb", "aa"}, woken)
	require.Equal(t, 5, a.Stats().Requests)
	require.Equal(t, 2, a.Stats().Delivered)
	require.Len(t, a.Pushes(), 2)
	require.Empty(t, a.Rejected())
}

func TestAPNsHoldsDelaysAndGoesAway(t *testing.T) {
	a := NewAPNs(t)
	c := apnsClient(t, a, a.Certificate)
	message := apnsMessage{method: "POST", path: "/3/device/aa", body: `{"mdm":"m"}`}
	release := a.Hold()
	status := make(chan int, 1)
	go func() {
		resp, err := c.Do(message.request(t, a))
		if err != nil {
			status <- 0
			return
		}
		status <- resp.StatusCode
		resp.Body.Close()
	}()
	require.Eventually(t, func() bool { return a.Stats().InFlight == 1 }, 10*time.Second, time.Millisecond)
	require.Empty(t, status)
	release()
	release()
	require.Equal(t, 200, <-status)

	a.Delay(30 * time.Millisecond)
	began := time.Now()
	got, _ := apnsReason(t, c, message.request(t, a))
	require.Equal(t, 200, got)
	require.GreaterOrEqual(t, time.Since(began), 30*time.Millisecond)
	a.Delay(0)

	// The standard client takes a GOAWAY as such, and sends the request again.
	require.Equal(t, 1, a.Stats().Total)
	a.Answer("", APNsAnswer{GoAway: true})
	got, _ = apnsReason(t, c, message.request(t, a))
	require.Equal(t, 200, got)
	require.Equal(t, 2, a.Stats().Total)
	a.GoAway()
	require.Eventually(t, func() bool { return a.Stats().Open == 0 }, 10*time.Second, time.Millisecond)

	connections := a.Stats().Total
	got, _ = apnsReason(t, c, message.request(t, a))
	require.Equal(t, 200, got)
	a.Answer("", APNsAnswer{Abort: true})
	_, err := c.Do(message.request(t, a))
	require.ErrorContains(t, err, "stream error")
	got, _ = apnsReason(t, c, message.request(t, a))
	require.Equal(t, 200, got)
	require.Equal(t, connections+1, a.Stats().Total)

	a.Answer("", APNsAnswer{Reset: true})
	_, err = c.Do(message.request(t, a))
	require.Error(t, err)
	last := a.Requests()[len(a.Requests())-1]
	require.Zero(t, last.Status)
	require.Equal(t, 3, last.Connection)
}

func TestAPNsClosesWithRequestsUnderWay(t *testing.T) {
	a := NewAPNs(t)
	a.Hold()
	failed := make(chan error, 1)
	go func() {
		_, err := apnsClient(t, a, a.Certificate).Do(apnsMessage{method: "POST", path: "/3/device/aa", body: `{"mdm":"m"}`}.request(t, a))
		failed <- err
	}()
	require.Eventually(t, func() bool { return a.Stats().InFlight == 1 }, 10*time.Second, time.Millisecond)
	a.Close()
	require.Error(t, <-failed)
	require.Zero(t, a.Stats().InFlight)
	a.Close()
}

func TestAPNsRemembersNoMoreThanItIsToldTo(t *testing.T) {
	for keep, want := range map[int][]string{0: {"01", "02", "03"}, 2: {"02", "03"}, -1: nil} {
		a, err := StartAPNs(&APNsOptions{Keep: keep, Topic: "com.apple.mgmt.External.kept"})
		require.NoError(t, err)
		require.Equal(t, "com.apple.mgmt.External.kept", a.Topic)
		c := apnsClient(t, a, a.Certificate)
		for _, token := range []string{"01", "02", "03"} {
			status, _ := apnsReason(t, c, apnsMessage{method: "POST", path: "/3/device/" + token, body: `{"mdm":"m"}`}.request(t, a))
			require.Equal(t, 200, status)
		}
		var got []string
		for _, r := range a.Requests() {
			got = append(got, r.Token)
		}
		require.Equal(t, want, got)
		require.Equal(t, 3, a.Stats().Delivered)
		a.Close()
	}
}

// However the server cuts what it writes, a GOAWAY stands between two frames,
// and nothing after it.
func TestAPNsConnPutsGoAwayBetweenFrames(t *testing.T) {
	frame := func(n int) []byte {
		return append([]byte{0, 0, byte(n), 0, 0, 0, 0, 0, 1}, bytes.Repeat([]byte{0xee}, n)...)
	}
	stream := append(append(frame(0), frame(5)...), frame(100)...)
	ends := map[int]bool{0: true, 9: true, 23: true, len(stream): true}
	for cut := range len(stream) {
		c := &apnsConn{}
		for i := range cut {
			require.Equal(t, 1, c.follow(stream[i:i+1]))
		}
		require.Equal(t, ends[cut], c.atBoundary(), "after %d bytes", cut)
	}
	// In one piece, the first boundary is found.
	c := &apnsConn{wanted: true}
	require.Equal(t, 9, c.follow(stream))
	require.Equal(t, 14, c.follow(stream[9:]))
	c.wanted = false
	require.Equal(t, 109, c.follow(stream[23:]))
}

// A device wakes on its own token with its own magic, and a wrong magic is the
// server's fault.
func TestPushedIsJudged(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac)
	require.False(t, mac.Pushed("", ""), "nobody pushes to a device that is not enrolled")
	mac.Enroll()
	require.True(t, mac.Pushed(mac.PushToken(), mac.PushMagic()))
	require.False(t, mac.Pushed(strings.Repeat("0", 64), mac.PushMagic()), "of another device")
	require.Empty(t, mac.Violations())
	require.False(t, mac.Pushed(mac.PushToken(), strings.ToLower(mac.PushMagic())))
	require.Contains(t, violationTexts(mac.TakeViolations()), "magic")
	old := mac.PushToken()
	mac.RotateToken()
	require.False(t, mac.Pushed(old, ""))
	require.Empty(t, mac.Violations())
}
