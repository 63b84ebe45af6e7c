package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// queueModel compares the queue with its model on random histories.
func queueModel() []test {
	return []test{{"agrees with a naive model", "all of queue.Store", func(t *testing.T, w *world) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			if n++; n > histories {
				return
			}
			// A tenant for each history, as a store of its own would be slow.
			newMachine(over(t, w.h, w.s, mdm.TenantID(fmt.Sprintf("history-%d", n)))).run(rt)
		})
	}}}
}

// machine drives a store and the model side by side.
type machine struct {
	*world
	m        *model
	channels []mdm.Enrollment
	contents []mdm.Hash
}

func newMachine(w *world) *machine {
	x := &machine{world: w, m: &model{size: make(map[mdm.Hash]int)}, channels: []mdm.Enrollment{w.enroll(), w.enroll()}}
	for _, s := range []string{"a", "bb", "eight888", "0123456789abcdef"} {
		h := w.content(s)
		x.contents = append(x.contents, h)
		x.m.size[h] = len(s)
	}
	return x
}

func (x *machine) run(rt *rapid.T) {
	rt.Repeat(map[string]func(*rapid.T){
		"enqueue":   x.enqueueSome,
		"poll":      x.pollSome,
		"report":    x.report,
		"cancel":    x.cancelSome,
		"end":       x.endSome,
		"time":      func(rt *rapid.T) { x.pass(time.Duration(rapid.IntRange(0, 4).Draw(rt, "steps")) * 20 * time.Second) },
		"a restart": x.newLife,
		"":          x.compare,
	})
}

func (x *machine) channel(rt *rapid.T) mdm.Enrollment {
	return rapid.SampledFrom(x.channels).Draw(rt, "channel")
}

// command draws one that was queued; false when there is none.
func (x *machine) command(rt *rapid.T) (*queue.Done, bool) {
	if len(x.m.all) == 0 {
		return nil, false
	}
	return rapid.SampledFrom(x.m.all).Draw(rt, "command"), true
}

func (x *machine) enqueueSome(rt *rapid.T) {
	var batch []queue.Entry
	for range rapid.IntRange(1, 3).Draw(rt, "batch") {
		e := x.draw(rt)
		if d := x.m.first(e.Enrollment, e.Idempotency); d != nil {
			found, err := x.world.first(mdm.Enrollment{Key: e.Enrollment}, e.Idempotency)
			require.NoError(rt, err)
			require.Equal(rt, d.Entry, found.Entry)
			require.ErrorIs(rt, x.try(func(ctx context.Context, tx mdm.Tx) error { return x.s.Queue().Insert(ctx, tx, []queue.Entry{e}) }), mdm.CodeConflict)
			continue
		}
		if !slices.ContainsFunc(batch, func(b queue.Entry) bool {
			return e.Idempotency != "" && b.Enrollment == e.Enrollment && b.Idempotency == e.Idempotency
		}) {
			batch = append(batch, e)
		}
	}
	stored := slices.Clone(batch)
	x.do(func(ctx context.Context, tx mdm.Tx) error { return x.s.Queue().Insert(ctx, tx, stored) })
	for i, e := range batch {
		was := len(x.m.all)
		d := x.m.insert(e)
		if was > 0 {
			require.Greater(rt, stored[i].Seq, x.m.all[was-1].Seq, "sequences rise")
		}
		d.Seq = stored[i].Seq
		require.Equal(rt, d.Entry, stored[i])
	}
}

func (x *machine) draw(rt *rapid.T) queue.Entry {
	e := x.channel(rt)
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, label) }
	q := queue.Entry{
		Command: queue.Command{
			ID: mdm.CommandID(x.uuid()), Enrollment: e.Key, Generation: e.Generation, Owner: mdm.Owner(one("owner", "profiles", "application")),
			Ref: mdm.Ref{Key: rapid.Int64Range(0, 2).Draw(rt, "key")}, Kind: mdm.KindRawApple,
			Lane:     rapid.SampledFrom([]queue.Lane{queue.LaneUrgent, queue.LaneNormal, queue.LaneNormal, queue.LaneBulk}).Draw(rt, "lane"),
			Resource: one("resource", "", "", "r", "s"), Supersede: one("supersede", "", "", "", "t"),
			Idempotency: one("idempotency", "", "", "", "i", "j"),
			Redelivery:  mdm.Redelivery(one("redelivery", "repeatable", "repeatable", "frozen", "once")),
			Actor:       mdm.Actor{Name: one("actor", "", "ann", "bob")},
		},
		Hash: rapid.SampledFrom(x.contents).Draw(rt, "content"), Queued: x.now,
	}
	if rapid.IntRange(0, 9).Draw(rt, "for another life") == 0 {
		q.Generation--
	}
	if rapid.IntRange(0, 4).Draw(rt, "not yet") == 0 {
		q.NotBefore = x.now.Add(30 * time.Second)
	}
	if q.Redelivery == mdm.Once || rapid.IntRange(0, 4).Draw(rt, "not for long") == 0 {
		q.Expires = x.now.Add(time.Minute)
	}
	return q
}

