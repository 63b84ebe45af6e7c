package keelson_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/storage"
)

// nth fails the n-th of what it counts, once. 0 fails nothing.
type nth struct{ n, seen atomic.Int64 }

func (f *nth) arm(n int64)  { f.seen.Store(0); f.n.Store(n) }
func (f *nth) fired() bool  { n := f.n.Load(); return n != 0 && f.seen.Load() >= n }
func (f *nth) strike() bool { return f.seen.Add(1) == f.n.Load() }

var errInjected = mdm.Errorf(mdm.CodeUnavailable, "", "injected")

// write is a [storage.FaultHook].
func (f *nth) write(string) error {
	if f.strike() {
		return errInjected
	}
	return nil
}

// dropping serves requests and loses the reply of the n-th after the handler
// has done its work: the device never learns what became of its message.
func dropping(f *nth, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if f.strike() {
			panic(http.ErrAbortHandler)
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// serveDropping is serve with replies that can be lost.
func serveDropping(t testing.TB, store storage.Store, f *nth) *world {
	t.Helper()
	mux := http.NewServeMux()
	srv := httptest.NewUnstartedServer(dropping(f, mux))
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return join(t, store, mux, srv)
}

// story is a piece of a device's life that must come to the same end whatever
// fails on the way.
type story struct {
	name string
	tell func(t *testing.T, w *world)
}

// until repeats what a device or an administrator would repeat.
func until(t *testing.T, do func() error) {
	t.Helper()
	var err error
	for range 8 {
		if err = do(); err == nil {
			return
		}
	}
	t.Fatalf("it never succeeded: %v", err)
}

// calm plans and polls, past failures, until nothing moves.
func (w *world) calm(t *testing.T, poll func(context.Context) (int, error)) {
	t.Helper()
	quiet := 0
	for range 60 {
		planErr := w.Plan(t.Context())
		n, err := poll(t.Context())
		if planErr == nil && err == nil && n == 0 {
			if quiet++; quiet == 3 {
				return
			}
			continue
		}
		quiet = 0
	}
	t.Fatal("devices and server never come to rest")
}

var stories = []story{
	{"an Apple device's life", func(t *testing.T, w *world) {
		ctx := t.Context()
		var p keelson.Profile
		until(t, func() (err error) {
			p, err = w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
			if errors.Is(err, mdm.CodeConflict) { // stored, and the answer lost
				ps, e := w.Profiles().List(ctx, nil)
				p, err = ps[0], e
			}
			return err
		})
		// A link is used up by the first Authenticate; who fails behind that asks
		// for a new one.
		var mac *mdmtest.Apple
		until(t, func() error {
			link, err := w.Enrollments().Link(ctx, keelson.LinkRequest{})
			if err != nil {
				return err
			}
			mac = mdmtest.NewApple(mdmtest.AppleMac, link.URL, &mdmtest.AppleOptions{
				RootCAs: w.roots, Keys: w.pool.Key, UDID: "7C9A8F10-0000-4000-8000-000000000001", Serial: "C02FAULTS1",
			})
			t.Cleanup(mac.Close)
			return mac.Enroll(ctx)
		})
		until(t, func() error { return mac.SetBootstrapToken(ctx, []byte("token")) })
		w.calm(t, mac.Poll)
		require.Equal(t, profiles.Verified, w.status(p.ID), "%+v", w.host().Profiles)

		until(t, func() (err error) {
			_, err = w.Profiles().Update(ctx, p.ID, keelson.ProfileChange{Content: appleProfile("com.example.one", "One", "B")})
			return err
		})
		w.calm(t, mac.Poll)
		require.Equal(t, profiles.Verified, w.status(p.ID))
		have, _ := mac.Profile("com.example.one")
		require.Equal(t, appleProfile("com.example.one", "One", "B"), have.Raw)

		until(t, func() error {
			err := w.Profiles().Delete(ctx, p.ID)
			if errors.Is(err, mdm.CodeNotFound) {
				return nil
			}
			return err
		})
		w.calm(t, mac.Poll)
		_, still := mac.Profile("com.example.one")
		require.False(t, still)
		require.Empty(t, w.host().Profiles)
		var token []byte
		until(t, func() (err error) { token, err = mac.GetBootstrapToken(ctx); return err })
		require.Equal(t, []byte("token"), token)

		require.Empty(t, mac.Duplicates(), "a command came again though its answer had been taken")
		oneOutcome(t, w, mac.Record())
	}},
	{"a PC's life", func(t *testing.T, w *world) {
		ctx := t.Context()
		var p keelson.Profile
		until(t, func() (err error) {
			p, err = w.Profiles().Create(ctx, keelson.ProfileUpload{Name: "Camera", Content: windowsProfile("Camera/AllowCamera", "0")})
			return err
		})
		pc := mdmtest.NewPC(w.url, "ada", "lovelace", &mdmtest.PCOptions{Key: w.rsaKey})
		until(t, func() error { return pc.Enroll(ctx) })
		sync := func(ctx context.Context) (int, error) { _, err := pc.Sync(ctx); return 0, err }
		w.calm(t, sync)
		w.calm(t, sync)
		require.Equal(t, profiles.Verified, w.pcStatus(pc, p.ID))
		until(t, func() (err error) {
			_, err = w.Profiles().Update(ctx, p.ID, keelson.ProfileChange{Content: windowsProfile("Camera/AllowCamera", "1")})
			return err
		})
		w.calm(t, sync)
		w.calm(t, sync)
		require.Equal(t, profiles.Verified, w.pcStatus(pc, p.ID))
		node, ok := pc.Node("./Device/Vendor/MSFT/Policy/Config/Camera/AllowCamera")
		require.True(t, ok)
		require.Equal(t, "1", node.Value)
		require.Empty(t, pc.Duplicates(), "a command came again though its answer had been taken")
	}},
}

// oneOutcome holds the device's record against the server's: every command that
// the device answered has ended with exactly one outcome.
func oneOutcome(t *testing.T, w *world, seen []mdmtest.CommandRecord) {
	t.Helper()
	for _, c := range seen {
		cmd, err := w.Commands().Get(t.Context(), mdm.CommandID(c.UUID))
		require.NoError(t, err)
		require.NotEmpty(t, cmd.Outcome, "%s %s never ended", c.RequestType, c.UUID)
	}
}

// TestFaultAtEveryWrite fails each store write of each story in turn.
func TestFaultAtEveryWrite(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
				step := int64(stride)
				if strings.HasSuffix(t.Name(), "/postgres") || strings.HasSuffix(t.Name(), "/mysql") {
					step = 7 // the suite of stores strikes every write of a server
				}
				every(t, step, func(t *testing.T, f *nth) {
					s.tell(t, serve(t, open(f.write), nil))
				})
			})
		})
	}
}

