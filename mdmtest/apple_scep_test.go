package mdmtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/scep"
	"github.com/stretchr/testify/require"
)

func TestSCEPRequest(t *testing.T) {
	s := newMDMServer(t)
	content := scepContent(s.profile)
	content["Subject"] = []any{
		[]any{[]any{"C", "US"}}, []any{[]any{"O", "Example"}, []any{"OU", "Fleet"}}, []any{[]any{"CN", "a device"}}, []any{[]any{"2.5.4.5", "X1"}},
	}
	content["SubjectAltName"] = map[string]any{
		"dNSName": "a.example.com", "rfc822Name": []any{"a@example.com", "b@example.com"}, "uniformResourceIdentifier": "urn:uuid:1",
	}
	mac := s.device(t, AppleMac).Enroll()

	seen := s.scepRequests()
	require.Len(t, seen, 1)
	require.Equal(t, http.MethodPost, seen[0].method)
	require.Equal(t, "operation=PKIOperation", seen[0].query)
	require.Equal(t, scep.PKCSReq, seen[0].messageType)
	require.Equal(t, "once", seen[0].challenge)
	require.True(t, seen[0].key.(*rsa.PublicKey).Equal(mac.Identity().PublicKey))
	require.Equal(t, 2048, seen[0].key.(*rsa.PublicKey).N.BitLen())
	csr := seen[0].csr
	var subject pkix.RDNSequence
	_, err := asn1.Unmarshal(csr.RawSubject, &subject)
	require.NoError(t, err)
	require.Equal(t, "SERIALNUMBER=X1,CN=a device,OU=Fleet+O=Example,C=US", subject.String())
	require.Equal(t, []string{"a.example.com"}, csr.DNSNames)
	require.Equal(t, []string{"a@example.com", "b@example.com"}, csr.EmailAddresses)
	require.Equal(t, "urn:uuid:1", csr.URIs[0].String())
}

func TestSCEPWithoutSubjectNamesTheDevice(t *testing.T) {
	s := newMDMServer(t)
	delete(scepContent(s.profile), "Subject")
	mac := s.device(t, AppleMac).Enroll()
	require.Equal(t, mac.UDID(), s.scepRequests()[0].csr.Subject.CommonName)
}

func TestSCEPByGET(t *testing.T) {
	s := newMDMServer(t)
	s.caps = "AES\r\nSHA-256\r\n"
	scepContent(s.profile)["Name"] = "the CA & co"
	s.device(t, AppleMac).Enroll()
	require.Equal(t, http.MethodGet, s.scepRequests()[0].method)
}

func TestSCEPAppendsTheOperationBlindly(t *testing.T) {
	s := newMDMServer(t)
	scepContent(s.profile)["URL"] = s.URL + "/scep?tenant=a"
	var status *StatusError
	require.ErrorAs(t, s.device(t, AppleMac).Apple.Enroll(t.Context()), &status)
	require.Equal(t, http.StatusBadRequest, status.Status)
}

func TestSCEPRetriesWithTheSameKey(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac)
	mac.LoseSCEPReply(2)
	mac.Enroll()
	seen := s.scepRequests()
	require.Len(t, seen, 3)
	for _, again := range seen[1:] {
		require.True(t, seen[0].key.(*rsa.PublicKey).Equal(again.key))
		require.Equal(t, seen[0].tid, again.tid)
		require.NotEqual(t, seen[0].raw, again.raw, "the nonce is new")
	}

	mac.LoseSCEPReply(3)
	err := mac.Apple.Enroll(t.Context())
	require.ErrorIs(t, err, ErrReplyLost)
	require.ErrorContains(t, err, "3 attempts")
	require.True(t, mac.Enrolled(), "nothing changed before there was an identity")
	require.Len(t, s.scepRequests(), 6)
}

func TestSCEPRefusalIsNotRepeated(t *testing.T) {
	s := newMDMServer(t)
	s.scepReply = func(w http.ResponseWriter, _ *http.Request, msg *scep.PKIMessage) bool {
		w.Write(s.signRep(nil, msg, msg.TransactionID, scep.RecipientNonce(msg.SenderNonce), scep.FAILURE, scep.BadRequest))
		return true
	}
	mac := s.device(t, AppleMac)
	var refused *SCEPError
	require.ErrorAs(t, mac.Apple.Enroll(t.Context()), &refused)
	require.Equal(t, "2", refused.FailInfo)
	require.Len(t, s.scepRequests(), 1)
	require.Empty(t, mac.Violations(), "a refusal is allowed")
}

