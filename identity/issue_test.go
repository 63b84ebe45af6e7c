package identity_test

import (
	"context"
	"crypto/dsa" //lint:ignore SA1019 a kind of key that is refused
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

func TestIssue(t *testing.T) {
	w := newWorld(t, nil)
	i, challenge := w.link(identity.IntentRequest{Person: "ada", Team: 7})
	key := newKey(t)
	leaf, err := w.Issue(w.ctx, mdm.DefaultTenant, challenge, &key.PublicKey)
	require.NoError(t, err)
	require.NoError(t, w.Verify(w.ctx, mdm.DefaultTenant, leaf))
	require.True(t, key.PublicKey.Equal(leaf.PublicKey))

	name, ok, err := ca.ParseName(leaf)
	require.NoError(t, err)
	require.True(t, ok)
	c := w.stored(leaf)
	require.Equal(t, ca.Name{Tenant: mdm.DefaultTenant, Enrollment: c.Enrollment, Generation: c.Generation}, name)
	require.Equal(t, string(c.Enrollment), leaf.Subject.CommonName)
	require.Equal(t, i.ID, c.Intent)
	require.Equal(t, identity.Issued, c.State)
	require.Equal(t, "ada", c.Person)
	require.Equal(t, mdm.TeamKey(7), c.Team)
	require.Equal(t, leaf.Raw, c.DER)
	require.True(t, leaf.NotAfter.Equal(c.NotAfter))
	require.Empty(t, c.Natural)
}

func TestIssueAgain(t *testing.T) {
	w := newWorld(t, nil)
	_, challenge := w.link(identity.IntentRequest{Lifetime: time.Hour})
	key := &newKey(t).PublicKey
	first, err := w.Issue(w.ctx, mdm.DefaultTenant, challenge, key)
	require.NoError(t, err)
	same := func(when string) {
		t.Helper()
		again, err := w.Issue(w.ctx, mdm.DefaultTenant, challenge, key)
		require.NoError(t, err, when)
		require.Equal(t, first.Raw, again.Raw, when)
	}
	same("at once")
	another := w.issue(challenge)
	require.NotEqual(t, first.Raw, another.Raw)
	require.Greater(t, w.stored(another).Generation, w.stored(first).Generation)
	require.NotEqual(t, w.stored(another).Enrollment, w.stored(first).Enrollment)
	same("after another key")
	require.NoError(t, w.authenticate(first, claim("A")))
	same("after its use")
	w.clock.add(2 * time.Hour)
	same("after the end of the challenge")

	w.confirm(first, claim("A"))
	same("after the enrollment")
	w.leave("A")
	_, err = w.Issue(w.ctx, mdm.DefaultTenant, challenge, key)
	require.ErrorIs(t, err, mdm.CodeChallenge, "what it got is of no use any more")
}

func TestIssueRefuses(t *testing.T) {
	w := newWorld(t, nil)
	_, expired := w.link(identity.IntentRequest{Lifetime: time.Hour})
	revoked, withdrawn := w.link(identity.IntentRequest{})
	require.NoError(t, w.RevokeIntent(w.ctx, mdm.DefaultTenant, revoked.ID, mdm.Actor{}))
	_, used := w.link(identity.IntentRequest{})
	require.NoError(t, w.authenticate(w.issue(used), claim("A")))
	_, good := w.link(identity.IntentRequest{})
	w.clock.add(time.Hour)

	before := w.dump()
	for name, c := range map[string]struct {
		tenant    mdm.TenantID
		challenge string
	}{
		"unknown":           {mdm.DefaultTenant, "guessed"},
		"empty":             {mdm.DefaultTenant, ""},
		"expired":           {mdm.DefaultTenant, expired},
		"withdrawn":         {mdm.DefaultTenant, withdrawn},
		"used":              {mdm.DefaultTenant, used},
		"of another tenant": {other, good},
		"of no tenant":      {"nobody", good},
	} {
		t.Run(name, func(t *testing.T) {
			leaf, err := w.Issue(w.ctx, c.tenant, c.challenge, &newKey(t).PublicKey)
			require.ErrorIs(t, err, mdm.CodeChallenge)
			require.Nil(t, leaf)
			require.Equal(t, before, w.dump())
		})
	}
	require.NotNil(t, w.issue(good))
}

// A quota counts devices; keys have a bound of their own.
func TestIssueQuota(t *testing.T) {
	w := newWorld(t, nil)
	i, challenge := w.link(identity.IntentRequest{Quota: 2})
	var leaves []*x509.Certificate
	for range i.MaxIssued() {
		leaves = append(leaves, w.issue(challenge))
	}
	_, err := w.Issue(w.ctx, mdm.DefaultTenant, challenge, &newKey(t).PublicKey)
	require.ErrorIs(t, err, mdm.CodeChallenge, "keys without end")

	require.NoError(t, w.authenticate(leaves[0], claim("A")))
	require.NoError(t, w.authenticate(leaves[0], claim("A")), "the same device is not counted twice")
	late, err := w.Admit(w.ctx, mdm.DefaultTenant, leaves[1], claim("C"))
	require.NoError(t, err)
	require.NoError(t, w.authenticate(leaves[2], claim("B")))
	require.ErrorIs(t, w.authenticate(leaves[3], claim("D")), mdm.CodeChallenge)
	require.ErrorIs(t, w.do(func(ctx context.Context, tx mdm.Tx) error {
		_, err := w.Bind(ctx, tx, late)
		return err
	}), mdm.CodeChallenge, "admitted before the last place was taken")
	require.Equal(t, identity.Issued, w.stored(leaves[1]).State)
}

func TestIssueWeakKeys(t *testing.T) {
	w := newWorld(t, nil)
	_, challenge := w.link(identity.IntentRequest{})
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	before := w.dump()
	for name, key := range map[string]any{
		"nothing":      nil,
		"RSA of 1024":  &small.PublicKey,
		"an even RSA":  &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537},
		"P-224":        &p224.PublicKey,
		"Ed25519":      ed,
		"DSA":          &dsa.PublicKey{},
		"a string":     "key",
		"a nil key":    (*rsa.PublicKey)(nil),
		"a whole pair": small,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Issue(w.ctx, mdm.DefaultTenant, challenge, key)
			require.ErrorIs(t, err, mdm.CodeUnsupported)
			_, _, err = w.IssueTo(w.ctx, mdm.DefaultTenant, "ada", claim("A"), 0, key)
			require.ErrorIs(t, err, mdm.CodeUnsupported)
			_, err = w.Renew(w.ctx, mdm.DefaultTenant, &x509.Certificate{}, key)
			require.ErrorIs(t, err, mdm.CodeUnsupported)
			require.Equal(t, before, w.dump())
		})
	}
}

