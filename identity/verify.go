package identity

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
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
	mu sync.RWMutex
	m  map[[sha256.Size]byte]*ca.Verifier
	// recent finds a set that is given as the same certificates in memory again,
	// by the first of them: certificates are never changed.
	recent map[*x509.Certificate]rootSet
}

// rootSet is a set of roots with its verifier.
type rootSet struct {
	roots []*x509.Certificate
	v     *ca.Verifier
}

func (vs *verifiers) of(roots []*x509.Certificate, unnamed bool) (*ca.Verifier, error) {
	if len(roots) > 0 {
		vs.mu.RLock()
		s, ok := vs.recent[roots[0]]
		vs.mu.RUnlock()
		if ok && slices.Equal(s.roots, roots) {
			return s.v, nil
		}
	}
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
	v, ok := vs.m[k]
	if !ok {
		var err error
		if v, err = ca.NewVerifier(roots, &ca.VerifierOptions{AllowUnnamed: unnamed}); err != nil {
			return nil, err
		}
		if vs.m == nil || len(vs.m) >= maxVerifiers {
			vs.m = make(map[[sha256.Size]byte]*ca.Verifier)
			vs.recent = nil
		}
		vs.m[k] = v
	}
	if vs.recent == nil || len(vs.recent) >= maxVerifiers {
		vs.recent = make(map[*x509.Certificate]rootSet)
	}
	vs.recent[roots[0]] = rootSet{slices.Clone(roots), v}
	return v, nil
}

// verifier returns the judge of a tenant's certificates, as its CA is now.
func (s *Service) verifier(ctx context.Context, t mdm.TenantID) (*ca.Verifier, error) {
	roots, err := s.c.CA.Roots(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("read the CA's roots: %w", err)
	}
	return s.verifiers.of(roots, s.c.Unnamed)
}

// Verify checks that a presented certificate chains to the tenant's CA, is
// valid now, and is an MDM identity of this tenant. It says nothing about whose
// it is. A refusal is a [mdm.CodeIdentity] error.
func (s *Service) Verify(ctx context.Context, t mdm.TenantID, leaf *x509.Certificate) error {
	v, err := s.verifier(ctx, t)
	if err != nil {
		return err
	}
	now := s.c.Clock.Now()
	if leaf != nil {
		if _, ok := s.memory.recall(t, HashOf(leaf), v, now); ok {
			return nil
		}
	}
	span, err := v.Judge(leaf, now)
	if err != nil {
		return err
	}
	if name, ok, err := ca.ParseName(leaf); err != nil || ok && name.Tenant != t {
		return mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is of another tenant")
	}
	s.memory.keep(t, leaf, v, span)
	return nil
}

// Recall returns what is kept of the certificate with that hash, if
// [Service.Verify] would accept it now without looking: it did for this tenant,
// under the authorities that count now, and the time is still right. False says
// nothing of the certificate.
func (s *Service) Recall(ctx context.Context, t mdm.TenantID, pin mdm.Hash) (Known, bool) {
	v, err := s.verifier(ctx, t)
	if err != nil {
		return Known{}, false
	}
	return s.memory.recall(t, pin, v, s.c.Clock.Now())
}
