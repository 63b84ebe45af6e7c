package apns

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sideshow/apns2"

	"github.com/keelson-mdm/keelson/mdm"
)

// The hosts of APNs. MDM has only the production one; port 2197 serves where a
// firewall keeps 443 for itself.
const (
	ProductionHost    = apns2.HostProduction
	AlternatePortHost = apns2.HostProduction + ":2197"
)

// Options are the optional settings of [New].
type Options struct {
	// Host is the base URL of APNs: https, without a path. Empty means
	// [ProductionHost].
	Host string
	// Workers is how many pushes are under way at once, over all calls. Zero
	// means 256; the most is 4000.
	Workers int
	// MaxConns is how many connections are kept. One is opened when those there
	// are full. Zero means 2; the most is 4.
	MaxConns int
	// Timeout is for one attempt of one push, waiting for a connection
	// included. Zero means 15 seconds; negative is refused.
	Timeout time.Duration
	// Attempts is how often a push is tried within one call, with a pause before
	// each further one. Zero means 3; 1 never tries again; the most is 10. What
	// a closing connection leaves unanswered is sent over another at once, and
	// that is no attempt of its own.
	Attempts int
	// MaxWait is the longest pause between two attempts within one call. A push
	// that APNs wants to see later than that is answered with [Retry] and that
	// wait. Zero means 5 seconds; negative means that nothing is tried again
	// within a call.
	MaxWait time.Duration
	// Expiration is how long APNs keeps a push for a device that is offline.
	// Zero means 7 days; negative means that it is not kept.
	Expiration time.Duration
	// Priority is the apns-priority: 10 at once, 5 or 1 when it suits the
	// device. Zero means 10.
	Priority int
	// RootCAs are trusted for the server's certificate. Nil means the system's.
	RootCAs *x509.CertPool
	// Proxy gives the proxy for connections, by CONNECT. Nil means
	// [http.ProxyFromEnvironment].
	Proxy func(*http.Request) (*url.URL, error)
	// Clock is for expirations and the certificate. Nil means the system's.
	Clock mdm.Clock
	// Wait pauses between attempts; it returns early, with an error, when the
	// context ends. Nil means a timer.
	Wait func(context.Context, time.Duration) error
	// Rand spreads pauses: a number in [0,1). Nil means math/rand/v2. It is
	// called from several goroutines.
	Rand func() float64
	// Logger gets connections opened and lost, and a line per call. No token
	// and no magic is logged. Nil means none.
	Logger *slog.Logger
	// Meter gets apns_pushes by outcome and apns_push_seconds per call. Nil
	// means none.
	Meter mdm.Meter
}

// Pusher sends MDM pushes for one topic. It is safe for concurrent use. [New]
// makes it; nothing is sent and no goroutine runs before the first Push.
type Pusher struct {
	options Options // with the defaults filled in
	host    string
	address string        // host:port to dial
	places  chan struct{} // one taken per push under way

	life   context.Context // ends with Close
	end    context.CancelCauseFunc
	tasks  sync.WaitGroup // dials and closings
	pushes sync.WaitGroup // calls of Push

	mu     sync.Mutex // guards closed, and writing to link
	closed bool
	link   atomic.Pointer[link]
}

// New makes a pusher for the topic of a push certificate. Nil options mean the
// defaults. The error is an [*mdm.Error]: its field is "certificate.not_after"
// for a certificate that has expired, "certificate.topic" for one without an
// MDM topic, "certificate.key" when the private key is missing or another's,
// "certificate" when there is none or it cannot be read, or the name of an
// option.
func New(cert tls.Certificate, o *Options) (*Pusher, error) {
	p := &Pusher{}
	if o != nil {
		p.options = *o
	}
	if err := p.options.complete(); err != nil {
		return nil, err
	}
	var err error
	if p.host, p.address, err = parseHost(p.options.Host); err != nil {
		return nil, err
	}
	id, err := newIdentity(cert, p.options.Clock.Now())
	if err != nil {
		return nil, err
	}
	p.places = make(chan struct{}, p.options.Workers)
	p.life, p.end = context.WithCancelCause(context.Background())
	p.link.Store(p.newLink(id))
	return p, nil
}

