package ca_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

func TestLeaf(t *testing.T) {
	clock := newClock()
	ec := ecKey(t, elliptic.P384())
	for _, tt := range []struct {
		name  string
		pub   crypto.PublicKey
		usage x509.KeyUsage
	}{
		{"RSA", &rsaKey().PublicKey, x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment},
		{"P-384", &ec.PublicKey, x509.KeyUsageDigitalSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := newCA(t, clock, nil)
			leaf := issue(t, c, identity(tt.pub))
			require.Equal(t, tt.pub, leaf.PublicKey)
			require.Equal(t, "CN=device", leaf.Subject.String())
			require.Equal(t, 127, leaf.SerialNumber.BitLen(), "16 octets, positive")
			require.Equal(t, clock.at.Add(-10*time.Minute), leaf.NotBefore)
			require.Equal(t, clock.at.Add(365*24*time.Hour), leaf.NotAfter)
			require.Equal(t, tt.usage, leaf.KeyUsage)
			require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, leaf.ExtKeyUsage)
			require.Equal(t, x509.ECDSAWithSHA256, leaf.SignatureAlgorithm)
			require.True(t, leaf.BasicConstraintsValid)
			require.False(t, leaf.IsCA)
			require.Equal(t, c.Certificate().SubjectKeyId, leaf.AuthorityKeyId)
			require.NotEqual(t, leaf.SerialNumber, issue(t, c, identity(tt.pub)).SerialNumber)
		})
	}
}

func TestIssueIgnoresWhatTheRequesterWants(t *testing.T) {
	// The port takes a key and nothing else of a CSR, so there is nothing that
	// a requester could smuggle in; this pins the extensions that come out.
	c, _ := newCA(t, newClock(), nil)
	leaf, err := c.Issue(t.Context(), mdm.IssueRequest{
		Tenant: device.Tenant, Enrollment: device.Enrollment, Generation: device.Generation,
		PublicKey: &rsaKey().PublicKey, CommonName: "device",
	})
	require.NoError(t, err)
	var ids []string
	for _, e := range leaf.Extensions {
		ids = append(ids, e.Id.String())
	}
	require.ElementsMatch(t, []string{
		"2.5.29.15", "2.5.29.37", "2.5.29.19", "2.5.29.35", "2.5.29.17",
	}, ids, "key usage, extended key usage, basic constraints, authority key, alternative name")
	n, ok, err := ca.ParseName(leaf)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, device, n)
}

func TestLeafNeverOutlivesItsAuthority(t *testing.T) {
	clock := newClock()
	c, _ := newCA(t, clock, nil)
	root := c.Certificate()
	clock.at = root.NotAfter.Add(-time.Hour)
	require.Equal(t, root.NotAfter, issue(t, c, identity(&rsaKey().PublicKey)).NotAfter)

	clock.at = root.NotBefore.Add(time.Minute)
	require.Equal(t, root.NotBefore, issue(t, c, identity(&rsaKey().PublicKey)).NotBefore)

	for _, at := range []time.Time{root.NotAfter, root.NotBefore.Add(-time.Second)} {
		clock.at = at
		_, err := c.IssueLeaf(t.Context(), identity(&rsaKey().PublicKey))
		require.ErrorIs(t, err, mdm.CodeUnavailable)
		require.True(t, mdm.CodeOf(err).Answer().Transient, "the device has to come back")
	}
}

func TestValidityIsConfigurable(t *testing.T) {
	clock := newClock()
	c, _ := newCA(t, clock, &ca.Options{Validity: 30 * 24 * time.Hour})
	require.Equal(t, clock.at.AddDate(0, 0, 30), issue(t, c, identity(&rsaKey().PublicKey)).NotAfter)
}

