package mdmtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// clientKey says what a connection depends on: who the device is, whom it
// trusts, and whether it trusts a server on this machine blindly.
type clientKey struct {
	id       *identity // nil presents no client certificate
	enr      *enrollment
	loopback bool
	follow   bool // redirects
}

type deviceClient struct {
	http  *http.Client
	close func()
}

// client returns the HTTP client for one use, keeping connections alive from
// one use to the next.
func (a *Apple) client(rawURL string, id *identity, enr *enrollment, follow bool) *http.Client {
	key := clientKey{id: id, enr: enr, follow: follow}
	if u, err := url.Parse(rawURL); err == nil && a.opts.RootCAs == nil {
		key.loopback = a.opts.TrustLoopback && isLoopback(u.Hostname())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.clients[key]
	if c == nil {
		c = a.newClient(key)
		a.clients[key] = c
	}
	return c.http
}

// Close closes the idle connections that the device keeps. It stays usable.
func (a *Apple) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, c := range a.clients {
		c.close()
		delete(a.clients, key)
	}
}

func (a *Apple) newClient(key clientKey) *deviceClient {
	client := &http.Client{}
	if a.opts.HTTPClient != nil {
		*client = *a.opts.HTTPClient
	}
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		switch {
		case !key.follow:
			return http.ErrUseLastResponse
		case len(via) > 10:
			return errors.New("more than 10 redirects")
		}
		return a.checkRedirect(req.URL, key.loopback)
	}
	c := &deviceClient{http: client, close: func() {}}
	given := client.Transport
	if given == nil {
		given = http.DefaultTransport
	}
	base, ok := given.(*http.Transport)
	if !ok || a.opts.HTTPClient != nil && key.id == nil {
		return c // as it is
	}
	transport := base.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if a.opts.HTTPClient == nil {
		transport.TLSClientConfig.Time = a.opts.Clock
		transport.TLSClientConfig.RootCAs = a.roots(key.enr)
		transport.TLSClientConfig.InsecureSkipVerify = key.loopback
	}
	if key.id != nil {
		cert := &tls.Certificate{Certificate: [][]byte{key.id.cert.Raw}, PrivateKey: key.id.key, Leaf: key.id.cert}
		transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return cert, nil
		}
	}
	client.Transport, c.close = transport, transport.CloseIdleConnections
	return c
}

// roots returns what the device trusts: the option or the system's, and the
// certificate payloads of its enrollment profile.
func (a *Apple) roots(enr *enrollment) *x509.CertPool {
	if enr == nil || len(enr.roots) == 0 {
		return a.opts.RootCAs
	}
	pool := a.opts.RootCAs
	if pool != nil {
		pool = pool.Clone()
	} else if system, err := x509.SystemCertPool(); err == nil {
		pool = system
	} else {
		pool = x509.NewCertPool()
	}
	for _, cert := range enr.roots {
		pool.AddCert(cert)
	}
	return pool
}

// checkRedirect keeps a redirect from leaving TLS, and from leaving this machine
// once certificates are not verified.
func (a *Apple) checkRedirect(to *url.URL, loopback bool) error {
	local := isLoopback(to.Hostname())
	switch {
	case loopback && !local:
		return fmt.Errorf("redirect from this machine to %s", to.Host)
	case to.Scheme != "https" && !(local && a.opts.TrustLoopback):
		return fmt.Errorf("redirect to %s, which is not HTTPS", to.Redacted())
	}
	return nil
}
