package lifecycle_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
)

// TestPlace: which host a device that comes for the first time is. Each case
// returns the host that it must find, 0 for a new one.
func TestPlace(t *testing.T) {
	pending := func(w *world, x mdm.ExternalID, f mdm.HostFacts) mdm.HostKey {
		w.t.Helper()
		h, err := w.ensure(x, f, 0)
		require.NoError(w.t, err)
		return h.Key
	}
	for name, c := range map[string]struct {
		comes func(*world) mdm.Authenticated
		found func(*world) mdm.HostKey
	}{
		"nothing is known": {nil, func(*world) mdm.HostKey { return 0 }},
		"its hardware id": {nil, func(w *world) mdm.HostKey {
			pending(w, "other", mdm.HostFacts{HardwareID: "B"})
			return pending(w, "x", mdm.HostFacts{HardwareID: "A"})
		}},
		"its hardware id, on the other system": {nil, func(w *world) mdm.HostKey {
			pending(w, "x", mdm.HostFacts{HardwareID: "A", Platform: mdm.Windows})
			return 0
		}},
		"its serial number":     {nil, func(w *world) mdm.HostKey { return pending(w, "x", mdm.HostFacts{Serial: "S-A"}) }},
		"its serial and system": {nil, func(w *world) mdm.HostKey { return pending(w, "x", mdm.HostFacts{Serial: "S-A", Platform: mdm.IOS}) }},
		"its serial, other system": {nil, func(w *world) mdm.HostKey {
			pending(w, "x", mdm.HostFacts{Serial: "S-A", Platform: mdm.Windows})
			return 0
		}},
		"its serial, other machine": {nil, func(w *world) mdm.HostKey { pending(w, "x", mdm.HostFacts{Serial: "S-A", HardwareID: "B"}); return 0 }},
		"its serial, twice": {nil, func(w *world) mdm.HostKey {
			pending(w, "x", mdm.HostFacts{Serial: "S-A"})
			pending(w, "y", mdm.HostFacts{Serial: "S-A"})
			return 0
		}},
		"its serial, twice, one of the other system": {nil, func(w *world) mdm.HostKey {
			pending(w, "x", mdm.HostFacts{Serial: "S-A", Platform: mdm.Windows})
			return pending(w, "y", mdm.HostFacts{Serial: "S-A"})
		}},
		"its hardware id before its serial": {nil, func(w *world) mdm.HostKey {
			pending(w, "x", mdm.HostFacts{Serial: "S-A"})
			return pending(w, "y", mdm.HostFacts{HardwareID: "A"})
		}},
		"the serial of a host that has enrolled": {nil, func(w *world) mdm.HostKey {
			b := mac("B", w.life("ada"))
			b.Facts.Serial = "S-A"
			w.enroll(b)
			return 0
		}},
		"the serial of one that enrolled without a hardware id": {nil, func(w *world) mdm.HostKey {
			b := mac("B", w.life("ada"))
			b.Facts.Serial, b.Facts.HardwareID = "S-A", ""
			w.enroll(b)
			return 0
		}},
		"a host that was deleted": {nil, func(w *world) mdm.HostKey {
			w.delete(pending(w, "x", mdm.HostFacts{HardwareID: "A", Serial: "S-A"}))
			return 0
		}},
		"no serial, no hardware id": {func(w *world) mdm.Authenticated {
			a := mac("A", w.life(""))
			a.Facts = mdm.HostFacts{Platform: mdm.IOS}
			return a
		}, func(w *world) mdm.HostKey { pending(w, "x", mdm.HostFacts{}); return 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			want := c.found(w)
			a := mac("A", w.life("ada"))
			if c.comes != nil {
				a = c.comes(w)
			}
			before := len(w.hosts())
			h := w.enroll(a).Host
			if want == 0 {
				require.Len(t, w.hosts(), before+1)
				require.Empty(t, h.ExternalID)
				return
			}
			require.Len(t, w.hosts(), before)
			require.Equal(t, want, h.Key)
			require.Equal(t, mdm.HostEnrolled, h.State)
			require.NotEmpty(t, h.ExternalID)
			require.Equal(t, "A", h.HardwareID)
		})
	}
}

