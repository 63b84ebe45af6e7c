package identity

import (
	"context"
	"crypto"
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
//
// A challenge that is unknown, expired, used or withdrawn is a
// [mdm.CodeChallenge] error, a weak key a [mdm.CodeUnsupported] one.
func (s *Service) Issue(ctx context.Context, t mdm.TenantID, challenge string, key any) (*x509.Certificate, error) {
	i, err := s.byChallenge(ctx, t, challenge)
	if err != nil {
		return nil, err
	}
	spki, err := keyHash(key)
	if err != nil {
		return nil, err
	}
	c, err := s.reserve(ctx, t, &i, spki, false)
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

// reserve finds or makes the row of (intent, key), and before that the intent
// itself when it is fresh. A certificate that was signed already answers even
// when the intent has been used: the device repeats a lost request, and nothing
// new is given away.
func (s *Service) reserve(ctx context.Context, t mdm.TenantID, i *Intent, spki mdm.Hash, fresh bool) (Certificate, error) {
	now := s.now()
	id, err := mdm.NewUUID(now, s.c.Rand)
	if err != nil {
		return Certificate{}, err
	}
	var c Certificate
	err = s.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		if fresh {
			if err := s.c.Store.PutIntent(ctx, tx, *i); err != nil {
				return err
			}
		}
		want := Certificate{
			Intent: i.ID, Kind: i.Kind, PublicKey: spki, Enrollment: i.Enrollment, Generation: i.Generation,
			State: Reserved, Team: i.Team, Person: i.Person, CreatedAt: now,
		}
		if i.Kind != KindRenewal {
			g, err := s.c.Store.NextGeneration(ctx, tx)
			if err != nil {
				return err
			}
			want.Enrollment, want.Generation = mdm.EnrollmentID(id), g
		}
		got, err := s.c.Store.Reserve(ctx, tx, want, i.MaxIssued())
		if err != nil {
			return err
		}
		if c = got; got.State == Reserved {
			return i.Open(now)
		}
		return nil
	})
	if err != nil {
		return Certificate{}, err
	}
	return c, nil
}

// finish signs a reserved certificate. The signature is made outside any unit
// of work; whoever stores first wins, and everybody answers with that one. A
// crash in between leaves the reservation, which the device's next attempt
// finishes.
func (s *Service) finish(ctx context.Context, t mdm.TenantID, c Certificate, key any) (*x509.Certificate, error) {
	if c.State == Reserved {
		leaf, err := s.sign(ctx, t, &c, key)
		if err != nil {
			return nil, err
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

// sign asks the CA, and takes only what was asked for: a CA may be the
// application's own.
func (s *Service) sign(ctx context.Context, t mdm.TenantID, c *Certificate, key any) (*x509.Certificate, error) {
	leaf, err := s.c.CA.Issue(ctx, mdm.IssueRequest{
		Tenant: t, Enrollment: c.Enrollment, Generation: c.Generation,
		PublicKey: key, CommonName: string(c.Enrollment),
	})
	if err != nil {
		return nil, fmt.Errorf("issue an identity: %w", err)
	}
	k, ok := key.(interface{ Equal(crypto.PublicKey) bool })
	if leaf == nil || !ok || !k.Equal(leaf.PublicKey) {
		return nil, mdm.Errorf(mdm.CodeInternal, "CA", "the CA has issued no certificate for the key that was asked for")
	}
	return leaf, nil
}

func foreign(err error) error {
	if mdm.CodeOf(err) != mdm.CodeNotFound {
		return err
	}
	return mdm.Errorf(mdm.CodeIdentity, "certificate", "this certificate is not a device identity of this server")
}
