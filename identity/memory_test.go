package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// moved is a clock that a test moves.
type moved struct{ at time.Time }

func (m *moved) Now() time.Time { return m.at }

// authorityOf is a CA with its key.
type authorityOf struct {
	*ca.CA
	key crypto.Signer
}

func newAuthority(t testing.TB, clock mdm.Clock) authorityOf {
	t.Helper()
	cert, key, err := ca.NewSelfSigned("root", &ca.RootOptions{Key: ca.P256, Clock: clock})
	require.NoError(t, err)
	a, err := ca.New(cert, key, &ca.Options{Clock: clock})
	require.NoError(t, err)
	return authorityOf{a, key}
}

// leaf issues an identity of a tenant.
func (a authorityOf) leaf(t testing.TB, tenant mdm.TenantID) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leaf, err := a.Issue(t.Context(), mdm.IssueRequest{Tenant: tenant, Enrollment: "e", Generation: 1, PublicKey: &key.PublicKey, CommonName: "e"})
	require.NoError(t, err)
	return leaf
}

func (s *Service) known(t testing.TB, tenant mdm.TenantID, leaf *x509.Certificate) bool {
	t.Helper()
	k, ok := s.Recall(t.Context(), tenant, HashOf(leaf))
	if ok {
		require.Equal(t, leaf.PublicKey, k.Key)
		require.Equal(t, leaf.NotBefore, k.NotBefore)
		require.Equal(t, leaf.NotAfter, k.NotAfter)
	}
	return ok
}

// TestRecall: what has been verified is remembered, for its tenant, its
// authorities and its time, and for nothing else.
func TestRecall(t *testing.T) {
	clock := &moved{time.Now()}
	first, second := newAuthority(t, clock), newAuthority(t, clock)
	trusted := []*x509.Certificate{first.Certificate()}
	s := verifying(t, false, func(mdm.TenantID) ([]*x509.Certificate, error) { return trusted, nil })
	s.c.Clock = clock
	verify := func(tenant mdm.TenantID, leaf *x509.Certificate) error { return s.Verify(t.Context(), tenant, leaf) }
	leaf := first.leaf(t, mdm.DefaultTenant)

	require.False(t, s.known(t, mdm.DefaultTenant, leaf), "nobody has verified it")
	require.NoError(t, verify(mdm.DefaultTenant, leaf))
	require.True(t, s.known(t, mdm.DefaultTenant, leaf))
	require.NoError(t, verify(mdm.DefaultTenant, leaf))

	t.Run("another tenant", func(t *testing.T) {
		require.False(t, s.known(t, "other", leaf))
		require.ErrorIs(t, verify("other", leaf), mdm.CodeIdentity)
		require.False(t, s.known(t, "other", leaf))
		require.True(t, s.known(t, mdm.DefaultTenant, leaf))
	})
	t.Run("another CA", func(t *testing.T) {
		defer func(was []*x509.Certificate) { trusted = was }(trusted)
		trusted = []*x509.Certificate{second.Certificate()}
		require.False(t, s.known(t, mdm.DefaultTenant, leaf))
		require.ErrorIs(t, verify(mdm.DefaultTenant, leaf), mdm.CodeIdentity)
		trusted = []*x509.Certificate{second.Certificate(), first.Certificate()} // a roll-over
		require.False(t, s.known(t, mdm.DefaultTenant, leaf), "a verdict is of one set")
		require.NoError(t, verify(mdm.DefaultTenant, leaf))
		require.True(t, s.known(t, mdm.DefaultTenant, leaf))
		trusted = []*x509.Certificate{second.Certificate()}
		require.False(t, s.known(t, mdm.DefaultTenant, leaf))
		require.ErrorIs(t, verify(mdm.DefaultTenant, leaf), mdm.CodeIdentity)
	})
	t.Run("read anew", func(t *testing.T) { // a CA that parses its roots at every call
		require.NoError(t, verify(mdm.DefaultTenant, leaf))
		defer func(was []*x509.Certificate) { trusted = was }(trusted)
		again, err := x509.ParseCertificate(first.Certificate().Raw)
		require.NoError(t, err)
		trusted = []*x509.Certificate{again}
		require.True(t, s.known(t, mdm.DefaultTenant, leaf), "the same authorities")
	})
	t.Run("a CA that is down", func(t *testing.T) {
		down := verifying(t, false, func(mdm.TenantID) ([]*x509.Certificate, error) { return nil, errors.New("down") })
		require.False(t, down.known(t, mdm.DefaultTenant, leaf))
	})
	t.Run("another time", func(t *testing.T) {
		defer func(was time.Time) { clock.at = was }(clock.at)
		for _, c := range []struct {
			at   time.Time
			good bool
		}{
			{leaf.NotBefore, true}, {leaf.NotBefore.Add(-time.Second), false},
			{leaf.NotAfter, true}, {leaf.NotAfter.Add(time.Second), false}, {leaf.NotAfter.Add(time.Nanosecond), false},
		} {
			clock.at = c.at
			require.Equal(t, c.good, s.known(t, mdm.DefaultTenant, leaf), c.at)
			if c.good {
				require.NoError(t, verify(mdm.DefaultTenant, leaf))
			} else {
				require.ErrorIs(t, verify(mdm.DefaultTenant, leaf), mdm.CodeIdentity)
			}
		}
	})
	require.True(t, s.known(t, mdm.DefaultTenant, leaf), "and in its time again")
}

