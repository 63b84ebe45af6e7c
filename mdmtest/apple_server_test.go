package mdmtest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/micromdm/plist"
	"github.com/smallstep/pkcs7"
	"github.com/smallstep/scep"
	"github.com/stretchr/testify/require"
)

// testKeys spares the tests most of the key generation.
var testKeys = sync.OnceValue(func() *KeyPool { return &KeyPool{Size: 12} })

// testCA is made once: nothing depends on there being two.
var testCA = sync.OnceValue(func() *identity {
	return mustIssue(nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:  x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC),
	})
})

// mustIssue makes a certificate for a new key, signed by ca or by itself.
func mustIssue(ca *identity, tmpl *x509.Certificate) *identity {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	tmpl.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err)
	}
	parent, signer := tmpl, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &identity{key: key, cert: cert}
}

// received is one message that the server got.
type received struct {
	path, contentType string
	signer            *x509.Certificate // from Mdm-Signature or TLS
	body              map[string]any
	size              int
}

// mdmServer is a tiny MDM server: it hands out its queue one by one, takes an
// answer for final unless it is NotNow, and remembers what it received.
type mdmServer struct {
	*httptest.Server
	t  testing.TB
	ca *identity

	mu        sync.Mutex
	clock     func() time.Time
	queue     []queued
	received  []received
	bootstrap []byte

	// What tests bend. Set before the device starts.
	profile     map[string]any                                                // the enrollment profile
	enrollType  string                                                        // its content type
	wrapProfile func([]byte) []byte                                           // such as a signature
	answer      func(w http.ResponseWriter, r *http.Request, m received) bool // true if it answered
	scepReply   func(w http.ResponseWriter, r *http.Request, msg *scep.PKIMessage) bool
	caps        string
	caCerts     func() ([]byte, string)
	leaf        func(*x509.Certificate)
	attribute   map[string]any // of a CertRep, by OID; nil leaves it out
	scepSeen    []scepRequest
}

type scepRequest struct {
	method, query string
	messageType   scep.MessageType
	tid           scep.TransactionID
	challenge     string
	key           any
	csr           *x509.CertificateRequest
	raw           []byte
}

type queued struct {
	uuid string
	raw  []byte
}

func newMDMServer(t testing.TB) *mdmServer {
	t.Helper()
	s := newUnstartedServer(t)
	s.Server.Start()
	s.profile = s.enrollmentProfile()
	return s
}

