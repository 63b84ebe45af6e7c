package apple

import (
	"bytes"
	"context"

	"github.com/keelson-mdm/keelson/apple/command"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// report is the word on one command and what comes with it.
type report struct {
	queue.Report
	carries carried
	// aside is kept with it; nil keeps nothing.
	aside *Aside
	// own hands out what is next only when the report was about a command of this
	// very channel.
	own bool
}

// file files a report, tells the engines, and hands out what is next, in one unit
// of work. An engine's permanent error is put on record and does not block the
// queue: the report is then filed without the engine.
func (c *call) file(ctx context.Context, p queue.Poll, r *report) ([]queue.Handout, error) {
	hs, err := c.fileOnce(ctx, p, r, true)
	if !defect(err) {
		return hs, err
	}
	c.s.c.Log.ErrorContext(ctx, "a result was filed without its owner", "command", string(r.Command), "error", err)
	told := *r
	told.Detail = "its owner could not take the result in: " + string(mdm.CodeOf(err))
	if r.Detail != "" {
		told.Detail += "; the device said: " + r.Detail
	}
	return c.fileOnce(ctx, p, &told, false)
}

func (c *call) fileOnce(ctx context.Context, p queue.Poll, r *report, tell bool) (handouts []queue.Handout, err error) {
	err = c.in(ctx, func(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, st queue.Standing) error {
		handouts = nil
		if st != queue.StandingGood && st != queue.StandingEnded {
			return standing(st)
		}
		if r.aside != nil {
			a := *r.aside
			a.Enrollment = e.Key
			if err := c.s.c.Store.PutAside(ctx, tx, a); err != nil {
				return err
			}
		}
		f, err := c.s.c.Queue.File(ctx, tx, *e, r.Report)
		if err != nil {
			return err
		}
		if tell && f.Told() {
			if err := c.told(ctx, tx, f.Result, &r.carries, st); err != nil {
				return err
			}
		}
		// After its end, what a device says is kept; it is handed nothing.
		if st == queue.StandingEnded || r.own && f.Filing == queue.FilingForeign {
			return nil
		}
		handouts, err = c.s.c.Queue.Next(ctx, tx, *e, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return handouts, nil
}

// told tells the owner of a command how it ended, and engines what the answer
// carries: of an enrollment that lives, and of this life.
func (c *call) told(ctx context.Context, tx mdm.Tx, r mdm.Result, v *carried, st queue.Standing) error {
	g := v.take(&r)
	err := c.tell(ctx, func() error { return c.s.c.Sink.Result(ctx, tx, r) })
	if err != nil || g.Kind == "" || r.Late() || st != queue.StandingGood {
		return err
	}
	return c.signal(ctx, tx, g)
}

// carried is what an answer carries beside its outcome.
type carried struct {
	list  *mdm.Observation
	facts *mdm.HostFacts
}

// read reads what an answer may carry, before the unit of work begins: only there
// is it known what was asked.
func read(res *command.Result) (v carried) {
	if res.Status != command.Acknowledged {
		return v
	}
	if bytes.Contains(res.Raw, []byte("ProfileList")) {
		if list, err := command.ParseProfileList(res.Raw); err == nil {
			v.list = &mdm.Observation{Complete: true}
			for _, p := range list {
				v.list.Items = append(v.list.Items, mdm.Observed{Identifier: p.Identifier, UUID: p.UUID})
			}
		}
	}
	if bytes.Contains(res.Raw, []byte("QueryResponses")) {
		if info, err := command.ParseDeviceInformation(res.Raw); err == nil {
			f := info.Facts()
			v.facts = &f
		}
	}
	return v
}

// take completes a result by what its command asked for, and returns the signal
// that the answer is, with an empty kind when it is none. A question that was
// acknowledged and not answered brought nothing, and its owner is told so.
func (v *carried) take(r *mdm.Result) mdm.Signal {
	g := mdm.Signal{Key: r.Enrollment, Host: r.Host, Generation: r.Generation}
	switch {
	case r.Outcome != mdm.OutcomeAcknowledged:
		return g
	case r.Kind == mdm.KindProfileList && v.list != nil:
		o := *v.list
		o.Asked = r.Seq
		g.Kind, g.Data = mdm.SignalObserved, o
	case r.Kind == mdm.KindDeviceInformation && v.facts != nil:
		g.Kind, g.Data = mdm.SignalFacts, *v.facts
	case r.Kind == mdm.KindProfileList, r.Kind == mdm.KindDeviceInformation:
		r.Outcome, r.Detail = mdm.OutcomeUndecodable, "the device acknowledged the question and did not answer it"
	}
	r.Body = g.Data
	return g
}
