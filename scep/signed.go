package scep

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"time"

	"github.com/smallstep/pkcs7"
)

// signedData is RFC 5652, section 5.1, version 1.
type signedData struct {
	Version      int
	Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
	Content      contentInfo
	Certificates asn1.RawValue // [0] IMPLICIT SET OF
	Signers      []signerInfo  `asn1:"set"`
}

type signerInfo struct {
	Version   int
	Signer    issuerAndSerial
	Digest    pkix.AlgorithmIdentifier
	Attrs     asn1.RawValue // [0] IMPLICIT SET OF
	Algorithm pkix.AlgorithmIdentifier
	Signature []byte
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// sign returns content as SignedData with one signer: RSA and SHA-256 over the
// attributes, to which content type, digest and signing time are added. Nil
// content is encoded as an empty string, as deployed servers send a FAILURE.
//
// The PKCS #7 library can sign too, but takes the signing time from the
// machine's clock and its randomness from the process.
func sign(random io.Reader, content []byte, at time.Time, cert *x509.Certificate, key crypto.Signer, attrs ...attribute) ([]byte, error) {
	digest := sha256.Sum256(content)
	own, err := values(
		value{pkcs7.OIDAttributeContentType, pkcs7.OIDData, ""},
		value{pkcs7.OIDAttributeMessageDigest, digest[:], ""},
		value{pkcs7.OIDAttributeSigningTime, at.UTC(), ""},
	)
	if err != nil {
		return nil, err
	}
	attrs = append(own, attrs...)
	set, err := asn1.MarshalWithParams(attrs, "set") // what is signed is the SET, not the [0]
	if err != nil {
		return nil, fmt.Errorf("encode signed attributes: %w", err)
	}
	toSign := sha256.Sum256(set)
	signature, err := key.Sign(random, toSign[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	var bare asn1.RawValue
	if _, err := asn1.Unmarshal(set, &bare); err != nil {
		return nil, fmt.Errorf("encode signed attributes: %w", err)
	}
	eContent, err := asn1.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode content: %w", err)
	}
	withSHA256 := pkix.AlgorithmIdentifier{Algorithm: pkcs7.OIDDigestAlgorithmSHA256} // no parameters, RFC 5754
	inner, err := asn1.Marshal(signedData{
		Version:      1,
		Digests:      []pkix.AlgorithmIdentifier{withSHA256},
		Content:      contentInfo{Type: pkcs7.OIDData, Content: context0(eContent)},
		Certificates: context0(cert.Raw),
		Signers: []signerInfo{{
			Version:   1,
			Signer:    nameOf(cert),
			Digest:    withSHA256,
			Attrs:     context0(bare.Bytes),
			Algorithm: withNULL(pkcs7.OIDEncryptionAlgorithmRSA),
			Signature: signature,
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode signed data: %w", err)
	}
	return asn1.Marshal(contentInfo{Type: pkcs7.OIDSignedData, Content: context0(inner)})
}

// value is one attribute before it is encoded.
type value struct {
	oid    asn1.ObjectIdentifier
	v      any    // asn1.RawValue is taken as it is
	params string // of encoding/asn1
}

// values encodes attributes; encoding/asn1 puts a SET in order later.
func values(in ...value) ([]attribute, error) {
	out := make([]attribute, 0, len(in))
	for _, a := range in {
		raw, ok := a.v.(asn1.RawValue)
		if !ok {
			der, err := asn1.MarshalWithParams(a.v, a.params)
			if err != nil {
				return nil, fmt.Errorf("encode attribute %s: %w", a.oid, err)
			}
			raw = asn1.RawValue{FullBytes: der}
		}
		out = append(out, attribute{Type: a.oid, Values: []asn1.RawValue{raw}})
	}
	return out, nil
}
