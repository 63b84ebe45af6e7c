package apns

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// extraPause is how long no further connection is tried after one could not be
// opened while another works.
const extraPause = time.Minute

// pool keeps the few connections to one host; doc.go has the picture. It
// stands on [http.Transport.NewClientConn], because the pool of net/http counts
// connections wrongly under HTTP/2 when they are limited (golang/go 34941) and
// opens one per waiting request when they are not.
//
// It never uses Reserve: a request that waits inside a full connection keeps
// the door, and those with a reservation, behind it, keep the places.
type pool struct {
	dial  func(context.Context) (*conn, error)
	limit int
	log   *slog.Logger
	now   func() time.Time
	tasks *sync.WaitGroup // dials and closings under way; of the pusher

	mu       sync.Mutex
	conns    []*conn // that take requests
	retired  map[*conn]struct{}
	opening  *opening // nil when nothing is being dialed or tried out
	closed   error    // why no request is taken; nil while the pool is in use
	stopDial context.CancelFunc
	noExtra  time.Time // until then the connections there have to do
}

// conn is one connection. The pool's mu guards the fields from users on.
type conn struct {
	*http.ClientConn
	secure *tls.Conn // below it; nil behind a proxy

	users   int  // requests that hold it, waiting in it included
	room    int  // how many it takes at once, as far as was seen
	answers int  // that came, ever
	shared  bool // the first answer has come: any number may use it
	trying  bool // its first request is under way
	retired bool
}

// opening is what all wait for while a connection is dialed or tried out. err
// is set before done is closed.
type opening struct {
	done chan struct{}
	err  error
}

// openError says that no request could be sent at all, and that the next one
// would fare no better.
type openError struct{ err error }

func (e *openError) Error() string { return e.err.Error() }
func (e *openError) Unwrap() error { return e.err }

// streamError is what net/http's errors about a single request convert to,
// by their fields; all others are about the connection.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "stream error" }

// roundTrip sends one request. The caller reads and closes the body and then
// calls release. When a connection that has worked before ends in place of an
// answer, as with a GOAWAY, the request goes over another at once: sending a
// push twice is harmless.
func (p *pool) roundTrip(req *http.Request) (_ *http.Response, release func(), _ error) {
	resp, release, again, err := p.try(req)
	if !again || req.GetBody == nil {
		return resp, release, err
	}
	body, bodyErr := req.GetBody()
	if bodyErr != nil {
		return nil, nil, err
	}
	req = req.WithContext(req.Context()) // a copy: the request is the caller's
	req.Body = body
	resp, release, _, err = p.try(req)
	return resp, release, err
}

// try sends one request over one connection. again reports whether another one
// is worth trying at once.
func (p *pool) try(req *http.Request) (_ *http.Response, release func(), again bool, _ error) {
	ctx := req.Context()
	c, answers, err := p.acquire(ctx)
	if err != nil {
		if req.Body != nil {
			// The contract of a RoundTripper; a bytes.Reader cannot fail.
			_ = req.Body.Close()
		}
		return nil, nil, false, err
	}
	resp, err := c.RoundTrip(req)
	if err != nil {
		again, err = p.failed(ctx, c, answers, err)
		return nil, nil, again, err
	}
	p.answered(c)
	return resp, func() { p.release(c) }, false, nil
}

// acquire takes a place on a connection and returns how many answers that has
// given so far.
func (p *pool) acquire(ctx context.Context) (*conn, int, error) {
	for {
		p.mu.Lock()
		if p.closed != nil {
			p.mu.Unlock()
			return nil, 0, p.closed
		}
		p.prune()
		c, wait := p.pick()
		if c != nil {
			c.users++
			answers := c.answers
			p.mu.Unlock()
			return c, answers, nil
		}
		p.mu.Unlock()
		select {
		case <-wait.done:
			if wait.err != nil && !p.works() {
				return nil, 0, wait.err
			}
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		}
	}
}

// pick returns a connection for one more request, or what to wait for. mu is
// held.
func (p *pool) pick() (*conn, *opening) {
	var least, free *conn // least busy of all, and of those with room
	for _, c := range p.conns {
		if !c.shared {
			continue
		}
		// What is available goes first: requests that end in between make the
		// sum too small and never too large.
		available := c.Available()
		c.room = max(c.room, available+c.InFlight())
		if least == nil || c.users < least.users {
			least = c
		}
		if c.users < c.room && (free == nil || c.users < free.users) {
			free = c
		}
	}
	if free != nil {
		return free, nil
	}
	for _, c := range p.conns {
		if !c.shared && !c.trying {
			c.trying = true
			p.opening = &opening{done: make(chan struct{})}
			return c, nil
		}
	}
	if p.opening != nil {
		return nil, p.opening
	}
	if least == nil || len(p.conns) < p.limit && !p.now().Before(p.noExtra) {
		return nil, p.startDial()
	}
	// All are full, and no more may be opened: wait in the least busy one.
	return least, nil
}

