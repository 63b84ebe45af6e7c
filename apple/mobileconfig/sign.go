package mobileconfig

import (
	"crypto"
	"crypto/x509"

	"github.com/smallstep/pkcs7"

	"github.com/keelson-mdm/keelson/mdm"
)

// Sign puts a profile into a CMS SignedData message (RFC 5652) with a SHA-256
// digest, the signing time, and the certificates of the signer and of chain, its
// issuers in order without the root. The key must be an RSA or ECDSA one and
// belong to cert; it may live in an HSM. A profile that is signed already is
// refused: devices do not read two signatures around each other.
//
// The digest is chosen for this message alone; the process-wide settings of the
// library stay as they are.
func Sign(data []byte, cert *x509.Certificate, key crypto.Signer, chain []*x509.Certificate) ([]byte, error) {
	switch {
	case len(data) == 0:
		return nil, mdm.Errorf(mdm.CodeInvalid, "", "there is no profile to sign")
	case len(data) > MaxSize:
		return nil, mdm.Errorf(mdm.CodeTooLarge, "", "a profile may have at most %d bytes; this one has %d", MaxSize, len(data))
	case isCMS(data):
		return nil, mdm.Errorf(mdm.CodeInvalid, "", "this profile is signed already")
	case cert == nil || key == nil:
		return nil, mdm.Errorf(mdm.CodeInvalid, "", "signing needs a certificate and its key")
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) {
		return nil, mdm.Errorf(mdm.CodeInvalid, "", "the signing key does not belong to the signing certificate")
	}
	if cert.PublicKeyAlgorithm != x509.RSA && cert.PublicKeyAlgorithm != x509.ECDSA {
		return nil, mdm.Errorf(mdm.CodeUnsupported, "", "profiles are signed with RSA or ECDSA keys, not %s", cert.PublicKeyAlgorithm)
	}
	message, err := pkcs7.NewSignedData(data)
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeInternal, "", "the profile could not be signed", err)
	}
	message.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := message.AddSigner(cert, key, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, mdm.WrapError(mdm.CodeInternal, "", "the profile could not be signed", err)
	}
	for _, c := range chain {
		message.AddCertificate(c)
	}
	out, err := message.Finish()
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeInternal, "", "the signature could not be written", err)
	}
	return out, nil
}
