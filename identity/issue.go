package identity

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// Issue exchanges a challenge for an identity certificate of the given key. The
// same challenge and key always get the same certificate, so that a device may
// repeat a lost request. Another key gets a certificate too, until the first
// Authenticate uses the intent up: of several certificates of an intent for one
// device, the one that authenticates first wins.
func (s *Service) Issue(ctx context.Context, t mdm.TenantID, challenge string, key any) (*x509.Certificate, error) {
	i, err := s.c.Store.IntentByChallenge(ctx, t, sum(challenge))
	if err != nil {
		return nil, unknownChallenge(err)
	}
	spki, err := keyHash(key)
	if err != nil {
		return nil, err
	}
	c, err := s.reserve(ctx, t, &i, spki)
	if err != nil {
		return nil, err
	}
	return s.finish(ctx, t, c, key)
}

// Renew issues the next certificate of the same life to a device that proved
// its current one, as SCEP's RenewalReq does. The signer was verified to chain
// to our CA; it must also be the certificate that its channel is pinned to.
func (s *Service) Renew(ctx context.Context, t mdm.TenantID, signer *x509.Certificate, key any) (*x509.Certificate, error) {
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
	i, _, err := s.newIntent(IntentRequest{Kind: KindRenewal, Of: &e, Person: old.Person, Team: old.Team})
	if err != nil {
		return nil, err
	}
	spki, err := keyHash(key)
	if err != nil {
		return nil, err
	}
	var c Certificate
	err = s.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		if err := s.c.Store.PutIntent(ctx, tx, i); err != nil {
			return err
		}
		c, err = s.c.Store.Reserve(ctx, tx, s.blank(&i, spki, e.ID, e.Generation), i.MaxIssued())
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.finish(ctx, t, c, key)
}

// keyHash refuses weak keys and returns the hash of the SubjectPublicKeyInfo.
func keyHash(key any) (mdm.Hash, error) {
	if err := ca.CheckKey(key); err != nil {
		return mdm.Hash{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return mdm.Hash{}, mdm.Errorf(mdm.CodeInvalid, "key", "the public key cannot be encoded")
	}
	return sha256.Sum256(der), nil
}

func (s *Service) blank(i *Intent, spki mdm.Hash, e mdm.EnrollmentID, g mdm.Generation) Certificate {
	return Certificate{
		Intent: i.ID, Kind: i.Kind, PublicKey: spki, Enrollment: e, Generation: g,
		State: Reserved, Team: i.Team, Person: i.Person, CreatedAt: s.c.Clock.Now(),
	}
}

// reserve finds or makes the row of (intent, key). A row that exists answers
// even when the intent has been used: the device repeats a lost request.
func (s *Service) reserve(ctx context.Context, t mdm.TenantID, i *Intent, spki mdm.Hash) (Certificate, error) {
	now := s.c.Clock.Now()
	id, err := mdm.NewUUID(now, s.c.Rand)
	if err != nil {
		return Certificate{}, err
	}
	var c Certificate
	err = s.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		e, g := i.Enrollment, i.Generation
		if i.Kind != KindRenewal {
			e = mdm.EnrollmentID(id)
			if g, err = s.c.Store.NextGeneration(ctx, tx); err != nil {
				return err
			}
		}
		want := s.blank(i, spki, e, g)
		got, err := s.c.Store.Reserve(ctx, tx, want, i.MaxIssued())
		if err != nil {
			return err
		}
		c = got
		if got.Enrollment == want.Enrollment && got.State == Reserved {
			return i.Open(now)
		}
		return nil
	})
	return c, err
}

// finish signs a reserved certificate. The signature is made outside any unit
// of work; whoever stores first wins, and everybody answers with that one.
func (s *Service) finish(ctx context.Context, t mdm.TenantID, c Certificate, key any) (*x509.Certificate, error) {
	if c.State == Reserved {
		leaf, err := s.c.CA.Issue(ctx, mdm.IssueRequest{
			Tenant: t, Enrollment: c.Enrollment, Generation: c.Generation,
			PublicKey: key, CommonName: string(c.Enrollment),
		})
		if err != nil {
			return nil, fmt.Errorf("issue an identity: %w", err)
		}
		c.Hash, c.DER, c.NotAfter, c.State = HashOf(leaf), leaf.Raw, leaf.NotAfter, Issued
		err = s.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
			won, err := s.c.Store.FinishIssue(ctx, tx, c)
			if err != nil {
				return err
			}
			c = won
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if c.State == Superseded {
		return nil, mdm.Errorf(mdm.CodeChallenge, "challenge", "this certificate has been superseded: ask for a new enrollment")
	}
	leaf, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeInternal, "", "a stored certificate cannot be read", err)
	}
	return leaf, nil
}

func foreign(err error) error {
	if mdm.CodeOf(err) != mdm.CodeNotFound {
		return err
	}
	return mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is not a device identity of this server")
}