// TestClones: machines made from one image share the id by which Windows knows
// them.
func TestClones(t *testing.T) {
	for name, c := range map[string]struct {
		first func(*world, mdm.Authenticated)
		again string // the person who comes next
		same  bool
	}{
		"the same person, managed":            {func(w *world, a mdm.Authenticated) { w.enroll(a) }, "ada", true},
		"another person, managed":             {func(w *world, a mdm.Authenticated) { w.enroll(a) }, "bob", false},
		"nobody, managed":                     {func(w *world, a mdm.Authenticated) { w.enroll(a) }, "", false},
		"nobody, of nobody's":                 {func(w *world, a mdm.Authenticated) { w.enroll(a) }, "", false},
		"nobody, of nobody's, under way":      {func(w *world, a mdm.Authenticated) { w.announce(a) }, "", false},
		"the same person, under way":          {func(w *world, a mdm.Authenticated) { w.announce(a) }, "ada", true},
		"another person, under way":           {func(w *world, a mdm.Authenticated) { w.announce(a) }, "bob", false},
		"another person, after it was left":   {func(w *world, a mdm.Authenticated) { w.unenroll(w.enroll(a).Host.Key) }, "bob", true},
		"the same person, after it was left":  {func(w *world, a mdm.Authenticated) { w.unenroll(w.enroll(a).Host.Key) }, "ada", true},
		"another person, after it was undone": {func(w *world, a mdm.Authenticated) { w.unenroll(w.announce(a).Host.Key) }, "bob", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			first := pc("CLONE", w.life("ada"))
			if strings.HasPrefix(name, "nobody, of nobody") {
				first.Next.Person = ""
			}
			c.first(w, first)
			was := w.enrollment(first.Natural)
			next := pc("CLONE", w.life(c.again))
			h := w.enroll(next).Host
			require.Equal(t, c.same, h.Key == was.Host)
			if !c.same {
				require.Equal(t, was, w.enrollment(first.Natural), "a clone takes nothing away")
			}
		})
	}
}

// A logic board was replaced: the serial number stays, the UDID does not.
func TestLogicBoard(t *testing.T) {
	w := newWorld(t, nil)
	old := w.enroll(mac("A", w.life("ada"))).Enrollment
	board := mac("B", w.life("ada"))
	board.Facts.Serial = "S-A"
	tr := w.enroll(board)
	require.NotEqual(t, old.Host, tr.Host.Key, "a claimed serial number takes nothing over")
	require.Equal(t, old, w.enrollment(mac("A", mdm.NextLife{}).Natural))
}

func TestDeletedHostComesBackAsANewOne(t *testing.T) {
	w := newWorld(t, nil)
	h, err := w.ensure("x", mdm.HostFacts{Serial: "S-A"}, 7)
	require.NoError(t, err)
	first := mac("A", w.life("ada"))
	e := w.enroll(first).Enrollment
	require.Equal(t, h.Key, e.Host)
	w.delete(e.Host)

	second := mac("A", w.life("bob"))
	tr := w.enroll(second)
	require.Equal(t, e.Key, tr.Enrollment.Key, "the same channel")
	require.NotEqual(t, e.Host, tr.Host.Key)
	require.NotEqual(t, h.ID, tr.Host.ID)
	require.Empty(t, tr.Host.ExternalID)
	require.Equal(t, "bob", w.person(tr.Host.Key))
	require.Empty(t, w.person(e.Host))
	require.Equal(t, mdm.HostDeleted, w.host(e.Host).State)
	es, err := w.Enrollments(w.ctx, tenant, e.Host)
	require.NoError(t, err)
	require.Empty(t, es)
}

