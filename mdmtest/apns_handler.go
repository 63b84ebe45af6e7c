package mdmtest

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// apnsMaxPayload is the size of a payload in bytes that Apple accepts.
const apnsMaxPayload = 4096

// ServeHTTP answers one request of a provider.
func (a *APNs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn := apnsConnOf(r.Context())
	release, open := a.begin()
	if !open {
		apnsAbort()
	}
	defer a.end()
	got, answer := a.judge(conn, r)
	if !a.wait(r, release) {
		apnsAbort() // the fake is closed, or the provider gave up
	}
	if answer.Status == 0 {
		answer = a.scripted(got.Token)
	}
	switch {
	case answer.GoAway:
		a.record(got)
		conn.goAway()
		apnsAbort()
	case answer.Reset:
		a.record(got)
		conn.Close()
		apnsAbort()
	case answer.Abort:
		a.record(got)
		apnsAbort()
	case conn.isGone():
		apnsAbort() // the request was disowned; it comes again elsewhere
	}
	if answer.Status == 0 {
		answer.Status = http.StatusOK
	}
	got.Status, got.Reason = answer.Status, answer.Reason
	for _, hook := range a.record(got) {
		hook(got.Token, got.Magic)
	}
	reply(w, answer)
}

// apnsAbort ends a request without an answer. To return would be to answer 200.
func apnsAbort() { panic(http.ErrAbortHandler) } // which net/http recovers

// begin counts a request in and returns what its answer has to wait for. It
// is false when the fake is closed.
func (a *APNs) begin() (release <-chan struct{}, open bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, false
	}
	a.answering.Add(1)
	a.stats.Requests++
	a.stats.InFlight++
	a.stats.PeakStreams = max(a.stats.PeakStreams, a.stats.InFlight)
	return a.hold, true
}

func (a *APNs) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stats.InFlight--
	a.answering.Done()
}

// wait waits for release and the delay, and reports whether to answer.
func (a *APNs) wait(r *http.Request, release <-chan struct{}) bool {
	if release != nil {
		select {
		case <-release:
		case <-r.Context().Done():
			return false
		case <-a.done:
			return false
		}
	}
	a.mu.Lock()
	delay := a.delay
	a.mu.Unlock()
	if delay <= 0 {
		return true
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	case <-a.done:
		return false
	}
}

// scripted returns what the fake was told to answer, the zero answer when
// nothing.
func (a *APNs) scripted(token string) APNsAnswer {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range []string{token, ""} {
		if queued := a.script[key]; len(queued) > 0 {
			a.script[key] = queued[1:]
			return queued[0]
		}
	}
	if since, ok := a.gone[token]; ok {
		return APNsAnswer{Status: http.StatusGone, Reason: "Unregistered", Timestamp: since}
	}
	return APNsAnswer{}
}

// record remembers a request and returns the hooks to call when it was
// delivered.
func (a *APNs) record(r APNsRequest) []func(token, magic string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keep >= 0 {
		if a.keep > 0 && len(a.requests) >= a.keep {
			a.requests = append(a.requests[:0], a.requests[len(a.requests)-a.keep+1:]...)
		}
		a.requests = append(a.requests, r)
	}
	if r.Status != http.StatusOK {
		return nil
	}
	a.stats.Delivered++
	return a.hooks[:len(a.hooks):len(a.hooks)]
}

func reply(w http.ResponseWriter, answer APNsAnswer) {
	w.Header().Set("apns-id", apnsUUID())
	if answer.RetryAfter != "" {
		w.Header().Set("Retry-After", answer.RetryAfter)
	}
	if answer.Location != "" {
		w.Header().Set("Location", answer.Location)
	}
	if answer.LastOne {
		w.Header().Set("Connection", "close") // makes net/http send a GOAWAY
	}
	body := answer.Body
	if body == "" && answer.Reason != "" {
		fields := map[string]any{"reason": answer.Reason}
		if !answer.Timestamp.IsZero() {
			fields["timestamp"] = answer.Timestamp.UnixMilli()
		}
		encoded, err := json.Marshal(fields)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		body = string(encoded)
	}
	if body != "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(answer.Status)
	// A provider that hung up has no use for the rest.
	_, _ = io.WriteString(w, body)
}

