package nanostore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

// pushCertificate makes a certificate with a topic, and its key.
func pushCertificate(t testing.TB, topic string) (cert, key []byte) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: epoch, NotAfter: epoch.AddDate(1, 0, 0)}
	if topic != "" {
		c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: topic}}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func TestPushCertificates(t *testing.T) {
	f := newFixture(t)
	const topic = "com.apple.mgmt.one"
	_, _, err := f.RetrievePushCert(ctx, topic)
	require.ErrorIs(t, err, mdm.CodeNotFound)
	_, err = f.IsPushCertStale(ctx, topic, "")
	require.ErrorIs(t, err, mdm.CodeNotFound)

	cert, key := pushCertificate(t, topic)
	renewed, renewedKey := pushCertificate(t, topic)
	none, noneKey := pushCertificate(t, "")
	require.ErrorIs(t, f.StorePushCert(ctx, cert, renewedKey), mdm.CodeInvalid, "no pair")
	require.ErrorIs(t, f.StorePushCert(ctx, nil, nil), mdm.CodeInvalid)
	require.ErrorIs(t, f.StorePushCert(ctx, none, noneKey), mdm.CodeInvalid, "no topic")

	require.NoError(t, f.StorePushCert(ctx, cert, key))
	got, token, err := f.RetrievePushCert(ctx, topic)
	require.NoError(t, err)
	block, _ := pem.Decode(cert)
	require.Equal(t, block.Bytes, got.Certificate[0])
	stale, err := f.IsPushCertStale(ctx, topic, token)
	require.NoError(t, err)
	require.False(t, stale)

	require.NoError(t, f.StorePushCert(ctx, renewed, renewedKey))
	stale, err = f.IsPushCertStale(ctx, topic, token)
	require.NoError(t, err)
	require.True(t, stale)
	got, _, err = f.RetrievePushCert(ctx, topic)
	require.NoError(t, err)
	block, _ = pem.Decode(renewed)
	require.Equal(t, block.Bytes, got.Certificate[0])
}

// The last association holds, and the others are on record.
func TestCertificateHashes(t *testing.T) {
	f := newFixture(t)
	a, b := request("A"), request("B")
	is := func(ok bool, err error) bool {
		require.NoError(t, err)
		return ok
	}
	require.False(t, is(f.HasCertHash(a, "one")))
	require.False(t, is(f.EnrollmentHasCertHash(a, "one")))
	require.NoError(t, f.AssociateCertHash(a, "one"))
	require.NoError(t, f.AssociateCertHash(a, "two"))
	require.False(t, is(f.IsCertHashAssociated(a, "one")), "replaced")
	require.True(t, is(f.IsCertHashAssociated(a, "two")))
	require.True(t, is(f.HasCertHash(b, "one")), "and known")
	require.False(t, is(f.EnrollmentHasCertHash(b, "one")))
	require.NoError(t, f.AssociateCertHash(a, "one"))
	require.True(t, is(f.IsCertHashAssociated(a, "one")), "again the last")

	require.NoError(t, f.AssociateCertHash(b, "one"))
	id, err := f.EnrollmentFromHash(ctx, "one")
	require.NoError(t, err)
	require.Equal(t, "B", id)
	id, err = f.EnrollmentFromHash(ctx, "ONE")
	require.NoError(t, err)
	require.Empty(t, id)
}
