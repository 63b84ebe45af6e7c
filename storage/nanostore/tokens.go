package nanostore

import (
	"context"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/storage"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/mdm"
)

// StoreBootstrapToken escrows a device's bootstrap token for its current life. An
// empty one takes back what has been escrowed.
func (s *Storage) StoreBootstrapToken(r *nanomdm.Request, m *nanomdm.SetBootstrapToken) error {
	c, err := caller(r)
	if err != nil {
		return err
	}
	if c.parent != "" {
		return storage.ErrDeviceChannelOnly
	}
	if m == nil {
		return mdm.Errorf(mdm.CodeInvalid, "message", "is missing")
	}
	return s.in(r.Context(), func(ctx context.Context, tx mdm.Tx) error {
		e, err := s.comes(ctx, tx, c)
		if err != nil {
			return err
		}
		if len(m.BootstrapToken.BootstrapToken) == 0 {
			return s.c.Store.Apple().ClearTokens(ctx, tx, e.Key, apple.BootstrapToken, e.Generation+1)
		}
		k, err := apple.SealToken(s.c.Box, s.c.Tenant, &e, apple.BootstrapToken, m.BootstrapToken.BootstrapToken, s.c.Clock.Now())
		if err != nil {
			return err
		}
		return s.c.Store.Apple().PutToken(ctx, tx, k)
	})
}

// RetrieveBootstrapToken returns the token that the device's current life
// escrowed, or nil.
func (s *Storage) RetrieveBootstrapToken(r *nanomdm.Request, _ *nanomdm.GetBootstrapToken) (*nanomdm.BootstrapToken, error) {
	c, err := caller(r)
	if err != nil {
		return nil, err
	}
	if c.parent != "" {
		return nil, storage.ErrDeviceChannelOnly
	}
	e, err := s.c.Store.Identity().Enrollment(r.Context(), s.c.Tenant, c.natural)
	if err != nil {
		if missing(err) {
			err = nil
		}
		return nil, err
	}
	token, err := s.bootstrapToken(r.Context(), &e)
	if err != nil || token == nil {
		return nil, err
	}
	return &nanomdm.BootstrapToken{BootstrapToken: token}, nil
}

// bootstrapToken is nil when there is none.
func (s *Storage) bootstrapToken(ctx context.Context, e *mdm.Enrollment) ([]byte, error) {
	k, err := s.c.Store.Apple().Token(ctx, s.c.Tenant, e.Key, apple.BootstrapToken, e.Generation)
	if err != nil {
		if missing(err) {
			err = nil
		}
		return nil, err
	}
	return k.Open(s.c.Box, s.c.Tenant, e)
}

// RetrievePushInfo returns how to wake channels; those that are not enrolled are
// left out.
func (s *Storage) RetrievePushInfo(ctx context.Context, ids []string) (map[string]*nanomdm.Push, error) {
	var keys []mdm.EnrollmentKey
	for _, id := range ids {
		n, err := natural(id)
		if err != nil {
			continue // no enrollment has such an id
		}
		e, err := s.c.Store.Identity().Enrollment(ctx, s.c.Tenant, n)
		switch {
		case missing(err):
		case err != nil:
			return nil, err
		case e.State == mdm.EnrollmentEnrolled:
			keys = append(keys, e.Key)
		}
	}
	out := make(map[string]*nanomdm.Push, len(keys))
	if len(keys) == 0 {
		return out, nil
	}
	ps, err := s.c.Store.Apple().Push(ctx, s.c.Tenant, keys)
	if err != nil {
		return nil, err
	}
	for _, p := range ps {
		token, magic, err := p.Open(s.c.Box, s.c.Tenant)
		if err != nil {
			return nil, err
		}
		out[id(p.Natural)] = &nanomdm.Push{PushMagic: magic, Token: token, Topic: p.Topic}
	}
	return out, nil
}
