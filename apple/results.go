package apple

import (
	"context"
	"net/http"

	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/apple/command"
	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// Commands handles idle polls and results: the ServerURL of the MDM payload.
// When the payload has no CheckInURL, check-in messages come here too, and are
// handled.
func (s *Server) Commands(t mdm.TenantID) http.Handler {
	return put{s, t, (*Server).commands}
}

func (s *Server) commands(w http.ResponseWriter, r *http.Request, c *call, b []byte) error {
	res, err := command.DecodeResult(b)
	switch {
	case err == nil && res.ID.Channel() != mdm.DeviceChannel:
		return c.user(w, r, res.ID, nil)
	case err != nil && isCheckIn(b):
		return s.checkIn(w, r, c, b)
	}
	var reply []byte
	if err != nil {
		reply, err = c.undecodable(r.Context(), b, err)
	} else {
		reply, err = c.command(r.Context(), res)
	}
	if err != nil {
		return err
	}
	answer(w, reply)
	return nil
}

// isCheckIn reports whether a message that is no result is meant as a check-in
// message, so that one with a fault is refused as such.
func isCheckIn(b []byte) bool {
	var kind string
	err := plist.Fields(b, &plist.Limits{Bytes: checkin.MaxSize}, plist.Field{Key: "MessageType", Into: &kind})
	return err == nil && kind != ""
}

// command takes an idle poll or a result and returns the next command.
func (c *call) command(ctx context.Context, res *command.Result) ([]byte, error) {
	c.natural = res.ID.Natural()
	p := queue.Poll{Caller: c.caller(), Now: c.s.c.Clock.Now(), SkipHeld: res.Status == command.NotNow}
	if res.Status == command.Idle {
		return c.idle(ctx, p)
	}
	r := report{Report: queue.Report{Command: mdm.CommandID(res.CommandUUID), Now: p.Now}}
	if o, ended := res.Status.Outcome(); ended {
		r.Outcome = o
		r.Code, r.Detail = res.Failure()
		r.Body = res.Raw
		r.carries = read(res)
	} else {
		r.NotNow = true
	}
	if !r.NotNow && r.carries == (carried{}) {
		switch a, _, taken, err := c.s.c.Queue.Report(ctx, c.t, p, r.Report); {
		case err != nil:
			return nil, err
		case taken:
			c.s.c.Seen(c.t, a.Enrollment.Host)
			return c.encode(ctx, p, a.Handouts)
		}
	}
	hs, err := c.file(ctx, p, &r)
	if err != nil {
		return nil, err
	}
	return c.encode(ctx, p, hs)
}

// idle is a poll: one statement when there is nothing to do.
func (c *call) idle(ctx context.Context, p queue.Poll) ([]byte, error) {
	a, err := c.s.c.Queue.Poll(ctx, c.t, p)
	if err != nil {
		return nil, err
	}
	switch a.Standing {
	case queue.StandingGood:
	case queue.StandingWaiting:
		return nil, nil
	default:
		return nil, standing(a.Standing)
	}
	c.s.c.Seen(c.t, a.Enrollment.Host)
	return c.encode(ctx, p, a.Handouts)
}
