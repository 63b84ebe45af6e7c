package apple

import (
	"context"
	"net/http"

	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// CheckIn handles check-in messages: the CheckInURL of the MDM payload.
func (s *Server) CheckIn(t mdm.TenantID) http.Handler {
	return put{s, t, (*Server).checkIn}
}

func (s *Server) checkIn(w http.ResponseWriter, r *http.Request, c *call, b []byte) error {
	m, err := checkin.Decode(b)
	if err != nil {
		return err
	}
	id := m.Head().ID
	if id.Channel() != mdm.DeviceChannel {
		return c.user(w, r, id, m)
	}
	c.natural = id.Natural()
	ctx := r.Context()
	var plist []byte
	switch m := m.(type) {
	case *checkin.Authenticate:
		err = c.authenticate(ctx, m)
	case *checkin.TokenUpdate:
		err = c.tokenUpdate(ctx, m)
	case *checkin.CheckOut:
		err = c.checkOut(ctx)
	case *checkin.SetBootstrapToken:
		err = c.setBootstrapToken(ctx, m.BootstrapToken)
	case *checkin.GetBootstrapToken:
		plist, err = c.getBootstrapToken(ctx)
	default:
		err = unanswered(m)
	}
	if err != nil {
		return err
	}
	answer(w, plist)
	return nil
}

// unanswered refuses a message with 400, as Apple's schema asks for a service that
// the server does not have (get.token.yaml).
func unanswered(m checkin.Message) error {
	return mdm.Errorf(mdm.CodeInvalid, "MessageType", "this server does not answer %s", m.MessageType())
}

// user answers a message of a user's channel; m is nil for a poll or a result. A
// server of Macs must announce that it takes them (com.apple.mdm.yaml,
// ServerCapabilities), so each user who signs in says so; devices are managed here
// and their users are not, so what a device in good standing says of its users is
// acknowledged and not kept. A network user has no channel at all: 410 declines
// (user.authenticate.yaml).
func (c *call) user(w http.ResponseWriter, r *http.Request, id checkin.ID, m checkin.Message) error {
	c.natural = id.Parent().Natural()
	e, err := c.judge(r.Context())
	if err != nil {
		return err
	}
	c.s.c.Seen(c.t, e.Host)
	switch m.(type) {
	case *checkin.UserAuthenticate:
		http.Error(w, "users are not managed", http.StatusGone)
	case *checkin.DeclarativeManagement, *checkin.GetToken:
		return unanswered(m)
	default:
		answer(w, nil)
	}
	return nil
}

func (c *call) authenticate(ctx context.Context, m *checkin.Authenticate) error {
	if m.Topic != c.s.c.Topic {
		return mdm.Errorf(mdm.CodeInvalid, "Topic", "the device listens to another topic than this server pushes to")
	}
	leaf, err := c.certificate()
	if err != nil {
		return err
	}
	admitted, err := c.s.c.Identity.Admit(ctx, c.t, leaf, identity.Claim{
		Natural: c.natural, Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel, Facts: m.Facts(),
	})
	if err != nil {
		return err
	}
	return c.s.c.Transactor.InTx(ctx, c.t, func(ctx context.Context, tx mdm.Tx) error {
		a, err := c.s.c.Identity.Bind(ctx, tx, admitted)
		if err != nil {
			return err
		}
		return c.signal(ctx, tx, mdm.Signal{Kind: mdm.SignalAuthenticated, Generation: a.Next.Generation, Data: a})
	})
}

// tokenUpdate confirms what Authenticate announced, if it did, and records how
// to wake the device.
func (c *call) tokenUpdate(ctx context.Context, m *checkin.TokenUpdate) error {
	return c.in(ctx, func(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, st queue.Standing) error {
		if c.pin == e.Next.Pin {
			err := c.signal(ctx, tx, mdm.Signal{
				Kind: mdm.SignalConfirmed, Key: e.Key, Host: e.Host, Generation: e.Next.Generation, Data: mdm.Confirmed{Pin: c.pin},
			})
			if err != nil {
				return err
			}
			if *e, err = c.s.c.Identity.Enrollment(ctx, tx, c.natural); err != nil {
				return err
			}
			st = queue.Stand(e, c.pin)
		}
		if st != queue.StandingGood {
			return standing(st)
		}
		if err := c.putPush(ctx, tx, e, m); err != nil {
			return err
		}
		if m.UnlockToken == nil {
			return nil
		}
		return c.putToken(ctx, tx, e, UnlockToken, m.UnlockToken)
	})
}

// checkOut ends the device's life. One that is sent again, as its answer was
// lost, is answered as the first was.
func (c *call) checkOut(ctx context.Context) error {
	return c.in(ctx, func(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, st queue.Standing) error {
		switch st {
		case queue.StandingGood:
			return c.signal(ctx, tx, mdm.Signal{Kind: mdm.SignalCheckedOut, Key: e.Key, Host: e.Host, Generation: e.Generation})
		case queue.StandingEnded:
			return nil
		default:
			return standing(st)
		}
	})
}
