package profiles_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

func TestProfileGetsToDevicesAndIsProven(t *testing.T) {
	for _, p := range []mdm.Platform{mac, pc} {
		t.Run(string(p), func(t *testing.T) {
			w := newWorld(t, nil)
			d := w.enroll(p, 0)
			var prof profiles.Profile
			if p == pc {
				prof = w.uploadWindows(0, "a", "node ./x 1")
			} else {
				prof = w.upload(0, "a", "uuid 1")
			}
			require.Equal(t, profiles.Counts{profiles.Pending: 1}, w.counts(prof), "right after the write")
			require.Equal(t, "pending/not_planned", d.status("a"))
			require.Equal(t, 1, w.backlog())

			w.reconcile()
			require.Equal(t, "pending/queued", d.status("a"))
			require.Equal(t, []mdm.EnrollmentKey{d.e.Key}, w.woken)
			require.Zero(t, w.backlog())

			require.True(t, d.poll())
			require.Equal(t, "verifying/unobserved", d.status("a"))
			w.reconcile()
			require.True(t, d.poll())
			require.Equal(t, "verified/proven", d.status("a"))
			require.Equal(t, profiles.Counts{profiles.Verified: 1}, w.counts(prof))
			require.Equal(t, profiles.Verified, d.view().Status)

			d.said()
			w.settle(d)
			require.Empty(t, d.said(), "a steady host is left alone")
			require.Nil(t, d.fetch())
		})
	}
}

func TestWhatAnAdministratorChanges(t *testing.T) {
	other := "other"
	for _, c := range []struct {
		name   string
		change func(w *world, d *device, p profiles.Profile)
		shown  string // right after the write
		said   []string
		in     string // in the end
	}{
		{"the content", func(w *world, d *device, p profiles.Profile) {
			w.update(p, profiles.Change{Content: content("a", "uuid 2")})
		}, "pending/not_planned", []string{"install a", "list"}, "verified/proven"},
		{"nothing", func(w *world, d *device, p profiles.Profile) {
			w.update(p, profiles.Change{Content: content("a", "uuid 1")})
		}, "verified/proven", nil, "verified/proven"},
		{"the name", func(w *world, d *device, p profiles.Profile) {
			w.update(p, profiles.Change{Name: &other})
		}, "verified/proven", nil, "verified/proven"},
		{"there and back", func(w *world, d *device, p profiles.Profile) {
			w.update(p, profiles.Change{Content: content("a", "uuid 2")})
			w.update(p, profiles.Change{Content: content("a", "uuid 1")})
		}, "verified/proven", nil, "verified/proven"},
		{"the platforms", func(w *world, d *device, p profiles.Profile) {
			w.update(p, profiles.Change{Scope: &profiles.Scope{Platforms: []mdm.Platform{mdm.IOS}}})
		}, "removing/not_planned", []string{"remove a"}, "/"},
		{"deleted", func(w *world, d *device, p profiles.Profile) {
			require.NoError(w.t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{}))
		}, "removing/not_planned", []string{"remove a"}, "/"},
		{"deleted and made again, equal", func(w *world, d *device, p profiles.Profile) {
			require.NoError(w.t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{}))
			w.upload(0, "a", "uuid 1")
		}, "verified/proven", nil, "verified/proven"},
		{"deleted and made again, different", func(w *world, d *device, p profiles.Profile) {
			require.NoError(w.t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{}))
			w.upload(0, "a", "uuid 2")
		}, "pending/not_planned", []string{"install a", "list"}, "verified/proven"},
		{"moved to a team that has it alike", func(w *world, d *device, p profiles.Profile) {
			k := w.team("x")
			w.upload(k, "a", "uuid 1")
			d.move(k)
		}, "verified/proven", nil, "verified/proven"},
		{"moved to a team that has another version", func(w *world, d *device, p profiles.Profile) {
			k := w.team("x")
			w.upload(k, "a", "uuid 2")
			d.move(k)
		}, "pending/not_planned", []string{"install a", "list"}, "verified/proven"},
		{"moved to a team that has none", func(w *world, d *device, p profiles.Profile) {
			d.move(w.team("x"))
		}, "removing/not_planned", []string{"remove a"}, "/"},
		{"another identifier", func(w *world, d *device, p profiles.Profile) {
			w.update(p, profiles.Change{Content: content("b", "uuid 1")})
		}, "removing/not_planned", []string{"remove a", "install b", "list"}, "/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			d := w.enroll(mac, 0)
			p := w.upload(0, "a", "uuid 1")
			w.settle(d)
			require.Equal(t, []string{"install a", "list"}, d.said())

			c.change(w, d, p)
			require.Equal(t, c.shown, d.status("a"))
			w.settle(d)
			require.ElementsMatch(t, c.said, d.said())
			require.Equal(t, c.in, d.status("a"))
		})
	}
}

