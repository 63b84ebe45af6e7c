package profiles_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

// waitingKinds are the kinds of what waits for a device, oldest first.
func (d *device) waitingKinds() (kinds []string) {
	for _, c := range d.commands() {
		if c.Outcome == "" {
			kinds = append([]string{c.Kind}, kinds...)
		}
	}
	return kinds
}

// However many profiles are acknowledged, and planned for one by one, the device
// is asked once.
func TestOneProfileListForAll(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	for _, id := range []string{"a", "b", "c"} {
		w.upload(0, id, "uuid "+id)
	}
	w.reconcile()
	for range 3 {
		d.poll()
		w.reconcile()
	}
	require.Equal(t, []string{mdm.KindProfileList}, d.waitingKinds())
	w.settle(d)
	require.Equal(t, []string{"install a", "install b", "install c", "list"}, d.said())
	for _, id := range []string{"a", "b", "c"} {
		require.Equal(t, "verified/proven", d.status(id))
	}
}

// A list that was asked for one profile tells of all that were asked about
// before.
func TestListShowsWhatWentMissing(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	w.upload(0, "a", "uuid 1")
	w.settle(d)
	delete(d.apple, "a") // by its user
	w.upload(0, "b", "uuid 2")
	w.settle(d)
	require.Equal(t, "verifying/retry_later", d.status("a"))
	require.Equal(t, "not there", d.view().Items[0].Detail)
	require.Equal(t, "verified/proven", d.status("b"))
	w.clock.add(30 * time.Second)
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
}

// A question that failed is asked again, later each time, together with those
// that it took the place of.
func TestFailedQuestionIsAskedAgain(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	w.clock.add(profiles.SecondLook)
	w.reconcile()
	w.upload(0, "a", "uuid 1")
	w.upload(0, "b", "uuid 2")
	w.reconcile()
	for range 2 { // the second question takes the place of the first
		d.poll()
		w.reconcile()
	}
	d.refuse = func(h *queue.Handout) mdm.Outcome {
		if h.Kind == mdm.KindProfileList {
			return mdm.OutcomeError
		}
		return ""
	}
	var pauses []time.Duration
	for range 12 {
		w.settle(d)
		require.Equal(t, "verifying/unobserved", d.status("a"))
		require.Equal(t, "verifying/unobserved", d.status("b"))
		due, err := w.store.Profiles().NextDue(w.ctx, tenant)
		require.NoError(t, err)
		pauses = append(pauses, due.Sub(w.clock.Now()))
		w.clock.add(due.Sub(w.clock.Now()))
		w.reconcile()
		require.Equal(t, []string{mdm.KindProfileList}, d.waitingKinds())
	}
	require.Equal(t, profiles.AskAgain, pauses[0])
	require.IsNonDecreasing(t, pauses)
	require.Equal(t, profiles.MaxPause, pauses[len(pauses)-1])

	d.refuse = nil
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
	require.Equal(t, "verified/proven", d.status("b"))
}

// What a question took the place of is asked about again, even when nothing else
// is left to ask about.
func TestReplacedQuestionIsNotForgotten(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	w.clock.add(profiles.SecondLook)
	w.upload(0, "a", "uuid 1")
	b := w.upload(0, "b", "uuid 2")
	w.reconcile()
	for range 2 {
		d.poll()
		w.reconcile()
	}
	d.report(d.fetch(), mdm.OutcomeError, nil)
	require.NoError(t, w.engine.Delete(w.ctx, tenant, b.ID, profiles.Deletion{}))
	w.settle(d)
	w.clock.add(profiles.AskAgain)
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
}

// A question that a person cancels is asked again.
func TestCanceledQuestionIsAskedAgain(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	w.clock.add(profiles.SecondLook)
	w.upload(0, "a", "uuid 1")
	w.reconcile()
	d.poll()
	w.reconcile()
	question := d.commands()[0]
	require.Equal(t, mdm.KindProfileList, question.Kind)
	require.NoError(t, w.unit(func(ctx context.Context, tx mdm.Tx) error {
		answer, r, err := w.queue.Cancel(ctx, tx, question.ID)
		require.Equal(t, queue.Canceled, answer)
		if err != nil {
			return err
		}
		return w.engine.Result(ctx, tx, r)
	}))
	w.settle(d)
	require.Equal(t, "verifying/unobserved", d.status("a"))
	w.clock.add(profiles.AskAgain)
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
}

// On Windows a question names its nodes, and its answer tells of nothing else.
func TestWindowsAnswersTellOfTheirOwnRowsOnly(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(pc, 0)
	w.uploadWindows(0, "a", "node ./x 1; node ./y 1")
	w.reconcile()
	d.poll()
	delete(d.nodes, "./y")
	w.reconcile()
	d.poll()
	require.Equal(t, "verifying/retry_later", d.status("a"))
	require.Equal(t, "differs: ./y", d.view().Items[0].Detail)

	w.uploadWindows(0, "b", "node ./x 1") // shares what a has right
	w.reconcile()
	d.poll()
	w.reconcile()
	d.poll()
	require.Equal(t, "verified/proven", d.status("b"))
	require.Equal(t, "verifying/retry_later", d.status("a"))
}

// When no node can be read, that is an answer and not a question that failed.
func TestWindowsNodesThatAreNotThere(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(pc, 0)
	w.uploadWindows(0, "a", "node ./x 1")
	w.reconcile()
	d.poll()
	clear(d.nodes)
	w.reconcile()
	d.poll()
	require.Equal(t, "verifying/retry_later", d.status("a"))
}

// An answer that says nothing about a row is none: it is asked again.
func TestSilentAnswerIsAskedAgain(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(pc, 0)
	w.clock.add(profiles.SecondLook)
	w.uploadWindows(0, "a", "node ./x 1")
	w.reconcile()
	d.poll()
	w.reconcile()
	q := d.fetch()
	d.report(q, ok, &mdm.Observation{Asked: q.Seq})
	w.settle(d)
	require.Equal(t, "verifying/unobserved", d.status("a"))
	w.clock.add(profiles.AskAgain)
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
}

// A refused removal is looked at, and what is not there any more is gone.
func TestRemovalOfWhatItsUserRemoved(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	p := w.upload(0, "a", "uuid 1")
	w.settle(d)
	delete(d.apple, "a")
	require.NoError(t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{}))
	d.said()
	w.settle(d)
	require.Equal(t, []string{"remove a", "list"}, d.said())
	require.Nil(t, d.row("a"))
}

// An edit that keeps its PayloadUUID cannot be told from what was there before,
// and the person who uploads it is told so.
func TestSameUUIDIsSaid(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	p := w.upload(0, "a", "uuid 1; name old; warn first")
	w.settle(d)
	p, warnings, err := w.engine.Update(w.ctx, tenant, p.ID, profiles.Change{Content: content("a", "uuid 1; name new; warn second")})
	require.NoError(t, err)
	require.Len(t, warnings, 2)
	require.Equal(t, "second", warnings[0])
	require.Contains(t, warnings[1], "PayloadUUID")
	w.settle(d)
	require.Equal(t, "accepted_not_verifiable/same_uuid", d.status("a"))
	require.Equal(t, profiles.Accepted, d.view().Items[0].Evidence)
	require.Equal(t, profiles.Counts{profiles.Unprovable: 1}, w.counts(p))
}
