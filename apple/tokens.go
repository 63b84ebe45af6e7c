package apple

import (
	"context"
	"strconv"

	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// Logical tables of sealed values; part of the sealed format.
const (
	pushTable  = "apple_push"
	tokenTable = "apple_token"
	asideTable = "apple_aside"
)

// tokenRow names a token's place: the channel, its life and the kind.
func tokenRow(e mdm.Enrollment, k TokenKind) string {
	return string(e.Natural) + "/" + strconv.FormatInt(int64(e.Generation), 10) + "/" + string(k)
}

func (c *call) putToken(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, k TokenKind, value []byte) error {
	sealed, err := c.s.c.Box.Seal(c.t, tokenTable, tokenRow(e, k), value)
	if err != nil {
		return err
	}
	return c.s.c.Store.PutToken(ctx, tx, Token{Enrollment: e.Key, Kind: k, Generation: e.Generation, Sealed: sealed, At: c.s.c.Clock.Now()})
}

// setBootstrapToken escrows a bootstrap token; an empty one takes back what was
// escrowed in this life.
func (c *call) setBootstrapToken(ctx context.Context, token []byte) error {
	return c.with(ctx, func(ctx context.Context, tx mdm.Tx, e mdm.Enrollment) error {
		if len(token) == 0 {
			return c.s.c.Store.ClearTokens(ctx, tx, e.Key, BootstrapToken, e.Generation+1)
		}
		return c.putToken(ctx, tx, e, BootstrapToken, token)
	})
}

func (c *call) getBootstrapToken(ctx context.Context) ([]byte, error) {
	a, err := c.s.c.Queue.Poll(ctx, c.t, queue.Poll{Caller: c.caller(), Now: c.s.c.Clock.Now(), Judge: true})
	if err != nil {
		return nil, err
	}
	if a.Standing != queue.StandingGood {
		return nil, standing(a.Standing)
	}
	e := a.Enrollment
	k, err := c.s.c.Store.Token(ctx, c.t, e.Key, BootstrapToken, e.Generation)
	if mdm.CodeOf(err) == mdm.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	token, err := c.s.c.Box.Open(c.t, tokenTable, tokenRow(e, BootstrapToken), k.Sealed)
	if err != nil {
		return nil, err
	}
	return checkin.EncodeBootstrapToken(token)
}

func (c *call) caller() queue.Caller { return queue.Caller{Natural: c.natural, Pin: c.pin} }

func (c *call) putPush(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, m *checkin.TokenUpdate) error {
	token, err := c.s.c.Box.Seal(c.t, pushTable, string(e.Natural)+"/token", m.Token)
	if err != nil {
		return err
	}
	magic, err := c.s.c.Box.Seal(c.t, pushTable, string(e.Natural)+"/magic", []byte(m.PushMagic))
	if err != nil {
		return err
	}
	return c.s.c.Store.PutPush(ctx, tx, Push{Enrollment: e.Key, Topic: m.Topic, Token: token, Magic: magic, At: c.s.c.Clock.Now()})
}

// Targets returns how to wake channels; those that cannot be woken are left out.
func (s *Server) Targets(ctx context.Context, t mdm.TenantID, keys []mdm.EnrollmentKey) ([]mdm.PushTarget, error) {
	ps, err := s.c.Store.Push(ctx, t, keys)
	if err != nil {
		return nil, err
	}
	out := make([]mdm.PushTarget, 0, len(ps))
	for _, p := range ps {
		token, err := s.c.Box.Open(t, pushTable, string(p.Natural)+"/token", p.Token)
		if err == nil {
			var magic []byte
			if magic, err = s.c.Box.Open(t, pushTable, string(p.Natural)+"/magic", p.Magic); err == nil {
				out = append(out, mdm.PushTarget{Enrollment: p.Enrollment, Protocol: mdm.AppleProtocol, Topic: p.Topic, Token: token, Magic: string(magic)})
			}
		}
		if err != nil {
			s.c.Log.ErrorContext(ctx, "a push token cannot be opened", "enrollment_key", int64(p.Enrollment), "error", err)
		}
	}
	return out, nil
}