// The host that lost its profile counts as losing it until it is gone, and the
// one that is losing another slot of the same definition counts once.
func TestCountsOfWhatIsBeingRemoved(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	p := w.upload(0, "a", "uuid 1")
	w.settle(d)
	p = w.update(p, profiles.Change{Scope: &profiles.Scope{Platforms: []mdm.Platform{mdm.IOS}}})
	require.Equal(t, profiles.Counts{profiles.Removing: 1}, w.counts(p))
	w.reconcile()
	require.Equal(t, profiles.Counts{profiles.Removing: 1}, w.counts(p))
	require.Equal(t, profiles.Removing, d.view().Status)
	w.settle(d)
	require.Empty(t, w.counts(p))

	p = w.update(p, profiles.Change{Scope: &profiles.Scope{}})
	w.settle(d)
	p = w.update(p, profiles.Change{Content: content("b", "uuid 2")})
	require.Equal(t, profiles.Counts{profiles.Pending: 1}, w.counts(p))
}

// A profile that was deleted before its command left leaves no command behind.
func TestWhatNeverLeftIsTakenBack(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	p := w.upload(0, "a", "uuid 1")
	w.reconcile()
	require.NoError(t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{}))
	w.reconcile()
	require.Nil(t, d.fetch())
	require.Nil(t, d.row("a"))
	cs := d.commands()
	require.Len(t, cs, 1)
	require.Equal(t, mdm.OutcomeSuperseded, cs[0].Outcome)
}

// One that has left may have been executed, so that it is removed.
func TestWhatMayHaveLeftIsRemoved(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	p := w.upload(0, "a", "uuid 1")
	w.reconcile()
	h := d.fetch()
	require.NoError(t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{}))
	w.reconcile()
	out, _ := d.execute(h)
	require.Equal(t, queue.FilingLate, d.report(h, out, nil))
	w.settle(d)
	require.Equal(t, []string{"install a", "remove a"}, d.said())
	require.Nil(t, d.row("a"))
}

// A new version that would be held is taken back, and what is left of the profile
// needs no holding: it goes at once.
func TestWhatIsTakenBackHoldsNothing(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	p := w.upload(0, "a", "uuid 1")
	w.settle(d)
	d.said()
	w.update(p, profiles.Change{Content: content("a", "class trust; uuid 2")})
	w.reconcile()
	require.NoError(t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{}))
	w.upload(0, "b", "class trust; uuid 3")
	w.reconcile()
	require.Equal(t, "removing/queued", d.status("a"))
	w.settle(d)
	require.ElementsMatch(t, []string{"remove a", "install b", "list"}, d.said())
}

// An answer to what has been replaced changes no row, and neither does one from
// an earlier life or from another channel.
func TestLateAndForeignAnswers(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	p := w.upload(0, "a", "uuid 1")
	w.reconcile()
	old := d.fetch()
	w.update(p, profiles.Change{Content: content("a", "uuid 2")})
	w.reconcile()
	before := d.row("a")
	require.Equal(t, queue.FilingLate, d.report(old, ok, nil))
	require.Equal(t, before, d.row("a"))

	current := d.row("a").Order
	for name, r := range map[string]mdm.Result{
		"an older order":    {Enrollment: d.e.Key, Ref: mdm.Ref{Key: int64(p.Slot), Order: current - 1}, Generation: 1, Current: 1},
		"an order to come":  {Enrollment: d.e.Key, Ref: mdm.Ref{Key: int64(p.Slot), Order: current + 1}, Generation: 1, Current: 1},
		"another slot":      {Enrollment: d.e.Key, Ref: mdm.Ref{Key: 999, Order: current}, Generation: 1, Current: 1},
		"another channel":   {Enrollment: d.e.Key + 1, Ref: mdm.Ref{Key: int64(p.Slot), Order: current}, Generation: 1, Current: 1},
		"an earlier life":   {Enrollment: d.e.Key, Ref: mdm.Ref{Key: int64(p.Slot), Order: current}, Generation: 0, Current: 1},
		"a life that ended": {Enrollment: d.e.Key, Ref: mdm.Ref{Key: int64(p.Slot), Order: current}, Generation: 2, Current: 2},
	} {
		r.Owner, r.Outcome, r.Host = mdm.OwnerProfiles, mdm.OutcomeError, d.host.Key
		require.NoError(t, w.unit(func(ctx context.Context, tx mdm.Tx) error { return w.engine.Result(ctx, tx, r) }), name)
		require.Equal(t, before, d.row("a"), name)
		require.Zero(t, w.backlog(), name)
	}

	h := d.fetch()
	d.report(h, ok, nil)
	acknowledged := d.row("a")
	require.Equal(t, queue.FilingRepeated, d.report(h, mdm.OutcomeError, nil), "the first answer wins")
	require.Equal(t, acknowledged, d.row("a"))
}

