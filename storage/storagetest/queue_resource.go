package storagetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

func resource(r string) func(*queue.Entry) { return func(x *queue.Entry) { x.Resource = r } }

func skipHeld(p *queue.Poll) { p.SkipHeld = true }

// queueResource holds what a resource key keeps in order.
func queueResource() []test {
	const holds = "none … that stands behind an earlier waiting entry with the same resource key"
	return []test{
		{"one at a time", holds, func(t *testing.T, w *world) {
			e := w.enroll()
			a, b := w.queued(e, resource("r")), w.queued(e, resource("r"))
			other, none := w.queued(e, resource("s")), w.queued(e)
			require.Equal(t, ids(a, other, none), w.fetch(e))
			require.Equal(t, ids(a, other, none), w.fetch(e), "a lost reply changes nothing")
			w.file(e, a.ID)
			require.Equal(t, ids(b, other, none), w.fetch(e))
		}},
		{"lanes do not overtake", holds, func(t *testing.T, w *world) {
			e := w.enroll()
			a := w.queued(e, resource("r"), lane(queue.LaneBulk))
			w.queued(e, resource("r"), lane(queue.LaneUrgent))
			require.Equal(t, ids(a), w.fetch(e))
		}},
		{"a NotNow holds its resource", "a resource key keeps two commands on the same thing in order even across NotNow; others may overtake", func(t *testing.T, w *world) {
			e := w.enroll()
			a, b := w.queued(e, resource("r")), w.queued(e, resource("r"))
			c := w.queued(e)
			w.fetch(e)
			w.file(e, a.ID, notNow)
			require.Equal(t, ids(c), w.fetch(e, skipHeld))
			require.Equal(t, ids(a, c), w.fetch(e), "a later poll asks again")
			w.file(e, a.ID)
			require.Equal(t, ids(b, c), w.fetch(e, skipHeld))
		}},
		{"waiting for a time holds too", holds, func(t *testing.T, w *world) {
			e := w.enroll()
			a := w.queued(e, resource("r"), func(x *queue.Entry) { x.NotBefore = w.now.Add(time.Minute) })
			b := w.queued(e, resource("r"))
			require.Empty(t, w.fetch(e))
			w.pass(time.Minute)
			require.Equal(t, ids(a), w.fetch(e))
			w.file(e, a.ID)
			require.Equal(t, ids(b), w.fetch(e))
		}},
		{"expired frees", "an entry whose time is over holds nothing back", func(t *testing.T, w *world) {
			e := w.enroll()
			a := w.queued(e, resource("r"), func(x *queue.Entry) { x.Expires = w.now.Add(time.Minute) })
			b := w.queued(e, resource("r"))
			require.Equal(t, ids(a), w.fetch(e))
			w.file(e, a.ID, notNow)
			w.pass(time.Minute)
			require.Equal(t, ids(b), w.fetch(e))
		}},
		{"an earlier life frees", "Poll hands out … entries of the current generation: those of another hold nothing back", func(t *testing.T, w *world) {
			e := w.enroll()
			w.queued(e, resource("r"), func(x *queue.Entry) { x.Generation-- })
			b := w.queued(e, resource("r"))
			require.Equal(t, ids(b), w.fetch(e))
		}},
		{"other devices do not hold", "a resource key is of one enrollment", func(t *testing.T, w *world) {
			one, two := w.enroll(), w.enroll()
			w.queued(one, resource("r"))
			b := w.queued(two, resource("r"))
			require.Equal(t, ids(b), w.fetch(two))
		}},
		{"once, unanswered, holds until its time is over", holds, func(t *testing.T, w *world) {
			e := w.enroll()
			once := w.queued(e, resource("r"), func(x *queue.Entry) { x.Redelivery, x.Expires = mdm.Once, w.now.Add(time.Hour) })
			b := w.queued(e, resource("r"))
			require.Equal(t, ids(once), w.fetch(e))
			require.Empty(t, w.fetch(e))
			w.pass(time.Hour)
			require.Equal(t, ids(b), w.fetch(e))
		}},
	}
}

