package apns_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// waits is a Wait that takes no time and remembers what was asked for.
type waits struct {
	mu    sync.Mutex
	asked []time.Duration
}

func (w *waits) wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, d)
	return ctx.Err()
}

func (w *waits) all() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Duration(nil), w.asked...)
}

// newPusher makes a pusher of the fake that is closed with the test. Unless o
// says otherwise, pauses take no time.
func newPusher(t testing.TB, fake *mdmtest.APNs, o apns.Options) *apns.Pusher {
	t.Helper()
	o.Host, o.RootCAs = fake.URL, fake.RootCAs
	if o.Wait == nil {
		o.Wait = (&waits{}).wait
	}
	p, err := apns.New(fake.Certificate, &o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// targets makes n targets with random tokens.
func targets(topic string, n int) []apns.Target {
	out := make([]apns.Target, n)
	for i := range out {
		token := make([]byte, 32)
		rand.Read(token)
		out[i] = apns.Target{Token: token, Magic: fmt.Sprintf("MAGIC-%04d", i), Topic: topic}
	}
	return out
}

func tokenOf(t apns.Target) string { return hex.EncodeToString(t.Token) }

// requireAll fails unless every outcome has the status.
func requireAll(t testing.TB, want apns.Status, outcomes []apns.Outcome) {
	t.Helper()
	for i, o := range outcomes {
		require.Equal(t, want.String(), o.Status.String(), "target %d: %s: %v", i, o.Reason, o.Err)
	}
}

// requireAttempts fails unless every outcome took that many attempts.
func requireAttempts(t testing.TB, want int, outcomes []apns.Outcome) {
	t.Helper()
	for i, o := range outcomes {
		require.Equal(t, want, o.Attempts, "target %d: %s", i, o.Reason)
	}
}

// serverCertificate makes a certificate for 127.0.0.1, and the roots that trust
// it.
func serverCertificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := issue(t, key, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	return cert, roots
}

// issue makes a certificate of key that is signed by itself and, unless the
// template says otherwise, valid now.
func issue(t testing.TB, key *ecdsa.PrivateKey, template *x509.Certificate) tls.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(1)
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
