package mdmtest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"sync"
	"testing"
	"time"
)

// APNs is a fake of the Apple Push Notification service: real TLS, real HTTP/2
// and an open port on 127.0.0.1. It refuses what Apple refuses, with Apple's
// reasons, and can be told to be gone, busy, slow or on its way out. It shares
// no code with the pusher, so that it can judge one.
//
// Sources: Apple, "Sending notification requests to APNs", "Handling
// notification responses from APNs", "Sending MDM commands to a device".
//
// All methods are safe for concurrent use.
type APNs struct {
	URL         string          // https://127.0.0.1:port, for the pusher's Host
	RootCAs     *x509.CertPool  // trusts the fake's server certificate
	Topic       string          // of Certificate
	Certificate tls.Certificate // a push certificate of Topic that the fake accepts

	ca     *apnsCA
	server *http.Server
	served chan struct{} // closed when the server has stopped
	done   chan struct{} // closed by Close; releases answers that wait
	keep   int

	answering sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	delay    time.Duration
	hold     chan struct{} // non-nil while answers are held back
	gone     map[string]time.Time
	script   map[string][]APNsAnswer
	hooks    []func(token, magic string)
	requests []APNsRequest
	stats    APNsStats
	conns    map[*apnsConn]struct{}
}

// APNsOptions are the optional settings of [StartAPNs].
type APNsOptions struct {
	// Topic of the generated push certificate. Empty means a new one that
	// begins with com.apple.mgmt.External.
	Topic string
	// MaxStreams is how many requests a connection may have open at once.
	// Zero means 1000, which is what Apple announces.
	MaxStreams int
	// Keep bounds how many requests are remembered, the oldest going first.
	// Zero means all; negative means none, for load runs. Counts are kept in
	// any case.
	Keep int
}

// APNsStats counts what the fake saw since it was started.
type APNsStats struct {
	Requests    int // all, whatever was answered
	Delivered   int // answered with 200
	Open        int // connections open now
	Total       int // connections ever accepted
	PeakOpen    int // the most connections open at once
	InFlight    int // requests being answered now
	PeakStreams int // the most requests being answered at once, over all connections
}

// NewAPNs starts a fake APNs that is closed when the test ends.
func NewAPNs(t testing.TB) *APNs {
	t.Helper()
	a, err := StartAPNs(nil)
	if err != nil {
		t.Fatalf("start the fake APNs: %v", err)
	}
	t.Cleanup(a.Close)
	return a
}

// Close stops the fake, breaks its connections, and waits until no request is
// being answered. It may be called more than once.
func (a *APNs) Close() {
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.done)
	}
	a.mu.Unlock()
	// An error says that a listener or a connection was closed already.
	_ = a.server.Close()
	<-a.served
	a.answering.Wait()
}

// Stats returns the counts so far.
func (a *APNs) Stats() APNsStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stats
}

// OnPush adds a hook that is called with the token, in lower-case hexadecimal,
// and the magic of every push that is accepted, before it is answered: when a
// pusher reports a push as delivered, the hook has run. Hooks run on the
// request's goroutine, many at once; they should signal and return. APNs does
// not know what a device's magic is: that is for [Apple.Pushed].
func (a *APNs) OnPush(hook func(token, magic string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hooks = append(a.hooks, hook)
}

// IssueCertificate makes another push certificate that the fake accepts. A
// zero notBefore means an hour ago; a zero notAfter means in a year.
func (a *APNs) IssueCertificate(topic string, notBefore, notAfter time.Time) (tls.Certificate, error) {
	return a.ca.push(topic, notBefore, notAfter)
}
