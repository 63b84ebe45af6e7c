package scep

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"github.com/smallstep/pkcs7"
	smallscep "github.com/smallstep/scep"
	"github.com/stretchr/testify/require"
)

var (
	oidSHA1        = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA1WithRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	oidMD5         = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}
)

// identifiers collects every OID of a message, also within OCTET STRINGs that
// hold DER.
func identifiers(t testing.TB, der []byte) []string {
	t.Helper()
	out, ok := walk(der)
	require.True(t, ok)
	return out
}

// walk returns false when der is not DER throughout, such as a nonce that only
// begins like it.
func walk(der []byte) (out []string, ok bool) {
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			return nil, false
		}
		var oid asn1.ObjectIdentifier
		switch {
		case v.IsCompound:
			inner, ok := walk(v.Bytes)
			if !ok {
				return nil, false
			}
			out = append(out, inner...)
		case v.Class == asn1.ClassUniversal && v.Tag == asn1.TagOID:
			if _, err := asn1.Unmarshal(v.FullBytes, &oid); err != nil {
				return nil, false
			}
			out = append(out, oid.String())
		case v.Class == asn1.ClassUniversal && v.Tag == asn1.TagOctetString:
			if inner, ok := walk(v.Bytes); ok {
				out = append(out, inner...)
			}
		}
		der = rest
	}
	return out, true
}

// requireStrong proves what a reply uses, from its bytes: SHA-256 for digest and
// signature, AES-128-CBC for the content, and nothing weak anywhere.
func requireStrong(t testing.TB, reply []byte) {
	t.Helper()
	p7, err := pkcs7.Parse(reply)
	require.NoError(t, err)
	require.Len(t, p7.Signers, 1)
	require.True(t, p7.Signers[0].DigestAlgorithm.Algorithm.Equal(pkcs7.OIDDigestAlgorithmSHA256))
	require.NoError(t, p7.Verify())
	var digest []byte
	require.NoError(t, p7.UnmarshalSignedAttribute(pkcs7.OIDAttributeMessageDigest, &digest))
	require.Len(t, digest, 32)
	if len(p7.Content) > 0 {
		var outer contentInfo
		var data envelopedData
		_, err := asn1.Unmarshal(p7.Content, &outer)
		require.NoError(t, err)
		_, err = asn1.Unmarshal(outer.Content.Bytes, &data)
		require.NoError(t, err)
		require.Equal(t, "2.16.840.1.101.3.4.1.2", data.Content.Algorithm.Algorithm.String(), "AES-128-CBC")
		require.Len(t, data.Content.Algorithm.Parameters.Bytes, 16)
	}
	all := identifiers(t, reply)
	require.Contains(t, all, pkcs7.OIDDigestAlgorithmSHA256.String())
	for _, weak := range []asn1.ObjectIdentifier{oidDESCBC, oid3DESCBC, oidSHA1, oidSHA1WithRSA, oidMD5} {
		require.NotContains(t, all, weak.String())
	}
}

