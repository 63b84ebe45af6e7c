package identity

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// CheckPassword returns the person behind on-premise credentials. Wrong ones are
// the checker's [mdm.CodeUnauthenticated] error, and its other refusals pass as
// they are too, see [mdm.CodeForbidden] and [mdm.CodeBusy]; a checker that fails
// in any other way is [mdm.CodeUnavailable], so that the person tries again.
func (s *Service) CheckPassword(ctx context.Context, t mdm.TenantID, user, password string) (person string, err error) {
	if s.c.Passwords == nil {
		return "", mdm.Errorf(mdm.CodeUnauthenticated, "password", "this server takes no passwords")
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.AdmitTimeout)
	defer cancel()
	err = s.guard(ctx, "password checker", func() error {
		person, err = s.c.Passwords.CheckPassword(ctx, t, user, password)
		return err
	})
	switch {
	case err != nil && isAnswer(err):
		return "", err
	case err != nil:
		return "", mdm.WrapError(mdm.CodeUnavailable, "password", "the password cannot be checked now: try again", err)
	case person == "" || len(person) > maxText:
		return "", mdm.Errorf(mdm.CodeInternal, "password", "the password checker has named nobody, or in more than %d bytes", maxText)
	}
	return person, nil
}

// IssueTo admits a device whose person has authenticated, and issues its
// identity: the intent, its use and the certificate are made here, as the device
// brings no challenge. The certificate belongs to a new channel, whose natural
// key [mdm.WindowsNatural] makes of the enrollment id. The caller then binds
// what is returned.
func (s *Service) IssueTo(ctx context.Context, t mdm.TenantID, person string, cl Claim, team mdm.TeamKey, key any) (*x509.Certificate, *Admitted, error) {
	spki, err := keyHash(key)
	if err != nil {
		return nil, nil, err
	}
	i, _, err := s.newIntent(IntentRequest{Way: OnPremise, Person: person, Team: team, Lifetime: time.Hour})
	if err != nil {
		return nil, nil, err
	}
	if err := s.ask(ctx, mdm.Admission{Tenant: t, Protocol: cl.Protocol, Facts: cl.Facts, Intent: i.ID, Person: person}); err != nil {
		return nil, nil, err
	}
	c, err := s.reserve(ctx, t, &i, spki, true)
	if err != nil {
		return nil, nil, err
	}
	leaf, err := s.finish(ctx, t, c, key)
	if err != nil {
		return nil, nil, err
	}
	c.Hash, c.State = HashOf(leaf), Issued
	cl.Natural = mdm.WindowsNatural(c.Enrollment)
	return leaf, &Admitted{claim: cl, cert: c, leaf: c.Hash}, nil
}
