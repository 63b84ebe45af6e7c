package ca_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

func verifier(t testing.TB, c *ca.CA, o *ca.VerifierOptions) *ca.Verifier {
	t.Helper()
	roots, err := c.Roots(t.Context(), "default")
	require.NoError(t, err)
	v, err := ca.NewVerifier(roots, o)
	require.NoError(t, err)
	return v
}

// handmade signs a leaf that IssueLeaf would not.
func handmade(t testing.TB, c *ca.CA, key crypto.Signer, edit func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	u, err := url.Parse(device.String())
	require.NoError(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "device"},
		NotBefore:    c.Certificate().NotBefore,
		NotAfter:     c.Certificate().NotBefore.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:         []*url.URL{u},
	}
	edit(tmpl)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, c.Certificate(), &rsaKey().PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func TestVerify(t *testing.T) {
	clock := newClock()
	now := clock.at
	c, key := newCA(t, clock, nil)
	stranger, _ := newCA(t, clock, nil) // the same name, another key
	pub := &rsaKey().PublicKey
	good := issue(t, c, identity(pub))
	ra, err := c.IssueRA(t.Context(), pub, "SCEP")
	require.NoError(t, err)
	year := now.AddDate(1, 0, 0)
	for _, tt := range []struct {
		name   string
		leaf   *x509.Certificate
		at     time.Time
		reason ca.Reason
	}{
		{"good", good, now, ""},
		{"good in its first second", good, good.NotBefore, ""},
		{"good in its last second", good, good.NotAfter, ""},
		{"expired", good, year.Add(time.Second), ca.Expired},
		{"expired with its authority", good, c.Certificate().NotAfter.AddDate(1, 0, 0), ca.Expired},
		{"not valid yet", good, good.NotBefore.Add(-time.Second), ca.NotYetValid},
		{"at no time", good, time.Time{}, ca.NotYetValid},
		{"none", nil, now, ca.Foreign},
		{"an empty one", &x509.Certificate{}, now, ca.Foreign},
		{"foreign", issue(t, stranger, identity(pub)), now, ca.Foreign},
		{"foreign and expired", issue(t, stranger, identity(pub)), year.AddDate(1, 0, 0), ca.Foreign},
		{"too large", handmade(t, c, key, func(x *x509.Certificate) {
			x.Subject.Organization = []string{string(make([]byte, ca.MaxLeaf))}
		}), now, ca.Foreign},
		{"the root itself", c.Certificate(), now, ca.WrongPurpose},
		{"an authority below the root", handmade(t, c, key, func(x *x509.Certificate) {
			x.IsCA, x.BasicConstraintsValid = true, true
		}), now, ca.WrongPurpose},
		{"for Wi-Fi", issue(t, c, ca.Request{PublicKey: pub, CommonName: "x", Purpose: "wifi"}), now, ca.WrongPurpose},
		{"for Wi-Fi, with a name", issue(t, c, ca.Request{PublicKey: pub, CommonName: "x", Purpose: "wifi", Name: device}), now, ca.WrongPurpose},
		{"for Wi-Fi and expired", issue(t, c, ca.Request{PublicKey: pub, CommonName: "x", Purpose: "wifi"}), year.AddDate(1, 0, 0), ca.Expired},
		{"of a SCEP endpoint", ra, now, ca.WrongPurpose},
		{"for servers", handmade(t, c, key, func(x *x509.Certificate) {
			x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), now, ca.WrongPurpose},
		{"for nothing said", handmade(t, c, key, func(x *x509.Certificate) { x.ExtKeyUsage = nil }), now, ca.WrongPurpose},
		{"for any use", handmade(t, c, key, func(x *x509.Certificate) {
			x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
		}), now, ca.WrongPurpose},
		{"that may not sign", handmade(t, c, key, func(x *x509.Certificate) {
			x.KeyUsage = x509.KeyUsageKeyEncipherment
		}), now, ca.WrongPurpose},
		{"without a name", handmade(t, c, key, func(x *x509.Certificate) { x.URIs = nil }), now, ca.WrongPurpose},
		{"with two names", handmade(t, c, key, func(x *x509.Certificate) { x.URIs = append(x.URIs, x.URIs[0]) }), now, ca.WrongPurpose},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := verifier(t, c, nil).Verify(tt.leaf, tt.at)
			require.Equal(t, tt.reason, ca.ReasonOf(err))
			if tt.reason == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, mdm.CodeIdentity)
			require.ErrorIs(t, err, tt.reason)
		})
	}
}

