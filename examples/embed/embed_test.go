package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/profiles"
)

// TestFortyLines holds what the README says.
func TestFortyLines(t *testing.T) {
	b, err := os.ReadFile("mdm.go")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	require.LessOrEqual(t, len(lines), 40)
	for _, l := range lines {
		require.LessOrEqual(t, len(l), 130, "lines that are read, and not only counted: %s", l)
	}
}

// TestEmbed enrolls a Mac in the application and sees its passcode arrive, while
// the application goes on as before; and starts it twice.
func TestEmbed(t *testing.T) {
	db, err := openDB(filepath.Join(t.TempDir(), "app.db"))
	require.NoError(t, err)
	mux := newMux(db)
	server := httptest.NewUnstartedServer(mux)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)

	cert, key, err := ca.NewSelfSigned("Application", &ca.RootOptions{SCEP: true})
	require.NoError(t, err)
	s := settings{
		url: server.URL, caCert: cert, caKey: key, topic: "com.apple.mgmt.External.app",
		keys: mdm.LocalKeyring{Current: "1", Keys: map[string][]byte{"1": make([]byte, 32)}},
	}
	m, err := addMDM(t.Context(), mux, db, s)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	working := make(chan error, 1)
	go func() { working <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-working, context.Canceled)
	})

	link, err := m.Enrollments().Link(t.Context(), keelson.LinkRequest{})
	require.NoError(t, err)
	mac := mdmtest.Mac(t, link.URL).Enroll()
	polled(t, mac, m)
	have, ok := mac.Profile("com.example.passcode")
	require.True(t, ok)
	require.Equal(t, passcode, have.Raw)

	resp, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "visit 1\n", string(body))

	_, err = addMDM(t.Context(), http.NewServeMux(), db, s)
	require.NoError(t, err, "started again")
}

// polled lets the Mac come until the server has seen its profile.
func polled(t *testing.T, mac *mdmtest.AppleDevice, m *keelson.MDM) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		mac.Poll()
		ps, err := m.Profiles().List(ctx, nil)
		require.NoError(t, err)
		require.Len(t, ps, 1)
		if ps[0].Counts[profiles.Verified] == 1 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal("the profile was not verified in time")
		case <-tick.C:
		}
	}
}

// TestSettings reads an operator's files.
func TestSettings(t *testing.T) {
	dir := t.TempDir()
	_, err := readSettings(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	cert, key, err := ca.NewSelfSigned("Application", &ca.RootOptions{SCEP: true})
	require.NoError(t, err)
	c, k, err := ca.MarshalPEM(cert, key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.pem"), append(c, k...), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "storage.key"), make([]byte, 32), 0o600))
	fake := mdmtest.NewAPNs(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "push.pem"), pushPEM(t, fake.Certificate), 0o600))
	t.Setenv("APP_URL", "https://app.example.com")
	s, err := readSettings(dir)
	require.NoError(t, err)
	require.Equal(t, fake.Topic, s.topic)
	require.Equal(t, "https://app.example.com", s.url)
	require.Equal(t, cert, s.caCert)
}

func pushPEM(t *testing.T, cert tls.Certificate) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
}
