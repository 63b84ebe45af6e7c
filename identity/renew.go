package identity

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	"github.com/keelson-mdm/keelson/mdm"
)

// maxRenewals is how many renewed certificates of one signer may authenticate
// before one of them is confirmed: a device whose replies are lost tries again.
const maxRenewals = 32

// Renew issues the next certificate of the same life to a device that proved
// its current one, as SCEP's RenewalReq and [MS-WSTEP] do. The signer was
// verified to chain to our CA; it must also be the certificate that its channel
// is pinned to, or it is a [mdm.CodeIdentity] error. The same signer and key
// always get the same certificate, and one signer gets a bounded number of them.
//
// [MS-WSTEP]: https://learn.microsoft.com/openspecs/windows_protocols/ms-wstep
func (s *Service) Renew(ctx context.Context, t mdm.TenantID, signer *x509.Certificate, key any) (*x509.Certificate, error) {
	spki, err := keyHash(key)
	if err != nil {
		return nil, err
	}
	old, err := s.c.Store.Certificate(ctx, t, HashOf(signer))
	if err != nil {
		return nil, foreign(err)
	}
	if old.State != Bound {
		return nil, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is %s and renews nothing", old.State)
	}
	e, err := s.c.Store.Enrollment(ctx, t, old.Natural)
	if err != nil {
		return nil, foreign(err)
	}
	if e.State != mdm.EnrollmentEnrolled || e.Pin != old.Hash {
		return nil, mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is not its device's current identity")
	}
	i, err := s.renewalOf(ctx, t, &old, &e)
	if err != nil {
		return nil, err
	}
	c, err := s.reserve(ctx, t, &i, spki, false)
	if err != nil {
		return nil, err
	}
	return s.finish(ctx, t, c, key)
}

// renewalOf finds or makes the one intent by which a certificate is renewed. Its
// id follows from the certificate, so that two requests at once find the same
// one; its challenge is random and told to nobody.
func (s *Service) renewalOf(ctx context.Context, t mdm.TenantID, old *Certificate, e *mdm.Enrollment) (Intent, error) {
	id := renewalID(old.Hash)
	i, err := s.c.Store.Intent(ctx, t, id)
	if mdm.CodeOf(err) != mdm.CodeNotFound {
		return i, err
	}
	if i, _, err = s.newIntent(IntentRequest{Kind: KindRenewal, Of: e, Person: old.Person, Team: old.Team}); err != nil {
		return Intent{}, err
	}
	i.ID, i.Quota, i.ExpiresAt = id, maxRenewals, old.NotAfter
	err = s.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		return s.c.Store.PutIntent(ctx, tx, i)
	})
	if mdm.CodeOf(err) == mdm.CodeConflict {
		if first, e := s.c.Store.Intent(ctx, t, id); e == nil {
			return first, nil // another request was first
		}
	}
	return i, err
}

// renewalID is a UUIDv8 (RFC 9562, 5.8) of the certificate that is renewed.
func renewalID(h mdm.Hash) mdm.IntentID {
	u := sha256.Sum256(append([]byte("keelson/renewal/1\x00"), h[:]...))
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return mdm.IntentID(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:16]))
}
