package keelson_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage"
)

// events remembers what the application was told.
type events struct {
	mu   sync.Mutex
	all  []mdm.Event
	fail int // how many deliveries fail first
}

func (e *events) HandleEvent(_ context.Context, ev mdm.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail > 0 {
		e.fail--
		return context.DeadlineExceeded
	}
	e.all = append(e.all, ev)
	return nil
}

func (e *events) kinds() []mdm.EventKind {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []mdm.EventKind
	for _, ev := range e.all {
		out = append(out, ev.Kind)
	}
	return out
}

// TestWhole runs everything that Run runs: a push wakes the device, which carries
// its profile a moment later, and the application hears of it.
func TestWhole(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		fake := mdmtest.NewAPNs(t)
		pusher, err := apns.New(fake.Certificate, &apns.Options{Host: fake.URL, RootCAs: fake.RootCAs})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, pusher.Close()) })
		heard := &events{}
		w := serve(t, open(nil), func(c *keelson.Config) {
			c.Push, c.Topic, c.Hooks = pusher.Port(), pusher.Topic(), heard
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()

		phone := mdmtest.IPhone(t, w.link(), &mdmtest.AppleOptions{RootCAs: w.roots, Keys: w.pool.Key}).Enroll()
		woken := make(chan struct{}, 100)
		fake.OnPush(func(token, magic string) {
			if phone.Pushed(token, magic) {
				woken <- struct{}{}
			}
		})
		p, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		deadline := time.After(30 * time.Second)
		for w.status(p.ID) != profiles.Verified {
			select {
			case <-woken:
				phone.Poll()
			case <-time.After(10 * time.Millisecond):
			case <-deadline:
				t.Fatalf("it was never verified: %+v", w.host().Profiles)
			}
		}
		id, err := w.Commands().Send(ctx, w.host().ID, keelson.CommandRequest{Kind: mdm.KindDeviceInformation, Content: []byte("DeviceName\nOSVersion"), Idempotency: "k"})
		require.NoError(t, err)
		again, err := w.Commands().Send(ctx, w.host().ID, keelson.CommandRequest{Kind: mdm.KindDeviceInformation, Content: []byte("DeviceName\nOSVersion"), Idempotency: "k"})
		require.NoError(t, err)
		require.Equal(t, id, again)
		<-woken
		phone.Poll()
		cmd, err := w.Commands().Get(ctx, id)
		require.NoError(t, err)
		require.Equal(t, mdm.OutcomeAcknowledged, cmd.Outcome)
		answer, err := w.Commands().Answer(ctx, id)
		require.NoError(t, err)
		require.Contains(t, string(answer), "QueryResponses")
		require.NotEmpty(t, w.host().Name, "what the device told about itself")
		canceled, err := w.Commands().Cancel(ctx, id)
		require.NoError(t, err)
		require.Equal(t, queue.Ended, canceled)
		phone.CheckOut()

		want := []mdm.EventKind{mdm.EventEnrolled, mdm.EventProfileChanged, mdm.EventCommandEnded, mdm.EventUnenrolled}
		require.Eventually(t, func() bool { return len(heard.kinds()) >= len(want) }, 10*time.Second, 10*time.Millisecond)
		require.Equal(t, want, heard.kinds())
		require.Eventually(t, func() bool { return !w.host().LastSeenAt.IsZero() }, 10*time.Second, 10*time.Millisecond)
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// TestTenantsAreSealed: two tenants with the same things in them.
func TestTenantsAreSealed(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		require.NoError(t, w.CreateTenant(ctx, "acme"))
		require.ErrorIs(t, w.CreateTenant(ctx, "Not A Name"), mdm.CodeInvalid)
		acme := w.Tenant("acme")
		p, err := acme.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		l, err := acme.Enrollments().Link(ctx, keelson.LinkRequest{})
		require.NoError(t, err)
		mac := w.mac(l.URL).Enroll()
		w.settle(mac.Poll)
		require.Empty(t, w.hosts(), "the default tenant has none")
		hs, err := acme.Hosts().List(ctx, keelson.HostFilter{}, keelson.Page{})
		require.NoError(t, err)
		require.Len(t, hs, 1)
		_, err = w.Hosts().Get(ctx, hs[0].ID)
		require.ErrorIs(t, err, mdm.CodeNotFound)
		_, err = w.Profiles().Get(ctx, p.ID)
		require.ErrorIs(t, err, mdm.CodeNotFound)
		require.ErrorIs(t, w.Profiles().Delete(ctx, p.ID), mdm.CodeNotFound)
		require.ErrorIs(t, w.Hosts().Delete(ctx, hs[0].ID), mdm.CodeNotFound)
		_, err = w.Tenant("nobody").Hosts().List(ctx, keelson.HostFilter{}, keelson.Page{})
		require.ErrorIs(t, err, mdm.CodeNotFound)

		other := w.mac(w.link()).Enroll() // of the default tenant
		mac.UseIdentityOf(other.Apple)
		_, err = mac.Apple.Poll(ctx)
		refused(t, err)
		mac.TakeViolations()
	})
}

// TestTLSClientCertificate: a device that does not sign its messages is known by
// its TLS client certificate.
func TestTLSClientCertificate(t *testing.T) {
	w := serve(t, newInmem(), nil)
	p, err := w.Profiles().Create(t.Context(), keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
	require.NoError(t, err)
	mac := mdmtest.Mac(t, w.link(), &mdmtest.AppleOptions{RootCAs: w.roots, Keys: w.pool.Key, NoSignMessage: true}).Enroll()
	w.settle(mac.Poll)
	require.Equal(t, profiles.Verified, w.status(p.ID))
}

// TestRunStops: no goroutine outlives Run.
func TestRunStops(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		store := open(nil)
		before := goleak.IgnoreCurrent()
		m, err := keelson.New(keelson.Config{URL: "https://mdm.example.com", Store: store, CA: testCA(t), Keyring: keyring})
		require.NoError(t, err)
		watcher := goleak.IgnoreTopFunction("github.com/go-sql-driver/mysql.(*mysqlConn).startWatcher.func1") // one a pooled connection
		goleak.VerifyNone(t, before, watcher)                                                                 // New starts nothing
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx) }()
		require.NoError(t, m.Plan(ctx))
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
		goleak.VerifyNone(t, before, watcher)
	})
}
