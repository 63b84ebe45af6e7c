package identity_test

import (
	"context"
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

func (w *world) renew(signer *x509.Certificate) (*x509.Certificate, error) {
	w.t.Helper()
	return w.Renew(w.ctx, mdm.DefaultTenant, signer, &newKey(w.t).PublicKey)
}

func TestRenew(t *testing.T) {
	w := newWorld(t, nil)
	_, challenge := w.link(identity.IntentRequest{Person: "ada", Team: 7})
	leaf := w.issue(challenge)
	require.NoError(t, w.authenticate(leaf, claim("A")))
	w.confirm(leaf, claim("A"))
	old := w.stored(leaf)

	w.clock.add(300 * 24 * time.Hour)
	key := &newKey(t).PublicKey
	next, err := w.Renew(w.ctx, mdm.DefaultTenant, leaf, key)
	require.NoError(t, err)
	c := w.stored(next)
	require.Equal(t, old.Enrollment, c.Enrollment, "the same life")
	require.Equal(t, old.Generation, c.Generation)
	require.Equal(t, "ada", c.Person)
	require.Equal(t, mdm.TeamKey(7), c.Team)
	require.Equal(t, identity.KindRenewal, c.Kind)
	require.True(t, next.NotAfter.After(leaf.NotAfter))
	require.NoError(t, w.Verify(w.ctx, mdm.DefaultTenant, next))

	again, err := w.Renew(w.ctx, mdm.DefaultTenant, leaf, key)
	require.NoError(t, err)
	require.Equal(t, next.Raw, again.Raw, "a lost reply is asked for again")

	require.NoError(t, w.authenticate(next, claim("A")))
	again, err = w.Renew(w.ctx, mdm.DefaultTenant, leaf, key)
	require.NoError(t, err, "the current one is good until the next is confirmed")
	require.Equal(t, next.Raw, again.Raw)
	another, err := w.renew(leaf)
	require.NoError(t, err, "and so is a further attempt")
	require.NoError(t, w.authenticate(another, claim("A")))

	w.confirm(another, claim("A"))
	require.Equal(t, identity.HashOf(another), w.enrollment("A").Pin)
	require.Equal(t, old.Generation, w.enrollment("A").Generation)
	for _, gone := range []*x509.Certificate{leaf, next} {
		_, err = w.renew(gone)
		require.ErrorIs(t, err, mdm.CodeIdentity)
	}
	_, err = w.renew(another)
	require.NoError(t, err)
}

func TestRenewRefuses(t *testing.T) {
	for name, signer := range map[string]func(*world) *x509.Certificate{
		"unknown": func(w *world) *x509.Certificate { return w.unknown() },
		"never authenticated": func(w *world) *x509.Certificate {
			_, challenge := w.link(identity.IntentRequest{})
			return w.issue(challenge)
		},
		"not confirmed": func(w *world) *x509.Certificate {
			_, challenge := w.link(identity.IntentRequest{})
			leaf := w.issue(challenge)
			require.NoError(w.t, w.authenticate(leaf, claim("A")))
			return leaf
		},
		"of an earlier life": func(w *world) *x509.Certificate {
			leaf := w.enroll("A")
			w.enroll("A")
			return leaf
		},
		"announced, not confirmed": func(w *world) *x509.Certificate {
			w.enroll("A")
			r := w.renewal("A")
			require.NoError(w.t, w.authenticate(r, claim("A")))
			return r
		},
		"of an ended life": func(w *world) *x509.Certificate {
			leaf := w.enroll("A")
			w.leave("A")
			return leaf
		},
		"of an ended life, not retired": func(w *world) *x509.Certificate {
			leaf := w.enroll("A")
			e := w.enrollment("A")
			require.NoError(w.t, w.do(func(ctx context.Context, tx mdm.Tx) error {
				_, err := w.life.Apply(ctx, tx, mdm.Signal{Kind: mdm.SignalCheckedOut, Key: e.Key, Host: e.Host, Generation: e.Generation})
				return err
			}))
			return leaf
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			leaf := signer(w)
			before := w.dump()
			_, err := w.renew(leaf)
			require.ErrorIs(t, err, mdm.CodeIdentity)
			require.Equal(t, before, w.dump())
		})
	}
	w := newWorld(t, nil)
	leaf := w.enroll("A")
	_, err := w.Renew(w.ctx, other, leaf, &newKey(t).PublicKey)
	require.ErrorIs(t, err, mdm.CodeIdentity)
}

