package identity_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// ofAnotherCA is a leaf in every way like ours, but for who signed it.
func (w *world) ofAnotherCA() *x509.Certificate {
	w.t.Helper()
	cert, key, err := ca.NewSelfSigned("Test root", &ca.RootOptions{Key: ca.P256})
	require.NoError(w.t, err)
	stranger, err := ca.New(cert, key, &ca.Options{Clock: w.clock})
	require.NoError(w.t, err)
	leaf, err := stranger.Issue(w.ctx, mdm.IssueRequest{
		Tenant: mdm.DefaultTenant, Enrollment: "0190a000-0000-7000-8000-000000000000", Generation: 1,
		PublicKey: &newKey(w.t).PublicKey, CommonName: "stranger",
	})
	require.NoError(w.t, err)
	return leaf
}

// ofOurCA is a leaf of our CA for another purpose or tenant.
func (w *world) ofOurCA(r ca.Request) *x509.Certificate {
	w.t.Helper()
	r.PublicKey, r.CommonName = &newKey(w.t).PublicKey, "leaf"
	leaf, err := w.ca.IssueLeaf(w.ctx, r)
	require.NoError(w.t, err)
	return leaf
}

// elsewhere is the name of an enrollment in another tenant.
var elsewhere = ca.Name{Tenant: other, Enrollment: "0190a000-0000-7000-8000-000000000000", Generation: 1}

func TestPlace(t *testing.T) {
	for name, c := range map[string]struct {
		leaf func(*world) *x509.Certificate
		want identity.Trust
	}{
		"issued": {func(w *world) *x509.Certificate {
			_, challenge := w.link(identity.IntentRequest{})
			return w.issue(challenge)
		}, identity.TrustGood},
		"enrolled":           {func(w *world) *x509.Certificate { return w.enroll("A") }, identity.TrustGood},
		"of an earlier life": {func(w *world) *x509.Certificate { leaf := w.enroll("A"); w.enroll("A"); return leaf }, identity.TrustRolledBack},
		"of an ended life":   {func(w *world) *x509.Certificate { leaf := w.enroll("A"); w.leave("A"); return leaf }, identity.TrustRolledBack},
		"unknown":            {func(w *world) *x509.Certificate { return w.unknown() }, identity.TrustOrphan},
		"of another tenant":  {func(w *world) *x509.Certificate { return w.ofOurCA(ca.Request{Purpose: ca.MDM, Name: elsewhere}) }, identity.TrustForeign},
		"for Wi-Fi":          {func(w *world) *x509.Certificate { return w.ofOurCA(ca.Request{Purpose: "wifi"}) }, identity.TrustForeign},
		"without a name":     {func(*world) *x509.Certificate { return &x509.Certificate{Raw: []byte("x")} }, identity.TrustForeign},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			got, err := w.Place(w.ctx, mdm.DefaultTenant, c.leaf(w))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestNaturalOf(t *testing.T) {
	w := newWorld(t, nil)
	leaf := w.enroll("A")
	n, err := w.NaturalOf(w.ctx, mdm.DefaultTenant, identity.HashOf(leaf))
	require.NoError(t, err)
	require.Equal(t, mdm.AppleNatural("A"), n)
	w.leave("A")
	n, err = w.NaturalOf(w.ctx, mdm.DefaultTenant, identity.HashOf(leaf))
	require.NoError(t, err, "it is still known whose it was")
	require.Equal(t, mdm.AppleNatural("A"), n)

	_, challenge := w.link(identity.IntentRequest{})
	for _, c := range []*x509.Certificate{w.issue(challenge), w.unknown()} {
		_, err = w.NaturalOf(w.ctx, mdm.DefaultTenant, identity.HashOf(c))
		require.ErrorIs(t, err, mdm.CodeIdentity)
	}
}

func TestVerify(t *testing.T) {
	w := newWorld(t, nil)
	_, challenge := w.link(identity.IntentRequest{})
	good := w.issue(challenge)
	require.NoError(t, w.Verify(w.ctx, mdm.DefaultTenant, good))
	cert, _ := root()
	for name, c := range map[string]struct {
		tenant mdm.TenantID
		leaf   *x509.Certificate
	}{
		"nothing":            {mdm.DefaultTenant, nil},
		"of another CA":      {mdm.DefaultTenant, w.ofAnotherCA()},
		"of another tenant":  {mdm.DefaultTenant, w.ofOurCA(ca.Request{Purpose: ca.MDM, Name: elsewhere})},
		"in another tenant":  {other, good},
		"for Wi-Fi":          {mdm.DefaultTenant, w.ofOurCA(ca.Request{Purpose: "wifi"})},
		"for Wi-Fi, named":   {mdm.DefaultTenant, w.ofOurCA(ca.Request{Purpose: "wifi", Name: ca.Name{Tenant: mdm.DefaultTenant, Enrollment: "e", Generation: 1}})},
		"the authority's":    {mdm.DefaultTenant, cert},
		"nothing but a name": {mdm.DefaultTenant, &x509.Certificate{Raw: []byte("x"), URIs: good.URIs}},
	} {
		t.Run(name, func(t *testing.T) {
			err := w.Verify(w.ctx, c.tenant, c.leaf)
			require.ErrorIs(t, err, mdm.CodeIdentity)
		})
	}
	w.clock.add(366 * 24 * time.Hour)
	require.ErrorIs(t, w.Verify(w.ctx, mdm.DefaultTenant, good), ca.Expired)
	w.clock.add(-400 * 24 * time.Hour)
	require.ErrorIs(t, w.Verify(w.ctx, mdm.DefaultTenant, good), ca.NotYetValid)
}
