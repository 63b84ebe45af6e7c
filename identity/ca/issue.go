package ca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/keelson-mdm/keelson/mdm"
)

// Purpose is what a leaf is for: [MDM], or a name of 1 to 40 of a–z, 0–9 and
// '-' such as "wifi" or "vpn".
type Purpose string

// The purposes that this package knows itself.
const (
	// MDM is a device's identity towards the MDM server.
	MDM Purpose = "mdm"
	// SCEPRA is the key with which a SCEP endpoint decrypts and signs. Only
	// [CA.IssueRA] issues for it.
	SCEPRA Purpose = "scep-ra"
)

// Validate reports, as a [mdm.CodeInvalid] error, that p is not well-formed.
func (p Purpose) Validate() error {
	if !isLabel(string(p), 40) {
		return mdm.Errorf(mdm.CodeInvalid, "purpose", "a purpose has 1 to 40 of a-z, 0-9 and '-', such as %q", "wifi")
	}
	return nil
}

// Request asks for one leaf.
type Request struct {
	// PublicKey is the key that the leaf certifies, see [CheckKey]. The caller
	// has seen proof that the requester holds the private half.
	PublicKey crypto.PublicKey
	// CommonName is the whole subject: 1 to 64 printable characters.
	CommonName string
	// Purpose is what the leaf is for. It is required.
	Purpose Purpose
	// Name is the enrollment. [MDM] requires it; for any other purpose zero
	// means that the leaf names none.
	Name Name
}

// Issue signs an MDM identity; it is [CA.IssueLeaf] behind the port mdm.CA.
func (c *CA) Issue(ctx context.Context, r mdm.IssueRequest) (*x509.Certificate, error) {
	return c.IssueLeaf(ctx, Request{
		PublicKey:  r.PublicKey,
		CommonName: r.CommonName,
		Purpose:    MDM,
		Name:       Name{Tenant: r.Tenant, Enrollment: r.Enrollment, Generation: r.Generation},
	})
}

// IssueLeaf signs a client certificate: a random serial of 16 octets, SHA-256,
// valid from [Backdate] ago. A wrong request is a [mdm.CodeInvalid] or
// [mdm.CodeUnsupported] error; an authority that has expired or a signer that
// fails is [mdm.CodeUnavailable], so that a device asks again.
func (c *CA) IssueLeaf(ctx context.Context, r Request) (*x509.Certificate, error) {
	if err := r.Purpose.Validate(); err != nil {
		return nil, err
	}
	uri := leafPrefix + string(r.Purpose)
	switch {
	case r.Purpose == SCEPRA:
		return nil, mdm.Errorf(mdm.CodeInvalid, "purpose", "a client certificate cannot be that of a SCEP endpoint: use IssueRA")
	case r.Purpose == MDM:
		if err := r.Name.Validate(); err != nil {
			return nil, err
		}
		uri = r.Name.String()
	case r.Name != Name{}:
		if err := r.Name.Validate(); err != nil {
			return nil, err
		}
		uri += "/" + r.Name.path()
	}
	return c.sign(ctx, r.PublicKey, r.CommonName, uri, func(t *x509.Certificate) {
		t.NotAfter = c.clock.Now().Add(c.validity)
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
}

// IssueRA signs the certificate with which a SCEP endpoint decrypts requests
// and signs replies, so that the issuing key may be on an elliptic curve or in
// a module that only signs. It lives as long as the authority. RSA is required:
// SCEP clients encrypt to it (RFC 8894, section 3.1). Errors are those of
// [CA.IssueLeaf].
func (c *CA) IssueRA(ctx context.Context, pub *rsa.PublicKey, commonName string) (*x509.Certificate, error) {
	return c.sign(ctx, pub, commonName, leafPrefix+string(SCEPRA), func(t *x509.Certificate) {
		t.NotAfter = c.cert.NotAfter
	})
}

func (c *CA) sign(ctx context.Context, pub crypto.PublicKey, commonName, uri string, shape func(*x509.Certificate)) (*x509.Certificate, error) {
	if err := ctx.Err(); err != nil {
		return nil, mdm.WrapError(mdm.CodeUnavailable, "", "the request ended before the certificate was signed", err)
	}
	if err := CheckKey(pub); err != nil {
		return nil, err
	}
	if err := checkCommonName(commonName); err != nil {
		return nil, err
	}
	now := c.clock.Now()
	if !now.Before(c.cert.NotAfter) || now.Before(c.cert.NotBefore) {
		return nil, mdm.Errorf(mdm.CodeUnavailable, "", "the authority's own certificate is valid from %s to %s and cannot sign now: renew it",
			c.cert.NotBefore.UTC().Format(time.RFC3339), c.cert.NotAfter.UTC().Format(time.RFC3339))
	}
	serial, err := newSerial(c.rand)
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeUnavailable, "", "no randomness for a serial number", err)
	}
	san, err := url.Parse(uri)
	if err != nil {
		return nil, fmt.Errorf("name of a leaf: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-Backdate).UTC(),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		URIs:                  []*url.URL{san},
		SignatureAlgorithm:    sha256With(c.cert.PublicKey),
	}
	if _, ok := pub.(*rsa.PublicKey); ok {
		t.KeyUsage |= x509.KeyUsageKeyEncipherment // meaningless for elliptic curves
	}
	shape(t)
	// A leaf is never valid when its authority is not.
	if t.NotBefore.Before(c.cert.NotBefore) {
		t.NotBefore = c.cert.NotBefore
	}
	if t.NotAfter.After(c.cert.NotAfter) {
		t.NotAfter = c.cert.NotAfter
	}
	t.NotAfter = t.NotAfter.UTC()
	return create(c.rand, t, c.cert, pub, c.signer)
}

// create signs t and reads the result back, so that what is returned is what a
// device will see.
func create(random io.Reader, t, parent *x509.Certificate, pub crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(random, t, parent, pub, signer)
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeUnavailable, "", "the authority could not sign the certificate", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back a certificate just signed: %w", err)
	}
	return cert, nil
}

// newSerial returns 126 random bits in a positive integer of exactly 16 octets.
func newSerial(random io.Reader) (*big.Int, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:]), nil
}

func sha256With(pub crypto.PublicKey) x509.SignatureAlgorithm {
	if _, ok := pub.(*ecdsa.PublicKey); ok {
		return x509.ECDSAWithSHA256
	}
	return x509.SHA256WithRSA
}

// checkCommonName applies the bound of RFC 5280, appendix A (ub-common-name).
func checkCommonName(s string) error {
	bad := s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > 64
	for _, r := range s {
		bad = bad || !unicode.IsPrint(r)
	}
	if bad {
		return mdm.Errorf(mdm.CodeInvalid, "common_name", "a common name has 1 to 64 printable characters")
	}
	return nil
}
