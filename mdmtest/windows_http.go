package mdmtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// PCHTTPError is an HTTP status with which the server declined: neither a
// violation nor a success.
type PCHTTPError struct {
	Status     int
	RetryAfter time.Duration // from the header of that name; zero when absent or a date
	Body       string        // the first 512 bytes
}

// Error implements error.
func (e *PCHTTPError) Error() string {
	return fmt.Sprintf("the server answered HTTP %d: %s", e.Status, e.Body)
}

// pcReply is one complete HTTP reply.
type pcReply struct {
	status  int
	header  http.Header
	length  int64 // Content-Length; -1 when absent
	chunked bool
	body    []byte
}

// fail turns a status other than 200 into a [PCHTTPError].
func (r *pcReply) fail() error {
	e := &PCHTTPError{Status: r.status, Body: string(r.body[:min(len(r.body), 512)])}
	if s, err := strconv.Atoi(r.header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

// judge checks what a real device needs of any reply with a body ([MS-MDE2];
// enrollment replies that are chunked fail on Windows).
func (r *pcReply) judge(media string, f *pcFindings) {
	switch {
	case r.chunked:
		f.add(PCRuleHTTP, "the reply is chunked; it needs a Content-Length")
	case r.length < 0:
		f.add(PCRuleHTTP, "the reply has no Content-Length")
	}
	if len(r.body) > pcMaxReply {
		f.add(PCRuleSize, "the reply has more than %d bytes", pcMaxReply)
	}
	if len(r.body) == 0 {
		return
	}
	got, params, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	charset, hasCharset := params["charset"]
	switch {
	case err != nil || got != media:
		f.add(PCRuleHTTP, "Content-Type is %q, want %s", r.header.Get("Content-Type"), media)
	case hasCharset && !strings.EqualFold(charset, "utf-8"):
		f.add(PCRuleHTTP, "the charset is %q, want utf-8", charset)
	case media == pcMediaSOAP && !hasCharset:
		f.add(PCRuleHTTP, "Content-Type %s has no charset=utf-8", media)
	}
}

// The media types of the two protocols.
const (
	pcMediaSOAP  = "application/soap+xml"
	pcMediaDM    = "application/vnd.syncml.dm+xml"
	pcMediaWBXML = "application/vnd.syncml.dm+wbxml"
)

// pcClient is one connection's worth of HTTP client. Windows opens a new
// connection for each session, and so do we: close ends it.
type pcClient struct {
	http  *http.Client
	close func()
}

// client makes a client that presents cert, or no certificate when nil. What
// the server's list of authorities says is not asked: a device picks its
// certificate by the search criteria it was given.
func (d *PCDevice) client(cert *tls.Certificate) *pcClient {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.opts.TLS != nil {
		cfg = d.opts.TLS.Clone()
	}
	if d.opts.Roots != nil {
		cfg.RootCAs = d.opts.Roots
	}
	if d.opts.Clock != nil {
		cfg.Time = d.opts.Clock.Now
	}
	if d.trust != nil {
		cfg.InsecureSkipVerify = true // VerifyConnection verifies
		cfg.VerifyConnection = d.trust.verify
	}
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if cert == nil {
			return &tls.Certificate{}, nil
		}
		return cert, nil
	}
	tr := &http.Transport{
		TLSClientConfig:     cfg,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true, // or net/http hides Content-Length
		MaxIdleConnsPerHost: 1,
	}
	var rt http.RoundTripper = tr
	if d.opts.Transport != nil {
		rt = d.opts.Transport(rt)
	}
	return &pcClient{
		http: &http.Client{
			Transport:     rt,
			Timeout:       d.opts.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		close: tr.CloseIdleConnections,
	}
}

// do sends one request and reads the whole reply. An error means that no
// complete reply came.
func (c *pcClient) do(ctx context.Context, method, to string, header http.Header, body []byte) (*pcReply, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, pcMaxReply+1))
	if err != nil {
		return nil, fmt.Errorf("read the reply: %w", err)
	}
	return &pcReply{
		status: res.StatusCode, header: res.Header, length: res.ContentLength,
		chunked: slices.Contains(res.TransferEncoding, "chunked"), body: b,
	}, nil
}

// pcTrust is the trust of a PC on which an administrator has installed the
// test server's certificate: what the first contact presents is a root from
// then on, and every connection is verified against it, name included.
type pcTrust struct {
	mu    sync.Mutex
	roots *x509.CertPool
	now   func() time.Time
}

// pcLoopbackTrust returns the trust for a server on this machine, or nil.
func pcLoopbackTrust(base string, now func() time.Time) *pcTrust {
	u, err := url.Parse(base)
	if err != nil {
		return nil
	}
	ip := net.ParseIP(u.Hostname())
	if u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil
	}
	return &pcTrust{now: now}
}

func (t *pcTrust) verify(cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the server presented no certificate")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.roots == nil {
		t.roots = x509.NewCertPool()
		for _, c := range cs.PeerCertificates {
			t.roots.AddCert(c)
		}
	}
	between := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{
		DNSName: cs.ServerName, Roots: t.roots, Intermediates: between, CurrentTime: t.now(),
	})
	return err
}
