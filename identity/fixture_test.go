package identity_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

const other mdm.TenantID = "other"

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// root is the authority of all tests of the package.
var root = sync.OnceValues(func() (*x509.Certificate, crypto.Signer) {
	cert, key, err := ca.NewSelfSigned("Test root", &ca.RootOptions{Key: ca.P256})
	if err != nil {
		panic(err)
	}
	return cert, key
})

// world is an identity service with what it stands on.
type world struct {
	*identity.Service
	t     testing.TB
	ctx   context.Context
	clock *clock
	store *inmem.Store
	ca    *ca.CA
	life  *lifecycle.Service
	fault func(string) error // of the store
}

func newWorld(t testing.TB, change func(*identity.Config)) *world {
	t.Helper()
	w := &world{t: t, ctx: context.Background(), clock: &clock{at: time.Now()}}
	w.store = inmem.New(&inmem.Options{Fault: func(what string) error {
		if w.fault == nil {
			return nil
		}
		return w.fault(what)
	}})
	for _, tenant := range []mdm.TenantID{mdm.DefaultTenant, other} {
		require.NoError(t, w.store.Lifecycle().PutTenant(w.ctx, tenant))
	}
	cert, key := root()
	var err error
	w.ca, err = ca.New(cert, key, &ca.Options{Clock: w.clock})
	require.NoError(t, err)
	c := identity.Config{Store: w.store.Identity(), Transactor: w.store, CA: w.ca, Clock: w.clock, Rand: rand.Reader}
	if change != nil {
		change(&c)
	}
	w.Service, err = identity.New(c)
	require.NoError(t, err)
	w.life, err = lifecycle.New(lifecycle.Config{Store: w.store.Lifecycle(), Transactor: w.store, Clock: w.clock, Rand: rand.Reader})
	require.NoError(t, err)
	return w
}

// dump is everything that the store holds, in a form that compares.
func (w *world) dump() string {
	var out []string
	for it := reflect.ValueOf(w.store).Elem().FieldByName("tenants").MapRange(); it.Next(); {
		out = append(out, fmt.Sprintf("%s: %+v", it.Key(), it.Value().Elem()))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func (w *world) do(fn func(context.Context, mdm.Tx) error) error {
	return w.store.InTx(w.ctx, mdm.DefaultTenant, fn)
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

// link makes an intent and returns its challenge.
func (w *world) link(r identity.IntentRequest) (identity.Intent, string) {
	w.t.Helper()
	i, link, err := w.CreateIntent(w.ctx, mdm.DefaultTenant, r)
	require.NoError(w.t, err)
	opened, challenge, err := w.OpenLink(w.ctx, mdm.DefaultTenant, link)
	require.NoError(w.t, err)
	require.Equal(w.t, i, opened)
	return i, challenge
}

func (w *world) issue(challenge string) *x509.Certificate {
	w.t.Helper()
	leaf, err := w.Issue(w.ctx, mdm.DefaultTenant, challenge, &newKey(w.t).PublicKey)
	require.NoError(w.t, err)
	return leaf
}

// claim is what a Mac says of itself.
func claim(udid string) identity.Claim {
	return identity.Claim{
		Natural: mdm.AppleNatural(udid), Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel,
		Facts: mdm.HostFacts{Platform: mdm.MacOS, HardwareID: udid, Serial: "S-" + udid},
	}
}

// authenticate admits and binds, and tells lifecycle.
func (w *world) authenticate(leaf *x509.Certificate, cl identity.Claim) error {
	w.t.Helper()
	a, err := w.Admit(w.ctx, mdm.DefaultTenant, leaf, cl)
	if err != nil {
		return err
	}
	return w.do(func(ctx context.Context, tx mdm.Tx) error {
		auth, err := w.Bind(ctx, tx, a)
		if err != nil {
			return err
		}
		_, err = w.life.Apply(ctx, tx, mdm.Signal{Kind: mdm.SignalAuthenticated, Data: auth})
		return err
	})
}

// confirm is the TokenUpdate that follows.
func (w *world) confirm(leaf *x509.Certificate, cl identity.Claim) {
	w.t.Helper()
	require.NoError(w.t, w.do(func(ctx context.Context, tx mdm.Tx) error {
		e, err := w.Enrollment(ctx, tx, cl.Natural)
		if err != nil {
			return err
		}
		t, err := w.life.Apply(ctx, tx, mdm.Signal{
			Kind: mdm.SignalConfirmed, Key: e.Key, Host: e.Host, Data: mdm.Confirmed{Pin: identity.HashOf(leaf)},
		})
		if err != nil {
			return err
		}
		return w.Retire(ctx, tx, cl.Natural, t.Enrollment.Pin)
	}))
}

// enroll is a device that has enrolled.
func (w *world) enroll(udid string) *x509.Certificate {
	w.t.Helper()
	_, challenge := w.link(identity.IntentRequest{})
	leaf := w.issue(challenge)
	require.NoError(w.t, w.authenticate(leaf, claim(udid)))
	w.confirm(leaf, claim(udid))
	return leaf
}

func (w *world) enrollment(udid string) mdm.Enrollment {
	w.t.Helper()
	e, err := w.store.Identity().Enrollment(w.ctx, mdm.DefaultTenant, mdm.AppleNatural(udid))
	require.NoError(w.t, err)
	return e
}

// leave is a device that has left.
func (w *world) leave(udid string) {
	w.t.Helper()
	require.NoError(w.t, w.do(func(ctx context.Context, tx mdm.Tx) error {
		e, err := w.Enrollment(ctx, tx, mdm.AppleNatural(udid))
		if err != nil {
			return err
		}
		_, err = w.life.Apply(ctx, tx, mdm.Signal{Kind: mdm.SignalCheckedOut, Key: e.Key, Host: e.Host, Generation: e.Generation})
		if err != nil {
			return err
		}
		return w.Retire(ctx, tx, e.Natural, mdm.Hash{})
	}))
}

// stored is the row of a leaf.
func (w *world) stored(leaf *x509.Certificate) identity.Certificate {
	w.t.Helper()
	c, err := w.store.Identity().Certificate(w.ctx, mdm.DefaultTenant, identity.HashOf(leaf))
	require.NoError(w.t, err)
	return c
}

// field is which input an error names.
func field(t testing.TB, err error) string {
	t.Helper()
	var e *mdm.Error
	require.ErrorAs(t, err, &e)
	return e.Field
}

func (s looseStore) IntentByLink(context.Context, mdm.TenantID, mdm.Hash) (identity.Intent, error) {
	return s.i, nil
}

func (s looseStore) IntentByChallenge(context.Context, mdm.TenantID, mdm.Hash) (identity.Intent, error) {
	return s.i, nil
}

func (downStore) IntentByLink(context.Context, mdm.TenantID, mdm.Hash) (identity.Intent, error) {
	return identity.Intent{}, errDown
}

func (downStore) IntentByChallenge(context.Context, mdm.TenantID, mdm.Hash) (identity.Intent, error) {
	return identity.Intent{}, errDown
}

func (downStore) Certificate(context.Context, mdm.TenantID, mdm.Hash) (identity.Certificate, error) {
	return identity.Certificate{}, errDown
}
