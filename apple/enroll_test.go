package apple_test

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
)

// tool is the path of an external program.
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

func run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func write(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestEnroll(t *testing.T) {
	w := newWorld(t, options{})
	url := strings.TrimPrefix(w.link(identity.IntentRequest{}), w.http.URL)
	before := w.dump()
	got := w.send(request{method: "GET", url: url})
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "application/x-apple-aspen-config", got.header.Get("Content-Type"))
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	require.Contains(t, got.header.Get("Content-Disposition"), ".mobileconfig")
	require.Equal(t, strconv.Itoa(len(got.body)), got.header.Get("Content-Length"))
	for _, part := range []string{w.http.URL + checkInURL, w.http.URL + commandURL, w.http.URL + "/scep", topic, "Example"} {
		require.Contains(t, got.body, part)
	}
	head := w.send(request{method: "HEAD", url: url})
	require.Equal(t, http.StatusOK, head.status)
	require.Empty(t, head.body)
	for _, name := range []string{"Content-Type", "Content-Length", "Cache-Control"} {
		require.Equal(t, got.header.Get(name), head.header.Get(name))
	}
	require.Equal(t, got.body, w.send(request{method: "GET", url: url}).body, "as often as one likes, the same")
	require.Equal(t, before, w.dump(), "to fetch it uses nothing up")

	one := newWorld(t, options{oneURL: true})
	got = one.send(request{method: "GET", url: strings.TrimPrefix(one.link(identity.IntentRequest{}), one.http.URL)})
	require.NotContains(t, got.body, "CheckInURL")
	require.Contains(t, got.body, "ServerURL")
}

func TestEnrollRefuses(t *testing.T) {
	w := newWorld(t, options{})
	make := func(r identity.IntentRequest) (mdm.IntentID, string) {
		i, secret, err := w.id.CreateIntent(w.ctx, tenant, r)
		require.NoError(t, err)
		return i.ID, "/enroll/" + secret
	}
	used := w.link(identity.IntentRequest{})
	mdmtest.Mac(t, used, w.device(mdmtest.AppleOptions{})).Enroll()
	_, expired := make(identity.IntentRequest{Lifetime: 1})
	id, withdrawn := make(identity.IntentRequest{})
	require.NoError(t, w.id.RevokeIntent(w.ctx, tenant, id, mdm.Actor{}))
	_, pc := make(identity.IntentRequest{Platform: mdm.Windows})
	w.clock.add(1000)
	for name, c := range map[string]struct {
		url    string
		status int
		says   string
	}{
		"a guess":     {"/enroll/guess", 403, "no such enrollment"},
		"used":        {strings.TrimPrefix(used, w.http.URL), 403, "has been used"},
		"expired":     {expired, 403, "has expired"},
		"withdrawn":   {withdrawn, 403, "was withdrawn"},
		"for Windows": {pc, 422, "is for Windows"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				got := w.send(request{method: method, url: c.url})
				require.Equal(t, c.status, got.status)
				require.Equal(t, "no-store", got.header.Get("Cache-Control"))
				require.Contains(t, got.header.Get("Content-Type"), "text/plain")
				if method == "GET" {
					require.Contains(t, got.body, c.says)
				}
			}
		})
	}
}

// What is wrong with the set-up is for the log.
func TestEnrollSetUp(t *testing.T) {
	w := newWorld(t, options{apple: func(c *apple.Config) {
		c.URLs = func(mdm.TenantID) apple.URLs {
			return apple.URLs{Server: "http://plain.example.com", CheckIn: "x", SCEP: "x"}
		}
	}})
	got := w.send(request{method: "GET", url: strings.TrimPrefix(w.link(identity.IntentRequest{}), w.http.URL)})
	require.Equal(t, http.StatusInternalServerError, got.status)
	require.NotContains(t, got.body, "URL")
	require.Contains(t, w.log.String(), "URL")

	w = newWorld(t, options{identity: func(c *identity.Config) { c.Store = downStore{c.Store} }})
	got = w.send(request{method: "GET", url: "/enroll/x"})
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.Equal(t, "30", got.header.Get("Retry-After"))
	require.NotContains(t, got.body, "the disk")
}

// TestEnrollSigned: what devices are shown as verified, openssl verifies.
func TestEnrollSigned(t *testing.T) {
	openssl := tool(t, "openssl")
	cert, key := root()
	w := newWorld(t, options{apple: func(c *apple.Config) {
		c.Signer = &apple.Signer{Certificate: cert, Key: key, Chain: []*x509.Certificate{cert}}
	}})
	link := w.link(identity.IntentRequest{Quota: 2})
	got := w.send(request{method: "GET", url: strings.TrimPrefix(link, w.http.URL)})
	require.Equal(t, http.StatusOK, got.status)
	dir := t.TempDir()
	write(t, dir, "signed", []byte(got.body))
	write(t, dir, "root.pem", pemOf("CERTIFICATE", cert.Raw))
	run(t, dir, openssl, "cms", "-verify", "-inform", "DER", "-in", "signed", "-CAfile", "root.pem", "-purpose", "any", "-binary", "-out", "content")
	content, err := os.ReadFile(filepath.Join(dir, "content"))
	require.NoError(t, err)
	require.Contains(t, string(content), "com.apple.mdm")
	mdmtest.Mac(t, link, w.device(mdmtest.AppleOptions{})).Enroll()
}

var errDisk = mdm.WrapError(mdm.CodeUnavailable, "", "the disk is full", errors.New("ENOSPC"))
