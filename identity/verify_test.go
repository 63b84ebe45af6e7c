package identity

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// rootsOf is a CA that only tells its roots.
type rootsOf func(mdm.TenantID) ([]*x509.Certificate, error)

func (rootsOf) Issue(context.Context, mdm.IssueRequest) (*x509.Certificate, error) {
	return nil, errors.New("it only tells its roots")
}

func (f rootsOf) Roots(_ context.Context, t mdm.TenantID) ([]*x509.Certificate, error) { return f(t) }

func verifying(t *testing.T, unnamed bool, roots rootsOf) *Service {
	t.Helper()
	return &Service{c: Config{CA: roots, Clock: mdm.SystemClock{}, Rand: rand.Reader, Unnamed: unnamed}}
}

// TestVerifiersAreBounded: a stranger who makes up tenants fills no memory.
func TestVerifiersAreBounded(t *testing.T) {
	cert, _, err := ca.NewSelfSigned("root", &ca.RootOptions{Key: ca.P256})
	require.NoError(t, err)
	s := verifying(t, false, func(mdm.TenantID) ([]*x509.Certificate, error) { return []*x509.Certificate{cert}, nil })
	for i := range 100 {
		require.Error(t, s.Verify(t.Context(), mdm.TenantID(fmt.Sprint("made-up-", i)), cert))
	}
	require.Len(t, s.verifiers.m, 1)

	for i := range maxVerifiers + 10 { // sets of roots differ
		raw := []byte(fmt.Sprint(i))
		_, err := s.verifiers.of([]*x509.Certificate{{Raw: raw}, cert}, false)
		require.NoError(t, err)
		require.LessOrEqual(t, len(s.verifiers.m), maxVerifiers)
	}
}

func TestRootsRollOver(t *testing.T) {
	var roots []*x509.Certificate
	s := verifying(t, false, func(mdm.TenantID) ([]*x509.Certificate, error) { return roots, nil })
	issue := func() (*x509.Certificate, *x509.Certificate) {
		cert, key, err := ca.NewSelfSigned("root", &ca.RootOptions{Key: ca.P256})
		require.NoError(t, err)
		authority, err := ca.New(cert, key, nil)
		require.NoError(t, err)
		leaf, err := authority.Issue(t.Context(), mdm.IssueRequest{
			Tenant: mdm.DefaultTenant, Enrollment: "e", Generation: 1, PublicKey: cert.PublicKey, CommonName: "e",
		})
		require.NoError(t, err)
		return cert, leaf
	}
	verify := func(leaf *x509.Certificate) error { return s.Verify(t.Context(), mdm.DefaultTenant, leaf) }
	oldRoot, oldLeaf := issue()
	newRoot, newLeaf := issue()

	roots = []*x509.Certificate{oldRoot}
	require.NoError(t, verify(oldLeaf))
	require.ErrorIs(t, verify(newLeaf), mdm.CodeIdentity)
	roots = []*x509.Certificate{newRoot, oldRoot}
	require.NoError(t, verify(oldLeaf))
	require.NoError(t, verify(newLeaf))
	roots = []*x509.Certificate{newRoot}
	require.ErrorIs(t, verify(oldLeaf), mdm.CodeIdentity)
	require.NoError(t, verify(newLeaf))

	roots = nil
	require.ErrorIs(t, verify(newLeaf), mdm.CodeInvalid)
	down := errors.New("down")
	s = verifying(t, false, func(mdm.TenantID) ([]*x509.Certificate, error) { return nil, down })
	require.ErrorIs(t, verify(newLeaf), down)
}

func TestVerifyUnnamed(t *testing.T) {
	cert, key, err := ca.NewSelfSigned("an outside CA", &ca.RootOptions{Key: ca.P256})
	require.NoError(t, err)
	roots := rootsOf(func(mdm.TenantID) ([]*x509.Certificate, error) { return []*x509.Certificate{cert}, nil })
	authority, err := ca.New(cert, key, nil)
	require.NoError(t, err)
	wifi, err := authority.IssueLeaf(t.Context(), ca.Request{PublicKey: cert.PublicKey, CommonName: "wifi", Purpose: "wifi"})
	require.NoError(t, err)
	template := *wifi
	template.URIs = nil
	template.ExtraExtensions = nil
	der, err := x509.CreateCertificate(rand.Reader, &template, cert, cert.PublicKey, key)
	require.NoError(t, err)
	unnamed, err := x509.ParseCertificate(der)
	require.NoError(t, err)

	require.ErrorIs(t, verifying(t, false, roots).Verify(t.Context(), mdm.DefaultTenant, unnamed), mdm.CodeIdentity)
	require.NoError(t, verifying(t, true, roots).Verify(t.Context(), mdm.DefaultTenant, unnamed))
	require.ErrorIs(t, verifying(t, true, roots).Verify(t.Context(), mdm.DefaultTenant, wifi), mdm.CodeIdentity)
}

// TestRenewalIDGolden: replicas of two versions run side by side and must agree.
func TestRenewalIDGolden(t *testing.T) {
	require.Equal(t, mdm.IntentID("9eabe19e-8806-8e89-b573-2a7e8371f0da"), renewalID(mdm.Hash{1, 2, 3}))
}