// TestRecallEndsWithTheAuthority: a leaf that outlives who issued it is not
// remembered for longer.
func TestRecallEndsWithTheAuthority(t *testing.T) {
	clock := &moved{time.Now()}
	a := newAuthority(t, clock)
	root := a.Certificate()
	u, err := url.Parse("keelson://mdm/v1/default/e/1")
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(9), URIs: []*url.URL{u}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotBefore: root.NotBefore.AddDate(-1, 0, 0), NotAfter: root.NotAfter.AddDate(1, 0, 0),
	}, root, root.PublicKey, a.key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	s := verifying(t, false, func(mdm.TenantID) ([]*x509.Certificate, error) { return []*x509.Certificate{root}, nil })
	s.c.Clock = clock
	require.NoError(t, s.Verify(t.Context(), mdm.DefaultTenant, leaf))
	require.True(t, s.known(t, mdm.DefaultTenant, leaf))
	for _, at := range []time.Time{root.NotAfter.Add(time.Second), root.NotBefore.Add(-time.Second)} {
		clock.at = at
		require.False(t, s.known(t, mdm.DefaultTenant, leaf))
		require.ErrorIs(t, s.Verify(t.Context(), mdm.DefaultTenant, leaf), mdm.CodeIdentity)
	}
}

// TestStrangersFillNoMemory: what no authority of ours has issued, or for another
// purpose or tenant, gets in nobody's way; and a key that may sign nothing is not
// kept.
func TestStrangersFillNoMemory(t *testing.T) {
	ours, foreign := newAuthority(t, mdm.SystemClock{}), newAuthority(t, mdm.SystemClock{})
	s := verifying(t, false, ours.trusted)
	fleet := make([]*x509.Certificate, 20)
	for i := range fleet {
		fleet[i] = ours.leaf(t, mdm.DefaultTenant)
		require.NoError(t, s.Verify(t.Context(), mdm.DefaultTenant, fleet[i]))
	}
	wifi, err := ours.IssueLeaf(t.Context(), ca.Request{PublicKey: fleet[0].PublicKey, CommonName: "wifi", Purpose: "wifi"})
	require.NoError(t, err)
	for i := range 200 {
		tenant := mdm.TenantID(fmt.Sprint("made-up-", i))
		for _, leaf := range []*x509.Certificate{foreign.leaf(t, mdm.DefaultTenant), wifi, nil, {Raw: []byte(tenant)}} {
			require.Error(t, s.Verify(t.Context(), mdm.DefaultTenant, leaf))
		}
		require.Error(t, s.Verify(t.Context(), tenant, fleet[0]))
		_, ok := s.Recall(t.Context(), tenant, mdm.Hash{byte(i)})
		require.False(t, ok)
	}
	require.Len(t, s.memory.m, len(fleet))
	for _, leaf := range fleet {
		require.True(t, s.known(t, mdm.DefaultTenant, leaf))
	}
	v, err := s.verifier(t.Context(), mdm.DefaultTenant)
	require.NoError(t, err)
	weak := *fleet[0]
	weak.Raw, weak.PublicKey = []byte("weak"), &ecdsa.PublicKey{Curve: elliptic.P224()}
	s.memory.keep(mdm.DefaultTenant, &weak, v, ca.Span{})
	require.Len(t, s.memory.m, len(fleet))
}

