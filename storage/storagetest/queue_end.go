package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

func (w *world) cancel(id mdm.CommandID) (a queue.CancelAnswer, r mdm.Result) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx mdm.Tx) (err error) {
		a, r, err = w.s.Queue().Cancel(ctx, tx, id, w.now)
		return err
	})
	return a, r
}

func (w *world) endRef(e mdm.Enrollment, o mdm.Owner, key int64) (taken, left int) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx mdm.Tx) (err error) {
		taken, left, err = w.s.Queue().EndRef(ctx, tx, e.Key, o, key, w.now)
		return err
	})
	return taken, left
}

func (w *world) endBefore(e mdm.Enrollment, g mdm.Generation) []mdm.Result {
	w.t.Helper()
	return in(w, func(ctx context.Context, tx mdm.Tx) ([]mdm.Result, error) {
		return w.s.Queue().EndBefore(ctx, tx, e.Key, g, w.now)
	})
}

func (w *world) expire(limit int) []mdm.Result {
	w.t.Helper()
	return in(w, func(ctx context.Context, tx mdm.Tx) ([]mdm.Result, error) {
		return w.s.Queue().Expire(ctx, tx, w.now, limit)
	})
}

// queueCancel holds the truth of Cancel.
func queueCancel() []test {
	return []test{
		{"before it left", "It answers Canceled, with the result for the entry's owner, when it had not left", func(t *testing.T, w *world) {
			e := w.enroll()
			x, other := w.queued(e, about(mdm.OwnerProfiles, 5)), w.queued(e)
			w.pass(time.Second)
			a, r := w.cancel(x.ID)
			require.Equal(t, queue.Canceled, a)
			require.Equal(t, resultOf(w, e, x, mdm.OutcomeCanceled), r)
			require.Equal(t, ids(other), w.fetch(e), "it never leaves")
			d := w.get(x.ID)
			require.Equal(t, mdm.OutcomeCanceled, d.Outcome)
			require.Equal(t, w.now, d.EndedAt)
			require.Zero(t, d.Sent)
		}},
		{"after it left", "TooLate when it has left and is unanswered (unchanged)", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e)
			w.fetch(e)
			before := w.dump()
			a, r := w.cancel(x.ID)
			require.Equal(t, queue.TooLate, a)
			require.Zero(t, r)
			require.Equal(t, before, w.dump())
			w.file(e, x.ID, notNow)
			a, _ = w.cancel(x.ID)
			require.Equal(t, queue.TooLate, a, "a NotNow is no answer")
		}},
		{"after it ended", "Ended when it had ended", func(t *testing.T, w *world) {
			e := w.enroll()
			answered, canceled := w.queued(e), w.queued(e)
			w.file(e, answered.ID)
			w.cancel(canceled.ID)
			before := w.dump()
			for _, x := range []queue.Entry{answered, canceled} {
				a, r := w.cancel(x.ID)
				require.Equal(t, queue.Ended, a)
				require.Zero(t, r)
			}
			require.Equal(t, before, w.dump())
		}},
		{"what never was", "a CodeNotFound error when it never was", func(t *testing.T, w *world) {
			require.ErrorIs(t, w.try(func(ctx context.Context, tx mdm.Tx) error {
				_, _, err := w.s.Queue().Cancel(ctx, tx, mdm.CommandID(w.uuid()), w.now)
				return err
			}), mdm.CodeNotFound)
		}},
		{"frees its resource", "what has ended is not waiting", func(t *testing.T, w *world) {
			e := w.enroll()
			a, b := w.queued(e, resource("r")), w.queued(e, resource("r"))
			w.cancel(a.ID)
			require.Equal(t, ids(b), w.fetch(e))
		}},
		{"an earlier life's", "Generation under which the command was queued; Current of the enrollment now", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e, func(x *queue.Entry) { x.Generation-- })
			_, r := w.cancel(x.ID)
			require.True(t, r.Late())
			require.Equal(t, resultOf(w, e, x, mdm.OutcomeCanceled), r)
		}},
	}
}

