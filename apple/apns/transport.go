package apns

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/sideshow/apns2"
)

const (
	dialTimeout  = 20 * time.Second // for name, connection, proxy and handshake together
	writeTimeout = 10 * time.Second // for bytes that the network does not take
	pingAfter    = 60 * time.Second // of silence on a connection
	pingTimeout  = 15 * time.Second
	maxAnswer    = 8 << 10 // bytes of an answer that are read; Apple's have about a hundred
)

var errNoHTTP2 = errors.New("the server does not speak HTTP/2")

// link is the way to APNs with one certificate.
type link struct {
	identity *identity
	client   *apns2.Client
	pool     *pool
}

// exchange notes what apns2 does not pass on of an answer.
type exchange struct {
	status     int
	retryAfter string
	id         string
}

type exchangeKey struct{}

func withExchange(ctx context.Context, ex *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, ex)
}

// dialer opens connections with one certificate.
type dialer struct {
	transport *http.Transport // its own pool is not used: see pool
	address   string
}

func newDialer(id *identity, address string, roots *x509.CertPool, proxy func(*http.Request) (*url.URL, error)) *dialer {
	protocols := &http.Protocols{}
	protocols.SetHTTP2(true)
	host, _, _ := net.SplitHostPort(address) // as joined by parseHost
	config := &tls.Config{
		RootCAs:    roots,
		ServerName: host,
		NextProtos: []string{"h2"},
		MinVersion: tls.VersionTLS12,
		// Sent whatever authorities the server names, so that a refusal is a
		// refusal and not a request without a certificate.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &id.cert, nil },
		VerifyConnection: func(state tls.ConnectionState) error {
			if state.NegotiatedProtocol != "h2" {
				return errNoHTTP2
			}
			return nil
		},
	}
	plain := &net.Dialer{KeepAlive: 30 * time.Second}
	return &dialer{address: address, transport: &http.Transport{
		Proxy:           proxy,
		DialContext:     plain.DialContext,
		TLSClientConfig: config,
		// Without a proxy, for the sake of securedKey alone.
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			raw, err := plain.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			secure := tls.Client(raw, config)
			if err := secure.HandshakeContext(ctx); err != nil {
				// The handshake's error is the one to tell.
				_ = raw.Close()
				return nil, err
			}
			if keep, ok := ctx.Value(securedKey{}).(**tls.Conn); ok {
				*keep = secure
			}
			return secure, nil
		},
		Protocols:          protocols,
		DisableCompression: true,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  pingAfter,
			PingTimeout:      pingTimeout,
			WriteByteTimeout: writeTimeout,
		},
	}}
}

// securedKey is for the place in which the TLS connection of a dial is kept.
type securedKey struct{}

// dial opens a connection.
func (d *dialer) dial(ctx context.Context) (*conn, error) {
	c := &conn{}
	var err error
	c.ClientConn, err = d.transport.NewClientConn(context.WithValue(ctx, securedKey{}, &c.secure), "https", d.address)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// refusal returns why the other side ended a connection that was never used:
// the TLS alert, when there was one, or else err. net/http loses an alert that
// comes before the first request, but a TLS connection repeats its last error.
func (c *conn) refusal(err error) error {
	if c.secure == nil || c.Err() == nil {
		return err
	}
	// Nothing is waited for. An error of SetReadDeadline shows in Read.
	_ = c.secure.SetReadDeadline(time.Unix(1, 0))
	var alert *net.OpError
	if _, last := c.secure.Read(make([]byte, 1)); errors.As(last, &alert) && alert.Op == remoteAlert {
		return last
	}
	return err
}

// courier is the RoundTripper of the apns2 client: it sends a request over the
// pool and reads the whole answer, so that a connection's place is free again
// when it returns.
type courier struct {
	pool      *pool
	storeNone bool // apns-expiration 0, which apns2 cannot express
}

// RoundTrip implements [http.RoundTripper].
func (c *courier) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.storeNone {
		req = req.Clone(req.Context())
		req.Header.Set("apns-expiration", "0")
	}
	resp, release, err := c.pool.roundTrip(req)
	if err != nil {
		return nil, err
	}
	defer release()
	// What cannot be read is judged by the status.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	// Closing a body that was read cannot fail.
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if ex, ok := req.Context().Value(exchangeKey{}).(*exchange); ok {
		ex.status = resp.StatusCode
		ex.retryAfter = resp.Header.Get("Retry-After")
		ex.id = apnsID(resp.Header.Get("apns-id"))
	}
	return resp, nil
}

// apnsID passes on an id of at most 36 hexadecimal digits and hyphens, and
// nothing else.
func apnsID(id string) string {
	if len(id) > 36 {
		return ""
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') && c != '-' {
			return ""
		}
	}
	return id
}

// noRedirect gives a redirection to the caller: a push goes to APNs only.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
