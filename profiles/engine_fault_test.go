package profiles_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

// failing makes the instructions for one profile fail with err.
func failing(name string, err error) func(*profiles.Config) {
	return func(c *profiles.Config) {
		for _, f := range []profiles.Family{profiles.AppleProfile, profiles.WindowsProfile} {
			c.Formats[f] = textFormat{family: f, fail: func(d *profiles.Document) error {
				if d.Name == name {
					return err
				}
				return nil
			}}
		}
	}
}

// A profile whose command cannot be made is set aside with its own retries, and
// everything else goes on: the host's other profiles, and other hosts.
func TestBadProfileIsSetAside(t *testing.T) {
	w := newWorld(t, failing("bad", mdm.Errorf(mdm.CodeInvalid, "x", "no such value")))
	d, e := w.enroll(mac, 0), w.enroll(mac, 0)
	bad := w.upload(0, "a", "uuid 1; name bad")
	w.upload(0, "b", "uuid 2")
	w.settle(d, e)
	for _, d := range []*device{d, e} {
		require.Equal(t, []string{"install b", "list"}, d.said())
		require.Equal(t, "pending/retry_later", d.status("a"))
		require.Equal(t, "the command could not be made: no such value", d.view().Items[0].Detail)
		require.Equal(t, "verified/proven", d.status("b"))
	}
	for range 10 {
		w.clock.add(profiles.MaxPause)
		w.settle(d, e)
	}
	require.Equal(t, "failed/refused", d.status("a"))
	require.Empty(t, d.said())
	require.Zero(t, w.backlog())

	w.update(bad, profiles.Change{Content: content("a", "uuid 1; name good")})
	w.settle(d, e)
	require.Equal(t, "verified/proven", d.status("a"))

	f := w.enroll(mac, 0)
	require.NotNil(t, f.fetch(), "nor does it keep anybody from enrolling")
}

// A question that cannot be made is made later.
func TestBadQuestionIsAskedLater(t *testing.T) {
	var fail error
	w := newWorld(t, func(c *profiles.Config) {
		c.Formats[profiles.WindowsProfile] = textFormat{family: profiles.WindowsProfile, fail: func(*profiles.Document) error { return fail }}
	})
	d := w.enroll(pc, 0)
	w.clock.add(profiles.SecondLook)
	w.uploadWindows(0, "a", "node ./x 1")
	w.reconcile()
	fail = mdm.Errorf(mdm.CodeInternal, "", "a defect")
	w.settle(d)
	require.Equal(t, []string{"write ./x"}, d.said())
	require.Equal(t, "verifying/unobserved", d.status("a"))
	fail = nil
	w.clock.add(profiles.AskAgain)
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
}

// badQueue fails for some channels.
type badQueue struct {
	*queue.Queue
	bad map[mdm.EnrollmentKey]error
}

func (q *badQueue) Enqueue(ctx context.Context, tx mdm.Tx, cs []queue.Command) ([]queue.Entry, error) {
	if err := q.bad[cs[0].Enrollment]; err != nil {
		return nil, err
	}
	return q.Queue.Enqueue(ctx, tx, cs)
}

// A host that cannot be planned is set aside for a while, and the others of its
// page are planned.
func TestBadHostIsSetAside(t *testing.T) {
	q := &badQueue{bad: map[mdm.EnrollmentKey]error{}}
	w := newWorld(t, func(c *profiles.Config) {
		q.Queue = c.Queue.(*queue.Queue)
		c.Queue, c.Page = q, 4
	})
	var ds []*device
	for range 10 {
		ds = append(ds, w.enroll(mac, 0))
	}
	bad := ds[3]
	w.clock.add(profiles.SecondLook)
	w.reconcile()
	q.bad[bad.e.Key] = mdm.Errorf(mdm.CodeInvalid, "", "a defect")
	w.upload(0, "a", "uuid 1")
	w.settle(ds...)
	for _, d := range ds {
		if d != bad {
			require.Equal(t, "verified/proven", d.status("a"))
		}
	}
	require.Equal(t, "pending/not_planned", bad.status("a"))
	require.Zero(t, w.backlog(), "its mark does not stay and burn time")
	due, err := w.store.Profiles().NextDue(w.ctx, tenant)
	require.NoError(t, err)
	require.Equal(t, w.clock.Now().Add(profiles.Quarantine), due)

	clear(q.bad)
	w.clock.add(profiles.Quarantine)
	w.settle(ds...)
	require.Equal(t, "verified/proven", bad.status("a"))
}