// queueEnd holds what else ends entries without the device.
func queueEnd() []test {
	return []test{
		{"earlier lives", "EndBefore ends, as canceled, every waiting entry of an enrollment whose generation is below gen, sent or not, and returns the results", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			old := func(x *queue.Entry) { x.Generation = e.Generation - 1 }
			older := func(x *queue.Entry) { x.Generation = e.Generation - 2 }
			a, b, now := w.queued(e, old), w.queued(e, older), w.queued(e)
			theirs := w.queued(other, func(x *queue.Entry) { x.Generation = e.Generation - 2 })
			ended := w.queued(e, old)
			w.cancel(ended.ID)
			sent := w.queued(e, old)
			before := e
			before.Generation--
			w.do(func(ctx context.Context, tx mdm.Tx) error { // it left in its own life
				hs, err := w.s.Queue().Next(ctx, tx, before, queue.Poll{Now: w.now, Limit: 9})
				require.Equal(t, ids(a, sent), handedOut(hs))
				return err
			})
			w.pass(time.Second)
			require.ElementsMatch(t, []mdm.Result{
				resultOf(w, e, a, mdm.OutcomeCanceled), resultOf(w, e, b, mdm.OutcomeCanceled), resultOf(w, e, sent, mdm.OutcomeCanceled),
			}, w.endBefore(e, e.Generation))
			require.Empty(t, w.get(now.ID).Outcome)
			require.Empty(t, w.get(theirs.ID).Outcome)
			require.Empty(t, w.endBefore(e, e.Generation), "nothing is ended twice")
			require.Equal(t, mdm.OutcomeCanceled, w.get(sent.ID).Outcome)
		}},
		{"about one key", "EndRef ends, as superseded, the waiting entries of one owner about one key, and counts those that had not left and those that had", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			left := w.queued(e, about(mdm.OwnerProfiles, 5))
			w.fetch(e)
			a, b := w.queued(e, about(mdm.OwnerProfiles, 5)), w.queued(e, about(mdm.OwnerProfiles, 5))
			stay := []queue.Entry{
				w.queued(e, about(mdm.OwnerProfiles, 6)), w.queued(e, about(mdm.OwnerApplication, 5)),
				w.queued(other, about(mdm.OwnerProfiles, 5)),
			}
			w.pass(time.Second)
			taken, gone := w.endRef(e, mdm.OwnerProfiles, 5)
			require.Equal(t, 2, taken)
			require.Equal(t, 1, gone)
			for _, x := range []queue.Entry{left, a, b} {
				d := w.get(x.ID)
				require.Equal(t, mdm.OutcomeSuperseded, d.Outcome)
				require.Equal(t, w.now, d.EndedAt)
			}
			for _, x := range stay {
				require.Empty(t, w.get(x.ID).Outcome)
			}
			taken, gone = w.endRef(e, mdm.OwnerProfiles, 5)
			require.Zero(t, taken)
			require.Zero(t, gone)
		}},
		{"out of time", "Expire ends … entries whose time is over, as expired, or unknown when they had left, and returns the results", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			short := func(x *queue.Entry) { x.Expires = w.now.Add(time.Minute) }
			left := w.queued(e, short)
			w.fetch(e)
			waiting, theirs := w.queued(e, short), w.queued(other, short)
			long, never := w.queued(e, func(x *queue.Entry) { x.Expires = w.now.Add(time.Minute + time.Microsecond) }), w.queued(e)
			require.Empty(t, w.expire(10))
			w.pass(time.Minute)
			require.ElementsMatch(t, []mdm.Result{
				resultOf(w, e, left, mdm.OutcomeUnknown), resultOf(w, e, waiting, mdm.OutcomeExpired), resultOf(w, other, theirs, mdm.OutcomeExpired),
			}, w.expire(10))
			require.Equal(t, mdm.OutcomeUnknown, w.get(left.ID).Outcome)
			require.Equal(t, mdm.OutcomeExpired, w.get(waiting.ID).Outcome)
			require.Empty(t, w.get(long.ID).Outcome)
			require.Empty(t, w.get(never.ID).Outcome)
			require.Empty(t, w.expire(10))
		}},
		{"no more than asked for", "Expire ends up to limit entries", func(t *testing.T, w *world) {
			e := w.enroll()
			for range 5 {
				w.queued(e, func(x *queue.Entry) { x.Expires = w.now.Add(time.Minute) })
			}
			w.pass(time.Minute)
			require.Len(t, w.expire(2), 2)
			require.Len(t, w.expire(2), 2)
			require.Len(t, w.expire(2), 1)
		}},
		{"who has something", "Waiting lists enrollments that have something to hand out now, with keys above after, in key order", func(t *testing.T, w *world) {
			es := []mdm.Enrollment{w.enroll(), w.enroll(), w.enroll()}
			for i := range es {
				w.queued(es[len(es)-1-i])
				w.queued(es[i])
			}
			w.enroll() // has nothing
			require.Equal(t, []mdm.EnrollmentKey{es[0].Key, es[1].Key, es[2].Key}, w.waiting(0, 10))
			require.Equal(t, []mdm.EnrollmentKey{es[1].Key}, w.waiting(es[0].Key, 1))
			require.Empty(t, w.waiting(es[2].Key, 10))
			w.fetch(es[0])
			require.Contains(t, w.waiting(0, 10), es[0].Key, "what is unanswered leaves again")
		}},
		{"who has nothing", "Waiting lists enrollments that have something to hand out now", func(t *testing.T, w *world) {
			w.queued(w.enroll(), func(x *queue.Entry) { x.NotBefore = w.now.Add(time.Minute) })
			w.queued(w.enroll(), func(x *queue.Entry) { x.Expires = w.now })
			w.queued(w.enroll(), func(x *queue.Entry) { x.Generation-- })
			w.queued(w.enroll(func(e *mdm.Enrollment) { e.State = mdm.EnrollmentEnded }))
			once := w.enroll()
			w.queued(once, func(x *queue.Entry) { x.Redelivery, x.Expires = mdm.Once, w.now.Add(time.Hour) })
			w.fetch(once)
			blocked := w.enroll()
			w.queued(blocked, resource("r"), func(x *queue.Entry) { x.NotBefore = w.now.Add(time.Minute) })
			w.queued(blocked, resource("r"))
			answered := w.enroll()
			w.file(answered, w.queued(answered).ID)
			require.Empty(t, w.waiting(0, 100))
			held := w.enroll()
			w.file(held, w.queued(held).ID, notNow)
			require.Equal(t, []mdm.EnrollmentKey{held.Key}, w.waiting(0, 100), "a held one may be asked again")
		}},
	}
}

