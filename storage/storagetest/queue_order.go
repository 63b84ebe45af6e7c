package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

func lane(l queue.Lane) func(*queue.Entry) { return func(x *queue.Entry) { x.Lane = l } }

// queueOrder holds in which order entries leave.
func queueOrder() []test {
	return []test{
		{"first come, first served", "Insert queues entries in the order given and sets each one's Seq, drawn from a rising sequence", func(t *testing.T, w *world) {
			e := w.enroll()
			var want []mdm.CommandID
			last := int64(0)
			for range 3 {
				batch := w.enqueue(w.entry(e), w.entry(e), w.entry(e)) // all of one instant
				for _, x := range batch {
					require.Greater(t, x.Seq, last)
					last = x.Seq
				}
				want = append(want, ids(batch...)...)
			}
			require.Equal(t, want, w.fetch(e))
		}},
		{"order is the sequence's, not the clock's", "order from sequences and never from time", func(t *testing.T, w *world) {
			e := w.enroll()
			a := w.queued(e)
			w.pass(-time.Hour)
			b := w.queued(e)
			require.Equal(t, ids(a, b), w.fetch(e))
		}},
		{"by lane", "Poll hands out … by lane, then sequence", func(t *testing.T, w *world) {
			e := w.enroll()
			bulk := w.queued(e, lane(queue.LaneBulk))
			a, b := w.queued(e), w.queued(e)
			observe := w.queued(e, lane(queue.LaneObserve))
			urgent := w.queued(e, lane(queue.LaneUrgent))
			between := w.queued(e, lane(queue.LaneNormal+1))
			require.Equal(t, ids(urgent, a, b, between, observe, bulk), w.fetch(e))
		}},
		{"a device is served alone", "a command belongs to one enrollment", func(t *testing.T, w *world) {
			one, two := w.enroll(), w.enroll()
			a, b := w.queued(one), w.queued(two)
			require.Equal(t, ids(b), w.fetch(two))
			require.Equal(t, ids(a), w.fetch(one))
		}},
		{"limits", "Limit is how many entries may leave at once; 0 means 1", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.enqueue(w.entry(e), w.entry(e), w.entry(e))
			require.Equal(t, ids(x[0]), w.fetch(e, func(p *queue.Poll) { p.Limit = 0 }))
			require.Equal(t, ids(x[:2]...), w.fetch(e, func(p *queue.Poll) { p.Limit = 2 }))
			require.Zero(t, w.get(x[2].ID).Sent, "what was beyond the limit has not left")
		}},
		{"bytes", "MaxBytes bounds the sum of the content lengths; at least one entry leaves whatever its length", func(t *testing.T, w *world) {
			e := w.enroll()
			ten := func(x *queue.Entry) { x.Hash = w.content("0123456789") }
			one := func(x *queue.Entry) { x.Hash = w.content("0") }
			a, b, c := w.queued(e, ten), w.queued(e, ten), w.queued(e, one)
			most := func(n int) func(*queue.Poll) { return func(p *queue.Poll) { p.MaxBytes = n } }
			require.Equal(t, ids(a), w.fetch(e, most(5)), "one leaves whatever its length")
			require.Equal(t, ids(a), w.fetch(e, most(19)), "and the small one behind does not overtake")
			require.Equal(t, ids(a, b), w.fetch(e, most(20)))
			require.Equal(t, ids(a, b, c), w.fetch(e, most(0)))
			require.Equal(t, 1, w.get(c.ID).Sent)
		}},
		{"the same rule within a unit", "Next hands out as Poll does, for an enrollment already judged", func(t *testing.T, w *world) {
			e := w.enroll()
			low, a, b := w.queued(e, lane(queue.LaneBulk)), w.queued(e), w.queued(e)
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				hs, err := w.s.Queue().Next(ctx, tx, e, queue.Poll{Now: w.now, Limit: 2})
				require.NoError(t, err)
				require.Equal(t, ids(a, b), handedOut(hs))
				require.Equal(t, 1, hs[0].Sent)
				require.Equal(t, "content", string(hs[0].Data))
				return nil
			})
			require.Zero(t, w.get(low.ID).Sent)
			require.Equal(t, 1, w.get(a.ID).Sent)
		}},
	}
}

// queueTime holds not-before and expiry.
func queueTime() []test {
	return []test{
		{"not before", "Poll hands out entries … due", func(t *testing.T, w *world) {
			e := w.enroll()
			later := w.queued(e, func(x *queue.Entry) { x.NotBefore = w.now.Add(time.Minute) })
			now := w.queued(e)
			require.Equal(t, ids(now), w.fetch(e))
			w.pass(time.Minute - time.Microsecond)
			require.Equal(t, ids(now), w.fetch(e))
			w.pass(time.Microsecond)
			require.Equal(t, ids(later, now), w.fetch(e))
		}},
		{"expiry", "Poll hands out entries … not expired", func(t *testing.T, w *world) {
			e := w.enroll()
			short := w.queued(e, func(x *queue.Entry) { x.Expires = w.now.Add(time.Minute) })
			long := w.queued(e)
			w.pass(time.Minute - time.Microsecond)
			require.Equal(t, ids(short, long), w.fetch(e))
			w.pass(time.Microsecond)
			require.Equal(t, ids(long), w.fetch(e))
			require.Empty(t, w.get(short.ID).Outcome, "hiding does not end")
		}},
		{"only the current life", "Poll hands out … entries of the current generation", func(t *testing.T, w *world) {
			e := w.enroll()
			w.queued(e, func(x *queue.Entry) { x.Generation-- })
			w.queued(e, func(x *queue.Entry) { x.Generation++ })
			now := w.queued(e)
			require.Equal(t, ids(now), w.fetch(e))
		}},
		{"again until answered", "Repeatable commands leave again until they are answered; Frozen ones with the very bytes that left first", func(t *testing.T, w *world) {
			e := w.enroll()
			a := w.queued(e)
			b := w.queued(e, func(x *queue.Entry) { x.Redelivery = mdm.Frozen })
			for n := 1; n <= 3; n++ {
				w.pass(time.Second)
				hs := w.poll(e).Handouts
				require.Equal(t, ids(a, b), handedOut(hs))
				require.Equal(t, n, hs[1].Sent)
				require.Equal(t, w.now, hs[1].SentAt)
				require.Equal(t, "content", string(hs[1].Data))
			}
			w.file(e, a.ID)
			w.file(e, b.ID)
			require.Empty(t, w.fetch(e))
		}},
		{"once", "Once only if never sent", func(t *testing.T, w *world) {
			e := w.enroll()
			once := w.queued(e, func(x *queue.Entry) { x.Redelivery, x.Expires = mdm.Once, w.now.Add(time.Hour) })
			other := w.queued(e)
			require.Equal(t, ids(once, other), w.fetch(e))
			require.Equal(t, ids(other), w.fetch(e))
			require.Empty(t, w.get(once.ID).Outcome, "it waits for its answer")
			require.Equal(t, queue.FilingNew, w.file(e, once.ID).Filing)
		}},
		{"once, held", "Once is for what must never leave twice without a person", func(t *testing.T, w *world) {
			e := w.enroll()
			once := w.queued(e, func(x *queue.Entry) { x.Redelivery, x.Expires = mdm.Once, w.now.Add(time.Hour) })
			w.fetch(e)
			require.Equal(t, queue.FilingNotNow, w.file(e, once.ID, notNow).Filing)
			require.Empty(t, w.fetch(e), "a NotNow is no leave to send it twice")
		}},
	}
}