func TestVerifyTamperedLeaf(t *testing.T) {
	c, _ := newCA(t, newClock(), nil)
	good := issue(t, c, identity(&rsaKey().PublicKey))
	der := append([]byte(nil), good.Raw...)
	der[len(der)-1] ^= 1 // in the signature
	forged, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	err = verifier(t, c, nil).Verify(forged, newClock().at)
	require.Equal(t, ca.Foreign, ca.ReasonOf(err))
}

func TestVerifyUnnamed(t *testing.T) {
	clock := newClock()
	c, key := newCA(t, clock, nil)
	v := verifier(t, c, &ca.VerifierOptions{AllowUnnamed: true})
	unnamed := handmade(t, c, key, func(x *x509.Certificate) { x.URIs = nil })
	require.NoError(t, v.Verify(unnamed, clock.at))
	wifi := issue(t, c, ca.Request{PublicKey: &rsaKey().PublicKey, CommonName: "x", Purpose: "wifi"})
	require.ErrorIs(t, v.Verify(wifi, clock.at), ca.WrongPurpose)
}

func TestVerifyAcrossRollOver(t *testing.T) {
	clock := newClock()
	old, _ := newCA(t, clock, nil)
	next, _ := newCA(t, clock, &ca.Options{Retired: []*x509.Certificate{old.Certificate()}})
	roots, err := next.Roots(t.Context(), "default")
	require.NoError(t, err)
	require.Equal(t, []*x509.Certificate{next.Certificate(), old.Certificate()}, roots)
	v := verifier(t, next, nil)
	require.NoError(t, v.Verify(issue(t, old, identity(&rsaKey().PublicKey)), clock.at))
	require.NoError(t, v.Verify(issue(t, next, identity(&rsaKey().PublicKey)), clock.at))
	require.ErrorIs(t, verifier(t, old, nil).Verify(issue(t, next, identity(&rsaKey().PublicKey)), clock.at), ca.Foreign)
}

func TestVerifyThroughAnIntermediate(t *testing.T) {
	clock := newClock()
	// A root that allows one level below it.
	rootKey := ecKey(t, curve)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "outer root"},
		NotBefore: clock.at.Add(-time.Hour), NotAfter: clock.at.AddDate(9, 0, 0),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &rootKey.PublicKey, rootKey)
	require.NoError(t, err)
	root, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	subKey := ecKey(t, curve)
	tmpl.Subject.CommonName = "issuing"
	der, err = x509.CreateCertificate(rand.Reader, tmpl, root, &subKey.PublicKey, rootKey)
	require.NoError(t, err)
	sub, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	c, err := ca.New(sub, subKey, &ca.Options{Clock: clock})
	require.NoError(t, err)
	leaf := issue(t, c, identity(&rsaKey().PublicKey))

	with, err := ca.NewVerifier([]*x509.Certificate{root}, &ca.VerifierOptions{Intermediates: []*x509.Certificate{sub}})
	require.NoError(t, err)
	require.NoError(t, with.Verify(leaf, clock.at))
	without, err := ca.NewVerifier([]*x509.Certificate{root}, nil)
	require.NoError(t, err)
	require.ErrorIs(t, without.Verify(leaf, clock.at), ca.Foreign)
	require.NoError(t, verifier(t, c, nil).Verify(leaf, clock.at), "the issuing certificate is an anchor of its own")
}

func TestNewVerifierRefuses(t *testing.T) {
	for _, roots := range [][]*x509.Certificate{nil, {nil}} {
		_, err := ca.NewVerifier(roots, nil)
		require.ErrorIs(t, err, mdm.CodeInvalid)
	}
}