// authority is an application's CA.
type authority struct {
	mdm.CA
	issue func(mdm.IssueRequest) (*x509.Certificate, error)
}

func (a authority) Issue(_ context.Context, r mdm.IssueRequest) (*x509.Certificate, error) {
	return a.issue(r)
}

// TestIssueAfterCrash: whatever fails on the way, the next attempt of the device
// is given its one certificate.
func TestIssueAfterCrash(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, nil)
		_, challenge := w.link(identity.IntentRequest{})
		key := &newKey(t).PublicKey
		calls := 0
		w.fault = func(string) error {
			if calls++; calls == n {
				return errDown
			}
			return nil
		}
		leaf, err := w.Issue(w.ctx, mdm.DefaultTenant, challenge, key)
		if calls < n {
			require.NoError(t, err)
			require.Greater(t, n, 4, "faults were injected")
			return
		}
		require.ErrorIs(t, err, errDown, "write %d", n)
		require.Nil(t, leaf)
		leaf, err = w.Issue(w.ctx, mdm.DefaultTenant, challenge, key)
		require.NoError(t, err, "write %d", n)
		require.NoError(t, w.authenticate(leaf, claim("A")))
	}
}

func TestIssueWhenTheAuthorityFails(t *testing.T) {
	w := newWorld(t, nil)
	elsewhere := newKey(t)
	var asked []mdm.IssueRequest
	answers := []func(mdm.IssueRequest) (*x509.Certificate, error){
		func(mdm.IssueRequest) (*x509.Certificate, error) {
			return nil, mdm.Errorf(mdm.CodeUnavailable, "", "busy")
		},
		func(mdm.IssueRequest) (*x509.Certificate, error) { return nil, nil },
		func(r mdm.IssueRequest) (*x509.Certificate, error) {
			r.PublicKey = &elsewhere.PublicKey
			return w.ca.Issue(w.ctx, r)
		},
		func(r mdm.IssueRequest) (*x509.Certificate, error) { return w.ca.Issue(w.ctx, r) },
	}
	var err error
	w.Service, err = identity.New(identity.Config{
		Store: w.store.Identity(), Transactor: w.store, Clock: w.clock, Rand: rand.Reader,
		CA: authority{w.ca, func(r mdm.IssueRequest) (*x509.Certificate, error) {
			asked = append(asked, r)
			return answers[len(asked)-1](r)
		}},
	})
	require.NoError(t, err)
	i, challenge := w.link(identity.IntentRequest{})
	key := &newKey(t).PublicKey
	for _, code := range []mdm.Code{mdm.CodeUnavailable, mdm.CodeInternal, mdm.CodeInternal} {
		_, err := w.Issue(w.ctx, mdm.DefaultTenant, challenge, key)
		require.ErrorIs(t, err, code)
	}
	_, err = w.Issue(w.ctx, mdm.DefaultTenant, challenge, key)
	require.NoError(t, err)
	for _, r := range asked {
		require.Equal(t, asked[0], r, "the reservation is kept: one life, however often it is asked for")
	}
	stored, err := w.store.Identity().Intent(w.ctx, mdm.DefaultTenant, i.ID)
	require.NoError(t, err)
	require.Equal(t, 1, stored.Issued)
}