func TestSCEPPending(t *testing.T) {
	s := newMDMServer(t)
	scepContent(s.profile)["RetryDelay"] = 7
	pending := 2
	var first *scep.PKIMessage
	s.scepReply = func(w http.ResponseWriter, _ *http.Request, msg *scep.PKIMessage) bool {
		if msg != nil {
			first = msg
			w.Write(s.signRep(nil, msg, msg.TransactionID, scep.RecipientNonce(msg.SenderNonce), scep.PENDING, ""))
			return true
		}
		poll := *first
		raw := s.scepRequests()[len(s.scepRequests())-1].raw
		p7, err := parseCMS(raw)
		require.NoError(t, err)
		require.NoError(t, p7.UnmarshalSignedAttribute(oidSCEPSenderNonce, &poll.SenderNonce))
		poll.Raw = raw
		if pending--; pending > 0 {
			w.Write(s.signRep(nil, &poll, poll.TransactionID, scep.RecipientNonce(poll.SenderNonce), scep.PENDING, ""))
			return true
		}
		w.Write(s.certRep(&poll, s.issue(first)))
		return true
	}
	var waited []time.Duration
	o := &AppleOptions{Wait: func(_ context.Context, d time.Duration) error { waited = append(waited, d); return nil }}
	mac := s.deviceWith(t, AppleMac, o)
	mac.Enroll()
	require.Equal(t, []time.Duration{7 * time.Second}, waited, "the first retry is not delayed")
	require.Len(t, s.scepRequests(), 3)
	require.Equal(t, scep.CertPoll, s.scepRequests()[1].messageType)

	pending = 99
	scepContent(s.profile)["Retries"] = 1
	require.ErrorContains(t, mac.Apple.Enroll(t.Context()), "still pending")

	pending = 99
	scepContent(s.profile)["Retries"] = 5
	stop := errors.New("stop")
	mac = s.deviceWith(t, AppleMac, &AppleOptions{Wait: func(context.Context, time.Duration) error { return stop }})
	require.ErrorIs(t, mac.Apple.Enroll(t.Context()), stop)
}

func TestSCEPRepliesAreJudged(t *testing.T) {
	stranger := mustIssue(nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	})
	reply := func(s *mdmServer, f func(*scep.PKIMessage) []byte) {
		s.scepReply = func(w http.ResponseWriter, _ *http.Request, msg *scep.PKIMessage) bool {
			w.Write(f(msg))
			return true
		}
	}
	for _, c := range []struct {
		name string
		bend func(*mdmServer)
		want string
	}{
		{"garbage", func(s *mdmServer) { reply(s, func(*scep.PKIMessage) []byte { return []byte("<html>") }) }, "CMS"},
		{"empty", func(s *mdmServer) { reply(s, func(*scep.PKIMessage) []byte { return nil }) }, "CMS"},
		{"other transaction", func(s *mdmServer) {
			reply(s, func(m *scep.PKIMessage) []byte {
				return s.signRep(nil, m, "other", scep.RecipientNonce(m.SenderNonce), scep.PENDING, "")
			})
		}, "transactionID"},
		{"other nonce", func(s *mdmServer) {
			reply(s, func(m *scep.PKIMessage) []byte {
				return s.signRep(nil, m, m.TransactionID, scep.RecipientNonce("0123456789abcdef"), scep.PENDING, "")
			})
		}, "recipientNonce"},
		{"signed by a stranger", func(s *mdmServer) {
			s.ca = stranger
			s.caCerts = func() ([]byte, string) { return testCA().cert.Raw, "application/x-x509-ca-cert" }
		}, ""},
		{"certificate of another CA", func(s *mdmServer) {
			reply(s, func(m *scep.PKIMessage) []byte {
				other := &mdmServer{ca: stranger, clock: time.Now}
				return s.certRep(m, other.issue(m))
			})
		}, "not issued by the CA"},
		{"echoed request", func(s *mdmServer) { reply(s, func(m *scep.PKIMessage) []byte { return m.Raw }) }, "not signed by the CA"},
		{"not the first certificate", func(s *mdmServer) {
			reply(s, func(m *scep.PKIMessage) []byte { return s.certRep(m, s.ca.cert, s.issue(m)) })
		}, "the first of the 2 certificates"},
		{"certificate for another key", func(s *mdmServer) {
			other, err := generateKey(t.Context(), 2048)
			require.NoError(t, err)
			s.leaf = func(c *x509.Certificate) { c.PublicKey = &other.PublicKey }
		}, "for the key of the request"},
		{"expired certificate", func(s *mdmServer) {
			s.leaf = func(c *x509.Certificate) { c.NotBefore, c.NotAfter = c.NotBefore.AddDate(-2, 0, 0), c.NotBefore }
		}, "valid from"},
		{"certificate of a CA", func(s *mdmServer) {
			s.leaf = func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }
		}, "is a CA's"},
		{"certificate that cannot sign", func(s *mdmServer) {
			s.leaf = func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }
		}, "used to sign"},
		{"server certificate", func(s *mdmServer) {
			s.leaf = func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
		}, "as a client's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newMDMServer(t)
			c.bend(s)
			mac := s.device(t, AppleMac)
			var broken *SCEPError
			require.ErrorAs(t, mac.Apple.Enroll(t.Context()), &broken)
			require.Empty(t, broken.FailInfo)
			if c.want != "" {
				require.ErrorContains(t, broken, c.want)
				require.Contains(t, violationTexts(mac.TakeViolations()), c.want)
			}
		})
	}
}