// queuePoll holds the judgment of the caller and the sent mark.
func queuePoll() []test {
	renew := func(w *world) func(*mdm.Enrollment) {
		return func(e *mdm.Enrollment) { e.Next = mdm.NextLife{ID: e.ID, Generation: e.Generation, Pin: w.hash()} }
	}
	pin := func(h mdm.Hash) func(*queue.Poll) { return func(p *queue.Poll) { p.Pin = h } }
	return []test{
		{"good", "Poll judges the caller: the channel's own certificate, in its current life", func(t *testing.T, w *world) {
			e := w.enroll()
			a := w.poll(e)
			require.Equal(t, queue.StandingGood, a.Standing)
			require.Equal(t, e, a.Enrollment)
			require.Empty(t, a.Handouts)
		}},
		{"everybody else", "Handouts … only with StandingGood", func(t *testing.T, w *world) {
			e := w.enroll(func(e *mdm.Enrollment) {
				e.Next = mdm.NextLife{ID: mdm.EnrollmentID(w.uuid()), Generation: e.Generation + 7, Pin: w.hash()}
			})
			ended := w.enroll(func(e *mdm.Enrollment) { e.State, e.EndedAt = mdm.EnrollmentEnded, w.now })
			unpinned := w.enroll(func(e *mdm.Enrollment) { e.Pin = mdm.Hash{} })
			for _, x := range []mdm.Enrollment{e, ended, unpinned} {
				w.queued(x)
			}
			for _, c := range []struct {
				name string
				of   mdm.Enrollment
				pin  mdm.Hash
				want queue.Standing
			}{
				{"a stranger's certificate", e, w.hash(), queue.StandingRefused},
				{"no certificate", e, mdm.Hash{}, queue.StandingRefused},
				{"no certificate, where none is pinned", unpinned, mdm.Hash{}, queue.StandingRefused},
				{"another device's", e, ended.Pin, queue.StandingRefused},
				{"a life to come", e, e.Next.Pin, queue.StandingWaiting},
				{"ended", ended, ended.Pin, queue.StandingEnded},
			} {
				a := w.poll(c.of, pin(c.pin))
				require.Equal(t, c.want, a.Standing, c.name)
				require.Equal(t, c.of, a.Enrollment, c.name)
				require.Empty(t, a.Handouts, c.name)
			}
			a := w.poll(mdm.Enrollment{Natural: "apple:nobody", Pin: e.Pin})
			require.Equal(t, queue.StandingUnknown, a.Standing)
			require.Zero(t, a.Enrollment)
		}},
		{"a renewed certificate", "StandingGood: … or the renewed certificate of the same life", func(t *testing.T, w *world) {
			e := w.enroll(renew(w))
			x := w.queued(e)
			require.Equal(t, ids(x), w.fetch(e, pin(e.Next.Pin)))
			require.Equal(t, ids(x), w.fetch(e), "the old one still speaks")
		}},
		{"judging alone", "Judge only judges: nothing is handed out", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e)
			a := w.poll(e, func(p *queue.Poll) { p.Judge = true })
			require.Equal(t, queue.StandingGood, a.Standing)
			require.Empty(t, a.Handouts)
			require.Zero(t, w.get(x.ID).Sent)
		}},
		{"the sent mark", "The sent mark is set by the statement that selects", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e)
			w.pass(time.Second)
			hs := w.poll(e).Handouts
			require.Len(t, hs, 1)
			require.Equal(t, 1, hs[0].Sent)
			require.Equal(t, w.now, hs[0].SentAt)
			require.Equal(t, hs[0].Entry, w.get(x.ID).Entry)
		}},
		{"skip what is held", "SkipHeld leaves out entries that answered NotNow", func(t *testing.T, w *world) {
			e := w.enroll()
			a, b := w.queued(e), w.queued(e)
			w.fetch(e)
			w.file(e, a.ID, notNow)
			require.Equal(t, ids(b), w.fetch(e, skipHeld))
			require.Equal(t, ids(a, b), w.fetch(e))
		}},
		{"idle", "An idle poll writes nothing", func(t *testing.T, w *world) {
			f := &fault{}
			w = newWorld(t, w.h, f.hook)
			e := w.enroll()
			blocked, expired, once, later := w.queued(e, resource("r")), w.entry(e), w.entry(e), w.entry(e)
			expired.Expires = w.now
			once.Redelivery, once.Expires = mdm.Once, w.now.Add(time.Hour)
			later.NotBefore = w.now.Add(time.Hour)
			behind := w.entry(e, resource("r"))
			w.enqueue(expired, once, later, behind)
			w.fetch(e)
			w.file(e, blocked.ID, notNow)
			before := w.dump()
			f.seen = 0
			require.Empty(t, w.fetch(e, skipHeld))
			require.Zero(t, f.seen, "writes of an idle poll")
			require.Equal(t, before, w.dump())
		}},
	}
}