// A reservation is no promise: nothing is signed for a challenge that has ended.
func TestReservationEnds(t *testing.T) {
	for name, end := range map[string]func(*world, mdm.IntentID){
		"expired": func(w *world, _ mdm.IntentID) { w.clock.add(time.Hour) },
		"withdrawn": func(w *world, i mdm.IntentID) {
			require.NoError(t, w.RevokeIntent(w.ctx, mdm.DefaultTenant, i, mdm.Actor{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			signed := 0
			w := newWorld(t, nil)
			var err error
			w.Service, err = identity.New(identity.Config{
				Store: w.store.Identity(), Transactor: w.store, Clock: w.clock, Rand: rand.Reader,
				CA: authority{w.ca, func(mdm.IssueRequest) (*x509.Certificate, error) {
					signed++
					return nil, errors.New("out of order")
				}},
			})
			require.NoError(t, err)
			i, challenge := w.link(identity.IntentRequest{Lifetime: time.Hour})
			key := &newKey(t).PublicKey
			_, err = w.Issue(w.ctx, mdm.DefaultTenant, challenge, key)
			require.Error(t, err)
			require.Equal(t, 1, signed)
			end(w, i.ID)
			_, err = w.Issue(w.ctx, mdm.DefaultTenant, challenge, key)
			require.ErrorIs(t, err, mdm.CodeChallenge)
			require.Equal(t, 1, signed)
		})
	}
}

func TestIssueRaces(t *testing.T) {
	w := newWorld(t, nil)
	i, challenge := w.link(identity.IntentRequest{})
	const racers = 24
	shared := &newKey(t).PublicKey
	keys := make([]*ecdsa.PublicKey, racers)
	for n := range keys {
		if keys[n] = shared; n%2 == 1 {
			keys[n] = &newKey(t).PublicKey
		}
	}
	leaves, errs := make([]*x509.Certificate, racers), make([]error, racers)
	var wg sync.WaitGroup
	for n := range racers {
		wg.Go(func() { leaves[n], errs[n] = w.Issue(w.ctx, mdm.DefaultTenant, challenge, keys[n]) })
	}
	wg.Wait()
	different := make(map[string]bool)
	var one *x509.Certificate
	for n := range racers {
		if errs[n] != nil {
			require.ErrorIs(t, errs[n], mdm.CodeChallenge)
			continue
		}
		different[string(leaves[n].Raw)] = true
		if keys[n] == shared {
			if one == nil {
				one = leaves[n]
			}
			require.Equal(t, one.Raw, leaves[n].Raw, "one key, one certificate")
		}
	}
	require.Len(t, different, i.MaxIssued(), "no more than the bound, and no fewer")
}

// Of several certificates for one device, the one that authenticates first wins.
func TestAuthenticateRaces(t *testing.T) {
	w := newWorld(t, nil)
	_, challenge := w.link(identity.IntentRequest{})
	leaves := []*x509.Certificate{w.issue(challenge), w.issue(challenge), w.issue(challenge)}
	errs := make([]error, 3*len(leaves))
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() { errs[n] = w.authenticate(leaves[n%len(leaves)], claim("A")) })
	}
	wg.Wait()
	winners := make(map[int]bool)
	for n, err := range errs {
		if err == nil {
			winners[n%len(leaves)] = true
		} else {
			require.ErrorIs(t, err, mdm.CodeChallenge)
		}
	}
	require.Len(t, winners, 1)
}
