package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// screensaver is a profile of an administrator who likes odd names.
const screensaver = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadScope</key><string>System</string>
<key>PayloadIdentifier</key><string>com.example.screensaver</string>
<key>PayloadUUID</key><string>1D5E3C9A-8C55-4C0B-9D57-4A6F0D0E1C11</string>
<key>PayloadDisplayName</key><string>Lock the screen &lt;soon&gt;</string>
<key>PayloadContent</key><array><dict>
<key>PayloadType</key><string>com.apple.screensaver</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>com.example.screensaver.payload</string>
<key>PayloadUUID</key><string>1D5E3C9A-8C55-4C0B-9D57-4A6F0D0E1C12</string>
<key>askForPassword</key><true/>
</dict></array></dict></plist>
`

// soon is how long a test waits for what should take a second or two, on a
// machine that is busy with other tests.
const soon = 60 * time.Second

// running is a server under test, in this process or another.
type running struct {
	t          testing.TB
	url, token string
	data       string
	out        *output
	client     *http.Client
}

// output collects what a server prints; it is safe for concurrent use.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// startDemo runs the demonstration in this process until the test ends.
func startDemo(t *testing.T) *running {
	t.Helper()
	data := t.TempDir()
	return startHere(t, data, "-demo")
}

func startHere(t *testing.T, data string, args ...string) *running {
	t.Helper()
	out := &output{}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	args = append([]string{"-listen", "127.0.0.1:0", "-data", data, "-log-level", "warn"}, args...)
	none := func(string) (string, bool) { return "", false }
	go func() { ended <- run(ctx, args, none, out, out) }()
	t.Cleanup(func() {
		stop()
		require.Zero(t, <-ended, "%s", out)
		if t.Failed() {
			t.Log(out)
		}
	})
	return connect(t, data, out, ended)
}

var greeting = regexp.MustCompile(`(?m)^  Dashboard  (https://\S+)/\n  Token      (\S+)$`)

// connect waits for the greeting of a server.
func connect(t testing.TB, data string, out *output, ended chan int) *running {
	t.Helper()
	var found []string
	wait(t, "the server to start", func() bool {
		select {
		case code := <-ended:
			ended <- code
			t.Fatalf("the server ended with %d:\n%s", code, out)
		default:
		}
		found = greeting.FindStringSubmatch(out.String())
		return found != nil
	})
	b, err := os.ReadFile(filepath.Join(data, "server-ca.pem"))
	require.NoError(t, err)
	block, _ := pem.Decode(b)
	require.NotNil(t, block)
	root, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{
		Transport:     transport,
		Timeout:       soon,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &running{t: t, url: found[1], token: found[2], data: data, out: out, client: client}
}

// wait looks again and again until something is so.
func wait(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.NewTimer(soon)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline.C:
			t.Fatalf("waited %s for %s", soon, what)
		case <-tick.C:
		}
	}
}

// get fetches a page and returns its status and body.
func (s *running) get(path string, head http.Header) (int, []byte) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url+path, nil)
	require.NoError(s.t, err)
	req.Header = head
	return s.do(req)
}

func (s *running) do(req *http.Request) (int, []byte) {
	s.t.Helper()
	resp, err := s.client.Do(req)
	require.NoError(s.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	return resp.StatusCode, body
}

// api gets something of the JSON API.
func (s *running) api(path string, into any) {
	s.t.Helper()
	status, body := s.get("/api/v1"+path, http.Header{"Authorization": {"Bearer " + s.token}})
	require.Equal(s.t, http.StatusOK, status, "%s: %s", path, body)
	require.NoError(s.t, json.Unmarshal(body, into), "%s", body)
}