// judge reads a request and returns it, with the refusal that it deserves or
// an answer without a status.
func (a *APNs) judge(conn *apnsConn, r *http.Request) (APNsRequest, APNsAnswer) {
	// One byte more than allowed tells that it is too much. A body that breaks
	// off is judged by what came.
	body, _ := io.ReadAll(io.LimitReader(r.Body, apnsMaxPayload+1))
	got := APNsRequest{
		Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Body: body, Connection: conn.number,
		Topic: r.Header.Get("apns-topic"), PushType: r.Header.Get("apns-push-type"),
		Priority: r.Header.Get("apns-priority"), Expiration: r.Header.Get("apns-expiration"),
	}
	token, device := strings.CutPrefix(r.URL.Path, "/3/device/")
	if raw, err := hex.DecodeString(token); device && err == nil {
		got.Token = hex.EncodeToString(raw)
	}
	var status int
	var reason string
	peers := conn.tls.ConnectionState().PeerCertificates
	switch got.Magic = apnsMagic(body); {
	case r.Method != http.MethodPost:
		status, reason = http.StatusMethodNotAllowed, "MethodNotAllowed"
	case !device || strings.Contains(token, "/"):
		status, reason = http.StatusNotFound, "BadPath"
	case len(peers) == 0:
		status, reason = http.StatusForbidden, "MissingProviderToken"
	case apnsTopic(peers[0]) == "":
		status, reason = http.StatusForbidden, "BadCertificate"
	case token == "":
		status, reason = http.StatusBadRequest, "MissingDeviceToken"
	case got.Token == "":
		status, reason = http.StatusBadRequest, "BadDeviceToken"
	case len(body) > apnsMaxPayload:
		status, reason = http.StatusRequestEntityTooLarge, "PayloadTooLarge"
	case len(body) == 0:
		status, reason = http.StatusBadRequest, "PayloadEmpty"
	default:
		status, reason = judgeAPNsHeader(r.Header, got, apnsTopic(peers[0]))
	}
	got.Status, got.Reason = status, reason
	return got, APNsAnswer{Status: status, Reason: reason}
}

// judgeAPNsHeader returns 0 when the header is that of an MDM push.
func judgeAPNsHeader(h http.Header, got APNsRequest, topic string) (status int, reason string) {
	for _, name := range []string{"Apns-Id", "Apns-Topic", "Apns-Push-Type", "Apns-Priority", "Apns-Expiration"} {
		if len(h[name]) > 1 {
			return http.StatusBadRequest, "DuplicateHeaders"
		}
	}
	switch {
	case got.Topic == "":
		return http.StatusBadRequest, "MissingTopic"
	case got.Topic != topic:
		return http.StatusBadRequest, "TopicDisallowed"
	case got.PushType != "mdm", got.Magic == "": // the type must reflect the payload
		return http.StatusBadRequest, "InvalidPushType"
	}
	switch got.Priority {
	case "", "1", "5", "10":
	default:
		return http.StatusBadRequest, "BadPriority"
	}
	if got.Expiration != "" {
		if n, err := strconv.ParseInt(got.Expiration, 10, 64); err != nil || n < 0 {
			return http.StatusBadRequest, "BadExpirationDate"
		}
	}
	if id := h.Get("apns-id"); id != "" && !isAPNsID(id) {
		return http.StatusBadRequest, "BadMessageId"
	}
	return 0, ""
}

// apnsMagic returns the magic of a payload that is exactly {"mdm": magic}.
func apnsMagic(body []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(body))
	var payload map[string]any
	if decoder.Decode(&payload) != nil || decoder.More() || len(payload) != 1 {
		return ""
	}
	magic, _ := payload["mdm"].(string)
	return magic
}

// isAPNsID reports whether id is a UUID in the form 8-4-4-4-12.
func isAPNsID(id string) bool {
	plain := strings.ReplaceAll(id, "-", "")
	raw, err := hex.DecodeString(plain)
	return err == nil && len(raw) == 16 && len(id) == 36 &&
		id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-'
}