func TestSCEPModuleDefaultsAreViolations(t *testing.T) {
	s := newMDMServer(t)
	s.scepReply = func(w http.ResponseWriter, _ *http.Request, msg *scep.PKIMessage) bool {
		rep, err := msg.Success(s.ca.cert, s.ca.key, s.issue(msg)) // single DES and SHA-1
		require.NoError(t, err)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(rep.Raw)
		return true
	}
	s.caps = "POSTPKIOperation"
	mac := s.device(t, AppleMac).Enroll()
	texts := violationTexts(mac.TakeViolations())
	require.Contains(t, texts, "AES and SHA-256 are not both")
	require.Contains(t, texts, "content type")
	require.Contains(t, texts, "single DES")
	require.Contains(t, texts, "although the request used SHA-256")
}

// withRA puts a registration authority before the CA: it decrypts and signs, the
// CA issues.
func (s *mdmServer) withRA(usage x509.KeyUsage) *identity {
	ca := s.ca
	ra := mustIssue(ca, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test RA"}, KeyUsage: usage,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	})
	s.caCerts = func() ([]byte, string) {
		return certsOnly(ra.cert, ca.cert), "application/x-x509-ca-ra-cert"
	}
	s.ca = ra
	s.scepReply = func(w http.ResponseWriter, _ *http.Request, msg *scep.PKIMessage) bool {
		s.ca = ca
		leaf := s.issue(msg)
		s.ca = ra
		w.Write(s.certRep(msg, leaf))
		return true
	}
	return ra
}

// certsOnly is degenerate CMS.
func certsOnly(certs ...*x509.Certificate) []byte {
	der, err := scep.DegenerateCertificates(certs)
	if err != nil {
		panic(err)
	}
	return der
}

const raUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment

func TestSCEPWithARegistrationAuthority(t *testing.T) {
	prepare := func(s *mdmServer) (*AppleDevice, error) {
		mac := s.device(t, AppleMac)
		return mac, mac.Apple.Prepare(t.Context())
	}
	s := newMDMServer(t)
	ca := s.ca
	ra := s.withRA(raUsage)
	ofCA, ofRA := sha1.Sum(ca.cert.Raw), sha1.Sum(ra.cert.Raw)
	scepContent(s.profile)["CAFingerprint"] = ofCA[:]
	_, err := prepare(s)
	require.NoError(t, err)

	scepContent(s.profile)["CAFingerprint"] = ofRA[:]
	_, err = prepare(s)
	require.ErrorContains(t, err, "fingerprint", "that of the RA is not what a device compares")

	long := sha256.Sum256(ca.cert.Raw)
	scepContent(s.profile)["CAFingerprint"] = long[:]
	mac, err := prepare(s)
	require.NoError(t, err)
	require.Contains(t, violationTexts(mac.TakeViolations()), "MD5 and SHA-1 only")

	t.Run("two of them", func(t *testing.T) {
		s := newMDMServer(t)
		ca := s.ca
		decrypts := s.withRA(x509.KeyUsageKeyEncipherment)
		signs := mustIssue(ca, &x509.Certificate{
			Subject: pkix.Name{CommonName: "Test RA"}, KeyUsage: x509.KeyUsageDigitalSignature,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		})
		s.caCerts = func() ([]byte, string) {
			return certsOnly(decrypts.cert, signs.cert, ca.cert), "application/x-x509-ca-ra-cert"
		}
		s.scepReply = func(w http.ResponseWriter, _ *http.Request, msg *scep.PKIMessage) bool {
			s.ca = ca
			leaf := s.issue(msg)
			s.ca = signs
			w.Write(s.certRep(msg, leaf))
			s.ca = decrypts
			return true
		}
		_, err := prepare(s)
		require.NoError(t, err)
	})
	t.Run("the CA answers in its place", func(t *testing.T) {
		s := newMDMServer(t)
		ca := s.ca
		ra := s.withRA(raUsage)
		s.scepReply = func(w http.ResponseWriter, _ *http.Request, msg *scep.PKIMessage) bool {
			s.ca = ca
			w.Write(s.certRep(msg, s.issue(msg)))
			s.ca = ra
			return true
		}
		mac, err := prepare(s)
		require.ErrorContains(t, err, "where there is an RA by that")
		require.NotEmpty(t, mac.TakeViolations())
	})
}

func TestGetCACertIsJudged(t *testing.T) {
	const one, both = "application/x-x509-ca-cert", "application/x-x509-ca-ra-cert"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	ec, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	ca := testCA()
	issued := func(usage x509.KeyUsage, until time.Duration) *x509.Certificate {
		return mustIssue(ca, &x509.Certificate{
			Subject: pkix.Name{CommonName: "Test RA"}, KeyUsage: usage,
			NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(until),
		}).cert
	}
	other := mustIssue(nil, &x509.Certificate{Subject: pkix.Name{CommonName: "Other"}, IsCA: true, BasicConstraintsValid: true})
	for _, c := range []struct {
		name, contentType string
		body              []byte
		want              string
	}{
		{"garbage", one, []byte("x"), "certificate of the CA"},
		{"elliptic", one, ec, "RSA key"},
		{"a parameter", one + "; charset=utf-8", ca.cert.Raw, "content type"},
		{"no type", "application/octet-stream", ca.cert.Raw, "content type"},
		{"one in the other form", both, ca.cert.Raw, "CA and RA"},
		{"the other in one form", one, certsOnly(ca.cert), "certificate of the CA"},
		{"none", both, certsOnly(), "no RA"},
		{"no RA", both, certsOnly(ca.cert), "no RA"},
		{"an RA without its CA", both, certsOnly(issued(raUsage, time.Hour)), "no RA"},
		{"an RA of another CA", both, certsOnly(issued(raUsage, time.Hour), other.cert), "no RA"},
		{"an RA that only signs", both, certsOnly(issued(x509.KeyUsageDigitalSignature, time.Hour), ca.cert), "no RA"},
		{"an expired RA", both, certsOnly(issued(raUsage, -time.Hour), ca.cert), "expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newMDMServer(t)
			s.caCerts = func() ([]byte, string) { return c.body, c.contentType }
			var broken *SCEPError
			require.ErrorAs(t, s.device(t, AppleMac).Apple.Enroll(t.Context()), &broken)
			require.ErrorContains(t, broken, c.want)
			require.Empty(t, s.scepRequests())
		})
	}
}