func TestIssueRefuses(t *testing.T) {
	c, _ := newCA(t, newClock(), nil)
	good := &rsaKey().PublicKey
	p224, p521 := ecKey(t, elliptic.P224()), ecKey(t, elliptic.P521())
	for _, tt := range []struct {
		name  string
		edit  func(*ca.Request)
		code  mdm.Code
		field string
	}{
		{"no key", func(r *ca.Request) { r.PublicKey = nil }, mdm.CodeUnsupported, "public_key"},
		{"a nil RSA key", func(r *ca.Request) { r.PublicKey = (*rsa.PublicKey)(nil) }, mdm.CodeUnsupported, "public_key"},
		{"an empty RSA key", func(r *ca.Request) { r.PublicKey = &rsa.PublicKey{} }, mdm.CodeUnsupported, "public_key"},
		{"RSA 1024", func(r *ca.Request) { r.PublicKey = rsaOf(1024, 65537) }, mdm.CodeUnsupported, "public_key"},
		{"RSA 2047", func(r *ca.Request) { r.PublicKey = rsaOf(2047, 65537) }, mdm.CodeUnsupported, "public_key"},
		{"RSA 16384", func(r *ca.Request) { r.PublicKey = rsaOf(16384, 65537) }, mdm.CodeUnsupported, "public_key"},
		{"RSA with exponent 1", func(r *ca.Request) { r.PublicKey = rsaOf(2048, 1) }, mdm.CodeUnsupported, "public_key"},
		{"RSA with an even exponent", func(r *ca.Request) { r.PublicKey = rsaOf(2048, 65536) }, mdm.CodeUnsupported, "public_key"},
		{"P-224", func(r *ca.Request) { r.PublicKey = &p224.PublicKey }, mdm.CodeUnsupported, "public_key"},
		{"P-521", func(r *ca.Request) { r.PublicKey = &p521.PublicKey }, mdm.CodeUnsupported, "public_key"},
		{"an empty curve key", func(r *ca.Request) { r.PublicKey = &ecdsa.PublicKey{} }, mdm.CodeUnsupported, "public_key"},
		{"a curve key without a point", func(r *ca.Request) { r.PublicKey = &ecdsa.PublicKey{Curve: elliptic.P256()} }, mdm.CodeUnsupported, "public_key"},
		{"a curve key with half a point", func(r *ca.Request) { r.PublicKey = pointOf(big.NewInt(1), nil) }, mdm.CodeUnsupported, "public_key"},
		{"a point off the curve", func(r *ca.Request) { r.PublicKey = pointOf(big.NewInt(1), big.NewInt(1)) }, mdm.CodeUnsupported, "public_key"},
		{"a private key", func(r *ca.Request) { r.PublicKey = rsaKey() }, mdm.CodeUnsupported, "public_key"},
		{"no common name", func(r *ca.Request) { r.CommonName = "" }, mdm.CodeInvalid, "common_name"},
		{"a long common name", func(r *ca.Request) { r.CommonName = strings.Repeat("ü", 65) }, mdm.CodeInvalid, "common_name"},
		{"a line break in the common name", func(r *ca.Request) { r.CommonName = "a\nb" }, mdm.CodeInvalid, "common_name"},
		{"no purpose", func(r *ca.Request) { r.Purpose = "" }, mdm.CodeInvalid, "purpose"},
		{"a purpose with a slash", func(r *ca.Request) { r.Purpose = "wifi/x" }, mdm.CodeInvalid, "purpose"},
		{"the purpose of a SCEP endpoint", func(r *ca.Request) { r.Purpose = ca.SCEPRA }, mdm.CodeInvalid, "purpose"},
		{"no name", func(r *ca.Request) { r.Name = ca.Name{} }, mdm.CodeInvalid, "tenant"},
		{"half a name for Wi-Fi", func(r *ca.Request) { r.Purpose = "wifi"; r.Name.Tenant = "" }, mdm.CodeInvalid, "tenant"},
		{"a tenant with a slash", func(r *ca.Request) { r.Name.Tenant = "a/b" }, mdm.CodeInvalid, "tenant"},
		{"an enrollment with a slash", func(r *ca.Request) { r.Name.Enrollment = "a/b" }, mdm.CodeInvalid, "enrollment"},
		{"an enrollment in capitals", func(r *ca.Request) { r.Name.Enrollment = "A" }, mdm.CodeInvalid, "enrollment"},
		{"no enrollment", func(r *ca.Request) { r.Name.Enrollment = "" }, mdm.CodeInvalid, "enrollment"},
		{"generation 0", func(r *ca.Request) { r.Name.Generation = 0 }, mdm.CodeInvalid, "generation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := identity(good)
			tt.edit(&r)
			cert, err := c.IssueLeaf(t.Context(), r)
			require.Nil(t, cert)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.code, e.Code)
			require.Equal(t, tt.field, e.Field)
			require.NotEmpty(t, e.Message)
		})
	}
}

