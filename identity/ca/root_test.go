package ca_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

var curve = elliptic.P256()

func TestNewSelfSigned(t *testing.T) {
	clock := newClock()
	root, key, err := ca.NewSelfSigned("Example Corp. device CA", &ca.RootOptions{Key: ca.P256, Clock: clock})
	require.NoError(t, err)
	require.IsType(t, (*ecdsa.PrivateKey)(nil), key)
	require.True(t, root.IsCA && root.BasicConstraintsValid && root.MaxPathLenZero)
	require.Zero(t, root.MaxPathLen)
	require.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, root.KeyUsage)
	require.Equal(t, clock.at.Add(-10*time.Minute), root.NotBefore)
	require.Equal(t, clock.at.Add(ca.DefaultRootLifetime), root.NotAfter)
	require.Equal(t, 127, root.SerialNumber.BitLen())
	require.NotEmpty(t, root.SubjectKeyId)
	require.NoError(t, root.CheckSignatureFrom(root))

	root, key, err = ca.NewSelfSigned("SCEP", &ca.RootOptions{SCEP: true, Lifetime: time.Hour, Clock: clock})
	require.NoError(t, err)
	require.IsType(t, (*rsa.PrivateKey)(nil), key)
	require.Equal(t, 2048, root.PublicKey.(*rsa.PublicKey).N.BitLen())
	require.Equal(t, x509.SHA256WithRSA, root.SignatureAlgorithm)
	require.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign|x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment, root.KeyUsage)
	require.Equal(t, clock.at.Add(time.Hour), root.NotAfter)
}

func TestNewSelfSignedRefuses(t *testing.T) {
	for name, o := range map[string]*ca.RootOptions{
		"a curve for SCEP":    {Key: ca.P256, SCEP: true},
		"a negative lifetime": {Lifetime: -1},
		"an unknown key":      {Key: 99},
	} {
		_, _, err := ca.NewSelfSigned("x", o)
		require.ErrorIs(t, err, mdm.CodeInvalid, name)
	}
	_, _, err := ca.NewSelfSigned("", nil)
	require.ErrorIs(t, err, mdm.CodeInvalid)
}

func TestNewRefuses(t *testing.T) {
	clock := newClock()
	c, key := newCA(t, clock, nil)
	root := c.Certificate()
	leaf := issue(t, c, identity(&rsaKey().PublicKey))
	for _, tt := range []struct {
		name   string
		cert   *x509.Certificate
		signer crypto.Signer
		o      *ca.Options
	}{
		{"no certificate", nil, key, nil},
		{"no key", root, nil, nil},
		{"another key", root, rsaKey(), nil},
		{"a leaf", leaf, rsaKey(), nil},
		{"a negative validity", root, key, &ca.Options{Validity: -1}},
		{"a leaf among the retired", root, key, &ca.Options{Retired: []*x509.Certificate{leaf}}},
		{"nil among the retired", root, key, &ca.Options{Retired: []*x509.Certificate{nil}}},
	} {
		_, err := ca.New(tt.cert, tt.signer, tt.o)
		require.ErrorIs(t, err, mdm.CodeInvalid, tt.name)
	}
}

func TestPEMRoundTrip(t *testing.T) {
	root, key, err := ca.NewSelfSigned("x", &ca.RootOptions{Key: ca.P256})
	require.NoError(t, err)
	certPEM, keyPEM, err := ca.MarshalPEM(root, key)
	require.NoError(t, err)
	both := append(append([]byte(nil), keyPEM...), certPEM...)
	for _, in := range [][2][]byte{{certPEM, keyPEM}, {both, both}} {
		cert, signer, err := ca.ParsePEM(in[0], in[1])
		require.NoError(t, err)
		require.Equal(t, root.Raw, cert.Raw)
		require.True(t, key.(*ecdsa.PrivateKey).Equal(signer))
		_, err = ca.New(cert, signer, nil)
		require.NoError(t, err)
	}
	_, _, err = ca.MarshalPEM(nil, key)
	require.ErrorIs(t, err, mdm.CodeInvalid)
	_, _, err = ca.MarshalPEM(root, brokenSigner{key})
	require.Error(t, err)
}

func TestParsePEMForms(t *testing.T) {
	root, key, err := ca.NewSelfSigned("x", &ca.RootOptions{Key: ca.P256})
	require.NoError(t, err)
	certPEM, _, err := ca.MarshalPEM(root, key)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	require.NoError(t, err)
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }

	_, got, err := ca.ParsePEM(certPEM, block("EC PRIVATE KEY", sec1))
	require.NoError(t, err)
	require.True(t, key.(*ecdsa.PrivateKey).Equal(got))
	_, got, err = ca.ParsePEM(certPEM, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())))
	require.NoError(t, err)
	require.True(t, rsaKey().Equal(got))

	agreement, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	cannotSign, err := x509.MarshalPKCS8PrivateKey(agreement)
	require.NoError(t, err)
	for _, tt := range []struct {
		name      string
		cert, key []byte
		code      mdm.Code
	}{
		{"nothing", nil, nil, mdm.CodeMalformed},
		{"no key", certPEM, certPEM, mdm.CodeMalformed},
		{"a broken certificate", block("CERTIFICATE", []byte("x")), nil, mdm.CodeMalformed},
		{"a broken key", certPEM, block("PRIVATE KEY", []byte("x")), mdm.CodeMalformed},
		{"an encrypted key", certPEM, block("ENCRYPTED PRIVATE KEY", []byte("x")), mdm.CodeMalformed},
		{"a key that cannot sign", certPEM, block("PRIVATE KEY", cannotSign), mdm.CodeMalformed},
		{"a key encrypted the old way", certPEM, pem.EncodeToMemory(&pem.Block{
			Type: "RSA PRIVATE KEY", Bytes: []byte("x"), Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"},
		}), mdm.CodeMalformed},
		{"too much", bytes.Repeat([]byte("\n"), ca.MaxPEM+1), nil, mdm.CodeTooLarge},
	} {
		_, _, err := ca.ParsePEM(tt.cert, tt.key)
		require.ErrorIs(t, err, tt.code, tt.name)
	}
}

func FuzzParsePEM(f *testing.F) {
	root, key, err := ca.NewSelfSigned("x", &ca.RootOptions{Key: ca.P256, Rand: rand.Reader})
	require.NoError(f, err)
	certPEM, keyPEM, err := ca.MarshalPEM(root, key)
	require.NoError(f, err)
	f.Add(certPEM, keyPEM)
	f.Add(keyPEM, certPEM)
	f.Fuzz(func(t *testing.T, c, k []byte) {
		cert, signer, err := ca.ParsePEM(c, k)
		if err != nil {
			require.NotEqual(t, mdm.CodeInternal, mdm.CodeOf(err))
			return
		}
		require.NotNil(t, cert)
		require.NotNil(t, signer)
	})
}
