package ca_test

import (
	"crypto/x509"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// These strings stand in certificates on devices. A change here orphans them.
func TestNameGolden(t *testing.T) {
	c, _ := newCA(t, newClock(), nil)
	for _, tt := range []struct {
		request ca.Request
		uri     string
	}{
		{ca.Request{Purpose: ca.MDM, Name: device}, "keelson://mdm/v1/default/0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77/7"},
		{ca.Request{Purpose: ca.MDM, Name: ca.Name{Tenant: "acme-2", Enrollment: "e", Generation: 1<<63 - 1}}, "keelson://mdm/v1/acme-2/e/9223372036854775807"},
		{ca.Request{Purpose: "wifi"}, "keelson://leaf/v1/wifi"},
		{ca.Request{Purpose: "wifi", Name: device}, "keelson://leaf/v1/wifi/default/0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77/7"},
	} {
		tt.request.PublicKey, tt.request.CommonName = &rsaKey().PublicKey, "x"
		leaf := issue(t, c, tt.request)
		require.Len(t, leaf.URIs, 1)
		require.Equal(t, tt.uri, leaf.URIs[0].String())
		require.Empty(t, append(leaf.DNSNames, leaf.EmailAddresses...))

		n, isMDM, err := ca.ParseName(leaf)
		require.NoError(t, err)
		require.Equal(t, tt.request.Purpose == ca.MDM, isMDM)
		p, other, isLeaf, err := ca.ParseLeaf(leaf)
		require.NoError(t, err)
		require.Equal(t, !isMDM, isLeaf)
		if isMDM {
			require.Equal(t, tt.request.Name, n)
			require.Equal(t, tt.uri, n.String())
		} else {
			require.Zero(t, n)
			require.Equal(t, tt.request.Purpose, p)
			require.Equal(t, tt.request.Name, other)
		}
	}
}

func withURIs(t testing.TB, uris ...string) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{}
	for _, s := range uris {
		u, err := url.Parse(s)
		require.NoError(t, err)
		c.URIs = append(c.URIs, u)
	}
	return c
}

func TestParseNameRefuses(t *testing.T) {
	const good = "keelson://mdm/v1/default/e/7"
	for _, uris := range [][]string{
		{good, good},
		{good, "keelson://leaf/v1/wifi"},
		{"keelson://mdm/v2/default/e/7"},
		{"keelson://other"},
		{"keelson:mdm/v1/default/e/7"},
		{"keelson://mdm/v1/"},
		{"keelson://mdm/v1/default"},
		{"keelson://mdm/v1/default/e"},
		{"keelson://mdm/v1/default/e/"},
		{"keelson://mdm/v1/default/e/0"},
		{"keelson://mdm/v1/default/e/-1"},
		{"keelson://mdm/v1/default/e/+7"},
		{"keelson://mdm/v1/default/e/07"},
		{"keelson://mdm/v1/default/e/9223372036854775808"},
		{"keelson://mdm/v1/default/e/7/"},
		{"keelson://mdm/v1/default/e/7/8"},
		{"keelson://mdm/v1/default/e/7?x"},
		{"keelson://mdm/v1/default/e/7#x"},
		{"keelson://mdm/v1/Default/e/7"},
		{"keelson://mdm/v1/d%65fault/e/7"},
		{"keelson://mdm/v1//e/7"},
		{"keelson://user@mdm/v1/default/e/7"},
		{"keelson://mdm:80/v1/default/e/7"},
	} {
		n, ok, err := ca.ParseName(withURIs(t, uris...))
		require.ErrorIs(t, err, mdm.CodeIdentity, "%v", uris)
		require.False(t, ok)
		require.Zero(t, n)
	}
	for _, uri := range []string{
		"keelson://leaf/v1/", "keelson://leaf/v1/mdm", "keelson://leaf/v1/Wifi",
		"keelson://leaf/v1/wifi/", "keelson://leaf/v1/wifi/default/e",
	} {
		_, _, ok, err := ca.ParseLeaf(withURIs(t, uri))
		require.ErrorIs(t, err, mdm.CodeIdentity, uri)
		require.False(t, ok)
	}
}

func TestParseNameIgnoresStrangers(t *testing.T) {
	for _, c := range []*x509.Certificate{nil, {}, {URIs: []*url.URL{nil}}, withURIs(t, "https://example.com/mdm/v1/default/e/7")} {
		n, ok, err := ca.ParseName(c)
		require.NoError(t, err)
		require.False(t, ok)
		require.Zero(t, n)
	}
}

func TestNameRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := ca.Name{
			Tenant:     mdm.TenantID(rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?`).Draw(r, "tenant")),
			Enrollment: mdm.EnrollmentID(rapid.StringMatching(`[a-z0-9-]{1,64}`).Draw(r, "enrollment")),
			Generation: mdm.Generation(rapid.Int64Min(1).Draw(r, "generation")),
		}
		require.NoError(r, n.Validate())
		u, err := url.Parse(n.String())
		require.NoError(r, err)
		got, ok, err := ca.ParseName(&x509.Certificate{URIs: []*url.URL{u}})
		require.NoError(r, err)
		require.True(r, ok)
		require.Equal(r, n, got)
	})
}

// FuzzParseName: a name that is accepted has exactly one spelling.
func FuzzParseName(f *testing.F) {
	f.Add("keelson://mdm/v1/default/0195f3c8-7a10-7c3e-9b52-4f0c6d1e2a77/7")
	f.Add("keelson://leaf/v1/wifi/default/e/7")
	f.Add("keelson://mdm/v1/d%65fault/e/07")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		c := &x509.Certificate{URIs: []*url.URL{u}}
		n, ok, err := ca.ParseName(c)
		if ok {
			require.NoError(t, err)
			require.Equal(t, u.String(), n.String())
			require.NoError(t, n.Validate())
		}
		_, _, leaf, _ := ca.ParseLeaf(c)
		require.False(t, ok && leaf)
	})
}
