package scep

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strings"

	"github.com/smallstep/pkcs7"
	smallscep "github.com/smallstep/scep"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// The bounds of what a request names.
const (
	maxTransactionID = 256
	maxNonce         = 64 // RFC 8894 says 16 octets
	maxChallenge     = 1024
)

// pkiMessage is what has to be readable before any CertRep can be made.
// Nothing in it has been verified.
type pkiMessage struct {
	p7            *pkcs7.PKCS7
	signer        *x509.Certificate // nil when the message does not hold it
	transactionID string
	rawID         asn1.RawValue // echoed as it came, string type included
	kind          string
	nonce         []byte
}

// parse reads a message. Its errors mean that no CertRep can be made.
func parse(body []byte) (*pkiMessage, error) {
	if len(body) > MaxMessage {
		return nil, mdm.Errorf(mdm.CodeTooLarge, "message", "a message has at most %d bytes", MaxMessage)
	}
	der, err := toDER(body)
	if err != nil {
		return nil, err
	}
	p7, err := pkcs7.Parse(der)
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, "message", "not a CMS message", err)
	}
	if len(p7.Signers) != 1 {
		return nil, malformed("it has to have one signer")
	}
	m := &pkiMessage{p7: p7, signer: p7.GetOnlySigner()}
	if err := p7.UnmarshalSignedAttribute(oidTransactionID, &m.rawID); err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, "transactionID", "a SCEP message has a signed transactionID", err)
	}
	m.transactionID = string(m.rawID.Bytes)
	if !isIDString(m.rawID) || m.transactionID == "" || len(m.transactionID) > maxTransactionID || strings.ContainsFunc(m.transactionID, unprintable) {
		return nil, mdm.Errorf(mdm.CodeMalformed, "transactionID", "a transactionID is a string of 1 to %d printable characters", maxTransactionID)
	}
	if err := p7.UnmarshalSignedAttribute(oidMessageType, &m.kind); err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, "messageType", "a SCEP message has a signed messageType", err)
	}
	// A message without a usable nonce is refused later, in a CertRep.
	if err := p7.UnmarshalSignedAttribute(oidSenderNonce, &m.nonce); err != nil || len(m.nonce) > maxNonce {
		m.nonce = nil
	}
	return m, nil
}

func isIDString(v asn1.RawValue) bool {
	if v.Class != asn1.ClassUniversal || v.IsCompound {
		return false
	}
	switch v.Tag {
	case asn1.TagPrintableString, asn1.TagUTF8String, asn1.TagIA5String:
		return true
	}
	return false
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

// verify checks who signed m, how, and that it is a request that we serve.
func (h *Handler) verify(m *pkiMessage) error {
	if m.signer == nil {
		return refuse(smallscep.BadMessageCheck, mdm.Errorf(mdm.CodeMalformed, "certificates", "the message does not hold its signer's certificate"))
	}
	// The bound comes first: it limits what the verification costs. The reply
	// is encrypted to this key.
	if _, ok := m.signer.PublicKey.(*rsa.PublicKey); !ok {
		return refuse(smallscep.BadAlg, mdm.Errorf(mdm.CodeUnsupported, "certificates", "the signer's key has to be RSA: the reply is encrypted to it"))
	}
	if err := ca.CheckKey(m.signer.PublicKey); err != nil {
		return refuse(smallscep.BadAlg, err)
	}
	digest := m.p7.Signers[0].DigestAlgorithm.Algorithm
	switch {
	case digest.Equal(pkcs7.OIDDigestAlgorithmSHA256), digest.Equal(pkcs7.OIDDigestAlgorithmSHA384), digest.Equal(pkcs7.OIDDigestAlgorithmSHA512):
	case h.legacy && digest.Equal(pkcs7.OIDDigestAlgorithmSHA1):
	default:
		return refuse(smallscep.BadAlg, mdm.Errorf(mdm.CodeUnsupported, "digestAlgorithm", "the digest %s is refused: use SHA-256, as GetCACaps says", digest))
	}
	if err := m.p7.Verify(); err != nil {
		info := smallscep.BadMessageCheck
		if t := (*pkcs7.SigningTimeNotValidError)(nil); errors.As(err, &t) {
			info = smallscep.BadTime
		}
		return refuse(info, mdm.WrapError(mdm.CodeMalformed, "message", "the signature of the message does not hold", err))
	}
	if len(m.nonce) == 0 {
		return refuse(smallscep.BadRequest, mdm.Errorf(mdm.CodeInvalid, "senderNonce", "a request has a senderNonce of 1 to %d octets", maxNonce))
	}
	switch smallscep.MessageType(m.kind) {
	case smallscep.PKCSReq:
		return nil
	case smallscep.RenewalReq:
		if h.renewal == nil {
			return refuse(smallscep.BadRequest, mdm.Errorf(mdm.CodeUnsupported, "messageType", "this endpoint serves no RenewalReq (17): use PKCSReq (19)"))
		}
		return h.renewal.Verify(m.signer, h.clock.Now())
	case smallscep.CertPoll:
		return refuse(smallscep.BadRequest, mdm.Errorf(mdm.CodeUnsupported, "messageType", "nothing is ever pending here: CertPoll (20) is not served"))
	}
	return refuse(smallscep.BadRequest, mdm.Errorf(mdm.CodeUnsupported, "messageType", "only PKCSReq (19) and RenewalReq (17) are served"))
}

// process opens a request and has its certificate issued.
func (h *Handler) process(ctx context.Context, m *pkiMessage) (*x509.Certificate, error) {
	if err := h.verify(m); err != nil {
		return nil, err
	}
	plain, err := h.decrypt(m.p7.Content)
	if err != nil {
		return nil, err
	}
	csr, challenge, err := readCSR(plain)
	if err != nil {
		return nil, err
	}
	r := Request{Tenant: h.tenant, CSR: csr, Challenge: challenge, TransactionID: m.transactionID}
	if smallscep.MessageType(m.kind) == smallscep.RenewalReq {
		r.Renewal = m.signer
	} else if !sameKey(m.signer.PublicKey, csr.PublicKey) {
		return nil, refuse(smallscep.BadRequest, mdm.Errorf(mdm.CodeForbidden, "certificates", "a PKCSReq has to be signed with the key that it asks a certificate for"))
	}
	cert, err := h.issuer.Issue(ctx, r)
	if err != nil {
		return nil, err
	}
	if cert == nil || !sameKey(csr.PublicKey, cert.PublicKey) {
		return nil, mdm.Errorf(mdm.CodeInternal, "", "the issuer returned no certificate for the key of the request")
	}
	return cert, nil
}