// The library's process-wide defaults are DES and SHA-1, and stay so: a host
// application's own use of them is not our business, and they are not ours.
func TestRepliesAreStrongWhateverTheDefaultsAre(t *testing.T) {
	before := pkcs7.ContentEncryptionAlgorithm
	require.Equal(t, pkcs7.EncryptionAlgorithmDESCBC, before, "the test is about this default")

	strict := newEndpoint(t, nil)
	w := strict.post(strict.build(message{}))
	require.Equal(t, smallscep.SUCCESS, strict.certRep(w).PKIStatus)
	requireStrong(t, w.Body.Bytes())

	w = strict.post(strict.build(message{tamper: true}))
	require.Equal(t, smallscep.FAILURE, strict.certRep(w).PKIStatus)
	requireStrong(t, w.Body.Bytes())

	require.Equal(t, before, pkcs7.ContentEncryptionAlgorithm)
	sd, err := pkcs7.NewSignedData([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, sd.AddSigner(strict.raCrt, raKey(), pkcs7.SignerInfoConfig{}))
	der, err := sd.Finish()
	require.NoError(t, err)
	require.Contains(t, identifiers(t, der), oidSHA1.String(), "the digest default is untouched too")
}

// smallstepRequest is a request as that library makes it: DES and SHA-1.
func smallstepRequest(t testing.TB, e *endpoint, kind smallscep.MessageType, signer *x509.Certificate) *smallscep.PKIMessage {
	t.Helper()
	csr, err := x509.ParseCertificateRequest(newCSR(t, deviceKey(), challenge))
	require.NoError(t, err)
	m, err := smallscep.NewCSRRequest(csr, &smallscep.PKIMessage{
		MessageType: kind,
		Recipients:  []*x509.Certificate{e.raCrt, e.ca.Certificate()},
		SignerKey:   deviceKey(),
		SignerCert:  signer,
	}, smallscep.WithCertsSelector(smallscep.EnciphermentCertsSelector()))
	require.NoError(t, err)
	return m
}

func TestSmallstepClient(t *testing.T) {
	e := newEndpoint(t, func(o *Options) { o.AcceptLegacy = true })
	self := selfSigned(t, deviceKey(), e.clock.at)
	request := smallstepRequest(t, e, smallscep.PKCSReq, self)
	require.Contains(t, identifiers(t, request.Raw), oidSHA1.String())
	require.Contains(t, identifiers(t, request.Raw), oidDESCBC.String())

	w := e.post(request.Raw)
	requireStrong(t, w.Body.Bytes())
	rep := e.certRep(w)
	require.Equal(t, smallscep.SUCCESS, rep.PKIStatus)
	require.Equal(t, request.TransactionID, rep.TransactionID)
	require.Equal(t, []byte(request.SenderNonce), []byte(rep.RecipientNonce))
	require.NoError(t, rep.DecryptPKIEnvelope(self, deviceKey()))

	renewal := smallstepRequest(t, e, smallscep.RenewalReq, rep.Certificate)
	w = e.post(renewal.Raw)
	requireStrong(t, w.Body.Bytes())
	require.Equal(t, smallscep.SUCCESS, e.certRep(w).PKIStatus)
	require.Equal(t, rep.Certificate.Raw, e.asked[1].Renewal.Raw)
}

func TestWeakRequestsAreRefused(t *testing.T) {
	e := newEndpoint(t, nil)
	self := selfSigned(t, deviceKey(), e.clock.at)
	rep := e.certRep(e.post(smallstepRequest(t, e, smallscep.PKCSReq, self).Raw))
	require.Equal(t, smallscep.FAILURE, rep.PKIStatus)
	require.Equal(t, smallscep.BadAlg, rep.FailInfo)

	// SHA-256 outside, DES inside.
	des, err := pkcs7.Encrypt(newCSR(t, deviceKey(), challenge), []*x509.Certificate{e.raCrt})
	require.NoError(t, err)
	rep = e.certRep(e.post(e.build(message{envelope: des})))
	require.Equal(t, smallscep.BadAlg, rep.FailInfo)
	require.Empty(t, e.asked)
}

// The signing time comes from the injected clock, so that peers in virtual time
// agree with it.
func TestSigningTimeIsTheClocks(t *testing.T) {
	e := newEndpoint(t, nil)
	e.clock.at = e.clock.at.AddDate(3, 0, 0)
	p7, err := pkcs7.Parse(e.post(e.build(message{})).Body.Bytes())
	require.NoError(t, err)
	var raw asn1.RawValue
	require.NoError(t, p7.UnmarshalSignedAttribute(pkcs7.OIDAttributeSigningTime, &raw))
	require.Equal(t, e.clock.at.UTC().Format("060102150405Z"), string(raw.Bytes))
}

func TestRandomnessIsInjected(t *testing.T) {
	e := newEndpoint(t, func(o *Options) { o.Rand = bytes.NewReader(make([]byte, 8)) })
	require.Equal(t, 503, e.post(e.build(message{})).Code, "no randomness, no reply")
}
