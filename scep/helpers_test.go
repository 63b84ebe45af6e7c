package scep

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	smallscep "github.com/smallstep/scep"
	"github.com/smallstep/scep/x509util"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// RSA keys are slow to make: once per test binary.
func rsaOnce(bits int) func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return k
	})
}

var (
	raKey     = rsaOnce(2048)
	deviceKey = rsaOnce(2048)
	otherKey  = rsaOnce(2048)
	weakKey   = rsaOnce(1024)
)

var name = ca.Name{Tenant: "default", Enrollment: "0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77", Generation: 7}

// fixed is a clock that a test moves.
type fixed struct{ at time.Time }

func (f *fixed) Now() time.Time { return f.at }

// endpoint is a handler over a real authority on P-256, with an RA of its own.
type endpoint struct {
	*Handler
	t     testing.TB
	clock *fixed
	ca    *ca.CA
	raCrt *x509.Certificate
	// fail is what the issuer returns instead of a certificate.
	fail error
	// asked are the requests that reached the issuer.
	asked []Request
	// mu is needed where requests come from another process.
	mu sync.Mutex
}

func (e *endpoint) failWith(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail = err
}

func (e *endpoint) requests() []Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.asked)
}

func (e *endpoint) Issue(ctx context.Context, r Request) (*x509.Certificate, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, r)
	if e.fail != nil {
		return nil, e.fail
	}
	return e.ca.IssueLeaf(ctx, ca.Request{PublicKey: r.CSR.PublicKey, CommonName: "device", Purpose: ca.MDM, Name: name})
}

// newEndpoint returns an endpoint that renews; edit changes its options.
func newEndpoint(t testing.TB, edit func(*Options)) *endpoint {
	t.Helper()
	e := &endpoint{t: t, clock: &fixed{time.Now().Truncate(time.Second)}}
	root, key, err := ca.NewSelfSigned("Test root", &ca.RootOptions{Key: ca.P256, Clock: e.clock})
	require.NoError(t, err)
	e.ca, err = ca.New(root, key, &ca.Options{Clock: e.clock})
	require.NoError(t, err)
	e.raCrt, err = e.ca.IssueRA(t.Context(), &raKey().PublicKey, "Test RA")
	require.NoError(t, err)
	v, err := ca.NewVerifier([]*x509.Certificate{root}, nil)
	require.NoError(t, err)
	o := &Options{Tenant: "acme", Chain: []*x509.Certificate{root}, Renewal: v, Clock: e.clock}
	if edit != nil {
		edit(o)
	}
	e.Handler, err = New(RA{Certificate: e.raCrt, Key: raKey()}, e, o)
	require.NoError(t, err)
	return e
}

// message describes a request; the zero of each field is a good one.
type message struct {
	kind      smallscep.MessageType // PKCSReq
	key       *rsa.PrivateKey       // of the signer: deviceKey
	signer    *x509.Certificate     // self-signed with key
	csr       []byte                // for key, with the challenge "s3cret"
	to        *x509.Certificate     // the RA's
	envelope  []byte                // csr, encrypted to the RA
	digest    asn1.ObjectIdentifier // SHA-256
	without   asn1.ObjectIdentifier // an attribute to leave out
	id        any                   // of the transaction
	noSigner  bool                  // leaves out the signer's certificate
	tamper    bool                  // breaks the signature
	signerTwo bool                  // signs twice
}

const challenge = "s3cret"

