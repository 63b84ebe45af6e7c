package apple

import (
	"context"

	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/mdm"
)

func (c *call) putPush(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, m *checkin.TokenUpdate) error {
	p, err := SealPush(c.s.c.Box, c.t, e, m.Topic, m.Token, m.PushMagic, c.s.c.Clock.Now())
	if err != nil {
		return err
	}
	return c.s.c.Store.PutPush(ctx, tx, p)
}

// Targets returns how to wake channels, in any order; those that cannot be woken
// are left out.
func (s *Server) Targets(ctx context.Context, t mdm.TenantID, keys []mdm.EnrollmentKey) ([]mdm.PushTarget, error) {
	ps, err := s.c.Store.Push(ctx, t, keys)
	if err != nil {
		return nil, err
	}
	out := make([]mdm.PushTarget, 0, len(ps))
	for _, p := range ps {
		target, err := s.target(t, p)
		if err != nil {
			s.c.Log.ErrorContext(ctx, "a push token cannot be opened", "enrollment_key", int64(p.Enrollment), "error", err)
			continue
		}
		out = append(out, target)
	}
	return out, nil
}

func (s *Server) target(t mdm.TenantID, p Push) (mdm.PushTarget, error) {
	token, magic, err := p.Open(s.c.Box, t)
	if err != nil {
		return mdm.PushTarget{}, err
	}
	return mdm.PushTarget{Enrollment: p.Enrollment, Protocol: mdm.AppleProtocol, Topic: p.Topic, Token: token, Magic: magic}, nil
}