// An observation is judged against what was acknowledged before its question.
func TestObservationOfAnEarlierInstruction(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	p := w.upload(0, "a", "uuid 1")
	w.reconcile()
	d.poll()
	w.reconcile()
	q := d.fetch()
	_, o := d.execute(q)

	w.update(p, profiles.Change{Content: content("a", "uuid 2")})
	w.reconcile()
	d.report(q, ok, o)
	require.Equal(t, "pending/queued", d.status("a"))
	require.Zero(t, d.row("a").Seen)

	d.poll()
	require.NoError(t, w.unit(func(ctx context.Context, tx mdm.Tx) error { return w.engine.Observed(ctx, tx, d.e, o) }))
	require.Equal(t, "verifying/unobserved", d.status("a"))
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
}

func TestLabels(t *testing.T) {
	const no, yes, un = profiles.No, profiles.Yes, profiles.Unknown
	scope := map[string]func(l mdm.LabelKey) profiles.Scope{
		"include_all": func(l mdm.LabelKey) profiles.Scope { return profiles.Scope{IncludeAll: []mdm.LabelKey{l}} },
		"include_any": func(l mdm.LabelKey) profiles.Scope { return profiles.Scope{IncludeAny: []mdm.LabelKey{l}} },
		"exclude_any": func(l mdm.LabelKey) profiles.Scope { return profiles.Scope{ExcludeAny: []mdm.LabelKey{l}} },
	}
	for mode, in := range scope {
		t.Run(mode, func(t *testing.T) {
			w := newWorld(t, nil)
			d := w.enroll(mac, 0)
			l := w.label("l", no)
			p := w.upload(0, "a", "uuid 1", in(l))
			in, out := yes, no
			if mode == "exclude_any" {
				in, out = no, yes
			}
			for _, step := range []struct {
				set  profiles.Tri
				said []string
				why  profiles.Tri // of the condition
				kept bool
			}{
				{out, nil, no, false},
				{un, nil, un, false},
				{in, []string{"install a", "list"}, yes, true},
				{un, nil, un, true},
				{out, []string{"remove a"}, no, false},
				{un, nil, un, false},
			} {
				d.member(l, step.set)
				w.settle(d)
				require.Equal(t, step.said, d.said(), "%s", step.set)
				x, err := w.engine.Explain(w.ctx, tenant, d.host.Key, p.ID)
				require.NoError(t, err)
				require.Equal(t, step.kept, x.Desired)
				require.Equal(t, profiles.Clause{Condition: mode, Label: l, LabelName: "l", Result: step.why}, x.Why[2])
			}
		})
	}
}

// A label is unknown by default, and a profile that begins to be scoped by it
// stays where it is and comes to nobody.
func TestNewUnknownLabelMovesNothing(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	p := w.upload(0, "a", "uuid 1")
	w.settle(d)
	l := w.label("l", profiles.Unknown)
	e := w.enroll(mac, 0) // in between, and planned with it
	w.update(p, profiles.Change{Scope: &profiles.Scope{IncludeAll: []mdm.LabelKey{l}}})
	late := w.enroll(mac, 0)
	d.said()
	w.settle(d, e, late)
	require.Empty(t, d.said())
	require.Equal(t, []string{"install a", "list"}, e.said())
	require.Empty(t, late.said())
}