func TestUnenroll(t *testing.T) {
	w := newWorld(t, nil)
	a := mac("A", w.life("ada"))
	e := w.enroll(a).Enrollment
	w.deliver()
	next := mac("A", w.life("ada"))
	w.announce(next)
	ts := w.unenroll(e.Host)
	require.Len(t, ts, 1)
	require.Equal(t, lifecycle.TurnedOff, ts[0].Kind)
	require.Equal(t, w.enrollment(a.Natural), ts[0].Enrollment)
	require.Equal(t, w.host(e.Host), ts[0].Host)
	require.Equal(t, mdm.HostUnenrolled, ts[0].Host.State)
	require.Zero(t, ts[0].Enrollment.Next)
	require.Equal(t, a.Next.Pin, ts[0].Enrollment.Pin, "by which its late answers are known")
	require.Equal(t, "ada", w.person(e.Host))
	require.Equal(t, lifecycle.None, w.confirm(next).Kind)
	events := w.deliver()
	require.Equal(t, []mdm.EventKind{mdm.EventUnenrolled}, kinds(events))
	require.Equal(t, admin, events[0].Actor)

	require.Empty(t, w.unenroll(e.Host), "once is enough")
	w.announce(next)
	ts = w.unenroll(e.Host)
	require.Len(t, ts, 1, "what was announced ends, too")
	require.Zero(t, ts[0].Enrollment.Next)
	require.Equal(t, mdm.HostUnenrolled, w.host(e.Host).State)
	require.Empty(t, w.deliver(), "the application never heard of it")

	h, err := w.ensure("x", mdm.HostFacts{}, 0)
	require.NoError(t, err)
	require.Empty(t, w.unenroll(h.Key))
	require.Equal(t, mdm.HostPending, w.host(h.Key).State)
	for _, how := range []func(context.Context, mdm.Tx, mdm.HostKey, mdm.Actor) ([]lifecycle.Transition, error){w.Unenroll, w.Delete} {
		require.ErrorIs(t, w.do(func(ctx context.Context, tx mdm.Tx) error {
			_, err := how(ctx, tx, 999, admin)
			return err
		}), mdm.CodeNotFound)
	}
}

func TestDelete(t *testing.T) {
	w := newWorld(t, nil)
	h, err := w.ensure("x", mdm.HostFacts{Serial: "S-A"}, 0)
	require.NoError(t, err)
	a := mac("A", w.life("ada"))
	w.enroll(a)
	w.deliver()
	ts := w.delete(h.Key)
	gone := w.host(h.Key)
	require.Equal(t, mdm.HostDeleted, gone.State)
	require.Equal(t, h.ID, gone.ID)
	require.Len(t, ts, 1)
	require.Equal(t, lifecycle.HostGone, ts[0].Kind)
	require.Equal(t, gone, ts[0].Host)
	require.Equal(t, w.enrollment(a.Natural), ts[0].Enrollment)
	require.Empty(t, w.person(h.Key))
	w.hooks.fail = func(_ context.Context, e mdm.Event) error {
		if e.Kind == mdm.EventUnenrolled {
			return errHook
		}
		return nil
	}
	require.Equal(t, []mdm.EventKind{mdm.EventUnenrolled}, kinds(w.deliver()), "the deletion is told behind it")
	w.hooks.fail = nil
	w.clock.add(time.Second)
	events := w.deliver()
	require.Equal(t, []mdm.EventKind{mdm.EventUnenrolled, mdm.EventHostDeleted}, kinds(events))
	require.Equal(t, mdm.ExternalID("x"), events[1].ExternalID)
	require.Equal(t, h.ID, events[1].Host)
	require.Equal(t, []mdm.Actor{admin, admin}, []mdm.Actor{events[0].Actor, events[1].Actor})

	require.Empty(t, w.delete(h.Key))
	require.Empty(t, w.deliver())
	_, err = w.HostByExternal(w.ctx, tenant, "x")
	require.ErrorIs(t, err, mdm.CodeNotFound)
	again, err := w.ensure("x", mdm.HostFacts{}, 0)
	require.NoError(t, err)
	require.NotEqual(t, h.Key, again.Key)
	require.Empty(t, w.delete(again.Key), "it had no channel")
	require.Equal(t, []mdm.EventKind{mdm.EventHostDeleted}, kinds(w.deliver()))
}

