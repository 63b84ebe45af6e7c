package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

// instructed is a channel with a row whose instruction waits in the queue.
type instructed struct {
	*world
	e       mdm.Enrollment
	profile profiles.Profile
	x       queue.Entry
}

func (w *world) instructed(change ...func(*queue.Entry)) *instructed {
	w.t.Helper()
	in := &instructed{world: w, e: w.enroll(), profile: w.profile(0)}
	row := w.row(in.e, in.profile)
	w.putRows(row)
	change = append([]func(*queue.Entry){func(x *queue.Entry) {
		x.Owner, x.Kind, x.Ref = mdm.OwnerProfiles, mdm.KindInstallProfile, mdm.Ref{Key: int64(row.Slot), Order: row.Order}
		x.Resource = "slot"
	}}, change...)
	in.x = w.queued(in.e, change...)
	return in
}

// reported is all that one report brings about.
type reported struct {
	Taken   bool
	Filing  queue.Filing
	Outcome mdm.Outcome
	Handed  []string // what is next, by resource
	Row     profiles.Row
	Command queue.Done
	Backlog int
}

func (in *instructed) look(a queue.Answer, f queue.Filed) reported {
	in.t.Helper()
	out := reported{Filing: f.Filing, Outcome: f.Result.Outcome, Backlog: in.backlog(), Command: in.get(in.x.ID)}
	for _, h := range a.Handouts {
		out.Handed = append(out.Handed, h.Resource)
		require.NotEmpty(in.t, h.Data, "with its content")
		require.Equal(in.t, 1, h.Sent)
		require.Equal(in.t, 1, in.get(h.ID).Sent, "marked as sent")
	}
	out.Row = in.oneRow(in.e.Key)
	// What two worlds do not share.
	out.Row.Enrollment, out.Row.Slot, out.Row.Identifier, out.Row.Profile, out.Row.Command = 0, 0, "", 0, ""
	out.Command.Command, out.Command.Seq = queue.Command{}, 0
	return out
}

// stepwise is what a backend that does it in one step is held to.
func (in *instructed) stepwise(p queue.Poll, rep queue.Report) reported {
	in.t.Helper()
	var a queue.Answer
	var f queue.Filed
	in.do(func(ctx context.Context, tx mdm.Tx) (err error) {
		if f, err = in.s.Queue().File(ctx, tx, in.e, rep); err != nil {
			return err
		}
		if f.Told() && !f.Result.Late() {
			if err := in.s.Profiles().Acknowledge(ctx, tx, f.Result); err != nil {
				return err
			}
		}
		a.Handouts, err = in.s.Queue().Next(ctx, tx, in.e, p)
		return err
	})
	return in.look(a, f)
}