// Enrollment plans in its own unit: what is wanted is queued when it commits, and
// nothing is when it does not.
func TestEnrollmentPlansInline(t *testing.T) {
	w := newWorld(t, nil)
	w.upload(0, "a", "uuid 1")
	d := w.enroll(mac, 0)
	h := d.fetch()
	require.NotNil(t, h)
	require.Equal(t, mdm.KindInstallProfile, h.Kind)
	require.Equal(t, []mdm.EnrollmentKey{d.e.Key}, w.woken)

	w.woken = nil
	broken := errors.New("something else in the unit failed")
	err := w.unit(func(ctx context.Context, tx mdm.Tx) error {
		if err := w.engine.Enrolled(ctx, tx, d.e); err != nil {
			return err
		}
		return broken
	})
	require.ErrorIs(t, err, broken)
	require.Len(t, d.commands(), 1)
	require.Empty(t, w.woken)
	d.report(h, ok, nil)
	require.Equal(t, "verifying/unobserved", d.status("a"))
}

// A definition may commit beside an enrollment, after its walk has passed. The
// host is looked at once more.
func TestEnrollmentIsLookedAtOnceMore(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	due, err := w.store.Profiles().NextDue(w.ctx, tenant)
	require.NoError(t, err)
	require.Equal(t, epoch.Add(profiles.SecondLook), due)

	// Such a definition: it is there, and no mark tells of it.
	require.NoError(t, w.unit(func(ctx context.Context, tx mdm.Tx) error {
		if _, _, err := w.engine.CreateTx(ctx, tx, upload(0, "a", "uuid 1")); err != nil {
			return err
		}
		for more := true; more; {
			if _, m, err := w.store.Profiles().Claim(ctx, tx, epoch, 100); err != nil || !m {
				return err
			}
		}
		return nil
	}))
	w.reconcile()
	require.Nil(t, d.fetch())
	w.clock.add(profiles.SecondLook)
	w.reconcile()
	require.NotNil(t, d.fetch())
	due, err = w.store.Profiles().NextDue(w.ctx, tenant)
	require.NoError(t, err)
	require.Zero(t, due)

	d.move(w.team("x"))
	due, err = w.store.Profiles().NextDue(w.ctx, tenant)
	require.NoError(t, err)
	require.Equal(t, w.clock.Now().Add(profiles.SecondLook), due, "so is one that came to another team")
}

// A new life begins without the rows of the one before, and its orders go on
// rising.
func TestNewLifeBeginsAnew(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	w.upload(0, "a", "uuid 1")
	w.settle(d)
	order := d.row("a").Order
	d.apple = map[string]string{}
	d.said()

	require.NoError(t, w.unit(func(ctx context.Context, tx mdm.Tx) error {
		d.e.Generation = 2
		if err := w.store.Lifecycle().PutEnrollment(ctx, tx, &d.e); err != nil {
			return err
		}
		return w.engine.Enrolled(ctx, tx, d.e)
	}))
	require.Greater(t, d.row("a").Order, order)
	w.settle(d)
	require.Equal(t, []string{"install a", "list"}, d.said())

	require.NoError(t, w.unit(func(ctx context.Context, tx mdm.Tx) error {
		d.e.State = mdm.EnrollmentEnded
		if err := w.store.Lifecycle().PutEnrollment(ctx, tx, &d.e); err != nil {
			return err
		}
		return w.engine.Ended(ctx, tx, d.e)
	}))
	require.Nil(t, d.row("a"))
	require.Equal(t, "pending/not_enrolled", d.status("a"))
}

// A refused install comes again by time marks, and then no more.
func TestRetriesByTime(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	d.refuse = func(h *queue.Handout) mdm.Outcome {
		if h.Kind == mdm.KindInstallProfile {
			return mdm.OutcomeError
		}
		return ""
	}
	w.clock.add(profiles.SecondLook)
	w.reconcile()
	p := w.upload(0, "a", "uuid 1")
	w.settle(d)
	for range profiles.MaxTries {
		require.Equal(t, "pending/retry_later", d.status("a"))
		due, err := w.store.Profiles().NextDue(w.ctx, tenant)
		require.NoError(t, err)
		require.True(t, due.After(w.clock.Now()))
		w.clock.add(due.Sub(w.clock.Now()))
		w.settle(d)
	}
	for range 5 {
		w.clock.add(24 * time.Hour)
		w.settle(d)
	}
	require.Equal(t, "failed/refused", d.status("a"))
	require.Len(t, d.said(), 1+profiles.MaxTries)
	require.Equal(t, "as the device says", d.view().Items[0].Detail)
	require.Equal(t, profiles.Counts{profiles.Failed: 1}, w.counts(p))

	d.refuse = nil
	w.update(p, profiles.Change{Content: content("a", "uuid 2")})
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
}
