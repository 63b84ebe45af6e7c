package apple

import (
	"context"
	"net/http"

	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/apple/command"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// Commands handles idle polls and results: the ServerURL of the MDM payload.
// When the payload has no CheckInURL, check-in messages come here too, and are
// handled.
func (s *Server) Commands(t mdm.TenantID) http.Handler {
	return s.put(func(w http.ResponseWriter, r *http.Request, b []byte) error {
		res, err := command.DecodeResult(b)
		if err != nil {
			if m, e := checkin.Decode(b); e == nil {
				return s.checkIn(w, r, t, m, b)
			}
			return s.undecodable(w, r, t, b, err)
		}
		_, pin, err := s.caller(r.Context(), t, r, b)
		if err != nil {
			return err
		}
		c := &call{s, t, pin, res.ID.Natural()}
		if res.ID.Channel() != mdm.DeviceChannel {
			return s.user(w, r, t, res.ID, pin)
		}
		reply, err := c.command(r.Context(), res)
		if err != nil {
			return err
		}
		answer(w, reply)
		return nil
	})
}

// command takes an idle poll or a result and returns the next command.
func (c *call) command(ctx context.Context, res *command.Result) ([]byte, error) {
	p := queue.Poll{Caller: c.caller(), Now: c.s.c.Clock.Now(), SkipHeld: res.Status == command.NotNow}
	if res.Status == command.Idle {
		a, err := c.s.c.Queue.Poll(ctx, c.t, p)
		if err != nil {
			return nil, err
		}
		switch a.Standing {
		case queue.StandingGood:
			c.s.c.Seen(c.t, a.Enrollment.Host)
		case queue.StandingWaiting:
			return nil, nil
		default:
			return nil, standing(a.Standing)
		}
		return c.encode(ctx, p, a.Handouts)
	}
	rep := queue.Report{Command: mdm.CommandID(res.CommandUUID), Now: p.Now}
	if o, ended := res.Status.Outcome(); ended {
		rep.Outcome = o
		rep.Code, rep.Detail = res.Failure()
		rep.Body = res.Raw
	} else {
		rep.NotNow = true
	}
	return c.report(ctx, p, rep, told(res))
}

// telling is what an answer carries beside its outcome.
type telling func(f queue.Filed) []mdm.Signal

// told reads what an answer carries, before the unit of work begins.
func told(res *command.Result) telling {
	if res.Status != command.Acknowledged {
		return func(queue.Filed) []mdm.Signal { return nil }
	}
	return func(f queue.Filed) []mdm.Signal {
		g := mdm.Signal{Key: f.Result.Enrollment, Host: f.Result.Host, Generation: f.Result.Generation}
		switch f.Result.Kind {
		case mdm.KindProfileList:
			list, err := command.ParseProfileList(res.Raw)
			if err != nil {
				return nil
			}
			o := mdm.Observation{Complete: true, Asked: f.Result.Seq}
			for _, p := range list {
				o.Items = append(o.Items, mdm.Observed{Identifier: p.Identifier, UUID: p.UUID})
			}
			g.Kind, g.Data = mdm.SignalObserved, o
		case mdm.KindDeviceInformation:
			info, err := command.ParseDeviceInformation(res.Raw)
			if err != nil {
				return nil
			}
			g.Kind, g.Data = mdm.SignalFacts, info.Facts()
		default:
			return nil
		}
		return []mdm.Signal{g}
	}
}

// report files an answer, tells the engines, and hands out what is next, in one
// unit of work. An engine's permanent error is put on record and does not block
// the queue: the answer is then filed without the engine.
func (c *call) report(ctx context.Context, p queue.Poll, rep queue.Report, t telling) ([]byte, error) {
	reply, err := c.reportOnce(ctx, p, rep, t)
	if err == nil || !c.engineFailed(err) {
		return reply, err
	}
	c.s.c.Log.ErrorContext(ctx, "a result was filed without its owner", "command", rep.Command, "error", err)
	rep.Detail = "the result could not be taken in: " + string(mdm.CodeOf(err))
	return c.reportOnce(ctx, p, rep, nil)
}

// engineError marks errors that came from an engine, and not from the store or
// the caller's standing.
type engineError struct{ err error }

func (e *engineError) Error() string { return e.err.Error() }
func (e *engineError) Unwrap() error { return e.err }

func (c *call) engineFailed(err error) bool {
	_, ok := err.(*engineError)
	return ok && !mdm.Transient(err)
}

func (c *call) reportOnce(ctx context.Context, p queue.Poll, rep queue.Report, t telling) ([]byte, error) {
	var handouts []queue.Handout
	err := c.s.c.Transactor.InTx(ctx, c.t, func(ctx context.Context, tx mdm.Tx) error {
		handouts = nil
		e, err := c.s.c.Identity.Enrollment(ctx, tx, c.natural)
		if err != nil {
			return stranger(err)
		}
		st := queue.Stand(&e, c.pin)
		if st != queue.StandingGood && st != queue.StandingEnded {
			return standing(st)
		}
		f, err := c.s.c.Queue.File(ctx, tx, e, rep)
		if err != nil {
			return err
		}
		if f.Told() && t != nil {
			if err := c.tell(ctx, tx, f, t); err != nil {
				return &engineError{err}
			}
		}
		if st == queue.StandingEnded {
			return nil // what it said is kept; it is handed nothing
		}
		c.s.c.Seen(c.t, e.Host)
		handouts, err = c.s.c.Queue.Next(ctx, tx, e, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.encode(ctx, p, handouts)
}

func (c *call) tell(ctx context.Context, tx mdm.Tx, f queue.Filed, t telling) error {
	if err := c.s.c.Sink.Result(ctx, tx, f.Result); err != nil {
		return err
	}
	for _, g := range t(f) {
		if err := c.s.c.Sink.Signal(ctx, tx, g); err != nil {
			return err
		}
	}
	return nil
}
