package mobileconfig

import (
	"crypto/x509"

	"github.com/smallstep/pkcs7"

	"github.com/keelson-mdm/keelson/internal/ber"
	"github.com/keelson-mdm/keelson/mdm"
)

const asn1Sequence = 0x30

// isCMS reports whether data begins like a CMS message and unlike a property
// list.
func isCMS(data []byte) bool { return len(data) > 0 && data[0] == asn1Sequence }

// Verify opens a CMS SignedData message (RFC 5652) with its content inside, in
// DER or BER, of at most [MaxSigned] bytes. It returns the content and the
// certificate of its one signer, after checking that the signature is of that
// content, by that certificate's key, at a time when the certificate was valid
// if the signature tells one. It does not judge whether the certificate is to
// be trusted: that is the caller's part.
//
// Errors are [mdm.CodeTooLarge], [mdm.CodeMalformed] for what is no such
// message, and [mdm.CodeInvalid] for a signature that does not hold.
func Verify(der []byte) (content []byte, signer *x509.Certificate, err error) {
	if len(der) > MaxSigned {
		return nil, nil, mdm.Errorf(mdm.CodeTooLarge, "", "a signed profile may have at most %d bytes", MaxSigned)
	}
	der, err = ber.Definite(der)
	if err != nil {
		return nil, nil, err
	}
	// The library checks little before it dereferences.
	defer func() {
		if recover() != nil {
			content, signer, err = nil, nil, notCMS("it cannot be decoded")
		}
	}()
	p7, err := pkcs7.Parse(der)
	if err != nil {
		return nil, nil, mdm.WrapError(mdm.CodeMalformed, "", "this is not a signed message that can be decoded", err)
	}
	switch {
	case len(p7.Signers) == 0:
		return nil, nil, notCMS("it has no signature that names its certificate by issuer and serial number")
	case len(p7.Signers) > 1:
		return nil, nil, mdm.Errorf(mdm.CodeUnsupported, "", "this message has several signatures: sign it once")
	case len(p7.Content) == 0:
		return nil, nil, notCMS("it has no content, as a detached signature has")
	}
	signer = p7.GetOnlySigner()
	if signer == nil {
		return nil, nil, mdm.Errorf(mdm.CodeInvalid, "", "the signer's certificate is missing from the signature: sign with the certificate included")
	}
	if err := p7.Verify(); err != nil {
		return nil, nil, mdm.WrapError(mdm.CodeInvalid, "", "the signature does not hold: sign again, or upload the profile unsigned", err)
	}
	return p7.Content, signer, nil
}

func notCMS(why string) error {
	return mdm.Errorf(mdm.CodeMalformed, "", "this is not a signed message: %s", why)
}
