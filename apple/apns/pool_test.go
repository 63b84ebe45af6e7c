package apns_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
)

func smallFake(t testing.TB, streams int) *mdmtest.APNs {
	t.Helper()
	fake, err := mdmtest.StartAPNs(&mdmtest.APNsOptions{MaxStreams: streams})
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	return fake
}

// A cold start is where net/http opens a connection per waiting request.
func TestConnectionsOfAColdStart(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	p := newPusher(t, fake, apns.Options{Workers: 500, MaxConns: 4})

	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1000)))

	stats := fake.Stats()
	require.Equal(t, 1000, stats.Delivered)
	require.Equal(t, 1000, stats.Requests, "nothing was sent twice")
	require.Equal(t, 1, stats.Total, "one connection takes 1000 requests at once")
	require.Equal(t, 1, p.Connections())
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1000)))
	require.Equal(t, 1, fake.Stats().Total, "the connection is kept")
}

func TestConnectionsAreTriedOutByOneRequest(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	release := fake.Hold()
	p := newPusher(t, fake, apns.Options{})
	done := make(chan []apns.Outcome, 1)
	go func() { done <- p.Push(context.Background(), targets(fake.Topic, 100)) }()
	require.Eventually(t, func() bool { return fake.Stats().InFlight == 1 }, 10*time.Second, time.Millisecond)
	fake.Delay(20 * time.Millisecond) // the others would show by then
	release()
	requireAll(t, apns.Delivered, <-done)
	first := fake.Requests()[0]
	require.Equal(t, 1, first.Connection)
	require.Equal(t, 1, fake.Stats().Total)
}

func TestConnectionsAreLimited(t *testing.T) {
	for _, c := range []struct {
		name           string
		streams, limit int
		total, peak    int
	}{
		{"the default is two", 20, 0, 2, 40},
		{"one", 20, 1, 1, 20},
		{"four", 20, 4, 4, 80},
		{"no more than needed", 60, 4, 2, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := smallFake(t, c.streams)
			p := newPusher(t, fake, apns.Options{Workers: 100, MaxConns: c.limit})
			requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1)))
			fake.Delay(10 * time.Millisecond)

			requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1000)))

			stats := fake.Stats()
			require.Equal(t, 1001, stats.Requests)
			require.Equal(t, c.total, stats.Total)
			require.Equal(t, c.total, p.Connections())
			require.LessOrEqual(t, stats.PeakStreams, c.peak)
		})
	}
}

func TestGoAwayIsTriedAgain(t *testing.T) {
	t.Run("in place of an answer", func(t *testing.T) {
		fake := mdmtest.NewAPNs(t)
		p := newPusher(t, fake, apns.Options{})
		requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1)))
		fake.Answer("", mdmtest.APNsAnswer{GoAway: true})

		outcomes := p.Push(t.Context(), targets(fake.Topic, 1))

		requireAll(t, apns.Delivered, outcomes)
		require.Equal(t, 1, outcomes[0].Attempts, "it was sent again at once")
		require.Equal(t, 2, fake.Stats().Total)
		require.Eventually(t, func() bool { return fake.Stats().Open == 1 }, 10*time.Second, time.Millisecond, "the former connection is closed")
	})
	t.Run("to the first request", func(t *testing.T) {
		fake := mdmtest.NewAPNs(t)
		p := newPusher(t, fake, apns.Options{})
		fake.Answer("", mdmtest.APNsAnswer{GoAway: true})
		outcomes := p.Push(t.Context(), targets(fake.Topic, 300))
		requireAll(t, apns.Delivered, outcomes)
		require.Equal(t, 2, fake.Stats().Total)
		require.Equal(t, 301, fake.Stats().Requests, "only one request was spent on a connection of no use")
	})
	t.Run("while idle", func(t *testing.T) {
		fake := mdmtest.NewAPNs(t)
		p := newPusher(t, fake, apns.Options{})
		requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1)))
		fake.GoAway()
		require.Eventually(t, func() bool { return fake.Stats().Open == 0 }, 10*time.Second, time.Millisecond)
		outcomes := p.Push(t.Context(), targets(fake.Topic, 1))
		requireAll(t, apns.Delivered, outcomes)
		require.Equal(t, 2, fake.Stats().Total)
	})
	t.Run("to all, while idle", func(t *testing.T) {
		fake := smallFake(t, 20)
		p := newPusher(t, fake, apns.Options{Workers: 100})
		fake.Delay(5 * time.Millisecond)
		requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 200)))
		require.Equal(t, 2, p.Connections())
		fake.GoAway()
		require.Eventually(t, func() bool { return fake.Stats().Open == 0 }, 10*time.Second, time.Millisecond)
		outcomes := p.Push(t.Context(), targets(fake.Topic, 10))
		requireAll(t, apns.Delivered, outcomes)
		requireAttempts(t, 1, outcomes)
	})
	t.Run("after an answer", func(t *testing.T) {
		for range 10 {
			fake := mdmtest.NewAPNs(t)
			p := newPusher(t, fake, apns.Options{MaxConns: 1, Workers: 20})
			fake.Answer("", mdmtest.APNsAnswer{}, mdmtest.APNsAnswer{LastOne: true})
			outcomes := p.Push(t.Context(), targets(fake.Topic, 500))
			requireAll(t, apns.Delivered, outcomes)
			requireAttempts(t, 1, outcomes)
			require.Equal(t, 2, fake.Stats().Total)
		}
	})
	t.Run("again and again under load", func(t *testing.T) {
		fake := mdmtest.NewAPNs(t)
		p := newPusher(t, fake, apns.Options{Attempts: 10})
		all := targets(fake.Topic, 2000)
		for i := 100; i < len(all); i += 400 {
			fake.Answer(tokenOf(all[i]), mdmtest.APNsAnswer{GoAway: true})
		}
		requireAll(t, apns.Delivered, p.Push(t.Context(), all))
		seen := map[string]bool{}
		for _, push := range fake.Pushes() {
			seen[push.Token] = true
		}
		require.Len(t, seen, len(all))
		require.Empty(t, fake.Rejected())
	})
}

