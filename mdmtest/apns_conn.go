package mdmtest

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"sync"
)

// GoAway ends every connection that is open now, as Apple does when a server
// shuts down: a GOAWAY that disowns all requests not answered yet. A push
// whose answer is lost that way was accepted and may come again.
func (a *APNs) GoAway() {
	a.mu.Lock()
	conns := make([]*apnsConn, 0, len(a.conns))
	for c := range a.conns {
		conns = append(conns, c)
	}
	a.mu.Unlock()
	for _, c := range conns {
		c.goAway()
	}
}

type apnsConnKey struct{}

func apnsConnOf(ctx context.Context) *apnsConn {
	c, _ := ctx.Value(apnsConnKey{}).(*apnsConn)
	return c
}

type apnsListener struct {
	net.Listener
	fake   *APNs
	config *tls.Config
}

// Accept returns a connection whose TLS handshake happens at its first Read.
func (l *apnsListener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	a := l.fake
	a.mu.Lock()
	defer a.mu.Unlock()
	secure := tls.Server(raw, l.config)
	c := &apnsConn{Conn: secure, tls: secure, fake: a}
	a.stats.Total++
	a.stats.Open++
	a.stats.PeakOpen = max(a.stats.PeakOpen, a.stats.Open)
	c.number = a.stats.Total
	a.conns[c] = struct{}{}
	return c, nil
}

// apnsConn is one connection of a provider. It follows the frames that the
// HTTP/2 server writes, so that a GOAWAY can be put between two of them.
type apnsConn struct {
	net.Conn // is tls, whose methods must not show: http.Server would look for ALPN
	tls      *tls.Conn
	fake     *APNs
	number   int // 1 for the first connection, and so on

	mu     sync.Mutex
	header []byte // of the frame being written, until it is complete
	left   int    // bytes of the frame being written that are still to come
	wanted bool   // a GOAWAY goes out at the next boundary
	gone   bool   // it has gone out: nothing else leaves

	closing sync.Once
}

// goAway sends a GOAWAY and nothing after it.
func (c *apnsConn) goAway() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = true
	if c.atBoundary() {
		c.sendGoAway()
	}
}

// isGone reports whether what is answered now is lost.
func (c *apnsConn) isGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone || c.wanted
}

// Write passes on what the HTTP/2 server writes, up to the frame after which a
// GOAWAY is due, and drops the rest.
func (c *apnsConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return len(b), nil
	}
	end := c.follow(b)
	if n, err := c.Conn.Write(b[:end]); err != nil {
		return n, err
	}
	if c.wanted && c.atBoundary() {
		c.sendGoAway()
	}
	return len(b), nil
}

// follow reads the frames of b (RFC 9113, 4.1) and returns how much of it may
// be written: all, or up to the boundary at which a GOAWAY is due. c.mu is held.
func (c *apnsConn) follow(b []byte) int {
	for i := 0; i < len(b); {
		if c.left > 0 {
			n := min(c.left, len(b)-i)
			c.left -= n
			i += n
		} else {
			n := min(9-len(c.header), len(b)-i)
			c.header = append(c.header, b[i:i+n]...)
			i += n
			if len(c.header) < 9 {
				break
			}
			c.left = int(c.header[0])<<16 | int(c.header[1])<<8 | int(c.header[2])
			c.header = c.header[:0]
		}
		if c.wanted && c.atBoundary() {
			return i
		}
	}
	return len(b)
}

// atBoundary reports whether the last frame is complete. c.mu is held.
func (c *apnsConn) atBoundary() bool { return c.left == 0 && len(c.header) == 0 }

// sendGoAway writes the frame (RFC 9113, 6.8) with Apple's reason as its debug
// data and ends the writing side; the peer hangs up then. c.mu is held.
func (c *apnsConn) sendGoAway() {
	c.gone = true
	reason := `{"reason":"Shutdown"}`
	frame := []byte{0, 0, byte(8 + len(reason)), 7, 0, 0, 0, 0, 0}
	frame = binary.BigEndian.AppendUint32(frame, 0) // no stream was processed
	frame = binary.BigEndian.AppendUint32(frame, 0) // NO_ERROR
	frame = append(frame, reason...)
	// Either write fails only when the peer has hung up already.
	if _, err := c.Conn.Write(frame); err == nil {
		_ = c.tls.CloseWrite()
	}
}

// Close closes the connection and counts it out.
func (c *apnsConn) Close() error {
	c.closing.Do(func() {
		c.fake.mu.Lock()
		defer c.fake.mu.Unlock()
		delete(c.fake.conns, c)
		c.fake.stats.Open--
	})
	return c.Conn.Close()
}
