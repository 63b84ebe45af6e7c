package identity_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

func TestCreateIntent(t *testing.T) {
	w := newWorld(t, nil)
	actor := mdm.Actor{Kind: "user", Name: "ada", Reason: "new laptop"}
	i, link, err := w.CreateIntent(w.ctx, mdm.DefaultTenant, identity.IntentRequest{
		Way: identity.ADE, Platform: mdm.MacOS, Serials: []string{" C02A "}, HardwareIDs: []string{"UDID"},
		Person: "ada", Team: 7, Quota: 3, Lifetime: time.Hour, Actor: actor,
	})
	require.NoError(t, err)
	require.True(t, mdm.IsUUID(string(i.ID)))
	now := w.clock.Now()
	require.WithinDuration(t, now, i.CreatedAt, time.Microsecond)
	require.Equal(t, i.CreatedAt.Add(time.Hour), i.ExpiresAt)
	i.CreatedAt, i.ExpiresAt = time.Time{}, time.Time{}
	require.Equal(t, identity.Intent{
		ID: i.ID, Kind: identity.KindNew, Way: identity.ADE, Link: sha256.Sum256([]byte(link)), Challenge: i.Challenge,
		Platform: mdm.MacOS, Serials: []string{"C02A"}, HardwareIDs: []string{"UDID"},
		Person: "ada", Team: 7, Quota: 3, Actor: actor,
	}, i)
	require.NotContains(t, w.dump(), link, "the secret is not stored")

	i, _, err = w.CreateIntent(w.ctx, mdm.DefaultTenant, identity.IntentRequest{})
	require.NoError(t, err)
	require.Equal(t, identity.KindNew, i.Kind)
	require.Equal(t, identity.Manual, i.Way)
	require.Equal(t, 1, i.Quota)
	require.Equal(t, 8, i.MaxIssued())
	require.Equal(t, i.CreatedAt.Add(7*24*time.Hour), i.ExpiresAt)

	of := &mdm.Enrollment{ID: "life", Generation: 9}
	i, _, err = w.CreateIntent(w.ctx, mdm.DefaultTenant, identity.IntentRequest{Kind: identity.KindRenewal, Of: of})
	require.NoError(t, err)
	require.Equal(t, of.ID, i.Enrollment)
	require.Equal(t, of.Generation, i.Generation)
}

func TestCreateIntentRefuses(t *testing.T) {
	w := newWorld(t, nil)
	before := w.dump()
	life := &mdm.Enrollment{ID: "life", Generation: 1}
	for name, c := range map[string]struct {
		r     identity.IntentRequest
		field string
	}{
		"an unknown kind":              {identity.IntentRequest{Kind: "other"}, "kind"},
		"an unknown way":               {identity.IntentRequest{Way: "other"}, "way"},
		"a renewal of nothing":         {identity.IntentRequest{Kind: identity.KindRenewal}, "of"},
		"a renewal of no life":         {identity.IntentRequest{Kind: identity.KindRenewal, Of: &mdm.Enrollment{ID: "life"}}, "of"},
		"a renewal of several":         {identity.IntentRequest{Kind: identity.KindRenewal, Of: life, Quota: 2}, "quota"},
		"a new one of something":       {identity.IntentRequest{Of: life}, "of"},
		"a lifetime below zero":        {identity.IntentRequest{Lifetime: -1}, "lifetime"},
		"a lifetime of years":          {identity.IntentRequest{Lifetime: 366*24*time.Hour + 1}, "lifetime"},
		"a quota below zero":           {identity.IntentRequest{Quota: -1}, "quota"},
		"a quota without end":          {identity.IntentRequest{Quota: 10_001}, "quota"},
		"an unknown platform":          {identity.IntentRequest{Platform: "amiga"}, "platform"},
		"a long person":                {identity.IntentRequest{Person: strings.Repeat("a", 256)}, "person"},
		"a serial that is none":        {identity.IntentRequest{Serials: []string{"C02", " "}}, "serials[1]"},
		"a long serial":                {identity.IntentRequest{Serials: []string{strings.Repeat("a", 256)}}, "serials[0]"},
		"many serials":                 {identity.IntentRequest{Serials: make([]string, 10_001)}, "serials"},
		"a hardware id that is none":   {identity.IntentRequest{HardwareIDs: []string{""}}, "hardware_ids[0]"},
		"a hardware id that is long":   {identity.IntentRequest{HardwareIDs: []string{strings.Repeat("a", 256)}}, "hardware_ids[0]"},
		"many hardware ids altogether": {identity.IntentRequest{HardwareIDs: make([]string, 10_001)}, "hardware_ids"},
	} {
		t.Run(name, func(t *testing.T) {
			_, link, err := w.CreateIntent(w.ctx, mdm.DefaultTenant, c.r)
			require.ErrorIs(t, err, mdm.CodeInvalid)
			require.Equal(t, c.field, field(t, err))
			require.Empty(t, link)
		})
	}
	_, _, err := w.CreateIntent(w.ctx, "nobody", identity.IntentRequest{})
	require.ErrorIs(t, err, mdm.CodeNotFound)
	require.Equal(t, before, w.dump())
}

func TestRandomnessFails(t *testing.T) {
	for n := range 2 { // in the id, in the link
		w := newWorld(t, func(c *identity.Config) { c.Rand = io.MultiReader(bytes.NewReader(make([]byte, 10+31*n))) })
		before := w.dump()
		_, _, err := w.CreateIntent(w.ctx, mdm.DefaultTenant, identity.IntentRequest{})
		require.Error(t, err)
		require.Equal(t, before, w.dump())
	}
}