// A store that does not answer sets nobody aside: the marks stay.
func TestTransientFaultSetsNobodyAside(t *testing.T) {
	q := &badQueue{bad: map[mdm.EnrollmentKey]error{}}
	w := newWorld(t, func(c *profiles.Config) {
		q.Queue = c.Queue.(*queue.Queue)
		c.Queue = q
	})
	d, e := w.enroll(mac, 0), w.enroll(mac, 0)
	w.clock.add(profiles.SecondLook)
	w.reconcile()
	w.upload(0, "a", "uuid 1")

	down := mdm.Errorf(mdm.CodeUnavailable, "", "the database is away")
	q.bad[d.e.Key] = down
	_, err := w.engine.ReconcileAll(w.ctx, tenant)
	require.ErrorIs(t, err, down)
	require.Equal(t, 2, w.backlog())

	// Neither does one that begins when a bad host is being set aside.
	q.bad[d.e.Key] = mdm.Errorf(mdm.CodeInvalid, "", "a defect")
	q.bad[e.e.Key] = down
	_, err = w.engine.ReconcileAll(w.ctx, tenant)
	require.ErrorIs(t, err, down)
	clear(q.bad)
	w.reconcile()
	require.Equal(t, "pending/queued", e.status("a"))
}

// An administrator's write costs the same, however many hosts there are.
func TestWritesDoNotGrowWithHosts(t *testing.T) {
	cost := func(hosts int) map[string]int {
		w := newWorld(t, nil)
		k := w.team("x")
		l := w.label("l", profiles.No)
		var d *device
		for range hosts {
			d = w.enroll(mac, k)
		}
		p := w.upload(k, "a", "uuid 1")
		w.settle(d)

		out := make(map[string]int)
		count := func(name string, write func()) {
			n := 0
			w.fault = func(string) error { n++; return nil }
			write()
			w.fault = nil
			out[name] = n
		}
		name := "renamed"
		count("create", func() { w.upload(k, "b", "uuid 2") })
		count("content", func() { w.update(p, profiles.Change{Content: content("a", "uuid 3")}) })
		count("scope", func() { w.update(p, profiles.Change{Scope: &profiles.Scope{ExcludeAny: []mdm.LabelKey{l}}}) })
		count("rename", func() { w.update(p, profiles.Change{Name: &name}) })
		count("nothing", func() { w.update(p, profiles.Change{Name: &name}) })
		count("member", func() { d.member(l, profiles.Yes) })
		count("move", func() { d.move(0) })
		count("delete", func() { require.NoError(t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{})) })
		count("team", func() { w.team("y") })
		count("label", func() { w.label("m", profiles.Unknown) })
		count("sweep", func() { require.NoError(t, w.engine.Sweep(w.ctx, tenant)) })
		return out
	}
	one, many := cost(1), cost(60)
	require.Equal(t, one, many)
	require.LessOrEqual(t, one["create"], 6)
	require.Equal(t, 1, one["nothing"], "only the commit")
	require.Less(t, one["rename"], one["scope"], "a new name plans nobody")
}

// atEachWrite does something with a fault at its first write, then at its second,
// and so on, until it gets through. After each fault everything is as before.
func (w *world) atEachWrite(d *device, fault error, do func() error) (faults int) {
	for n := 1; ; n++ {
		before := w.dump(d)
		writes := 0
		w.fault = func(string) error {
			if writes++; writes == n {
				return fault
			}
			return nil
		}
		err := do()
		w.fault = nil
		if writes < n {
			require.NoError(w.t, err)
			return faults
		}
		require.ErrorIs(w.t, err, fault, "write %d", n)
		require.Equal(w.t, before, w.dump(d), "write %d", n)
		faults++
	}
}

