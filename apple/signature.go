package apple

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"net/http"

	"github.com/smallstep/pkcs7"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/internal/ber"
	"github.com/keelson-mdm/keelson/mdm"
)

// maxSignature bounds the Mdm-Signature header, in bytes of base64. With a
// 4096-bit key it has about 4 KiB.
const maxSignature = 16 << 10

// SignatureHeader carries a detached CMS signature of the body, made with the
// device's identity: set SignMessage in the MDM payload
// (Apple: com.apple.mdm.yaml).
const SignatureHeader = "Mdm-Signature"

// caller finds out who sent a message, by its signature or else by the TLS client
// certificate, verified to the tenant's CA.
func (s *Server) caller(ctx context.Context, t mdm.TenantID, r *http.Request, body []byte) (*call, error) {
	leaf := s.c.ClientCertificate(r)
	if header := r.Header.Get(SignatureHeader); header != "" {
		var err error
		if leaf, err = VerifySignature(header, body); err != nil {
			return nil, err
		}
	}
	if leaf == nil {
		return nil, mdm.Errorf(mdm.CodeUnauthenticated, SignatureHeader, "the message is not signed and the connection has no client certificate")
	}
	if err := s.c.Identity.Verify(ctx, t, leaf); err != nil {
		return nil, err
	}
	return &call{s: s, t: t, leaf: leaf, pin: identity.HashOf(leaf)}, nil
}

// VerifySignature checks a Mdm-Signature header, the base64 of a detached CMS
// SignedData message (RFC 5652) in DER or BER, against the body, and returns the
// certificate whose key made it. A signature that tells its time must have been
// made while the certificate was valid. Beyond that it does not judge the
// certificate, which anybody may have made. Errors are [mdm.CodeTooLarge] and
// [mdm.CodeUnauthenticated].
func VerifySignature(header string, body []byte) (leaf *x509.Certificate, err error) {
	if len(header) > maxSignature {
		return nil, mdm.Errorf(mdm.CodeTooLarge, SignatureHeader, "the signature has more than %d bytes", maxSignature)
	}
	der, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		return nil, mdm.Errorf(mdm.CodeUnauthenticated, SignatureHeader, "the signature is not base64")
	}
	// The library checks little before it dereferences.
	defer func() {
		if recover() != nil {
			leaf, err = nil, mdm.Errorf(mdm.CodeUnauthenticated, SignatureHeader, "the signature cannot be decoded")
		}
	}()
	if der, err = ber.Definite(der); err != nil {
		return nil, mdm.WrapError(mdm.CodeUnauthenticated, SignatureHeader, "the signature cannot be decoded", err)
	}
	p7, err := pkcs7.Parse(der)
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeUnauthenticated, SignatureHeader, "the signature cannot be decoded", err)
	}
	if len(p7.Content) != 0 {
		return nil, mdm.Errorf(mdm.CodeUnauthenticated, SignatureHeader, "the signature carries a content of its own: it must be detached")
	}
	leaf = p7.GetOnlySigner()
	if leaf == nil {
		return nil, mdm.Errorf(mdm.CodeUnauthenticated, SignatureHeader, "the signature must have one signer, with its certificate")
	}
	// A stranger chooses the certificate, and what it costs to check.
	if err := ca.CheckKey(leaf.PublicKey); err != nil {
		return nil, mdm.WrapError(mdm.CodeUnauthenticated, SignatureHeader, "the signature is made with a key that is refused", err)
	}
	p7.Content = body
	if err := p7.Verify(); err != nil {
		return nil, mdm.WrapError(mdm.CodeUnauthenticated, SignatureHeader, "the signature is not of this message", err)
	}
	return leaf, nil
}