// queueOneStep holds [queue.Reporter], where a backend has it.
func queueOneStep() []test {
	const holds = "Report is File, the owner's evidence and Next in one step"
	reporter := func(w *world) queue.Reporter {
		r, ok := w.s.Queue().(queue.Reporter)
		if !ok {
			w.t.Skip("this backend reports step by step")
		}
		return r
	}
	poll := func(in *instructed) queue.Poll {
		return queue.Poll{Caller: queue.Caller{Natural: in.e.Natural, Pin: in.e.Pin}, Now: in.now}
	}
	report := func(in *instructed, change ...func(*queue.Report)) queue.Report {
		rep := queue.Report{Command: in.x.ID, Now: in.now, Outcome: mdm.OutcomeAcknowledged, Body: []byte("sealed")}
		for _, f := range change {
			f(&rep)
		}
		return rep
	}
	var out []test
	for _, c := range []struct {
		name string
		set  func(in *instructed)
		rep  func(*queue.Report)
	}{
		{"acknowledged, and nothing is next", func(*instructed) {}, func(*queue.Report) {}},
		{"failed", func(*instructed) {}, func(r *queue.Report) {
			r.Outcome, r.Code, r.Detail, r.Body = mdm.OutcomeError, "MCMDMErrorDomain:12", "no", nil
		}},
		{"what it held back is next", func(in *instructed) {
			in.queued(in.e, func(x *queue.Entry) { x.Resource = "slot" })
		}, func(*queue.Report) {}},
		{"the most urgent is next", func(in *instructed) {
			in.queued(in.e, func(x *queue.Entry) { x.Resource = "later" })
			in.queued(in.e, func(x *queue.Entry) { x.Resource, x.Lane = "urgent", queue.LaneUrgent })
		}, func(*queue.Report) {}},
		{"what is not due is not next", func(in *instructed) {
			in.queued(in.e, func(x *queue.Entry) { x.NotBefore = in.now.Add(time.Hour) })
		}, func(*queue.Report) {}},
		{"a row that has been given another instruction", func(in *instructed) {
			row := in.oneRow(in.e.Key)
			row.Order++
			in.putRows(row)
		}, func(*queue.Report) {}},
	} {
		out = append(out, test{c.name, holds, func(t *testing.T, w *world) {
			one := w.instructed()
			r := reporter(w)
			c.set(one)
			two := newWorld(t, w.h, nil).instructed()
			c.set(two)
			require.Zero(t, one.backlog())
			a, f, taken, err := r.Report(w.ctx, w.tenant, poll(one), report(one, c.rep))
			require.NoError(t, err)
			require.True(t, taken)
			require.Equal(t, queue.StandingGood, a.Standing)
			require.Equal(t, one.e.Key, f.Result.Enrollment)
			require.Equal(t, one.x.Ref, f.Result.Ref)
			require.False(t, f.Result.Late())
			require.Equal(t, two.stepwise(poll(two), report(two, c.rep)), one.look(a, f))
		}})
	}
	for _, c := range []struct {
		name string
		make func(w *world) *instructed
		ask  func(in *instructed, p *queue.Poll, rep *queue.Report)
	}{
		{"a command of the application's", func(w *world) *instructed {
			return w.instructed(func(x *queue.Entry) { x.Owner = mdm.OwnerApplication })
		}, nil},
		{"a question", func(w *world) *instructed { return w.instructed(func(x *queue.Entry) { x.Ref = mdm.Ref{} }) }, nil},
		{"NotNow", func(w *world) *instructed { return w.instructed() }, func(_ *instructed, _ *queue.Poll, rep *queue.Report) {
			rep.NotNow, rep.Outcome = true, ""
		}},
		{"a foreign command", func(w *world) *instructed { return w.instructed() }, func(in *instructed, _ *queue.Poll, rep *queue.Report) {
			rep.Command = in.instructed().x.ID
		}},
		{"a repeated report", func(w *world) *instructed {
			in := w.instructed()
			in.file(in.e, in.x.ID)
			return in
		}, nil},
		{"another certificate", func(w *world) *instructed { return w.instructed() }, func(in *instructed, p *queue.Poll, _ *queue.Report) {
			p.Pin = in.hash()
		}},
		{"no certificate", func(w *world) *instructed { return w.instructed() }, func(_ *instructed, p *queue.Poll, _ *queue.Report) {
			p.Pin = mdm.Hash{}
		}},
		{"an unknown channel", func(w *world) *instructed { return w.instructed() }, func(_ *instructed, p *queue.Poll, _ *queue.Report) {
			p.Natural = "apple:nobody"
		}},
		{"a channel that has ended", func(w *world) *instructed {
			in := w.instructed()
			in.e.State = mdm.EnrollmentEnded
			in.do(func(ctx context.Context, tx mdm.Tx) error { return in.s.Lifecycle().PutEnrollment(ctx, tx, &in.e) })
			return in
		}, nil},
	} {
		out = append(out, test{"not " + c.name, "Of every other report taken is not set and nothing has changed", func(t *testing.T, w *world) {
			r := reporter(w)
			in := c.make(w)
			p, rep := poll(in), report(in)
			if c.ask != nil {
				c.ask(in, &p, &rep)
			}
			before := w.dump()
			_, _, taken, err := r.Report(w.ctx, w.tenant, p, rep)
			require.NoError(t, err)
			require.False(t, taken)
			require.Equal(t, before, w.dump())
		}})
	}
	return out
}