// trusted is Roots as the tests of verification take it.
func (a authorityOf) trusted(mdm.TenantID) ([]*x509.Certificate, error) {
	return []*x509.Certificate{a.Certificate()}, nil
}

// TestMemoryIsBounded: however many identities there are.
func TestMemoryIsBounded(t *testing.T) {
	a := newAuthority(t, mdm.SystemClock{})
	s := verifying(t, false, a.trusted)
	leaf := a.leaf(t, mdm.DefaultTenant)
	v, err := s.verifier(t.Context(), mdm.DefaultTenant)
	require.NoError(t, err)
	for i := range maxKnown + 1000 {
		copied := *leaf
		copied.Raw = []byte(fmt.Sprint("another ", i))
		s.memory.keep(mdm.DefaultTenant, &copied, v, ca.Span{From: leaf.NotBefore, To: leaf.NotAfter})
		require.LessOrEqual(t, len(s.memory.m), maxKnown)
	}
	// One that is pushed out is only verified again.
	require.NoError(t, s.Verify(t.Context(), mdm.DefaultTenant, leaf))
	require.True(t, s.known(t, mdm.DefaultTenant, leaf))
	require.Len(t, s.memory.m, maxKnown)
	require.NoError(t, s.Verify(t.Context(), mdm.DefaultTenant, leaf))
	require.Len(t, s.memory.m, maxKnown, "the same again takes no room")
}

// TestMemoryTogether: many devices at once, while the authorities change.
func TestMemoryTogether(t *testing.T) {
	ours, next := newAuthority(t, mdm.SystemClock{}), newAuthority(t, mdm.SystemClock{})
	var mu sync.Mutex
	rolled := false
	s := verifying(t, false, func(mdm.TenantID) ([]*x509.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		rolled = !rolled
		if rolled {
			return []*x509.Certificate{next.Certificate(), ours.Certificate()}, nil
		}
		return []*x509.Certificate{ours.Certificate()}, nil
	})
	leaf, foreign := ours.leaf(t, mdm.DefaultTenant), newAuthority(t, mdm.SystemClock{}).leaf(t, mdm.DefaultTenant)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			for range 100 {
				if err := s.Verify(t.Context(), mdm.DefaultTenant, leaf); err != nil {
					errs[i] = err
				}
				if s.Verify(t.Context(), mdm.DefaultTenant, foreign) == nil {
					errs[i] = errors.New("a stranger was let in")
				}
				s.Recall(t.Context(), mdm.DefaultTenant, HashOf(leaf))
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
}

// TestRecallAllocates: next to nothing, as it is asked at every message.
func TestRecallAllocates(t *testing.T) {
	a := newAuthority(t, mdm.SystemClock{})
	roots := []*x509.Certificate{a.Certificate()}
	s := verifying(t, false, func(mdm.TenantID) ([]*x509.Certificate, error) { return roots, nil })
	leaf := a.leaf(t, mdm.DefaultTenant)
	require.NoError(t, s.Verify(t.Context(), mdm.DefaultTenant, leaf))
	pin, ctx := HashOf(leaf), t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, ok := s.Recall(ctx, mdm.DefaultTenant, pin)
		require.True(t, ok)
	}))
}
