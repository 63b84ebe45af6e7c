package scep

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	smallscep "github.com/smallstep/scep"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

func TestGetCACaps(t *testing.T) {
	e := newEndpoint(t, nil)
	w := e.getRaw("operation=GetCACaps")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, "AES\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-256\n", w.Body.String())

	e = newEndpoint(t, func(o *Options) { o.Renewal = nil })
	require.Equal(t, "AES\nPOSTPKIOperation\nSCEPStandard\nSHA-256\n", e.getRaw("operation=GetCACaps&message=x").Body.String())
}

func TestGetCACert(t *testing.T) {
	e := newEndpoint(t, nil)
	w := e.getRaw("operation=GetCACert&message=any+name")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/x-x509-ca-ra-cert", w.Header().Get("Content-Type"))
	certs, err := smallscep.CACerts(w.Body.Bytes())
	require.NoError(t, err)
	require.Len(t, certs, 2)
	require.Equal(t, e.raCrt.Raw, certs[0].Raw, "the one to encrypt to comes first")
	require.Equal(t, e.ca.Certificate().Raw, certs[1].Raw)

	e = newEndpoint(t, func(o *Options) { o.Chain = nil })
	w = e.getRaw("operation=GetCACert")
	require.Equal(t, "application/x-x509-ca-cert", w.Header().Get("Content-Type"))
	require.Equal(t, e.raCrt.Raw, w.Body.Bytes())
}

func TestHTTP(t *testing.T) {
	e := newEndpoint(t, nil)
	for _, tt := range []struct {
		method, query string
		body          io.Reader
		status        int
		allow         string
	}{
		{"HEAD", "operation=GetCACaps", nil, 405, "GET, POST"},
		{"PUT", "operation=PKIOperation", nil, 405, "GET, POST"},
		{"DELETE", "", nil, 405, "GET, POST"},
		{"POST", "operation=GetCACaps", nil, 405, "GET"},
		{"POST", "operation=GetCACert", nil, 405, "GET"},
		{"GET", "", nil, 400, ""},
		{"GET", "operation=", nil, 400, ""},
		{"GET", "operation=pkioperation", nil, 400, ""},
		{"GET", "operation=GetNextCACert", nil, 400, ""},
		{"POST", "operation=nonsense", nil, 400, ""},
		{"GET", "operation=PKIOperation", nil, 400, ""},
		{"GET", "operation=PKIOperation&message=%%", nil, 400, ""},
		{"GET", "operation=PKIOperation&message=!!!!", nil, 400, ""},
		{"GET", "operation=PKIOperation&message=" + base64.StdEncoding.EncodeToString(make([]byte, MaxMessage+1)), nil, 413, ""},
		{"GET", "operation=PKIOperation&message=" + strings.Repeat("A", maxQuery), nil, 413, ""},
		{"POST", "operation=PKIOperation", strings.NewReader(strings.Repeat("x", MaxMessage)), 400, ""},
		{"POST", "operation=PKIOperation", strings.NewReader(strings.Repeat("x", MaxMessage+1)), 413, ""},
		{"POST", "operation=PKIOperation", iotest.ErrReader(errors.New("gone")), 400, ""},
		{"POST", "operation=PKIOperation", bytes.NewReader(bytes.Repeat([]byte{0x30, 0x80}, 100)), 400, ""},
	} {
		t.Run(tt.method+" "+tt.query[:min(len(tt.query), 40)], func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), tt.method, "/", tt.body)
			r.URL.RawQuery = tt.query
			e.ServeHTTP(w, r)
			require.Equal(t, tt.status, w.Code)
			require.Equal(t, tt.allow, w.Header().Get("Allow"))
		})
	}
}

// endless is a body that never ends.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func TestEndlessBody(t *testing.T) {
	e, body := newEndpoint(t, nil), &endless{}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/?operation=PKIOperation", body))
	require.Equal(t, 413, w.Code)
	require.LessOrEqual(t, body.read, MaxMessage+1, "no more is read than a message may have")
}

// The largest message that base64 can carry in a GET is not cut off by the
// bound of the query.
func TestLargestGET(t *testing.T) {
	e := newEndpoint(t, nil)
	b64 := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb, 0xef, 0xbe}, MaxMessage/3))
	require.Equal(t, strings.Repeat("+", 100), b64[:100], "each is percent-encoded")
	require.Equal(t, 400, e.get(url.Values{"operation": {"PKIOperation"}, "message": {b64}}).Code, "read, and found to be no message")
	require.Equal(t, 413, e.get(url.Values{"operation": {"PKIOperation"}, "message": {b64 + "++++"}}).Code)
}

func TestLogHoldsNoChallenge(t *testing.T) {
	var log bytes.Buffer
	e := newEndpoint(t, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	e.post(e.build(message{}))
	e.fail = mdm.Errorf(mdm.CodeChallenge, "challenge", "this challenge is used up")
	e.post(e.build(message{}))
	e.fail = errors.New("the database is gone")
	e.post(e.build(message{}))
	e.post([]byte("x"))
	text := log.String()
	for _, want := range []string{"certificate issued", "used up", "fail_info=2", "the database is gone", "unreadable message", "transaction=4A7F01", "tenant=acme"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, challenge)
	require.Equal(t, 4, strings.Count(text, "\n"))
}

func TestNewRefuses(t *testing.T) {
	e := newEndpoint(t, nil)
	issuer := IssuerFunc(e.Issue)
	onlySigns := selfSigned(t, raKey(), e.clock.at)
	onlySigns.KeyUsage = x509.KeyUsageDigitalSignature
	for _, tt := range []struct {
		name   string
		ra     RA
		issuer Issuer
		o      *Options
	}{
		{"no certificate", RA{Key: raKey()}, issuer, nil},
		{"no key", RA{Certificate: e.raCrt}, issuer, nil},
		{"the key of another", RA{Certificate: e.raCrt, Key: otherKey()}, issuer, nil},
		{"a weak key", RA{Certificate: selfSigned(t, weakKey(), e.clock.at), Key: weakKey()}, issuer, nil},
		{"a certificate that only signs", RA{Certificate: onlySigns, Key: raKey()}, issuer, nil},
		{"no issuer", RA{Certificate: e.raCrt, Key: raKey()}, nil, nil},
		{"nil in the chain", RA{Certificate: e.raCrt, Key: raKey()}, issuer, &Options{Chain: []*x509.Certificate{nil}}},
	} {
		_, err := New(tt.ra, tt.issuer, tt.o)
		require.ErrorIs(t, err, mdm.CodeInvalid, tt.name)
	}
	h, err := New(RA{Certificate: e.raCrt, Key: raKey()}, issuer, nil)
	require.NoError(t, err)
	require.Equal(t, mdm.DefaultTenant, h.tenant)
}