// A capability is a line of exactly that text, and stands for no other.
func TestGetCACapsIsJudged(t *testing.T) {
	for caps, method := range map[string]string{
		"SCEPStandard\n":                              http.MethodGet,
		"AES\nSHA-256\npostpkioperation\n":            http.MethodGet,
		"AES SHA-256 POSTPKIOperation":                http.MethodGet,
		"aes\nsha-256\nPOSTPKIOperation\n":            http.MethodPost,
		"":                                            http.MethodGet,
		"AES\r\nSHA-256\r\nPOSTPKIOperation\r\n":      http.MethodPost,
		"POSTPKIOperation\nSHA-256\nRenewal\nAES":     http.MethodPost,
		"SHA-1\nDES3\nPOSTPKIOperation\nSCEPStandard": http.MethodPost,
	} {
		s := newMDMServer(t)
		s.caps = caps
		mac := s.device(t, AppleMac).Enroll()
		require.Equal(t, method, s.scepRequests()[0].method, "%q", caps)
		good := strings.Contains(caps, "AES\r") || strings.HasSuffix(caps, "\nAES") || strings.Contains(caps, "post")
		require.Equal(t, !good, len(mac.TakeViolations()) > 0, "%q", caps)
	}
}

// What a device lets pass in a CertRep, and RFC 8894 does not.
func TestSCEPAttributesAreJudged(t *testing.T) {
	utf8 := func(s string) asn1.RawValue { return asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(s)} }
	for name, c := range map[string]struct {
		bend func(*mdmServer)
		want string
	}{
		"a UTF8String":  {func(s *mdmServer) { s.attribute = map[string]any{oidSCEPStatus.String(): utf8("0")} }, "pkiStatus has the ASN.1 tag 12"},
		"a short nonce": {func(s *mdmServer) { s.attribute = map[string]any{oidSCEPSenderNonce.String(): []byte("short")} }, "senderNonce has 5 bytes"},
		"no nonce":      {func(s *mdmServer) { s.attribute = map[string]any{oidSCEPSenderNonce.String(): nil} }, "senderNonce has 0 bytes"},
		"no EKU":        {func(s *mdmServer) { s.leaf = func(c *x509.Certificate) { c.ExtKeyUsage = nil } }, "no extended key usage"},
		"outlives the CA": {func(s *mdmServer) {
			s.leaf = func(c *x509.Certificate) { c.NotAfter = s.ca.cert.NotAfter.AddDate(1, 0, 0) }
		}, "its CA before that"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newMDMServer(t)
			c.bend(s)
			mac := s.device(t, AppleMac).Enroll()
			require.Contains(t, violationTexts(mac.TakeViolations()), c.want)
		})
	}
	t.Run("a failure without a reason", func(t *testing.T) {
		s := newMDMServer(t)
		s.scepReply = func(w http.ResponseWriter, _ *http.Request, msg *scep.PKIMessage) bool {
			w.Write(s.signRep(nil, msg, msg.TransactionID, scep.RecipientNonce(msg.SenderNonce), scep.FAILURE, "9"))
			return true
		}
		mac := s.device(t, AppleMac)
		require.Error(t, mac.Apple.Enroll(t.Context()))
		require.NotEmpty(t, mac.TakeViolations())
	})
}