func (e *endpoint) build(m message) []byte {
	t := e.t
	t.Helper()
	if m.kind == "" {
		m.kind = smallscep.PKCSReq
	}
	if m.key == nil {
		m.key = deviceKey()
	}
	if m.signer == nil {
		m.signer = selfSigned(t, m.key, e.clock.at)
	}
	if m.csr == nil {
		m.csr = newCSR(t, m.key, challenge)
	}
	if m.to == nil {
		m.to = e.raCrt
	}
	if m.envelope == nil {
		var err error
		m.envelope, err = encrypt(rand.Reader, m.csr, m.to)
		require.NoError(t, err)
	}
	if m.digest == nil {
		m.digest = pkcs7.OIDDigestAlgorithmSHA256
	}
	if m.id == nil {
		m.id = "4A7F01"
	}
	var attrs []pkcs7.Attribute
	for _, a := range []pkcs7.Attribute{
		{Type: oidTransactionID, Value: m.id},
		{Type: oidMessageType, Value: m.kind},
		{Type: oidSenderNonce, Value: []byte("0123456789abcdef")},
	} {
		if !a.Type.Equal(m.without) {
			attrs = append(attrs, a)
		}
	}
	sd, err := pkcs7.NewSignedData(m.envelope)
	require.NoError(t, err)
	sd.SetDigestAlgorithm(m.digest)
	signers := 1
	if m.signerTwo {
		signers = 2
	}
	for range signers {
		require.NoError(t, sd.AddSigner(m.signer, m.key, pkcs7.SignerInfoConfig{ExtraSignedAttributes: attrs}))
	}
	der, err := sd.Finish()
	require.NoError(t, err)
	if m.noSigner {
		der = strip(t, der)
	}
	if m.tamper {
		der[len(der)-1] ^= 1
	}
	return der
}

// strip removes the certificates of a SignedData.
func strip(t testing.TB, der []byte) []byte {
	t.Helper()
	var outer contentInfo
	var sd signedData
	_, err := asn1.Unmarshal(der, &outer)
	require.NoError(t, err)
	_, err = asn1.Unmarshal(outer.Content.Bytes, &sd)
	require.NoError(t, err)
	sd.Certificates = context0(nil)
	inner, err := asn1.Marshal(sd)
	require.NoError(t, err)
	out, err := asn1.Marshal(contentInfo{Type: outer.Type, Content: context0(inner)})
	require.NoError(t, err)
	return out
}

func newCSR(t testing.TB, key crypto.Signer, challenge string) []byte {
	t.Helper()
	der, err := x509util.CreateCertificateRequest(rand.Reader, &x509util.CertificateRequest{
		CertificateRequest: x509.CertificateRequest{Subject: pkix.Name{CommonName: "what the device wants"}},
		ChallengePassword:  challenge,
	}, key)
	require.NoError(t, err)
	return der
}

func selfSigned(t testing.TB, key crypto.Signer, at time.Time) *x509.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "SCEP client"},
		NotBefore: at.Add(-time.Hour), NotAfter: at.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func (e *endpoint) post(body []byte) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(e.t.Context(), http.MethodPost, "/scep?operation=PKIOperation", strings.NewReader(string(body)))
	e.ServeHTTP(w, r)
	return w
}

func (e *endpoint) get(query url.Values) *httptest.ResponseRecorder {
	return e.getRaw(query.Encode())
}

func (e *endpoint) getRaw(query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(e.t.Context(), http.MethodGet, "/scep", nil)
	r.URL.RawQuery = query
	e.ServeHTTP(w, r)
	return w
}

// certRep reads an answer with the library's client half: the signature has to
// be the RA's.
func (e *endpoint) certRep(w *httptest.ResponseRecorder) *smallscep.PKIMessage {
	e.t.Helper()
	require.Equal(e.t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(e.t, "application/x-pki-message", w.Header().Get("Content-Type"))
	m, err := smallscep.ParsePKIMessage(w.Body.Bytes(), smallscep.WithCACerts([]*x509.Certificate{e.raCrt}))
	require.NoError(e.t, err)
	require.Equal(e.t, smallscep.CertRep, m.MessageType)
	return m
}

// tool finds an external program, also where go install puts it; without it the
// test is skipped, but not in CI.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		gopath, _ := exec.Command("go", "env", "GOPATH").Output()
		path, err = exec.LookPath(filepath.Join(strings.TrimSpace(string(gopath)), "bin", name))
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// file writes data to a new file of the test.
func file(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func certFile(t testing.TB, c *x509.Certificate) string {
	t.Helper()
	return file(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func keyFile(t testing.TB, k *rsa.PrivateKey) string {
	t.Helper()
	return file(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
}

var _ mdm.Clock = (*fixed)(nil)
