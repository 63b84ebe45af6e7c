package apple

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/internal/cms"
	"github.com/keelson-mdm/keelson/mdm"
)

// maxSignature bounds the Mdm-Signature header, in bytes of base64. With a
// 4096-bit key it has about 4 KiB.
const maxSignature = 16 << 10

// maxUsual is what a signature with a 4096-bit key takes, decoded.
const maxUsual = 3 << 10

// SignatureHeader carries a detached CMS signature of the body, made with the
// device's identity: set SignMessage in the MDM payload
// (Apple: com.apple.mdm.yaml).
const SignatureHeader = "Mdm-Signature"

// caller finds out who sent a message, by its signature or else by the TLS client
// certificate, verified to the tenant's CA.
func (s *Server) caller(ctx context.Context, t mdm.TenantID, r *http.Request, body []byte) (*call, error) {
	if h := r.Header[SignatureHeader]; len(h) > 0 && h[0] != "" {
		return s.signer(ctx, t, h[0], body)
	}
	leaf := s.c.ClientCertificate(r)
	if leaf == nil {
		return nil, mdm.Errorf(mdm.CodeUnauthenticated, SignatureHeader, "the message is not signed and the connection has no client certificate")
	}
	if err := s.c.Identity.Verify(ctx, t, leaf); err != nil {
		return nil, err
	}
	return &call{s: s, t: t, leaf: leaf, pin: identity.HashOf(leaf)}, nil
}

// signer finds out who signed a message.
func (s *Server) signer(ctx context.Context, t mdm.TenantID, header string, body []byte) (*call, error) {
	c := &call{s: s, t: t, signature: header}
	if known, err := c.recall(ctx, body); known || err != nil {
		return c, err
	}
	var err error
	if c.leaf, err = VerifySignature(header, body); err != nil {
		return nil, err
	}
	c.pin = identity.HashOf(c.leaf)
	return c, s.c.Identity.Verify(ctx, t, c.leaf)
}

// recall judges a signature by a certificate that has been verified before. Then
// everything is known that the signature is held against; the certificate is not
// even parsed.
func (c *call) recall(ctx context.Context, body []byte) (known bool, err error) {
	room := c.s.room()
	defer c.s.rooms.Put(room) // what is parsed from it is not kept
	sig, err := parseSignature(c.signature, room[:])
	if err != nil {
		return false, err
	}
	c.pin = sha256.Sum256(sig.Certificate)
	k, known := c.s.c.Identity.Recall(ctx, c.t, c.pin)
	if !known || !sig.Alone {
		return false, nil
	}
	return true, checkSignature(&sig, k.Key, k.NotBefore, k.NotAfter, body)
}

// room returns where a usual signature can be decoded.
func (s *Server) room() *[maxUsual]byte {
	if room, ok := s.rooms.Get().(*[maxUsual]byte); ok {
		return room
	}
	return new([maxUsual]byte)
}

// VerifySignature checks a Mdm-Signature header, the base64 of a detached CMS
// SignedData message (RFC 5652) in DER or BER, against the body, and returns the
// certificate whose key made it. A signature that tells its time must have been
// made while the certificate was valid. Beyond that it does not judge the
// certificate, which anybody may have made. Errors are [mdm.CodeTooLarge] and
// [mdm.CodeUnauthenticated].
func VerifySignature(header string, body []byte) (*x509.Certificate, error) {
	sig, err := parseSignature(header, nil)
	if err != nil {
		return nil, err
	}
	leaf, err := sig.Parse()
	if err != nil {
		return nil, unsigned(err)
	}
	// A stranger chooses the certificate, and what it costs to check.
	if err := ca.CheckKey(leaf.PublicKey); err != nil {
		return nil, mdm.WrapError(mdm.CodeUnauthenticated, SignatureHeader, "the signature is made with a key that is refused", err)
	}
	if err := checkSignature(&sig, leaf.PublicKey, leaf.NotBefore, leaf.NotAfter, body); err != nil {
		return nil, err
	}
	return leaf, nil
}

// parseSignature decodes a header into room, if it is large enough, and parses it
// there.
func parseSignature(header string, room []byte) (cms.Signature, error) {
	if len(header) > maxSignature {
		return cms.Signature{}, mdm.Errorf(mdm.CodeTooLarge, SignatureHeader, "the signature has more than %d bytes", maxSignature)
	}
	size := base64.StdEncoding.DecodedLen(len(header))
	if len(room) < size {
		room = make([]byte, size)
	}
	n, err := base64.StdEncoding.Decode(room, []byte(header))
	if err != nil {
		return cms.Signature{}, mdm.Errorf(mdm.CodeUnauthenticated, SignatureHeader, "the signature is not base64")
	}
	sig, err := cms.Parse(room[:n])
	return sig, unsigned(err)
}

// checkSignature holds a signature against a key and the validity of its
// certificate.
func checkSignature(sig *cms.Signature, key crypto.PublicKey, from, to time.Time, body []byte) error {
	if err := sig.Verify(key, body); err != nil {
		return unsigned(err)
	}
	if at, told := sig.Made(); told && (at.Before(from) || at.After(to)) {
		return mdm.Errorf(mdm.CodeUnauthenticated, SignatureHeader, "the signature was made outside of its certificate's validity: check the device's clock")
	}
	return nil
}

// unsigned makes an error about a signature one about its header.
func unsigned(err error) error {
	if err == nil {
		return nil
	}
	var e *mdm.Error
	if !errors.As(err, &e) {
		return err
	}
	return &mdm.Error{Code: mdm.CodeUnauthenticated, Field: SignatureHeader, Message: e.Message, Err: e.Err}
}