func TestABrokenConnectionIsTriedAgain(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	p := newPusher(t, fake, apns.Options{})
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1)))
	fake.Answer("", mdmtest.APNsAnswer{Reset: true})
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 50)))
	require.Equal(t, 2, fake.Stats().Total)
}

func TestAnAbortedRequestIsTriedAgainOnTheSameConnection(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	w := &waits{}
	p := newPusher(t, fake, apns.Options{Wait: w.wait})
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1)))
	all := targets(fake.Topic, 50)
	fake.Answer(tokenOf(all[20]), mdmtest.APNsAnswer{Abort: true})
	outcomes := p.Push(t.Context(), all)
	requireAll(t, apns.Delivered, outcomes)
	require.Equal(t, 2, outcomes[20].Attempts)
	require.Len(t, w.all(), 1)
	require.Equal(t, 1, fake.Stats().Total)
}

func TestARedirectionIsNotFollowed(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	p := newPusher(t, fake, apns.Options{})
	fake.Answer("", mdmtest.APNsAnswer{Status: http.StatusTemporaryRedirect, Location: "/3/device/ffff"})
	outcomes := p.Push(t.Context(), targets(fake.Topic, 1))
	requireAll(t, apns.Failed, outcomes)
	require.Equal(t, http.StatusTemporaryRedirect, outcomes[0].HTTPStatus)
	require.Len(t, fake.Requests(), 1)
}

// counting returns a Proxy that counts the connections that are tried.
func counting(dials *atomic.Int64) func(*http.Request) (*url.URL, error) {
	return func(*http.Request) (*url.URL, error) {
		dials.Add(1)
		return nil, nil
	}
}

// What meets all is found out once an attempt, not once a target.
func TestANetworkThatIsDownIsNotHammered(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	fake.Close()
	var dials atomic.Int64
	w := &waits{}
	p := newPusher(t, fake, apns.Options{Proxy: counting(&dials), Wait: w.wait})

	outcomes := p.Push(t.Context(), targets(fake.Topic, 5000))

	requireAll(t, apns.Retry, outcomes)
	for _, o := range outcomes {
		require.Equal(t, apns.ReasonConnection, o.Reason)
		require.ErrorIs(t, o.Err, mdm.CodeUnavailable)
	}
	require.Len(t, w.all(), 2)
	// All who wait share one failure, but who comes a moment later may find it
	// out again.
	require.LessOrEqual(t, dials.Load(), int64(30))
}

// A second connection that cannot be had is no harm while there is a first.
func TestOneConnectionHasToDo(t *testing.T) {
	fake := smallFake(t, 10)
	var dials atomic.Int64
	p := newPusher(t, fake, apns.Options{Attempts: 1, Workers: 100, Proxy: func(*http.Request) (*url.URL, error) {
		if dials.Add(1) > 1 {
			return nil, errors.New("no more")
		}
		return nil, nil
	}})
	outcomes := p.Push(t.Context(), targets(fake.Topic, 1000))
	requireAll(t, apns.Delivered, outcomes)
	require.Equal(t, 1, fake.Stats().Total)
	require.EqualValues(t, 2, dials.Load())
}

