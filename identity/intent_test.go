package identity_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

// An intent is open exactly when it is in no other state, and says why it is not.
func TestIntentStates(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		i     identity.Intent
		state identity.IntentState
		says  string
	}{
		{"fresh", identity.Intent{Quota: 1, ExpiresAt: now.Add(1)}, identity.IntentOpen, ""},
		{"a quota of nothing is one", identity.Intent{ExpiresAt: now.Add(1)}, identity.IntentOpen, ""},
		{"at its time", identity.Intent{Quota: 1, ExpiresAt: now}, identity.IntentExpired, "expired"},
		{"one of two", identity.Intent{Quota: 2, Used: 1, ExpiresAt: now.Add(1)}, identity.IntentOpen, ""},
		{"two of two", identity.Intent{Quota: 2, Used: 2, ExpiresAt: now.Add(1)}, identity.IntentUsedUp, "used"},
		{"used, then over", identity.Intent{Quota: 1, Used: 1, ExpiresAt: now}, identity.IntentUsedUp, "used"},
		{"withdrawn, whatever else", identity.Intent{Quota: 1, Used: 1, ExpiresAt: now, Revoked: true}, identity.IntentWithdrawn, "withdrawn"},
	} {
		require.Equal(t, c.state, c.i.State(now), c.name)
		err := c.i.Open(now)
		if c.state == identity.IntentOpen {
			require.NoError(t, err, c.name)
			continue
		}
		require.ErrorIs(t, err, mdm.CodeChallenge, c.name)
		require.ErrorContains(t, err, c.says, c.name)
	}
}

// Links that people were given are listed; what the server makes and uses by
// itself is not.
func TestIntentsThatAreListed(t *testing.T) {
	w := newWorld(t, nil)
	first, _, err := w.CreateIntent(w.ctx, mdm.DefaultTenant, identity.IntentRequest{})
	require.NoError(t, err)
	w.clock.add(time.Minute)
	second, _, err := w.CreateIntent(w.ctx, mdm.DefaultTenant, identity.IntentRequest{Lifetime: time.Hour})
	require.NoError(t, err)
	list := func(s identity.IntentState) []identity.Intent {
		t.Helper()
		is, err := w.Intents(w.ctx, mdm.DefaultTenant, s, "", 10)
		require.NoError(t, err)
		return is
	}
	require.Equal(t, []identity.Intent{second, first}, list(""), "the newest first")
	require.Equal(t, []identity.Intent{second, first}, list(identity.IntentOpen))
	w.clock.add(time.Hour)
	require.Equal(t, []identity.Intent{first}, list(identity.IntentOpen))
	require.Equal(t, []identity.Intent{second}, list(identity.IntentExpired))
	_, err = w.Intents(w.ctx, mdm.DefaultTenant, "lost", "", 10)
	require.ErrorIs(t, err, mdm.CodeInvalid)

	require.True(t, (&identity.Intent{Way: identity.ADE, Kind: identity.KindMigration}).Given())
	require.False(t, (&identity.Intent{Way: identity.OnPremise, Kind: identity.KindNew}).Given())
	require.False(t, (&identity.Intent{Way: identity.Manual, Kind: identity.KindRenewal}).Given())
}
