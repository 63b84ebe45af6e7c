package scep

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// The client of another project, as a program of its own:
//
//	go install github.com/micromdm/scep/v2/cmd/scepclient@v2.3.0
//
// It encrypts in DES and signs with SHA-1, so it has to be let in.
func TestScepclient(t *testing.T) {
	client := tool(t, "scepclient")
	legacy := func(o *Options) { o.AcceptLegacy = true }
	for _, tt := range []struct {
		name     string
		endpoint func(t *testing.T) *endpoint
		args     []string
	}{
		{"an RA of its own", func(t *testing.T) *endpoint { return newEndpoint(t, legacy) }, []string{"-key-encipherment-selector"}},
		{"the authority itself", newSingle, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := tt.endpoint(t)
			server := httptest.NewServer(e)
			t.Cleanup(server.Close)
			dir := t.TempDir()
			enroll := func() (string, error) {
				args := append([]string{"-server-url", server.URL + "/mdm/v1/scep", "-private-key", filepath.Join(dir, "key.pem"), "-challenge", challenge}, tt.args...)
				out, err := exec.Command(client, args...).CombinedOutput()
				return string(out), err
			}

			e.failWith(mdm.Errorf(mdm.CodeChallenge, "challenge", "this challenge is used up"))
			out, err := enroll()
			require.Error(t, err)
			require.Contains(t, out, "badRequest (2)")

			e.failWith(nil)
			out, err = enroll()
			require.NoError(t, err, out)
			first := readCert(t, filepath.Join(dir, "client.pem"))
			require.NoError(t, first.CheckSignatureFrom(e.ca.Certificate()))
			require.Equal(t, "CN=device", first.Subject.String(), "what it asked for is ignored")
			require.Equal(t, challenge, e.requests()[1].Challenge)

			// With a certificate in place it renews.
			out, err = enroll()
			require.NoError(t, err, out)
			second := readCert(t, filepath.Join(dir, "client.pem"))
			require.NotEqual(t, first.SerialNumber, second.SerialNumber)
			require.Len(t, e.requests(), 3)
			require.Equal(t, first.Raw, e.requests()[2].Renewal.Raw)
		})
	}

	t.Run("not let in", func(t *testing.T) {
		e := newEndpoint(t, nil)
		server := httptest.NewServer(e)
		t.Cleanup(server.Close)
		out, err := exec.Command(client, "-server-url", server.URL, "-private-key", filepath.Join(t.TempDir(), "key.pem"), "-key-encipherment-selector").CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "badAlg (0)")
		require.Empty(t, e.requests())
	})
}

// newSingle returns an endpoint whose RSA root is its own RA.
func newSingle(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{t: t}
	root, key, err := ca.NewSelfSigned("Single root", &ca.RootOptions{SCEP: true})
	require.NoError(t, err)
	e.ca, err = ca.New(root, key, nil)
	require.NoError(t, err)
	e.raCrt = root
	v, err := ca.NewVerifier([]*x509.Certificate{root}, nil)
	require.NoError(t, err)
	e.Handler, err = New(RA{Certificate: root, Key: key.(Key)}, e, &Options{Renewal: v, AcceptLegacy: true})
	require.NoError(t, err)
	return e
}

func readCert(t testing.TB, path string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	block, _ := pem.Decode(data)
	require.NotNil(t, block)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return cert
}
