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
	return s.put(func(w http.ResponseWriter, r *http.Request, b []byte) error {
		m, err := checkin.Decode(b)
		if err != nil {
			return err
		}
		return s.checkIn(w, r, t, m, b)
	})
}

// put lets through PUT requests with their bounded body, and answers errors.
func (s *Server) put(do func(http.ResponseWriter, *http.Request, []byte) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			w.Header().Set("Allow", http.MethodPut)
			http.Error(w, "devices PUT", http.StatusMethodNotAllowed)
			return
		}
		b, err := body(w, r)
		if err == nil {
			err = do(w, r, b)
		}
		if err != nil {
			s.refuse(w, r, "mdm", err)
		}
	})
}

// call is one verified message.
type call struct {
	s   *Server
	t   mdm.TenantID
	pin mdm.Hash
	// natural is the channel that the message says it is of.
	natural mdm.Natural
}

func (s *Server) checkIn(w http.ResponseWriter, r *http.Request, t mdm.TenantID, m checkin.Message, b []byte) error {
	ctx := r.Context()
	leaf, pin, err := s.caller(ctx, t, r, b)
	if err != nil {
		return err
	}
	id := m.Head().ID
	c := &call{s, t, pin, id.Natural()}
	if _, ok := m.(*checkin.UserAuthenticate); ok {
		// Network users have no channel here: 410 declines, by Apple's schema.
		http.Error(w, "users are not managed", http.StatusGone)
		return nil
	}
	if id.Channel() != mdm.DeviceChannel {
		return s.user(w, r, t, id, pin)
	}
	var plist []byte
	switch m := m.(type) {
	case *checkin.Authenticate:
		admitted, err := s.c.Identity.Admit(ctx, t, leaf, identity.Claim{
			Natural: c.natural, Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel, Facts: m.Facts(),
		})
		if err != nil {
			return err
		}
		err = c.authenticate(ctx, admitted, m)
		if err != nil {
			return err
		}
	case *checkin.TokenUpdate:
		err = c.tokenUpdate(ctx, m)
	case *checkin.CheckOut:
		err = c.with(ctx, func(ctx context.Context, tx mdm.Tx, e mdm.Enrollment) error {
			return s.c.Sink.Signal(ctx, tx, mdm.Signal{Kind: mdm.SignalCheckedOut, Key: e.Key, Host: e.Host, Generation: e.Generation})
		})
	case *checkin.SetBootstrapToken:
		err = c.setBootstrapToken(ctx, m.BootstrapToken)
	case *checkin.GetBootstrapToken:
		plist, err = c.getBootstrapToken(ctx)
	default:
		err = mdm.Errorf(mdm.CodeInvalid, "MessageType", "this server does not answer %s", m.MessageType())
	}
	if err != nil {
		return err
	}
	answer(w, plist)
	return nil
}

// user answers a message of a user's channel. A server of Macs must announce that
// it takes them (com.apple.mdm.yaml, ServerCapabilities), so each user who signs
// in says so; devices are managed here and their users are not, so what a device
// in good standing says of its users is acknowledged and not kept.
func (s *Server) user(w http.ResponseWriter, r *http.Request, t mdm.TenantID, id checkin.ID, pin mdm.Hash) error {
	a, err := s.c.Queue.Poll(r.Context(), t, queue.Poll{
		Caller: queue.Caller{Natural: id.Parent().Natural(), Pin: pin}, Now: s.c.Clock.Now(), Judge: true,
	})
	if err != nil {
		return err
	}
	if a.Standing != queue.StandingGood {
		return standing(a.Standing)
	}
	answer(w, nil)
	return nil
}

// with opens the message's unit of work for a caller in good standing.
func (c *call) with(ctx context.Context, fn func(context.Context, mdm.Tx, mdm.Enrollment) error) error {
	return c.s.c.Transactor.InTx(ctx, c.t, func(ctx context.Context, tx mdm.Tx) error {
		e, err := c.s.c.Identity.Enrollment(ctx, tx, c.natural)
		if err != nil {
			return stranger(err)
		}
		if st := queue.Stand(&e, c.pin); st != queue.StandingGood {
			return standing(st)
		}
		return fn(ctx, tx, e)
	})
}

// stranger is the error for a channel that is not there.
func stranger(err error) error {
	if mdm.CodeOf(err) != mdm.CodeNotFound {
		return err
	}
	return standing(queue.StandingUnknown)
}

// standing is the error for a caller that is not in good standing.
func standing(st queue.Standing) error {
	switch st {
	case queue.StandingEnded:
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this enrollment has ended: enroll again")
	case queue.StandingWaiting:
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this enrollment has not been completed by a TokenUpdate")
	case queue.StandingUnknown:
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this device is not enrolled here: enroll again")
	default:
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is not the identity of the device that the message names")
	}
}

func (c *call) authenticate(ctx context.Context, admitted *identity.Admitted, m *checkin.Authenticate) error {
	if m.Topic != c.s.c.Topic {
		return mdm.Errorf(mdm.CodeInvalid, "Topic", "the device listens to another topic than this server pushes to")
	}
	return c.s.c.Transactor.InTx(ctx, c.t, func(ctx context.Context, tx mdm.Tx) error {
		a, err := c.s.c.Identity.Bind(ctx, tx, admitted)
		if err != nil {
			return err
		}
		return c.s.c.Sink.Signal(ctx, tx, mdm.Signal{Kind: mdm.SignalAuthenticated, Data: a})
	})
}

// tokenUpdate confirms what Authenticate announced, if it did, and records how
// to wake the device.
func (c *call) tokenUpdate(ctx context.Context, m *checkin.TokenUpdate) error {
	return c.s.c.Transactor.InTx(ctx, c.t, func(ctx context.Context, tx mdm.Tx) error {
		e, err := c.s.c.Identity.Enrollment(ctx, tx, c.natural)
		if err != nil {
			return stranger(err)
		}
		switch st := queue.Stand(&e, c.pin); {
		case c.pin == e.Next.Pin:
			err := c.s.c.Sink.Signal(ctx, tx, mdm.Signal{Kind: mdm.SignalConfirmed, Key: e.Key, Host: e.Host, Generation: e.Next.Generation, Data: mdm.Confirmed{Pin: c.pin}})
			if err != nil {
				return err
			}
			if e, err = c.s.c.Identity.Enrollment(ctx, tx, c.natural); err != nil {
				return err
			}
		case st != queue.StandingGood:
			return standing(st)
		}
		c.s.c.Seen(c.t, e.Host)
		if err := c.putPush(ctx, tx, e, m); err != nil {
			return err
		}
		if m.UnlockToken == nil {
			return nil
		}
		return c.putToken(ctx, tx, e, UnlockToken, m.UnlockToken)
	})
}