// A fault at any write leaves the store as it was, and trying again succeeds.
func TestFaultAtEachWrite(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	old := w.upload(0, "old", "uuid 0")
	w.settle(d)
	w.clock.add(profiles.SecondLook)
	w.reconcile()
	d.said()

	lost := mdm.WrapError(mdm.CodeUnavailable, "", "the database is away", errors.New("it lost power"))
	var p profiles.Profile
	reconcile := func() error { _, err := w.engine.Reconcile(w.ctx, tenant); return err }
	answer := func(kind string) func() error {
		h := d.fetch()
		require.Equal(t, kind, h.Kind)
		out, o := d.execute(h)
		return func() error { _, err := d.tryReport(h, out, o); return err }
	}
	for _, s := range []struct {
		name   string
		do     func() func() error
		writes int // at least
	}{
		{"create", func() func() error {
			return func() (err error) {
				p, _, err = w.engine.Create(w.ctx, tenant, upload(0, "a", "uuid 1"))
				return err
			}
		}, 5},
		{"delete", func() func() error {
			return func() error { return w.engine.Delete(w.ctx, tenant, old.ID, profiles.Deletion{}) }
		}, 3},
		{"plan", func() func() error { return reconcile }, 10},
		{"removed", func() func() error { return answer(mdm.KindRemoveProfile) }, 5},
		{"installed", func() func() error { return answer(mdm.KindInstallProfile) }, 5},
		{"plan the question", func() func() error { return reconcile }, 5},
		{"shown", func() func() error { return answer(mdm.KindProfileList) }, 5},
		{"plan nothing", func() func() error { return reconcile }, 1},
	} {
		do := s.do()
		require.GreaterOrEqual(t, w.atEachWrite(d, lost, do), s.writes, s.name)
	}
	require.Equal(t, "verified/proven", d.status("a"))
	require.Equal(t, profiles.Counts{profiles.Verified: 1}, w.counts(p))
	require.Nil(t, d.row("old"))
	require.Equal(t, []string{"remove old", "install a", "list"}, d.said())
}

// A fault that is not known to pass makes a page be planned host by host, and
// what then succeeds is as if there had been none.
func TestPermanentFaultAtEachWriteOfAPlan(t *testing.T) {
	fault := errors.New("a defect")
	for n := 1; ; n++ {
		w := newWorld(t, nil)
		d, e := w.enroll(mac, 0), w.enroll(mac, 0)
		w.clock.add(profiles.SecondLook)
		w.reconcile()
		w.upload(0, "a", "uuid 1")
		writes := 0
		w.fault = func(string) error {
			if writes++; writes == n {
				return fault
			}
			return nil
		}
		w.reconcile()
		w.fault = nil
		if writes < n {
			require.Greater(t, n, 10)
			return
		}
		w.settle(d, e)
		for _, d := range []*device{d, e} {
			require.Equal(t, []string{"install a", "list"}, d.said(), "write %d", n)
		}
	}
}

// dump is everything that the engine wrote, as it can be read.
func (w *world) dump(d *device) string {
	ps, err := w.engine.Profiles(w.ctx, tenant, nil)
	require.NoError(w.t, err)
	due, err := w.store.Profiles().NextDue(w.ctx, tenant)
	require.NoError(w.t, err)
	s, err := w.store.Profiles().LoadHost(w.ctx, tenant, d.host.Key)
	require.NoError(w.t, err)
	out := fmt.Sprintf("%+v\n%v\n%d\n%d\n%+v\n", ps, due, w.backlog(), s.PlanRevision, s.Channels)
	for _, c := range d.commands() {
		out += fmt.Sprintf("%+v\n", c)
	}
	return out
}
