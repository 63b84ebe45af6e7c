package ca_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity/ca"
)

// RSA keys are slow to make: once per test binary.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	require.NoError(t, err)
	return k
}

// fixed is a clock that a test moves.
type fixed struct{ at time.Time }

func (f *fixed) Now() time.Time { return f.at }

func newClock() *fixed { return &fixed{time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)} }

// newCA returns an authority on P-256 with a ten-year root.
func newCA(t testing.TB, clock *fixed, o *ca.Options) (*ca.CA, crypto.Signer) {
	t.Helper()
	root, key, err := ca.NewSelfSigned("Test root", &ca.RootOptions{Key: ca.P256, Clock: clock})
	require.NoError(t, err)
	if o == nil {
		o = &ca.Options{}
	}
	o.Clock = clock
	c, err := ca.New(root, key, o)
	require.NoError(t, err)
	return c, key
}

var device = ca.Name{Tenant: "default", Enrollment: "0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77", Generation: 7}

func identity(pub crypto.PublicKey) ca.Request {
	return ca.Request{PublicKey: pub, CommonName: "device", Purpose: ca.MDM, Name: device}
}

func issue(t testing.TB, c *ca.CA, r ca.Request) *x509.Certificate {
	t.Helper()
	cert, err := c.IssueLeaf(t.Context(), r)
	require.NoError(t, err)
	return cert
}

// tool finds an external program; without it the test is skipped, but not in CI.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}