func newUnstartedServer(t testing.TB) *mdmServer {
	t.Helper()
	s := &mdmServer{
		t: t, ca: testCA(), clock: time.Now, enrollType: typeProfile,
		caps: "AES\nSHA-256\nPOSTPKIOperation\nSCEPStandard\nRenewal\n",
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /enroll", s.serveProfile)
	mux.HandleFunc("/scep", s.serveSCEP)
	mux.HandleFunc("PUT /checkin", s.serveMDM)
	mux.HandleFunc("PUT /mdm", s.serveMDM)
	s.Server = httptest.NewUnstartedServer(mux)
	t.Cleanup(s.Server.Close)
	return s
}

// device makes a device whose keys come from the pool.
func (s *mdmServer) device(t testing.TB, kind AppleKind) *AppleDevice {
	t.Helper()
	return s.deviceWith(t, kind, &AppleOptions{})
}

func (s *mdmServer) deviceWith(t testing.TB, kind AppleKind, o *AppleOptions) *AppleDevice {
	t.Helper()
	o.TrustLoopback = true
	if o.Keys == nil {
		o.Keys = testKeys().Key
	}
	if kind == AppleMac {
		return Mac(t, s.URL+"/enroll", o)
	}
	return IPhone(t, s.URL+"/enroll", o)
}

const scepUUID = "B8E1F9A2-7C3D-4E5F-8A9B-0C1D2E3F4A5B"

// enrollmentProfile is one that a device accepts.
func (s *mdmServer) enrollmentProfile() map[string]any {
	p := profileOf("com.example.mdm", mdmPayload(s.URL), scepPayload(s.URL))
	p["PayloadScope"] = "System"
	return p
}

func mdmPayload(url string) map[string]any {
	return map[string]any{
		"PayloadType": "com.apple.mdm", "PayloadIdentifier": "com.example.mdm.mdm", "PayloadVersion": 1,
		"PayloadUUID": "0A1B2C3D-4E5F-4061-8293-A4B5C6D7E8F9", "IdentityCertificateUUID": scepUUID,
		"Topic": "com.apple.mgmt.External.test", "ServerURL": url + "/mdm", "CheckInURL": url + "/checkin",
		"SignMessage": true, "AccessRights": 8191, "CheckOutWhenRemoved": true,
		"ServerCapabilities": []any{capPerUser, capBootstrapToken},
	}
}

func scepPayload(url string) map[string]any {
	return map[string]any{
		"PayloadType": "com.apple.security.scep", "PayloadIdentifier": "com.example.mdm.scep", "PayloadVersion": 1,
		"PayloadUUID": scepUUID,
		"PayloadContent": map[string]any{
			"URL": url + "/scep", "Keysize": 2048, "Key Type": "RSA", "Key Usage": 5, "Challenge": "once",
			"Subject":    []any{[]any{[]any{"O", "Example"}}, []any{[]any{"CN", "a device"}}},
			"RetryDelay": 0,
		},
	}
}

// profileOf makes a profile.
func profileOf(identifier string, payloads ...map[string]any) map[string]any {
	content := []any{}
	for _, p := range payloads {
		content = append(content, p)
	}
	return map[string]any{
		"PayloadType": "Configuration", "PayloadVersion": 1, "PayloadIdentifier": identifier,
		"PayloadUUID": uuidFrom(hashOf(identifier)), "PayloadDisplayName": "Profile " + identifier, "PayloadContent": content,
	}
}

func hashOf(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// simpleProfile is a profile with one harmless payload.
func simpleProfile(identifier string) map[string]any {
	return profileOf(identifier, map[string]any{
		"PayloadType": "com.apple.dock", "PayloadIdentifier": identifier + ".dock", "PayloadVersion": 1,
		"PayloadUUID": uuidFrom(hashOf(identifier + "dock")), "orientation": "left",
	})
}

// content returns a payload of a profile to change it.
func payloadAt(profile map[string]any, i int) map[string]any {
	return profile["PayloadContent"].([]any)[i].(map[string]any)
}

func scepContent(profile map[string]any) map[string]any {
	return payloadAt(profile, 1)["PayloadContent"].(map[string]any)
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := plist.MarshalIndent(v, "\t")
	require.NoError(t, err)
	return raw
}

// enqueue adds a command and returns its UUID.
func (s *mdmServer) enqueue(requestType string, keys map[string]any) string {
	s.t.Helper()
	body := map[string]any{"RequestType": requestType}
	for k, v := range keys {
		body[k] = v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	uuid := fmt.Sprintf("%s-%d", requestType, len(s.queue)+1)
	s.queue = append(s.queue, queued{uuid: uuid, raw: marshal(s.t, map[string]any{"CommandUUID": uuid, "Command": body})})
	return uuid
}

func (s *mdmServer) install(profile map[string]any) string {
	return s.enqueue("InstallProfile", map[string]any{"Payload": marshal(s.t, profile)})
}

// messages returns what arrived of one MessageType or, for reports, Status.
func (s *mdmServer) messages(kind string) []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []received
	for _, m := range s.received {
		if m.body["MessageType"] == kind || m.body["Status"] == kind {
			out = append(out, m)
		}
	}
	return out
}

// last returns the last message of a kind.
func (s *mdmServer) last(kind string) received {
	s.t.Helper()
	list := s.messages(kind)
	require.NotEmpty(s.t, list, "the server received no %s", kind)
	return list[len(list)-1]
}

func (s *mdmServer) serveProfile(w http.ResponseWriter, _ *http.Request) {
	raw, err := plist.Marshal(s.profile)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if s.wrapProfile != nil {
		raw = s.wrapProfile(raw)
	}
	w.Header().Set("Content-Type", s.enrollType)
	w.Write(raw)
}

func (s *mdmServer) serveMDM(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m := received{path: r.URL.Path, contentType: r.Header.Get("Content-Type"), size: len(raw)}
	if m.signer, err = s.authenticate(r, raw); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := plist.Unmarshal(raw, &m.body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.received = append(s.received, m)
	s.mu.Unlock()
	if s.answer != nil && s.answer(w, r, m) {
		return
	}
	switch m.body["MessageType"] {
	case "SetBootstrapToken":
		s.mu.Lock()
		s.bootstrap, _ = m.body["BootstrapToken"].([]byte)
		s.mu.Unlock()
	case "GetBootstrapToken":
		s.mu.Lock()
		token := s.bootstrap
		s.mu.Unlock()
		if token != nil {
			w.Header().Set("Content-Type", "application/xml")
			w.Write(marshal(s.t, map[string]any{"BootstrapToken": token}))
		}
	case nil:
		s.serveCommand(w, m)
	}
}

// authenticate returns who signed the body, or whose TLS certificate it is.
func (s *mdmServer) authenticate(r *http.Request, body []byte) (*x509.Certificate, error) {
	h := r.Header.Get("Mdm-Signature")
	if h == "" {
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			return nil, fmt.Errorf("neither signature nor certificate")
		}
		return r.TLS.PeerCertificates[0], nil
	}
	der, err := base64.StdEncoding.DecodeString(h)
	if err != nil {
		return nil, err
	}
	p7, err := pkcs7.Parse(der)
	if err != nil {
		return nil, err
	}
	if len(p7.Content) > 0 {
		return nil, fmt.Errorf("the signature is not detached")
	}
	p7.Content = body
	roots := x509.NewCertPool()
	roots.AddCert(s.ca.cert)
	return p7.GetOnlySigner(), p7.VerifyWithChain(roots)
}

func (s *mdmServer) serveCommand(w http.ResponseWriter, m received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	skip := ""
	if uuid, ok := m.body["CommandUUID"].(string); ok {
		if m.body["Status"] == "NotNow" {
			skip = uuid
		} else {
			for i, q := range s.queue {
				if q.uuid == uuid {
					s.queue = append(s.queue[:i:i], s.queue[i+1:]...)
					break
				}
			}
		}
	}
	for _, q := range s.queue {
		if q.uuid != skip {
			w.Header().Set("Content-Type", "application/xml; charset=utf-8")
			w.Write(q.raw)
			return
		}
	}
}

func (s *mdmServer) serveSCEP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("operation") {
	case "GetCACaps":
		io.WriteString(w, s.caps)
	case "GetCACert":
		body, contentType := s.ca.cert.Raw, "application/x-x509-ca-cert"
		if s.caCerts != nil {
			body, contentType = s.caCerts()
		}
		w.Header().Set("Content-Type", contentType)
		w.Write(body)
	case "PKIOperation":
		if err := s.operate(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	default:
		http.Error(w, "no such operation", http.StatusBadRequest)
	}
}

func (s *mdmServer) operate(w http.ResponseWriter, r *http.Request) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.Method == http.MethodGet {
		if raw, err = base64.StdEncoding.DecodeString(r.URL.Query().Get("message")); err != nil {
			return err
		}
	}
	seen := scepRequest{method: r.Method, query: r.URL.RawQuery, raw: raw}
	msg, err := scep.ParsePKIMessage(raw)
	if err != nil && bytes.Contains(raw, []byte("\x13\x0220")) { // CertPoll, which the module does not parse
		seen.messageType = scep.CertPoll
		msg, err = nil, nil
	}
	if err != nil {
		return err
	}
	if msg != nil {
		if err := msg.DecryptPKIEnvelope(s.ca.cert, s.ca.key); err != nil {
			return err
		}
		if err := msg.CSR.CheckSignature(); err != nil {
			return err
		}
		seen.messageType, seen.tid, seen.challenge = msg.MessageType, msg.TransactionID, msg.ChallengePassword
		seen.key, seen.csr = msg.CSR.PublicKey, msg.CSR
	}
	s.mu.Lock()
	s.scepSeen = append(s.scepSeen, seen)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-pki-message")
	if s.scepReply != nil && s.scepReply(w, r, msg) {
		return nil
	}
	_, err = w.Write(s.certRep(msg, s.issue(msg)))
	return err
}

// issue signs the certificate that a request asks for.
func (s *mdmServer) issue(msg *scep.PKIMessage) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	now := s.clock()
	s.mu.Unlock()
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "device identity"},
		NotBefore: now.Add(-10 * time.Minute), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		PublicKey: msg.CSR.PublicKey,
	}
	if s.leaf != nil {
		s.leaf(tmpl)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, s.ca.cert, tmpl.PublicKey, s.ca.key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

// certRep is a SUCCESS in AES and SHA-256, which the module has no call for.
func (s *mdmServer) certRep(msg *scep.PKIMessage, certs ...*x509.Certificate) []byte {
	degenerate := certsOnly(certs...)
	p7, err := pkcs7.Parse(msg.Raw)
	if err != nil {
		panic(err)
	}
	enveloped, err := encryptCMS(degenerate, p7.GetOnlySigner())
	if err != nil {
		panic(err)
	}
	return s.signRep(enveloped, msg, msg.TransactionID, scep.RecipientNonce(msg.SenderNonce), scep.SUCCESS, "")
}

func (s *mdmServer) signRep(content []byte, msg *scep.PKIMessage, tid scep.TransactionID, nonce scep.RecipientNonce, status scep.PKIStatus, info scep.FailInfo) []byte {
	sd, err := pkcs7.NewSignedData(content)
	if err != nil {
		panic(err)
	}
	sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	attrs := []pkcs7.Attribute{
		{Type: oidSCEPTransactionID, Value: tid},
		{Type: asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 3}, Value: status},
		{Type: oidSCEPMessageType, Value: scep.CertRep},
		{Type: oidSCEPSenderNonce, Value: msg.SenderNonce},
		{Type: asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 6}, Value: nonce},
	}
	if info != "" {
		attrs = append(attrs, pkcs7.Attribute{Type: asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 4}, Value: info})
	}
	for i := len(attrs) - 1; i >= 0; i-- {
		v, bent := s.attribute[attrs[i].Type.String()]
		switch {
		case bent && v == nil:
			attrs = slices.Delete(attrs, i, i+1)
		case bent:
			attrs[i].Value = v
		}
	}
	if err := sd.AddSigner(s.ca.cert, s.ca.key, pkcs7.SignerInfoConfig{ExtraSignedAttributes: attrs}); err != nil {
		panic(err)
	}
	out, err := sd.Finish()
	if err != nil {
		panic(err)
	}
	return out
}

func (s *mdmServer) scepRequests() []scepRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]scepRequest(nil), s.scepSeen...)
}

// violationTexts joins what the device recorded, for Contains.
func violationTexts(list []Violation) string {
	var lines []string
	for _, v := range list {
		lines = append(lines, v.String())
	}
	return strings.Join(lines, "\n")
}
