package mdmtest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// newTLSServer asks for client certificates, and verifies those it gets.
func newTLSServer(t *testing.T) *mdmServer {
	t.Helper()
	s := newUnstartedServer(t)
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.cert)
	s.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
	s.StartTLS()
	s.profile = s.enrollmentProfile()
	return s
}

func serverRoots(s *mdmServer) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func TestTLSClientCertificateInPlaceOfSignature(t *testing.T) {
	s := newTLSServer(t)
	var signatures []string
	s.answer = func(_ http.ResponseWriter, r *http.Request, _ received) bool {
		signatures = append(signatures, r.Header.Get("Mdm-Signature"))
		return false
	}
	for name, o := range map[string]*AppleOptions{
		"own client":   {NoSignMessage: true, RootCAs: serverRoots(s), Keys: testKeys().Key},
		"given client": {NoSignMessage: true, HTTPClient: s.Client(), Keys: testKeys().Key},
	} {
		t.Run(name, func(t *testing.T) {
			mac := Mac(t, s.URL+"/enroll", o).Enroll()
			mac.Poll()
			require.Equal(t, mac.Identity().Raw, s.last("Idle").signer.Raw)

			old := mac.Identity()
			s.install(s.profile)
			mac.Poll() // the connections have to change with the identity
			mac.Poll()
			require.NotEqual(t, old.Raw, mac.Identity().Raw)
			require.Equal(t, mac.Identity().Raw, s.last("Idle").signer.Raw)
			require.Equal(t, mac.Identity().Raw, s.last("Acknowledged").signer.Raw)
		})
	}
	t.Run("connections of old identities are closed", func(t *testing.T) {
		mac := Mac(t, s.URL+"/enroll", &AppleOptions{NoSignMessage: true, RootCAs: serverRoots(s), Keys: testKeys().Key}).Enroll()
		for range 5 {
			s.install(s.profile)
			mac.Poll()
		}
		require.Equal(t, 6, mac.Enrollments())
		require.LessOrEqual(t, len(mac.clients), 2)
	})
	for _, sig := range signatures {
		require.Empty(t, sig)
	}
}

func TestProfileWithoutSignMessage(t *testing.T) {
	s := newTLSServer(t)
	delete(payloadAt(s.profile, 0), "SignMessage")
	s.answer = func(_ http.ResponseWriter, r *http.Request, _ received) bool {
		require.Empty(t, r.Header.Get("Mdm-Signature"))
		return false
	}
	mac := Mac(t, s.URL+"/enroll", &AppleOptions{RootCAs: serverRoots(s), Keys: testKeys().Key}).Enroll()
	require.Equal(t, mac.Identity().Raw, s.last("Authenticate").signer.Raw)
}

func TestSignedMessagesOverTLS(t *testing.T) {
	s := newTLSServer(t)
	mac := Mac(t, s.URL+"/enroll").Enroll() // trusts this machine
	mac.Poll()
	mac.Close()
	mac.Poll()
	given := Mac(t, s.URL+"/enroll", &AppleOptions{HTTPClient: s.Client(), Keys: testKeys().Key}).Enroll()
	given.Poll()
	require.Equal(t, given.Identity().Raw, s.last("Idle").signer.Raw)
}

func TestUnknownServerCertificateIsRefused(t *testing.T) {
	s := newTLSServer(t)
	var unknown *tls.CertificateVerificationError
	require.ErrorAs(t, NewApple(AppleMac, s.URL+"/enroll", nil).Enroll(t.Context()), &unknown)
	o := &AppleOptions{TrustLoopback: true, RootCAs: x509.NewCertPool()}
	require.ErrorAs(t, NewApple(AppleMac, s.URL+"/enroll", o).Enroll(t.Context()), &unknown)
}

func TestCertificatePayloadsAreTrusted(t *testing.T) {
	s := newTLSServer(t)
	profile := s.enrollmentProfile()
	profile["PayloadContent"] = append(profile["PayloadContent"].([]any), map[string]any{
		"PayloadType": "com.apple.security.root", "PayloadIdentifier": "com.example.mdm.root", "PayloadVersion": 1,
		"PayloadUUID": "root", "PayloadContent": s.Certificate().Raw,
	})
	mac := NewApple(AppleMac, "", &AppleOptions{Keys: testKeys().Key})
	defer mac.Close()
	require.NoError(t, mac.EnrollWith(t.Context(), marshal(t, profile)))
	_, err := mac.Poll(t.Context())
	require.NoError(t, err)

	for name, content := range map[string]any{"text": "x", "no certificate": []byte("x")} {
		profile["PayloadContent"].([]any)[2].(map[string]any)["PayloadContent"] = content
		var refused *DeviceError
		require.ErrorAs(t, mac.EnrollWith(t.Context(), marshal(t, profile)), &refused, name)
	}
}

func TestRedirects(t *testing.T) {
	s := newMDMServer(t)
	target := s.URL + "/enroll"
	hop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target, http.StatusFound)
	}))
	t.Cleanup(hop.Close)
	Mac(t, hop.URL, &AppleOptions{TrustLoopback: true, Keys: testKeys().Key}).Enroll()

	target = "http://mdm.example.com/enroll"
	err := NewApple(AppleMac, hop.URL, &AppleOptions{TrustLoopback: true}).Enroll(t.Context())
	require.ErrorContains(t, err, "redirect from this machine")
	target = hop.URL
	err = NewApple(AppleMac, hop.URL, &AppleOptions{TrustLoopback: true}).Enroll(t.Context())
	require.ErrorContains(t, err, "more than 10 redirects")

	tlsHop := httptest.NewTLSServer(hop.Config.Handler)
	t.Cleanup(tlsHop.Close)
	err = NewApple(AppleMac, tlsHop.URL, &AppleOptions{HTTPClient: tlsHop.Client()}).Enroll(t.Context())
	require.ErrorContains(t, err, "not HTTPS")
}

func TestHugeResponse(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	s.answer = func(w http.ResponseWriter, _ *http.Request, _ received) bool {
		chunk := make([]byte, 1<<20)
		for range appleMaxBody>>20 + 1 {
			if _, err := w.Write(chunk); err != nil {
				break
			}
		}
		return true
	}
	_, err := mac.Apple.Poll(t.Context())
	require.ErrorContains(t, err, "longer than")
	require.Contains(t, violationTexts(mac.TakeViolations()), "longer than")
}

// roundTripper is a transport that is no *http.Transport.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestInProcessTransport(t *testing.T) {
	s := newMDMServer(t)
	agents := make(map[string]bool)
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		agents[r.UserAgent()] = true
		return http.DefaultTransport.RoundTrip(r)
	})}
	for _, kind := range []AppleKind{AppleMac, AppleIPhone} {
		d := s.deviceWith(t, kind, &AppleOptions{HTTPClient: client})
		require.Equal(t, kind, d.Kind())
		d.Enroll()
	}
	require.Len(t, agents, 2)
}
