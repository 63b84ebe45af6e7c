package apple_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
)

// discarding is a response writer that is used again and again.
type discarding struct {
	header http.Header
	status int
}

func (d *discarding) Header() http.Header { return d.header }

func (d *discarding) Write(b []byte) (int, error) { return len(b), nil }

func (d *discarding) WriteHeader(status int) { d.status = status }

// TestIdlePollAllocations: what a fleet does most costs one RSA verification, what
// the transport takes, and not much more.
func TestIdlePollAllocations(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	me, body := identityOf(t, a), message("Status", "Idle", "UDID", a.UDID())
	sum := sha256.Sum256(body)
	signature, err := me.key.Sign(nil, sum[:], crypto.SHA256)
	require.NoError(t, err)
	verification := testing.AllocsPerRun(50, func() {
		require.NoError(t, rsa.VerifyPKCS1v15(me.cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature))
	})
	answer := &discarding{header: make(http.Header)}
	send := func(h http.Handler, header http.Header) func() {
		return func() {
			clear(answer.header)
			h.ServeHTTP(answer, &http.Request{
				Method: http.MethodPut, URL: &url.URL{Path: "/"}, Header: header,
				Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
			})
			require.Equal(t, http.StatusOK, answer.status)
		}
	}
	for name, header := range map[string]string{"tidy": me.sign(t, body), "as devices sign": me.asDevices(t, body)} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{apple.SignatureHeader: {header}}
			transport := testing.AllocsPerRun(50, send(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				w.WriteHeader(http.StatusOK)
			}), h))
			poll := testing.AllocsPerRun(50, send(w.server.Commands(tenant), h))
			require.LessOrEqual(t, poll-transport-verification, 14.0, "%v in all, %v of the transport, %v of RSA", poll, transport, verification)
			require.LessOrEqual(t, poll-transport, 25.0)
		})
	}
}
