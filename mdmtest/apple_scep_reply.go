package mdmtest

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"github.com/smallstep/pkcs7"
	"github.com/smallstep/scep"
)

var errPending = errors.New("pending")

// read checks a CertRep (RFC 8894 3.3.2) and takes the certificate out.
func (r *scepRun) read(body, nonce []byte, during string) (*x509.Certificate, error) {
	broken := func(format string, args ...any) error {
		err := fmt.Errorf(format, args...)
		r.a.violate(during, "%s", err)
		return &SCEPError{Text: "the reply is not a valid CertRep", Err: err}
	}
	p7, err := parseCMS(body)
	if err != nil {
		return nil, broken("CMS: %w", err)
	}
	var msg *scep.PKIMessage
	if err := guard(func() (err error) {
		msg, err = scep.ParsePKIMessage(body, scep.WithCACerts([]*x509.Certificate{r.ca.signer}))
		return err
	}); err != nil {
		return nil, broken("not signed by the CA, or where there is an RA by that, or attributes are missing: %w", err)
	}
	if msg.MessageType != scep.CertRep {
		return nil, broken("messageType %q, not 3", string(msg.MessageType))
	}
	if string(msg.TransactionID) != r.tid {
		return nil, broken("transactionID %q is not that of the request", string(msg.TransactionID))
	}
	if !bytes.Equal(msg.RecipientNonce, nonce) {
		return nil, broken("recipientNonce is not the senderNonce of the request")
	}
	r.judgeAttributes(p7, msg, during)
	switch msg.PKIStatus {
	case scep.PENDING:
		return nil, errPending
	case scep.FAILURE:
		return nil, &SCEPError{FailInfo: string(msg.FailInfo), Text: "the CA refused with failInfo " + string(msg.FailInfo)}
	}
	if alg, err := envelopeCipher(p7.Content); err == nil && alg.Equal(oidDESCBC) {
		r.a.violate(during, "the certificate is encrypted with single DES, although the request used AES")
	}
	cert, err := r.open(p7.Content)
	if err != nil {
		return nil, broken("%w", err)
	}
	r.remarkLeaf(cert, during)
	return cert, nil
}

// judgeAttributes records what RFC 8894 3.2 asks of a reply's attributes, and
// what a device may let pass.
func (r *scepRun) judgeAttributes(p7 *pkcs7.PKCS7, msg *scep.PKIMessage, during string) {
	if alg := p7.Signers[0].DigestAlgorithm.Algorithm; !alg.Equal(oidSHA256) {
		r.a.violate(during, "the reply is signed with digest %v, although the request used SHA-256", alg)
	}
	attribute := func(oid asn1.ObjectIdentifier) (v asn1.RawValue) {
		_ = p7.UnmarshalSignedAttribute(oid, &v) // absent is the zero value
		return v
	}
	for _, a := range []struct {
		name string
		oid  asn1.ObjectIdentifier
	}{
		{"messageType", oidSCEPMessageType}, {"pkiStatus", oidSCEPStatus},
		{"transactionID", oidSCEPTransactionID}, {"failInfo", oidSCEPFailInfo},
	} {
		if v := attribute(a.oid); len(v.FullBytes) > 0 && v.Tag != asn1.TagPrintableString {
			r.a.violate(during, "%s has the ASN.1 tag %d; it is a PrintableString", a.name, v.Tag)
		}
	}
	if v := attribute(oidSCEPSenderNonce); v.Tag != asn1.TagOctetString || len(v.Bytes) != 16 {
		r.a.violate(during, "senderNonce has %d bytes in tag %d; it is an octet string of 16", len(v.Bytes), v.Tag)
	}
	if info := string(msg.FailInfo); msg.PKIStatus == scep.FAILURE && (len(info) != 1 || info[0] < '0' || info[0] > '4') {
		r.a.violate(during, "failInfo of a FAILURE is %q, not one of 0 to 4", info)
	}
}

// open decrypts the certificates of a CertRep and checks the one for our key.
func (r *scepRun) open(enveloped []byte) (*x509.Certificate, error) {
	env, err := parseCMS(enveloped)
	if err != nil {
		return nil, fmt.Errorf("the enveloped data: %w", err)
	}
	var degenerate []byte
	if err := guard(func() (err error) {
		degenerate, err = env.Decrypt(r.req.cert, r.req.key)
		return err
	}); err != nil {
		return nil, fmt.Errorf("decrypt with the key of the request: %w", err)
	}
	var p7 *pkcs7.PKCS7
	if p7, err = parseCMS(degenerate); err != nil {
		return nil, fmt.Errorf("the certificates: %w", err)
	}
	certs := p7.Certificates
	if len(certs) == 0 || !r.req.key.PublicKey.Equal(certs[0].PublicKey) {
		return nil, fmt.Errorf("the first of the %d certificates, which is the one that a device takes, is not for the key of the request", len(certs))
	}
	return certs[0], r.judgeLeaf(certs[0])
}

// judgeLeaf checks that the certificate can be a device's identity.
func (r *scepRun) judgeLeaf(leaf *x509.Certificate) error {
	issued := func(ca *x509.Certificate) bool { return leaf.CheckSignatureFrom(ca) == nil }
	now := r.a.Now()
	switch {
	case !slices.ContainsFunc(r.ca.certs, issued):
		return errors.New("the certificate is not issued by the CA of GetCACert")
	case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate is valid from %s to %s, and now it is %s", leaf.NotBefore, leaf.NotAfter, now)
	case leaf.IsCA:
		return errors.New("the certificate is a CA's")
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("the certificate may not be used to sign")
	case len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) &&
		!slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny):
		return errors.New("the certificate may not be used as a client's")
	}
	return nil
}

// remarkLeaf records what will fail later, or at a server that looks closer.
func (r *scepRun) remarkLeaf(leaf *x509.Certificate, during string) {
	if len(leaf.ExtKeyUsage) == 0 {
		r.a.violate(during, "the certificate has no extended key usage; a device's identity is a client's")
	}
	if leaf.NotAfter.After(r.ca.ca.NotAfter) {
		r.a.violate(during, "the certificate ends %s and its CA before that, %s", leaf.NotAfter, r.ca.ca.NotAfter)
	}
	if leaf.SerialNumber.Sign() <= 0 || leaf.SerialNumber.BitLen() > 159 {
		r.a.violate(during, "the serial number %v is not positive, or longer than 20 octets", leaf.SerialNumber)
	}
}
