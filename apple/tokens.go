package apple

import (
	"context"

	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/mdm"
)

func (c *call) putToken(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment, k TokenKind, value []byte) error {
	row, err := SealToken(c.s.c.Box, c.t, e, k, value, c.s.c.Clock.Now())
	if err != nil {
		return err
	}
	return c.s.c.Store.PutToken(ctx, tx, row)
}

// setBootstrapToken escrows a bootstrap token; an empty one takes back what has
// been escrowed (set.bootstrap.token.yaml).
func (c *call) setBootstrapToken(ctx context.Context, token []byte) error {
	return c.in(ctx, good(func(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment) error {
		if len(token) == 0 {
			return c.s.c.Store.ClearTokens(ctx, tx, e.Key, BootstrapToken, e.Generation+1)
		}
		return c.putToken(ctx, tx, e, BootstrapToken, token)
	}))
}

// getBootstrapToken answers with the token of this life, or with nothing.
func (c *call) getBootstrapToken(ctx context.Context) ([]byte, error) {
	e, err := c.judge(ctx)
	if err != nil {
		return nil, err
	}
	token, err := c.s.Token(ctx, c.t, e, BootstrapToken)
	switch {
	case mdm.CodeOf(err) == mdm.CodeNotFound:
		token = nil
	case err != nil:
		return nil, err
	}
	c.s.c.Seen(c.t, e.Host)
	return checkin.EncodeBootstrapToken(token)
}

// Token opens the newest token of a kind that the channel's current life
// escrowed, or returns a [mdm.CodeNotFound] error.
func (s *Server) Token(ctx context.Context, t mdm.TenantID, e mdm.Enrollment, k TokenKind) ([]byte, error) {
	row, err := s.c.Store.Token(ctx, t, e.Key, k, e.Generation)
	if err != nil {
		return nil, err
	}
	return row.Open(s.c.Box, t, &e)
}