func TestEnsure(t *testing.T) {
	w := newWorld(t, nil)
	h, err := w.ensure("x", mdm.HostFacts{Serial: "S-A", Name: "Reception", Platform: mdm.MacOS}, 7)
	require.NoError(t, err)
	require.Equal(t, mdm.Host{
		Key: h.Key, ID: h.ID, ExternalID: "x", Platform: mdm.MacOS, Serial: "S-A", Name: "Reception",
		Team: 7, State: mdm.HostPending, CreatedAt: w.clock.Now(),
	}, h)
	require.Equal(t, h, w.host(h.Key))

	same, err := w.ensure("x", mdm.HostFacts{Name: "Desk"}, 8)
	require.NoError(t, err)
	h.Name = "Desk"
	require.Equal(t, h, same, "what is not said stays, and the team is not moved from here")
	require.Equal(t, h, w.host(h.Key))

	w.enroll(mac("A", w.life("ada")))
	enrolled := w.host(h.Key)
	same, err = w.ensure("x", mdm.HostFacts{Name: "Mine", Serial: "OTHER", Platform: mdm.Windows}, 0)
	require.NoError(t, err)
	require.Equal(t, enrolled, same, "a device's own word stands")
	require.Equal(t, enrolled, w.host(h.Key))

	first, err := w.ensure("", mdm.HostFacts{}, 0)
	require.NoError(t, err)
	second, err := w.ensure("", mdm.HostFacts{}, 0)
	require.NoError(t, err)
	require.NotEqual(t, first.ID, second.ID)

	before := w.hosts()
	long := strings.Repeat("x", 256)
	for name, f := range map[string]mdm.HostFacts{
		"platform": {Platform: "amiga"}, "serial": {Serial: long}, "hardware_id": {HardwareID: long},
		"name": {Name: long}, "model": {Model: long}, "os_version": {OSVersion: long},
	} {
		_, err := w.ensure("new", f, 0)
		require.ErrorIs(t, err, mdm.CodeInvalid)
		var e *mdm.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, name, e.Field)
	}
	_, err = w.ensure(mdm.ExternalID(long), mdm.HostFacts{}, 0)
	require.ErrorIs(t, err, mdm.CodeInvalid)
	require.Equal(t, before, w.hosts())
}

func TestReads(t *testing.T) {
	w := newWorld(t, nil)
	h, err := w.ensure("x", mdm.HostFacts{Platform: mdm.MacOS}, 0)
	require.NoError(t, err)
	got, err := w.Host(w.ctx, tenant, h.ID)
	require.NoError(t, err)
	require.Equal(t, h, got)
	got, err = w.HostByExternal(w.ctx, tenant, "x")
	require.NoError(t, err)
	require.Equal(t, h, got)
	counts, err := w.Counts(w.ctx, tenant)
	require.NoError(t, err)
	require.Equal(t, map[mdm.Platform]map[mdm.HostState]int{mdm.MacOS: {mdm.HostPending: 1}}, counts)
}

func TestNew(t *testing.T) {
	w := newWorld(t, nil)
	good := lifecycle.Config{Store: w.store.Lifecycle(), Transactor: w.store, Clock: w.clock, Rand: rand.Reader}
	_, err := lifecycle.New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*lifecycle.Config){
		"Store":      func(c *lifecycle.Config) { c.Store = nil },
		"Transactor": func(c *lifecycle.Config) { c.Transactor = nil },
		"Clock":      func(c *lifecycle.Config) { c.Clock = nil },
		"Rand":       func(c *lifecycle.Config) { c.Rand = nil },
	} {
		c := good
		change(&c)
		_, err := lifecycle.New(c)
		require.ErrorIs(t, err, mdm.CodeInvalid, name)
	}
}

// TestFaults: a unit that fails anywhere has changed nothing, and doing it again
// comes to the same end.
func TestFaults(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, nil)
		calls := 0
		story := func() error {
			a, b := pc("D", w.life("ada")), pc("D", w.life("ada"))
			for _, x := range []mdm.Authenticated{a, b} {
				if _, err := w.apply(authenticated(x)); err != nil {
					return err
				}
				e := w.enrollment(x.Natural)
				before := w.picture()
				_, err := w.apply(mdm.Signal{Kind: mdm.SignalConfirmed, Key: e.Key, Data: mdm.Confirmed{Pin: x.Next.Pin}})
				if err != nil {
					require.Equal(t, before, w.picture(), "write %d", n)
					return err
				}
			}
			h := w.enrollment(b.Natural).Host
			return w.do(func(ctx context.Context, tx mdm.Tx) error {
				_, err := w.Delete(ctx, tx, h, admin)
				return err
			})
		}
		w.fault = func(string) error {
			if calls++; calls == n {
				return mdm.Errorf(mdm.CodeUnavailable, "", "injected")
			}
			return nil
		}
		err := story()
		if calls < n {
			require.NoError(t, err)
			require.Greater(t, n, 15, "faults were injected")
			return
		}
		require.ErrorIs(t, err, mdm.CodeUnavailable, "write %d", n)
	}
}
