package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// IntentRequest asks for an intent. Zero fields expect nothing and mean: new,
// manual, one device, no person, no team.
type IntentRequest struct {
	Kind     Kind
	Way      Way
	Platform mdm.Platform
	// Serials and HardwareIDs have at most 10,000 entries of at most 255 bytes;
	// spaces around an entry are dropped.
	Serials     []string
	HardwareIDs []string
	Person      string // at most 255 bytes
	Team        mdm.TeamKey
	Quota       int           // at most 10,000; 0 means 1, as a renewal requires
	Lifetime    time.Duration // 0 means 7 days; at most 366 days
	// Of is the life that a renewal goes on with: required for [KindRenewal],
	// and nil for any other kind.
	Of *mdm.Enrollment
	// Actor is who asks, and why.
	Actor mdm.Actor
}

const (
	defaultLifetime = 7 * 24 * time.Hour
	maxLifetime     = 366 * 24 * time.Hour
	maxQuota        = 10_000
	maxText         = 255
)

// CreateIntent stores an intent and returns it with the secret of its link,
// which is not stored and cannot be had again. A wrong request is a
// [mdm.CodeInvalid] error with a field.
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
	if err := r.complete(); err != nil {
		return Intent{}, "", err
	}
	now := s.now()
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

// complete fills in what zero means and reports what is wrong.
func (r *IntentRequest) complete() (err error) {
	if r.Kind == "" {
		r.Kind = KindNew
	}
	if r.Way == "" {
		r.Way = Manual
	}
	if r.Lifetime == 0 {
		r.Lifetime = defaultLifetime
	}
	if r.Quota == 0 {
		r.Quota = 1
	}
	switch {
	case r.Kind != KindNew && r.Kind != KindRenewal && r.Kind != KindMigration:
		return mdm.Errorf(mdm.CodeInvalid, "kind", "unknown kind of enrollment %.40q", r.Kind)
	case r.Way != Manual && r.Way != OnPremise && r.Way != ADE:
		return mdm.Errorf(mdm.CodeInvalid, "way", "unknown way of enrollment %.40q", r.Way)
	case r.Kind == KindRenewal && (r.Of == nil || r.Of.ID == "" || r.Of.Generation == 0):
		return mdm.Errorf(mdm.CodeInvalid, "of", "a renewal needs the enrollment that goes on")
	case r.Kind != KindRenewal && r.Of != nil:
		return mdm.Errorf(mdm.CodeInvalid, "of", "only a renewal goes on with an enrollment")
	case r.Lifetime < 0 || r.Lifetime > maxLifetime:
		return mdm.Errorf(mdm.CodeInvalid, "lifetime", "a lifetime is above zero and at most %d days", maxLifetime/(24*time.Hour))
	case r.Quota < 0 || r.Quota > maxQuota:
		return mdm.Errorf(mdm.CodeInvalid, "quota", "a batch has 1 to %d devices", maxQuota)
	case r.Kind == KindRenewal && r.Quota > 1:
		return mdm.Errorf(mdm.CodeInvalid, "quota", "a renewal is of one device")
	case r.Platform != "" && !r.Platform.Valid():
		return mdm.Errorf(mdm.CodeInvalid, "platform", "unknown platform %.40q", r.Platform)
	case len(r.Person) > maxText:
		return mdm.Errorf(mdm.CodeInvalid, "person", "a person's name has at most %d bytes", maxText)
	}
	if r.Serials, err = names("serials", r.Serials); err != nil {
		return err
	}
	r.HardwareIDs, err = names("hardware_ids", r.HardwareIDs)
	return err
}

// names returns a list of expected names of its own. An empty one would expect a
// device that tells nothing, and is refused.
func names(field string, list []string) ([]string, error) {
	if len(list) > maxQuota {
		return nil, mdm.Errorf(mdm.CodeInvalid, field, "at most %d can be expected", maxQuota)
	}
	var out []string
	for i, n := range list {
		if n = strings.TrimSpace(n); n == "" || len(n) > maxText {
			return nil, mdm.Errorf(mdm.CodeInvalid, field+"["+strconv.Itoa(i)+"]", "must have 1 to %d bytes", maxText)
		}
		out = append(out, n)
	}
	return out, nil
}

// challengeOf derives the challenge from the link's secret, so that fetching
// the profile twice yields the same one and only hashes need to be stored.
func challengeOf(link string) string {
	h := sha256.Sum256([]byte("keelson/challenge/1\x00" + link))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// OpenLink returns the open intent of a link and the challenge for its profile.
// A link that is unknown, expired, used or withdrawn is a [mdm.CodeChallenge]
// error; its message tells which of them only to who holds the link.
func (s *Service) OpenLink(ctx context.Context, t mdm.TenantID, link string) (Intent, string, error) {
	h := sum(link)
	i, err := s.c.Store.IntentByLink(ctx, t, h)
	if err != nil {
		return Intent{}, "", unknownChallenge(err)
	}
	if !same(i.Link, h) {
		return Intent{}, "", unknownChallenge(mdm.CodeNotFound)
	}
	if err := i.Open(s.c.Clock.Now()); err != nil {
		return Intent{}, "", err
	}
	return i, challengeOf(link), nil
}

// byChallenge returns the intent of a challenge, open or not.
func (s *Service) byChallenge(ctx context.Context, t mdm.TenantID, challenge string) (Intent, error) {
	h := sum(challenge)
	i, err := s.c.Store.IntentByChallenge(ctx, t, h)
	if err == nil && !same(i.Challenge, h) {
		err = mdm.CodeNotFound
	}
	if err != nil {
		return Intent{}, unknownChallenge(err)
	}
	return i, nil
}

// same compares secrets' hashes, whatever a store takes for equal, in constant
// time.
func same(a, b mdm.Hash) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

// unknownChallenge turns a miss into the error for a stranger, and leaves faults
// of the store alone.
func unknownChallenge(err error) error {
	if mdm.CodeOf(err) != mdm.CodeNotFound {
		return err
	}
	return mdm.Errorf(mdm.CodeChallenge, "challenge", "no such enrollment: ask for a new one")
}

// Intents lists intents that were given to somebody, the newest first, of one
// state, or of all when it is empty; before is the last one of the page before,
// empty to begin. An unknown state is a [mdm.CodeInvalid] error.
func (s *Service) Intents(ctx context.Context, t mdm.TenantID, state IntentState, before mdm.IntentID, limit int) ([]Intent, error) {
	switch state {
	case "", IntentOpen, IntentWithdrawn, IntentUsedUp, IntentExpired:
		return s.c.Store.Intents(ctx, t, state, s.c.Clock.Now(), before, limit)
	}
	return nil, mdm.Errorf(mdm.CodeInvalid, "state", "unknown state %.40q", state)
}

// RevokeIntent closes an intent to further devices. Certificates that it issued
// and that have authenticated stay good; others are refused. Who withdrew it, and
// why, is kept with it. An unknown intent is a [mdm.CodeNotFound] error.
func (s *Service) RevokeIntent(ctx context.Context, t mdm.TenantID, id mdm.IntentID, who mdm.Actor) error {
	return s.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		return s.c.Store.RevokeIntent(ctx, tx, id, who)
	})
}