func (x *machine) pollSome(rt *rapid.T) {
	e := x.channel(rt)
	p := queue.Poll{
		Caller: queue.Caller{Natural: e.Natural, Pin: e.Pin}, Now: x.now, SkipHeld: rapid.Bool().Draw(rt, "skip held"),
		Limit: rapid.IntRange(0, 4).Draw(rt, "limit"), MaxBytes: rapid.SampledFrom([]int{0, 0, 1, 10, 18}).Draw(rt, "bytes"),
	}
	a, err := x.s.Queue().Poll(x.ctx, x.tenant, p)
	require.NoError(rt, err)
	var left []queue.Entry
	for _, h := range a.Handouts {
		left = append(left, h.Entry)
		require.Len(rt, h.Data, x.m.size[h.Hash])
	}
	require.Equal(rt, x.m.poll(e, p), left)
}

func (x *machine) report(rt *rapid.T) {
	d, ok := x.command(rt)
	if !ok {
		return
	}
	e := x.channel(rt)
	if rapid.IntRange(0, 4).Draw(rt, "an honest device") > 0 {
		for _, c := range x.channels {
			if c.Key == d.Enrollment {
				e = c
			}
		}
	}
	r := queue.Report{Command: d.ID, Now: x.now, Outcome: mdm.OutcomeAcknowledged}
	switch rapid.IntRange(0, 3).Draw(rt, "answer") {
	case 0:
		r.Outcome, r.NotNow = "", true
	case 1:
		r.Outcome, r.Code, r.Detail, r.Body = mdm.OutcomeError, "12", "no", []byte("answer")
	}
	f := x.world.file(e, r.Command, func(to *queue.Report) { *to = r })
	require.Equal(rt, x.m.file(e, r), f.Filing)
	if !f.Told() {
		require.Zero(rt, f.Result)
		return
	}
	want := resultOf(x.world, e, d.Entry, r.Outcome)
	want.Code, want.Detail = r.Code, r.Detail
	require.Equal(rt, want, f.Result)
}

func (x *machine) cancelSome(rt *rapid.T) {
	if d, ok := x.command(rt); ok {
		a, _ := x.world.cancel(d.ID)
		require.Equal(rt, x.m.cancel(d.ID, x.now), a)
	}
}

func (x *machine) endSome(rt *rapid.T) {
	e := x.channel(rt)
	told := func(rs []mdm.Result) (out []mdm.CommandID) {
		for _, r := range rs {
			out = append(out, r.Command)
			require.Equal(rt, r.Outcome, x.m.find(r.Command).Outcome)
		}
		return out
	}
	switch rapid.IntRange(0, 2).Draw(rt, "how") {
	case 0:
		o, key := mdm.OwnerProfiles, rapid.Int64Range(0, 2).Draw(rt, "key")
		taken, left := x.world.endRef(e, o, key)
		ended, gone := x.m.endAll(x.now, func(d *queue.Done) bool { return d.Enrollment == e.Key && d.Owner == o && d.Ref.Key == key },
			func(*queue.Done) mdm.Outcome { return mdm.OutcomeSuperseded })
		require.Equal(rt, [2]int{len(ended) - gone, gone}, [2]int{taken, left})
	case 1:
		rs := x.world.endBefore(e, e.Generation)
		ended, _ := x.m.endAll(x.now, func(d *queue.Done) bool { return d.Enrollment == e.Key && d.Generation < e.Generation },
			func(*queue.Done) mdm.Outcome { return mdm.OutcomeCanceled })
		require.ElementsMatch(rt, ended, told(rs))
	case 2:
		rs := x.world.expire(1000)
		ended, _ := x.m.endAll(x.now, func(d *queue.Done) bool { return !d.Expires.IsZero() && !d.Expires.After(x.now) },
			func(d *queue.Done) mdm.Outcome {
				if d.Sent > 0 {
					return mdm.OutcomeUnknown
				}
				return mdm.OutcomeExpired
			})
		require.ElementsMatch(rt, ended, told(rs))
	}
}

// newLife begins another life of a channel.
func (x *machine) newLife(rt *rapid.T) {
	if rapid.IntRange(0, 3).Draw(rt, "really") > 0 {
		return
	}
	i := rapid.IntRange(0, len(x.channels)-1).Draw(rt, "which")
	x.channels[i].Generation++
	x.do(func(ctx context.Context, tx mdm.Tx) error {
		return x.s.Lifecycle().PutEnrollment(ctx, tx, &x.channels[i])
	})
}

// compare looks at everything.
func (x *machine) compare(rt *rapid.T) {
	var waiting []mdm.EnrollmentKey
	for _, e := range x.channels {
		require.Equal(rt, x.m.list(e.Key), x.world.list(e, 0, 1<<20))
		if len(x.m.ready(e, x.now, false)) > 0 {
			waiting = append(waiting, e.Key)
		}
	}
	require.Equal(rt, waiting, x.world.waiting(0, 10))
}