// rsaOf returns a public key of that size which belongs to nobody.
func rsaOf(bits, e int) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: e}
}

// pointOf returns a curve key as a careless caller could build it.
func pointOf(x, y *big.Int) *ecdsa.PublicKey {
	//lint:ignore SA1019 the proper constructors make no broken keys
	return &ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y}
}

func TestIssueStopsWithItsContext(t *testing.T) {
	c, _ := newCA(t, newClock(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.IssueLeaf(ctx, identity(&rsaKey().PublicKey))
	require.ErrorIs(t, err, mdm.CodeUnavailable)
	require.ErrorIs(t, err, context.Canceled)
}

func TestIssueFailsWithItsSignerAndRandomness(t *testing.T) {
	clock := newClock()
	root, key, err := ca.NewSelfSigned("root", &ca.RootOptions{Key: ca.P256, Clock: clock})
	require.NoError(t, err)

	broken, err := ca.New(root, brokenSigner{key}, &ca.Options{Clock: clock})
	require.NoError(t, err)
	_, err = broken.IssueLeaf(t.Context(), identity(&rsaKey().PublicKey))
	require.ErrorIs(t, err, mdm.CodeUnavailable)

	dry, err := ca.New(root, key, &ca.Options{Clock: clock, Rand: iotest.ErrReader(io.ErrUnexpectedEOF)})
	require.NoError(t, err)
	_, err = dry.IssueLeaf(t.Context(), identity(&rsaKey().PublicKey))
	require.ErrorIs(t, err, mdm.CodeUnavailable)
}

func TestSerialComesFromTheInjectedRandomness(t *testing.T) {
	clock := newClock()
	root, key, err := ca.NewSelfSigned("root", &ca.RootOptions{Key: ca.P256, Clock: clock})
	require.NoError(t, err)
	c, err := ca.New(root, key, &ca.Options{Clock: clock, Rand: bytes.NewReader(make([]byte, 1<<10))})
	require.NoError(t, err)
	leaf := issue(t, c, identity(&rsaKey().PublicKey))
	require.Equal(t, "40000000000000000000000000000000", leaf.SerialNumber.Text(16), "even zeros give a positive serial of 16 octets")
}

type brokenSigner struct{ crypto.Signer }

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the module is unplugged")
}

func TestIssueRA(t *testing.T) {
	c, _ := newCA(t, newClock(), nil)
	ra, err := c.IssueRA(t.Context(), &rsaKey().PublicKey, "SCEP")
	require.NoError(t, err)
	require.Equal(t, x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment, ra.KeyUsage)
	require.Empty(t, ra.ExtKeyUsage)
	require.Equal(t, c.Certificate().NotAfter, ra.NotAfter)
	require.NoError(t, ra.CheckSignatureFrom(c.Certificate()))
	p, n, ok, err := ca.ParseLeaf(ra)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, ca.SCEPRA, p)
	require.Zero(t, n)

	_, err = c.IssueRA(t.Context(), nil, "SCEP")
	require.ErrorIs(t, err, mdm.CodeUnsupported)
}
