package keelson_test

import (
	"crypto/tls"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// replicas are several server processes on one database, behind one address.
type replicas struct {
	front *process // how clients reach them
	all   []*process

	mu   sync.Mutex
	next int
}

// newReplicas starts n processes over a database.
func newReplicas(t *testing.T, database string, n int) *replicas {
	t.Helper()
	first := newProcess(t, database)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "https://" + l.Addr().String()
	front := *first
	front.url, front.cmd = url, nil
	front.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: first.roots}, DisableKeepAlives: true,
	}}
	r := &replicas{front: &front}
	for i := range n {
		p := first
		if i > 0 {
			p = newProcess(t, database)
			for _, name := range []string{"ca.pem", "ca.key", "tls.pem", "tls.key"} {
				b, err := os.ReadFile(filepath.Join(first.dir, name))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(p.dir, name), b, 0o600))
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, "url"), []byte(url), 0o600))
		r.all = append(r.all, p)
		p.start()
	}
	go r.serve(l)
	t.Cleanup(func() { _ = l.Close() })
	return r
}

// serve hands each connection to the next replica that takes it.
func (r *replicas) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			for range r.all {
				r.mu.Lock()
				p := r.all[r.next%len(r.all)]
				r.next++
				r.mu.Unlock()
				server, err := net.Dial("tcp", p.addr())
				if err != nil {
					continue // it is dead just now
				}
				defer server.Close()
				go func() {
					_, _ = io.Copy(server, client)
					_ = server.Close()
				}()
				_, _ = io.Copy(client, server)
				return
			}
		}()
	}
}

// addr is where the process itself listens.
func (p *process) addr() string {
	b, err := os.ReadFile(filepath.Join(p.dir, "addr"))
	if err != nil {
		return ""
	}
	return string(b)
}

// TestReplicas kills one of three processes on one database again and again: they
// are one server, and none of them is special. KEELSON_TEST_REPLICAS_DEVICES makes
// the fleet larger, and the storm longer with it.
func TestReplicas(t *testing.T) {
	for _, s := range servers {
		t.Run(string(s.dialect), func(t *testing.T) {
			s.Need(t)
			size := storm{macs: 8, pcs: 4, kills: 15}
			if n, err := strconv.Atoi(os.Getenv("KEELSON_TEST_REPLICAS_DEVICES")); err == nil {
				size = storm{macs: n * 3 / 4, pcs: n / 4, kills: max(15, n/10)}
			}
			r := newReplicas(t, s.Driver()+" "+s.name(t), 3)
			underKills(t, r.front, size, func() {
				p := r.all[mrand.IntN(len(r.all))]
				p.kill()
				p.start()
			})
		})
	}
}
