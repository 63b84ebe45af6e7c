package identity

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// verifiers keeps one verifier a tenant, for as long as its roots stay.
type verifiers struct {
	mu sync.Mutex
	m  map[mdm.TenantID]verifier
}

type verifier struct {
	roots []*x509.Certificate
	v     *ca.Verifier
}

func (vs *verifiers) of(t mdm.TenantID, roots []*x509.Certificate, unnamed bool) (*ca.Verifier, error) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if have, ok := vs.m[t]; ok && slices.EqualFunc(have.roots, roots, (*x509.Certificate).Equal) {
		return have.v, nil
	}
	v, err := ca.NewVerifier(roots, &ca.VerifierOptions{AllowUnnamed: unnamed})
	if err != nil {
		return nil, err
	}
	if vs.m == nil {
		vs.m = make(map[mdm.TenantID]verifier)
	}
	vs.m[t] = verifier{roots: slices.Clone(roots), v: v}
	return v, nil
}

// Verify checks that a presented certificate chains to the tenant's CA, is
// valid now, and is an MDM identity of this tenant. It says nothing about whose
// it is. A refusal is a [mdm.CodeIdentity] error.
func (s *Service) Verify(ctx context.Context, t mdm.TenantID, leaf *x509.Certificate) error {
	roots, err := s.c.CA.Roots(ctx, t)
	if err != nil {
		return fmt.Errorf("read the CA's roots: %w", err)
	}
	v, err := s.verifiers.of(t, roots, s.c.Unnamed)
	if err != nil {
		return err
	}
	if err := v.Verify(leaf, s.c.Clock.Now()); err != nil {
		return err
	}
	if name, ok, err := ca.ParseName(leaf); err != nil || ok && name.Tenant != t {
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is of another tenant")
	}
	return nil
}