// TestLostReply loses each reply of each story in turn.
func TestLostReply(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			every(t, stride, func(t *testing.T, f *nth) { s.tell(t, serveDropping(t, newInmem(), f)) })
		})
	}
}

// every runs a story with nothing failing, and then once for each thing that can
// fail in it, or for one of every few.
func every(t *testing.T, step int64, run func(*testing.T, *nth)) {
	t.Helper()
	var f nth
	run(t, &f)
	total := f.seen.Load()
	require.NotZero(t, total)
	for n := int64(1); ; n += step {
		f.arm(n)
		ok := t.Run("", func(t *testing.T) { run(t, &f) })
		require.True(t, ok, "with fault %d of about %d", n, total)
		if !f.fired() {
			return
		}
	}
}

// pcStatus is a profile's status on the host that a PC is.
func (w *world) pcStatus(pc *mdmtest.PCDevice, id mdm.ProfileID) profiles.Status {
	w.t.Helper()
	for _, h := range w.hosts() {
		if h.HardwareID != pc.DeviceID() || h.State != mdm.HostEnrolled {
			continue
		}
		d, err := w.Hosts().Get(context.Background(), h.ID)
		require.NoError(w.t, err)
		for _, p := range d.Profiles {
			if p.Profile == id {
				return p.Status
			}
		}
	}
	return ""
}