// A device makes no more certificates than it can have a use for.
func TestRenewIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	leaf := w.enroll("A")
	var last *x509.Certificate
	n := 0
	for ; ; n++ {
		next, err := w.renew(leaf)
		if err != nil {
			require.ErrorIs(t, err, mdm.CodeChallenge)
			break
		}
		last = next
		require.Less(t, n, 1000)
	}
	require.Greater(t, n, 32)
	require.NoError(t, w.authenticate(last, claim("A")))
	w.confirm(last, claim("A"))
	_, err := w.renew(last)
	require.NoError(t, err, "the next one begins anew")
}

// Nobody knows the challenge of a renewal that a device asked for by itself.
func TestRenewalHasNoChallenge(t *testing.T) {
	w := newWorld(t, nil)
	leaf := w.enroll("A")
	next, err := w.renew(leaf)
	require.NoError(t, err)
	i, err := w.store.Identity().Intent(w.ctx, mdm.DefaultTenant, w.stored(next).Intent)
	require.NoError(t, err)
	require.True(t, mdm.IsUUID(string(i.ID)))
	require.True(t, leaf.NotAfter.Equal(i.ExpiresAt), "it lasts as long as the signer")
	for _, guess := range []string{string(i.ID), i.Challenge.String(), identity.HashOf(leaf).String(), "keelson/renewal/1\x00" + string(leaf.Raw)} {
		_, err := w.Issue(w.ctx, mdm.DefaultTenant, guess, &newKey(t).PublicKey)
		require.ErrorIs(t, err, mdm.CodeChallenge)
	}
}

func TestRenewRaces(t *testing.T) {
	w := newWorld(t, nil)
	leaf := w.enroll("A")
	key := &newKey(t).PublicKey
	leaves, errs := make([]*x509.Certificate, 12), make([]error, 12)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() { leaves[n], errs[n] = w.Renew(w.ctx, mdm.DefaultTenant, leaf, key) })
	}
	wg.Wait()
	for n := range errs {
		require.NoError(t, errs[n])
		require.Equal(t, leaves[0].Raw, leaves[n].Raw)
	}
}

// slowStore does not see an intent the first time, as when another request is
// storing it.
type slowStore struct {
	identity.Store
	blind *bool
}

func (s slowStore) Intent(ctx context.Context, t mdm.TenantID, id mdm.IntentID) (identity.Intent, error) {
	if *s.blind {
		*s.blind = false
		return identity.Intent{}, mdm.CodeNotFound
	}
	return s.Store.Intent(ctx, t, id)
}

func TestRenewBesideAnother(t *testing.T) {
	blind := false
	w := newWorld(t, func(c *identity.Config) { c.Store = slowStore{c.Store, &blind} })
	leaf := w.enroll("A")
	key := &newKey(t).PublicKey
	first, err := w.Renew(w.ctx, mdm.DefaultTenant, leaf, key)
	require.NoError(t, err)
	blind = true
	second, err := w.Renew(w.ctx, mdm.DefaultTenant, leaf, key)
	require.NoError(t, err)
	require.False(t, blind)
	require.Equal(t, first.Raw, second.Raw)
}

func TestRenewAfterCrash(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, nil)
		leaf := w.enroll("A")
		key := &newKey(t).PublicKey
		calls := 0
		w.fault = func(string) error {
			if calls++; calls == n {
				return errDown
			}
			return nil
		}
		_, err := w.Renew(w.ctx, mdm.DefaultTenant, leaf, key)
		if calls < n {
			require.NoError(t, err)
			require.Greater(t, n, 4)
			return
		}
		require.ErrorIs(t, err, errDown, "write %d", n)
		next, err := w.Renew(w.ctx, mdm.DefaultTenant, leaf, key)
		require.NoError(t, err, "write %d", n)
		require.NoError(t, w.authenticate(next, claim("A")))
	}
}
