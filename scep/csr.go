package scep

import (
	"crypto"
	"crypto/x509"

	smallscep "github.com/smallstep/scep"
	"github.com/smallstep/scep/x509util"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// readCSR decodes a PKCS #10 request and checks its signature, key and
// challenge. Whatever is wrong before the signature holds has one failInfo, see
// [Handler.decrypt].
func readCSR(der []byte) (*x509.CertificateRequest, string, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, "", refuse(smallscep.BadMessageCheck, mdm.WrapError(mdm.CodeMalformed, "csr", "the envelope holds no certificate request", err))
	}
	if err := ca.CheckKey(csr.PublicKey); err != nil {
		// Checked before the signature, as it bounds what that costs.
		return nil, "", refuse(smallscep.BadMessageCheck, err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, "", refuse(smallscep.BadMessageCheck, mdm.WrapError(mdm.CodeMalformed, "csr", "the signature of the certificate request does not hold", err))
	}
	challenge, err := x509util.ParseChallengePassword(der)
	if err != nil {
		return nil, "", refuse(smallscep.BadRequest, mdm.WrapError(mdm.CodeMalformed, "csr.challengePassword", "the challenge cannot be decoded", err))
	}
	if len(challenge) > maxChallenge {
		return nil, "", refuse(smallscep.BadRequest, mdm.Errorf(mdm.CodeTooLarge, "csr.challengePassword", "a challenge has at most %d bytes", maxChallenge))
	}
	return csr, challenge, nil
}

// sameKey compares keys that ca.CheckKey has accepted.
func sameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