// complete fills in the defaults and refuses what makes no sense.
func (o *Options) complete() error {
	counts := []struct {
		name              string
		value             *int
		byDefault, atMost int
	}{
		{"workers", &o.Workers, 256, 4000},
		{"max_conns", &o.MaxConns, 2, 4},
		{"attempts", &o.Attempts, 3, 10},
	}
	for _, c := range counts {
		if *c.value == 0 {
			*c.value = c.byDefault
		}
		if *c.value < 1 || *c.value > c.atMost {
			return mdm.Errorf(mdm.CodeInvalid, c.name, "%s is 1 to %d, or 0 for %d", c.name, c.atMost, c.byDefault)
		}
	}
	if o.Timeout < 0 {
		return mdm.Errorf(mdm.CodeInvalid, "timeout", "a push needs a timeout; 0 means 15 seconds")
	}
	switch o.Priority {
	case 0:
		o.Priority = apns2.PriorityHigh
	case 1, apns2.PriorityLow, apns2.PriorityHigh:
	default:
		return mdm.Errorf(mdm.CodeInvalid, "priority", "apns-priority is 1, 5 or 10")
	}
	durations := []struct {
		value     *time.Duration
		byDefault time.Duration
	}{
		{&o.Timeout, 15 * time.Second},
		{&o.MaxWait, 5 * time.Second},
		{&o.Expiration, 7 * 24 * time.Hour},
	}
	for _, d := range durations {
		if *d.value == 0 {
			*d.value = d.byDefault
		}
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.Clock == nil {
		o.Clock = mdm.SystemClock{}
	}
	if o.Wait == nil {
		o.Wait = waitFor
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// parseHost returns the base URL and the address to dial.
func parseHost(host string) (base, address string, err error) {
	if host == "" {
		host = ProductionHost
	}
	u, err := url.Parse(host)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		return "", "", mdm.Errorf(mdm.CodeInvalid, "host", "the host of APNs is a URL such as %s, without a path", ProductionHost)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return "https://" + u.Host, net.JoinHostPort(u.Hostname(), port), nil
}

// waitFor is the default of Options.Wait.
func waitFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *Pusher) newLink(id *identity) *link {
	connections := &pool{
		dial:    newDialer(id, p.address, p.options.RootCAs, p.options.Proxy).dial,
		limit:   p.options.MaxConns,
		log:     p.options.Logger.With("topic", id.topic),
		now:     p.options.Clock.Now,
		tasks:   &p.tasks,
		retired: map[*conn]struct{}{},
	}
	return &link{
		identity: id,
		pool:     connections,
		client: &apns2.Client{
			Host: p.host,
			HTTPClient: &http.Client{
				Transport:     &courier{pool: connections, storeNone: p.options.Expiration < 0},
				CheckRedirect: noRedirect,
			},
		},
	}
}

// Topic returns the topic of the push certificate, which is also what an
// enrollment profile names.
func (p *Pusher) Topic() string { return p.link.Load().identity.topic }

// NotAfter returns when the push certificate expires. Apple has it renewed
// every year; when it has expired, every push fails.
func (p *Pusher) NotAfter() time.Time { return p.link.Load().identity.notAfter }

// Connections returns how many connections are open and in use.
func (p *Pusher) Connections() int { return p.link.Load().pool.open() }

// ReloadOptions are the optional settings of [Pusher.Reload].
type ReloadOptions struct {
	// AnotherTopic takes a certificate of another topic as well. Devices that
	// were enrolled with the former topic cannot be woken then and have to
	// enroll again.
	AnotherTopic bool
}

var errReplaced = errors.New("the push certificate was replaced")

// Reload replaces the push certificate, as after its yearly renewal, without
// losing a push: those under way end with the former one, whose connections
// are closed then. A certificate that [New] would refuse is refused alike; one
// of another topic, which comes of making a new certificate in place of a
// renewal, is refused with [mdm.CodeConflict] and the field
// "certificate.topic", unless the options, which may be nil, say otherwise.
// When it returns an error, nothing has changed.
func (p *Pusher) Reload(cert tls.Certificate, o *ReloadOptions) error {
	id, err := newIdentity(cert, p.options.Clock.Now())
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return mdm.WrapError(mdm.CodeConflict, "", "the pusher is closed", errClosed)
	}
	former := p.link.Load()
	if id.topic != former.identity.topic && (o == nil || !o.AnotherTopic) {
		return mdm.Errorf(mdm.CodeConflict, "certificate.topic",
			"the topic would change from %s to %s and every enrolled device would be lost: renew the former certificate instead, with the Apple Account that made it",
			former.identity.topic, id.topic)
	}
	p.link.Store(p.newLink(id))
	former.pool.drain(errReplaced)
	p.options.Logger.Info("apns: push certificate replaced", "topic", id.topic, "not_after", id.notAfter)
	return nil
}

// Close interrupts what is under way, closes the connections and waits for
// both. Pushes that it interrupts, and later ones, end as [Retry] with
// [ReasonClosed]. It returns nil and may be called more than once.
func (p *Pusher) Close() error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	if first {
		p.end(errClosed)
		p.link.Load().pool.drain(errClosed)
	}
	p.pushes.Wait()
	p.tasks.Wait()
	return nil
}