func TestFingerprintFunctions(t *testing.T) {
	der := []byte("der")
	m, s1, s512 := md5.Sum(der), sha1.Sum(der), sha512.Sum512(der)
	require.Equal(t, m[:], fingerprint(16, der))
	require.Equal(t, s1[:], fingerprint(20, der))
	require.Equal(t, s512[:], fingerprint(64, der))
	require.Nil(t, fingerprint(8, der))
}

func TestKeys(t *testing.T) {
	pool := &KeyPool{Size: 2}
	var keys []*rsa.PrivateKey
	for range 3 {
		key, err := pool.Key(t.Context(), 2048)
		require.NoError(t, err)
		keys = append(keys, key)
	}
	require.NotSame(t, keys[0], keys[1])
	require.Same(t, keys[0], keys[2])

	s := newMDMServer(t)
	for name, source := range map[string]func(context.Context, int) (*rsa.PrivateKey, error){
		"error": func(context.Context, int) (*rsa.PrivateKey, error) { return nil, errors.New("no entropy") },
		"nil":   func(context.Context, int) (*rsa.PrivateKey, error) { return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			mac := s.deviceWith(t, AppleMac, &AppleOptions{Keys: source})
			require.ErrorContains(t, mac.Apple.Enroll(t.Context()), "AppleOptions.Keys")
		})
	}
}
