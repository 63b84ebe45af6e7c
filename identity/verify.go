package identity

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"sync"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// maxVerifiers bounds how many sets of roots are kept ready. Tenants usually
// share one.
const maxVerifiers = 1024

// verifiers keeps one verifier for each set of roots: by what they are and not by
// tenant, whose name a stranger may make up.
type verifiers struct {
	mu sync.Mutex
	m  map[[sha256.Size]byte]*ca.Verifier
}

func (vs *verifiers) of(roots []*x509.Certificate, unnamed bool) (*ca.Verifier, error) {
	digest := sha256.New()
	for _, r := range roots {
		if r != nil {
			_, _ = fmt.Fprintf(digest, "%d:", len(r.Raw))
			_, _ = digest.Write(r.Raw)
		}
	}
	k := [sha256.Size]byte(digest.Sum(nil))
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if v, ok := vs.m[k]; ok {
		return v, nil
	}
	v, err := ca.NewVerifier(roots, &ca.VerifierOptions{AllowUnnamed: unnamed})
	if err != nil {
		return nil, err
	}
	if vs.m == nil || len(vs.m) >= maxVerifiers {
		vs.m = make(map[[sha256.Size]byte]*ca.Verifier)
	}
	vs.m[k] = v
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
	v, err := s.verifiers.of(roots, s.c.Unnamed)
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
