package identity

import (
	"context"
	"crypto/x509"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// Trust says how far a presented certificate is trusted.
type Trust string

// The degrees of trust.
const (
	// TrustGood: known, and it may speak for the channel that it is pinned to,
	// or that first authenticates with it.
	TrustGood Trust = "good"
	// TrustOrphan: of our CA, with a name in it, and unknown: the database was
	// restored. The device is led to a renewal.
	TrustOrphan Trust = "orphan"
	// TrustRolledBack: known as superseded: the device went back to a snapshot.
	TrustRolledBack Trust = "rolled_back"
	// TrustForeign: everything else.
	TrustForeign Trust = "foreign"
)

// Place says how far a certificate is trusted that [Service.Verify] let through.
// The error is a fault of the store.
func (s *Service) Place(ctx context.Context, t mdm.TenantID, leaf *x509.Certificate) (Trust, error) {
	c, err := s.c.Store.Certificate(ctx, t, HashOf(leaf))
	switch {
	case err == nil && c.State == Superseded:
		return TrustRolledBack, nil
	case err == nil:
		return TrustGood, nil
	case mdm.CodeOf(err) != mdm.CodeNotFound:
		return TrustForeign, err
	}
	name, ok, err := ca.ParseName(leaf)
	if err != nil || !ok || name.Tenant != t {
		return TrustForeign, nil
	}
	return TrustOrphan, nil
}

// NaturalOf returns the channel that a certificate is bound to, or a
// [mdm.CodeIdentity] error.
func (s *Service) NaturalOf(ctx context.Context, t mdm.TenantID, pin mdm.Hash) (mdm.Natural, error) {
	c, err := s.c.Store.Certificate(ctx, t, pin)
	if err != nil {
		return "", foreign(err)
	}
	if c.Natural == "" {
		return "", mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate has not authenticated yet")
	}
	return c.Natural, nil
}