// TestChallengeGolden: links and profiles are out there, so the derivation cannot
// change.
func TestChallengeGolden(t *testing.T) {
	counting := make([]byte, 42) // 10 for the id, 32 for the link
	for i := range counting {
		counting[i] = byte(i)
	}
	w := newWorld(t, func(c *identity.Config) { c.Rand = bytes.NewReader(counting) })
	i, link, err := w.CreateIntent(w.ctx, mdm.DefaultTenant, identity.IntentRequest{})
	require.NoError(t, err)
	require.Equal(t, "CgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCk", link)
	require.Equal(t, base64.RawURLEncoding.EncodeToString(counting[10:]), link)

	_, challenge, err := w.OpenLink(w.ctx, mdm.DefaultTenant, link)
	require.NoError(t, err)
	require.Equal(t, "4yQktHbEnJMWIZKMRKrEoFdkTvqsvdGdGz8Tuf-28pY", challenge)
	require.Equal(t, mdm.Hash(sha256.Sum256([]byte(challenge))), i.Challenge)
	_, again, err := w.OpenLink(w.ctx, mdm.DefaultTenant, link)
	require.NoError(t, err)
	require.Equal(t, challenge, again, "a profile may be fetched twice")
}

func TestOpenLink(t *testing.T) {
	w := newWorld(t, nil)
	refused := func(tenant mdm.TenantID, link string) {
		t.Helper()
		i, challenge, err := w.OpenLink(w.ctx, tenant, link)
		require.ErrorIs(t, err, mdm.CodeChallenge)
		require.Zero(t, i)
		require.Empty(t, challenge)
	}
	i, link, err := w.CreateIntent(w.ctx, mdm.DefaultTenant, identity.IntentRequest{Lifetime: time.Hour})
	require.NoError(t, err)
	refused(mdm.DefaultTenant, "")
	refused(mdm.DefaultTenant, link+"A")
	refused(other, link)
	refused("nobody", link)

	w.clock.add(time.Hour - time.Microsecond)
	_, challenge, err := w.OpenLink(w.ctx, mdm.DefaultTenant, link)
	require.NoError(t, err)
	refused(mdm.DefaultTenant, challenge)
	w.clock.add(time.Microsecond)
	refused(mdm.DefaultTenant, link)

	i, link, err = w.CreateIntent(w.ctx, mdm.DefaultTenant, identity.IntentRequest{})
	require.NoError(t, err)
	require.ErrorIs(t, w.RevokeIntent(w.ctx, other, i.ID, mdm.Actor{}), mdm.CodeNotFound)
	require.NoError(t, w.RevokeIntent(w.ctx, mdm.DefaultTenant, i.ID, mdm.Actor{}))
	require.NoError(t, w.RevokeIntent(w.ctx, mdm.DefaultTenant, i.ID, mdm.Actor{}))
	refused(mdm.DefaultTenant, link)

	_, link, err = w.CreateIntent(w.ctx, mdm.DefaultTenant, identity.IntentRequest{})
	require.NoError(t, err)
	_, challenge, err = w.OpenLink(w.ctx, mdm.DefaultTenant, link)
	require.NoError(t, err)
	require.NoError(t, w.authenticate(w.issue(challenge), claim("A")))
	refused(mdm.DefaultTenant, link)
}

// looseStore finds intents by what only looks equal.
type looseStore struct {
	identity.Store
	i identity.Intent
}

func TestSecretsAreComparedHere(t *testing.T) {
	w := newWorld(t, nil)
	i, challenge := w.link(identity.IntentRequest{})
	loose, err := identity.New(identity.Config{
		Store: looseStore{w.store.Identity(), i}, Transactor: w.store, CA: w.ca, Clock: w.clock, Rand: bytes.NewReader(nil),
	})
	require.NoError(t, err)
	_, _, err = loose.OpenLink(w.ctx, mdm.DefaultTenant, "any")
	require.ErrorIs(t, err, mdm.CodeChallenge)
	_, err = loose.Issue(w.ctx, mdm.DefaultTenant, strings.ToUpper(challenge), &newKey(t).PublicKey)
	require.ErrorIs(t, err, mdm.CodeChallenge)
}

// downStore is out of order.
type downStore struct{ identity.Store }

var errDown = errors.New("down")

func TestStoreFailsIsNoRefusal(t *testing.T) {
	w := newWorld(t, nil)
	leaf := w.enroll("A")
	down, err := identity.New(identity.Config{Store: downStore{w.store.Identity()}, Transactor: w.store, CA: w.ca, Clock: w.clock, Rand: bytes.NewReader(nil)})
	require.NoError(t, err)
	key := &newKey(t).PublicKey
	_, _, err = down.OpenLink(w.ctx, mdm.DefaultTenant, "link")
	require.ErrorIs(t, err, errDown)
	_, err = down.Issue(w.ctx, mdm.DefaultTenant, "challenge", key)
	require.ErrorIs(t, err, errDown)
	_, err = down.Renew(w.ctx, mdm.DefaultTenant, leaf, key)
	require.ErrorIs(t, err, errDown)
	_, err = down.Admit(w.ctx, mdm.DefaultTenant, leaf, claim("A"))
	require.ErrorIs(t, err, errDown)
	_, err = down.NaturalOf(w.ctx, mdm.DefaultTenant, identity.HashOf(leaf))
	require.ErrorIs(t, err, errDown)
	trust, err := down.Place(w.ctx, mdm.DefaultTenant, leaf)
	require.ErrorIs(t, err, errDown)
	require.Equal(t, identity.TrustForeign, trust)
}