func (w *world) waiting(after mdm.EnrollmentKey, limit int) []mdm.EnrollmentKey {
	w.t.Helper()
	return got[[]mdm.EnrollmentKey](w)(w.s.Queue().Waiting(w.ctx, w.tenant, w.now, after, limit))
}

// queueRead holds Get and List.
func queueRead() []test {
	return []test{
		{"get", "Get returns an entry, waiting or ended (Outcome empty while waiting), or a CodeNotFound error", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e)
			require.Equal(t, queue.Done{Entry: x}, w.get(x.ID))
			w.file(e, x.ID)
			require.Equal(t, queue.Done{Entry: x, Outcome: mdm.OutcomeAcknowledged, EndedAt: w.now}, w.get(x.ID))
			_, err := w.s.Queue().Get(w.ctx, w.tenant, mdm.CommandID(w.uuid()))
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
		{"list", "List returns those of one enrollment, the newest first, with a sequence below before (0 means from the newest)", func(t *testing.T, w *world) {
			e := w.enroll()
			require.Empty(t, w.list(e, 0, 10))
			var want []queue.Done // the newest first
			for i := range 7 {
				x := w.queued(e, lane(queue.Lane(90-i)))
				if i%3 == 1 {
					w.file(e, x.ID, func(r *queue.Report) { r.Body = []byte("answer") })
				}
				want = append([]queue.Done{w.get(x.ID)}, want...)
				w.queued(w.enroll())
			}
			withoutBodies := func(ds []queue.Done) []queue.Done {
				for i := range ds {
					ds[i].Body = nil // the queue drops them
				}
				return ds
			}
			withoutBodies(want)
			require.Equal(t, want, withoutBodies(w.list(e, 0, 10)))
			require.Equal(t, want[:3], withoutBodies(w.list(e, 0, 3)))
			var pages []queue.Done
			for before := int64(0); ; before = pages[len(pages)-1].Seq {
				page := withoutBodies(w.list(e, before, 2))
				if pages = append(pages, page...); len(page) < 2 {
					break
				}
			}
			require.Equal(t, want, pages)
		}},
	}
}

func (w *world) list(e mdm.Enrollment, before int64, limit int) []queue.Done {
	w.t.Helper()
	return got[[]queue.Done](w)(w.s.Queue().List(w.ctx, w.tenant, e.Key, before, limit))
}