func TestAServerThatIsNotApple(t *testing.T) {
	t.Run("unknown certificate", func(t *testing.T) {
		fake := mdmtest.NewAPNs(t)
		p, err := apns.New(fake.Certificate, &apns.Options{Host: fake.URL, RootCAs: mdmtest.NewAPNs(t).RootCAs})
		require.NoError(t, err)
		defer p.Close()
		outcomes := p.Push(t.Context(), targets(fake.Topic, 20))
		requireAll(t, apns.Failed, outcomes)
		for _, o := range outcomes {
			require.Equal(t, apns.ReasonServerUntrusted, o.Reason)
		}
		require.Zero(t, fake.Stats().Requests)
	})
	t.Run("no HTTP/2", func(t *testing.T) {
		var requests atomic.Int64
		certificate, roots := serverCertificate(t)
		listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
		require.NoError(t, err)
		server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }), ErrorLog: log.New(io.Discard, "", 0)}
		stopped := make(chan error, 1)
		go func() { stopped <- server.Serve(listener) }()
		fake := mdmtest.NewAPNs(t)
		p, err := apns.New(fake.Certificate, &apns.Options{Host: "https://" + listener.Addr().String(), RootCAs: roots})
		require.NoError(t, err)
		outcomes := p.Push(t.Context(), targets(fake.Topic, 20))
		requireAll(t, apns.Failed, outcomes)
		require.Equal(t, apns.ReasonServerUntrusted, outcomes[0].Reason)
		require.Zero(t, requests.Load(), "no token reaches such a server")
		require.NoError(t, p.Close())
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-stopped, http.ErrServerClosed)
	})
}

// A certificate that Apple revoked is refused in the handshake, which in TLS
// 1.3 shows only in place of the first answer.
func TestARefusedCertificate(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			fake := mdmtest.NewAPNs(t)
			other := mdmtest.NewAPNs(t)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer listener.Close()
			server, roots := serverCertificate(t)
			var accepted atomic.Int64
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					raw, err := listener.Accept()
					if err != nil {
						return
					}
					accepted.Add(1)
					conn := tls.Server(raw, &tls.Config{
						Certificates: []tls.Certificate{server},
						NextProtos:   []string{"h2"},
						MaxVersion:   version,
						ClientAuth:   tls.RequireAndVerifyClientCert,
						ClientCAs:    other.RootCAs,
					})
					if conn.Handshake() == nil {
						t.Error("the certificate was accepted")
					}
					// Let the alert arrive before the connection ends.
					_, _ = io.Copy(io.Discard, raw)
					raw.Close()
				}
			}()
			p, err := apns.New(fake.Certificate, &apns.Options{Host: "https://" + listener.Addr().String(), RootCAs: roots})
			require.NoError(t, err)

			outcomes := p.Push(t.Context(), targets(fake.Topic, 500))

			requireAll(t, apns.Failed, outcomes)
			for _, o := range outcomes {
				require.Equal(t, apns.ReasonCertificateRefused, o.Reason)
				require.ErrorIs(t, o.Err, mdm.CodeForbidden)
			}
			require.LessOrEqual(t, accepted.Load(), int64(10))
			require.NoError(t, p.Close())
			if version == tls.VersionTLS13 {
				// A refusal that comes before the first request says as much.
				late, err := apns.LateFault(t.Context(), fake.Certificate, "https://"+listener.Addr().String(), roots, func(over func() bool) {
					require.Eventually(t, over, 10*time.Second, time.Millisecond)
				})
				require.NoError(t, err)
				require.Equal(t, apns.ReasonCertificateRefused, late.Reason, late.Err)
			}
			require.NoError(t, listener.Close())
			<-done
		})
	}
}

func TestPushGoesThroughAProxy(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Method + " " + r.Host)
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			up.Close()
			return
		}
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(up, down)
			up.Close()
		}()
		_, _ = io.Copy(down, up)
		down.Close()
	}))
	defer proxy.Close()
	through, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	p := newPusher(t, fake, apns.Options{Proxy: http.ProxyURL(through)})
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 10)))
	require.Equal(t, "CONNECT "+fake.URL[len("https://"):], asked.Load())
	require.NoError(t, p.Close())
}
