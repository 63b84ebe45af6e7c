package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Config is what a [Service] needs. Fields are required unless their comment
// says otherwise.
type Config struct {
	Store      Store
	Transactor mdm.Transactor
	CA         mdm.CA
	Clock      mdm.Clock
	Rand       io.Reader
	// Admitter is the application's veto. Nil admits every device that has a
	// good challenge or password.
	Admitter mdm.Admitter
	// AdmitTimeout bounds the Admitter; 0 means 5 seconds.
	AdmitTimeout time.Duration
	// AdmitOnFailure lets a device in when the Admitter fails or times out.
	// The zero value turns it away, to come back later.
	AdmitOnFailure bool
	// Unnamed accepts certificates without our name in them, as an outside CA
	// issues them; the Admitter then judges them.
	Unnamed bool
	// Passwords checks Windows on-premise credentials. Nil refuses them all.
	Passwords mdm.PasswordChecker
}

// Service issues and judges identities. It is safe for concurrent use.
type Service struct {
	c         Config
	verifiers verifiers
}

// New returns a service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Transactor == nil || c.CA == nil || c.Clock == nil || c.Rand == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "identity", "Store, Transactor, CA, Clock and Rand are required")
	}
	if c.AdmitTimeout == 0 {
		c.AdmitTimeout = 5 * time.Second
	}
	return &Service{c: c}, nil
}

// IntentRequest asks for an intent. Zero fields expect nothing and mean: new,
// manual, one device, no person, no team.
type IntentRequest struct {
	Kind        Kind
	Way         Way
	Platform    mdm.Platform
	Serials     []string
	HardwareIDs []string
	Person      string
	Team        mdm.TeamKey
	Quota       int           // 0 means 1
	Lifetime    time.Duration // 0 means 7 days; at most 1 year
	// Of is the life that a renewal goes on with; required for [KindRenewal].
	Of *mdm.Enrollment
	// Actor is who asks, and why.
	Actor mdm.Actor
}

const (
	defaultLifetime = 7 * 24 * time.Hour
	maxLifetime     = 366 * 24 * time.Hour
	maxQuota        = 10_000
)

// CreateIntent stores an intent and returns it with the secret of its link,
// which is not stored and cannot be had again.
func (s *Service) CreateIntent(ctx context.Context, t mdm.TenantID, r IntentRequest) (Intent, string, error) {
	i, link, err := s.newIntent(r)
	if err != nil {
		return Intent{}, "", err
	}
	err = s.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		return s.c.Store.PutIntent(ctx, tx, i)
	})
	if err != nil {
		return Intent{}, "", fmt.Errorf("store an intent: %w", err)
	}
	return i, link, nil
}

func (s *Service) newIntent(r IntentRequest) (Intent, string, error) {
	if r.Kind == "" {
		r.Kind = KindNew
	}
	if r.Way == "" {
		r.Way = Manual
	}
	if r.Lifetime == 0 {
		r.Lifetime = defaultLifetime
	}
	r.Quota = max(r.Quota, 1)
	switch {
	case r.Kind == KindRenewal && r.Of == nil:
		return Intent{}, "", mdm.Errorf(mdm.CodeInvalid, "of", "a renewal needs the enrollment that goes on")
	case r.Lifetime < 0 || r.Lifetime > maxLifetime:
		return Intent{}, "", mdm.Errorf(mdm.CodeInvalid, "lifetime", "a lifetime is above zero and at most %s", maxLifetime)
	case r.Quota > maxQuota:
		return Intent{}, "", mdm.Errorf(mdm.CodeInvalid, "quota", "a batch has at most %d devices", maxQuota)
	case r.Platform != "" && !r.Platform.Valid():
		return Intent{}, "", mdm.Errorf(mdm.CodeInvalid, "platform", "unknown platform %q", r.Platform)
	}
	now := s.c.Clock.Now()
	id, err := mdm.NewUUID(now, s.c.Rand)
	if err != nil {
		return Intent{}, "", err
	}
	secret := make([]byte, 32)
	if _, err := io.ReadFull(s.c.Rand, secret); err != nil {
		return Intent{}, "", fmt.Errorf("make a link: %w", err)
	}
	link := base64.RawURLEncoding.EncodeToString(secret)
	i := Intent{
		ID: mdm.IntentID(id), Kind: r.Kind, Way: r.Way,
		Link: sum(link), Challenge: sum(challengeOf(link)),
		Platform: r.Platform, Serials: r.Serials, HardwareIDs: r.HardwareIDs,
		Person: r.Person, Team: r.Team, Quota: r.Quota,
		Actor: r.Actor, CreatedAt: now, ExpiresAt: now.Add(r.Lifetime),
	}
	if r.Of != nil {
		i.Enrollment, i.Generation = r.Of.ID, r.Of.Generation
	}
	return i, link, nil
}

// challengeOf derives the challenge from the link's secret, so that fetching
// the profile twice yields the same one and only hashes need to be stored.
func challengeOf(link string) string {
	h := sha256.Sum256([]byte("keelson/challenge/1\x00" + link))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func sum(s string) mdm.Hash { return sha256.Sum256([]byte(s)) }

// OpenLink returns the open intent of a link and the challenge for its
// profile. An unknown, expired or used link is a [mdm.CodeChallenge] error, the
// same for all three to a stranger.
func (s *Service) OpenLink(ctx context.Context, t mdm.TenantID, link string) (Intent, string, error) {
	h := sum(link)
	i, err := s.c.Store.IntentByLink(ctx, t, h)
	if err != nil {
		return Intent{}, "", unknownChallenge(err)
	}
	if subtle.ConstantTimeCompare(i.Link[:], h[:]) != 1 {
		return Intent{}, "", unknownChallenge(mdm.CodeNotFound)
	}
	if err := i.Open(s.c.Clock.Now()); err != nil {
		return Intent{}, "", err
	}
	return i, challengeOf(link), nil
}

// unknownChallenge turns a miss into the error for a stranger, and leaves faults
// of the store alone.
func unknownChallenge(err error) error {
	if mdm.CodeOf(err) != mdm.CodeNotFound {
		return err
	}
	return mdm.Errorf(mdm.CodeChallenge, "challenge", "no such enrollment: ask for a new one")
}

// RevokeIntent closes an intent to further devices.
func (s *Service) RevokeIntent(ctx context.Context, t mdm.TenantID, id mdm.IntentID) error {
	return s.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		return s.c.Store.RevokeIntent(ctx, tx, id)
	})
}

// HashOf returns the pin of a certificate.
func HashOf(c *x509.Certificate) mdm.Hash { return sha256.Sum256(c.Raw) }
