package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Parse reads the signer's certificate, and the others, as none of them may be
// damaged.
func (s *Signature) Parse() (*x509.Certificate, error) {
	r := reader{b: s.certificates, end: len(s.certificates)}
	for r.more() { // x509 does not look into all of it
		r.skip(4)
	}
	all, err := x509.ParseCertificates(s.certificates)
	if r.err != nil {
		err = r.err
	}
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, "", "a certificate in the signature cannot be decoded", err)
	}
	for _, c := range all {
		if bytes.Equal(c.Raw, s.Certificate) {
			return c, nil
		}
	}
	return nil, oneSigner()
}

// Made returns when the signature says that it was made; ok is false when it does
// not say.
func (s *Signature) Made() (at time.Time, ok bool) { return s.time, s.timed }

// Verify reports whether the key made this signature of this content. Keys of
// other kinds than RSA and ECDSA made none. The caller judges how strong the key
// is. Errors are [mdm.CodeUnauthenticated].
func (s *Signature) Verify(key crypto.PublicKey, content []byte) error {
	var room [sha512.Size]byte
	sum := digest(room[:0], s.hash, content)
	if s.signed != nil {
		if !bytes.Equal(sum, s.digest) {
			return notOfThis()
		}
		var room [1024]byte
		set := append(append(room[:0], tagSet), s.signed[1:]...) // RFC 5652, 5.4
		sum = digest(sum[:0], s.hash, set)
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if s.scheme == rsaPKCS1 && rsa.VerifyPKCS1v15(k, s.hash, sum, s.value) == nil {
			return nil
		}
	case *ecdsa.PublicKey:
		if s.scheme == ecdsaASN1 && ecdsa.VerifyASN1(k, sum, s.value) {
			return nil
		}
	}
	return notOfThis()
}

func notOfThis() error {
	return mdm.Errorf(mdm.CodeUnauthenticated, "", "the signature is not of this message")
}

// digest appends the digest of b to dst.
func digest(dst []byte, h crypto.Hash, b []byte) []byte {
	switch h {
	case crypto.SHA1:
		d := sha1.Sum(b)
		return append(dst, d[:]...)
	case crypto.SHA256:
		d := sha256.Sum256(b)
		return append(dst, d[:]...)
	case crypto.SHA384:
		d := sha512.Sum384(b)
		return append(dst, d[:]...)
	case crypto.SHA512:
		d := sha512.Sum512(b)
		return append(dst, d[:]...)
	}
	return dst
}
