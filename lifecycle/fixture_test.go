package lifecycle_test

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write golden files anew")

// golden compares with a file of testdata; -update writes it.
func golden(t *testing.T, name string, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// hooks is an application that keeps what it is told.
type hooks struct {
	mu     sync.Mutex
	events []mdm.Event
	fail   func(context.Context, mdm.Event) error // nil takes everything
}

func (h *hooks) HandleEvent(ctx context.Context, e mdm.Event) error {
	h.mu.Lock()
	h.events = append(h.events, e)
	fail := h.fail
	h.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(ctx, e)
}

// take returns what came since the last time.
func (h *hooks) take() []mdm.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.events
	h.events = nil
	return out
}

const tenant = mdm.DefaultTenant

// admin is who sends hosts away.
var admin = mdm.Actor{Kind: "user", Name: "ada", Reason: "ticket 7"}

// world is a lifecycle service with what it stands on.
type world struct {
	*lifecycle.Service
	t     testing.TB
	ctx   context.Context
	clock *clock
	store *inmem.Store
	hooks *hooks
	fault func(string) error // of the store
	gen   mdm.Generation
}

func newWorld(t testing.TB, change func(*lifecycle.Config)) *world {
	t.Helper()
	w := &world{t: t, ctx: context.Background(), clock: &clock{at: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}, hooks: &hooks{}}
	w.store = inmem.New(&inmem.Options{Fault: func(what string) error {
		if w.fault == nil {
			return nil
		}
		return w.fault(what)
	}})
	require.NoError(t, w.store.Lifecycle().PutTenant(w.ctx, tenant))
	c := lifecycle.Config{Store: w.store.Lifecycle(), Transactor: w.store, Clock: w.clock, Rand: rand.Reader, Hooks: w.hooks}
	if change != nil {
		change(&c)
	}
	var err error
	w.Service, err = lifecycle.New(c)
	require.NoError(t, err)
	return w
}

func (w *world) do(fn func(context.Context, mdm.Tx) error) error {
	return w.store.InTx(w.ctx, tenant, fn)
}

func (w *world) apply(g mdm.Signal) (t lifecycle.Transition, err error) {
	err = w.do(func(ctx context.Context, tx mdm.Tx) error {
		t, err = w.Apply(ctx, tx, g)
		return err
	})
	return t, err
}

// life is a certificate that was issued for a new life.
func (w *world) life(person string) mdm.NextLife {
	w.gen++
	return mdm.NextLife{
		ID: mdm.EnrollmentID(fmt.Sprintf("life-%d", w.gen)), Generation: w.gen,
		Pin: mdm.Hash{1, byte(w.gen), byte(w.gen >> 8)}, Person: person,
	}
}

// renewal is another certificate of the same life.
func renewal(l mdm.NextLife) mdm.NextLife {
	l.Pin[0]++
	return l
}

// mac is an Apple device that authenticates.
func mac(udid string, next mdm.NextLife) mdm.Authenticated {
	return mdm.Authenticated{
		Natural: mdm.AppleNatural(udid), Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel, Next: next,
		Facts: mdm.HostFacts{Platform: mdm.MacOS, HardwareID: udid, Serial: "S-" + udid, Name: "Mac " + udid},
	}
}

// pc is a Windows device that authenticates: each life is a channel of its own.
func pc(deviceID string, next mdm.NextLife) mdm.Authenticated {
	return mdm.Authenticated{
		Natural: mdm.WindowsNatural(next.ID), Protocol: mdm.WindowsProtocol, Channel: mdm.DeviceChannel, Next: next,
		Facts: mdm.HostFacts{Platform: mdm.Windows, HardwareID: deviceID, Serial: "S-" + deviceID},
	}
}

func authenticated(a mdm.Authenticated) mdm.Signal {
	return mdm.Signal{Kind: mdm.SignalAuthenticated, Generation: a.Next.Generation, Data: a}
}

func (w *world) announce(a mdm.Authenticated) lifecycle.Transition {
	w.t.Helper()
	t, err := w.apply(authenticated(a))
	require.NoError(w.t, err)
	return t
}

func (w *world) confirm(a mdm.Authenticated) lifecycle.Transition {
	w.t.Helper()
	e := w.enrollment(a.Natural)
	t, err := w.apply(mdm.Signal{Kind: mdm.SignalConfirmed, Key: e.Key, Host: e.Host, Data: mdm.Confirmed{Pin: a.Next.Pin}})
	require.NoError(w.t, err)
	return t
}

// enroll is a device that has enrolled.
func (w *world) enroll(a mdm.Authenticated) lifecycle.Transition {
	w.t.Helper()
	w.announce(a)
	t := w.confirm(a)
	require.Equal(w.t, lifecycle.NewLife, t.Kind)
	return t
}

func (w *world) checkOut(n mdm.Natural, g mdm.Generation) (lifecycle.Transition, error) {
	e := w.enrollment(n)
	return w.apply(mdm.Signal{Kind: mdm.SignalCheckedOut, Key: e.Key, Host: e.Host, Generation: g})
}

func (w *world) enrollment(n mdm.Natural) mdm.Enrollment {
	w.t.Helper()
	e, err := w.store.Identity().Enrollment(w.ctx, tenant, n)
	require.NoError(w.t, err)
	return e
}

func (w *world) host(k mdm.HostKey) mdm.Host {
	w.t.Helper()
	h, err := w.HostByKey(w.ctx, tenant, k)
	require.NoError(w.t, err)
	return h
}

func (w *world) person(k mdm.HostKey) (person string) {
	w.t.Helper()
	fault := w.fault
	w.fault = nil // there is no read of its own for it
	defer func() { w.fault = fault }()
	require.NoError(w.t, w.do(func(ctx context.Context, tx mdm.Tx) (err error) {
		person, err = w.store.Lifecycle().PersonOf(ctx, tx, k)
		return err
	}))
	return person
}

func (w *world) hosts() []mdm.Host {
	w.t.Helper()
	hs, err := w.Hosts(w.ctx, tenant, lifecycle.HostFilter{Deleted: true}, 0, 1000)
	require.NoError(w.t, err)
	return hs
}

func (w *world) unenroll(k mdm.HostKey) (ts []lifecycle.Transition) {
	w.t.Helper()
	require.NoError(w.t, w.do(func(ctx context.Context, tx mdm.Tx) (err error) {
		ts, err = w.Unenroll(ctx, tx, k, admin)
		return err
	}))
	return ts
}

func (w *world) delete(k mdm.HostKey) (ts []lifecycle.Transition) {
	w.t.Helper()
	require.NoError(w.t, w.do(func(ctx context.Context, tx mdm.Tx) (err error) {
		ts, err = w.Delete(ctx, tx, k, admin)
		return err
	}))
	return ts
}

func (w *world) ensure(x mdm.ExternalID, f mdm.HostFacts, team mdm.TeamKey) (h mdm.Host, err error) {
	err = w.do(func(ctx context.Context, tx mdm.Tx) error {
		h, err = w.Ensure(ctx, tx, x, f, team)
		return err
	})
	return h, err
}

// deliver delivers what is due and returns what came.
func (w *world) deliver() []mdm.Event {
	w.t.Helper()
	_, err := w.Deliver(w.ctx, tenant)
	require.NoError(w.t, err)
	return w.hooks.take()
}