// works reports whether there is a connection that has given answers.
func (p *pool) works() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.worksLocked()
}

func (p *pool) worksLocked() bool {
	for _, c := range p.conns {
		if c.shared {
			return true
		}
	}
	return false
}

// openFailed returns what those who waited for a connection are told. mu is
// held.
func (p *pool) openFailed(err error) error {
	p.log.Warn("apns: no connection", "error", faultOf(err, nil))
	if p.worksLocked() {
		p.noExtra = p.now().Add(extraPause)
		return err
	}
	return &openError{err}
}

// startDial opens one more connection, on a goroutine of the pool's: it serves
// whoever waits when it is there, also when who asked has left. mu is held.
func (p *pool) startDial() *opening {
	o := &opening{done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	p.opening, p.stopDial = o, cancel
	p.tasks.Go(func() {
		defer cancel()
		c, err := p.dial(ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.opening, p.stopDial = nil, nil
		switch {
		case err != nil && p.closed != nil:
			o.err = p.closed
		case err != nil:
			o.err = p.openFailed(err)
		default:
			if p.closed != nil {
				p.retired[c] = struct{}{}
				c.retired = true
				p.closeIdle(c)
				break
			}
			p.conns = append(p.conns, c)
			p.log.Debug("apns: connected", "connections", len(p.conns))
		}
		close(o.done)
	})
	return o
}

// answered notes an answer. The first one makes a connection shared.
func (p *pool) answered(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.answers++
	if c.trying {
		p.tried(c, nil)
		c.shared = true
	}
}

// failed gives back c after a request that got no answer, and retires c when
// that is its fault. It returns whether another connection is worth trying at
// once, and the error to pass on. before is the count of answers when the
// request was sent.
func (p *pool) failed(ctx context.Context, c *conn, before int, err error) (again bool, _ error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.releaseLocked(c)
	timedOut := errors.Is(context.Cause(ctx), errTimeout)
	givenUp := ctx.Err() != nil && !timedOut
	if p.closed != nil && !givenUp {
		err = p.closed
	}
	if c.trying {
		if givenUp {
			p.tried(c, nil) // the next one tries it
			return false, err
		}
		p.retire(c)
		err = p.openFailed(c.refusal(err))
		p.tried(c, err)
		return false, err
	}
	switch {
	case givenUp, errors.As(err, new(streamError)):
		return false, err
	case timedOut: // dead if nobody was answered meanwhile
		if c.answers == before {
			p.retire(c)
		}
		return false, err
	default:
		p.retire(c)
		return p.closed == nil, err
	}
}

// tried ends the wait of all who wait for c. mu is held.
func (p *pool) tried(c *conn, err error) {
	c.trying = false
	o := p.opening
	p.opening = nil
	o.err = err
	close(o.done)
}

func (p *pool) release(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.releaseLocked(c)
}

func (p *pool) releaseLocked(c *conn) {
	c.users--
	p.closeIdle(c)
}

// prune retires connections that broke or that APNs is closing while nobody
// uses them. mu is held.
func (p *pool) prune() {
	for i := len(p.conns) - 1; i >= 0; i-- {
		c := p.conns[i]
		if c.Err() != nil || c.users == 0 && c.InFlight() == 0 && c.Available() == 0 {
			p.retire(c)
			p.closeIdle(c)
		}
	}
}

// retire takes c out of use. It is closed by who gives it back last. mu is
// held.
func (p *pool) retire(c *conn) {
	if c.retired {
		return
	}
	c.retired = true
	p.retired[c] = struct{}{}
	for i, other := range p.conns {
		if other == c {
			p.conns = append(p.conns[:i:i], p.conns[i+1:]...)
			break
		}
	}
	p.log.Debug("apns: connection ended", "connections", len(p.conns))
}

// closeIdle closes c when it is retired and nobody holds it. mu is held.
func (p *pool) closeIdle(c *conn) {
	if _, waiting := p.retired[c]; !waiting || c.users > 0 {
		return
	}
	delete(p.retired, c)
	// Closing may wait for the peer, and runs hooks that take locks.
	p.tasks.Go(func() {
		// An error says that it is closed already.
		_ = c.Close()
	})
}

// drain ends the use of the pool: requests under way end as they do, new ones
// get reason.
func (p *pool) drain(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == nil {
		p.closed = reason
	}
	if p.stopDial != nil {
		p.stopDial()
	}
	for len(p.conns) > 0 {
		c := p.conns[0]
		p.retire(c)
		p.closeIdle(c)
	}
}

// open returns how many connections take requests.
func (p *pool) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}
