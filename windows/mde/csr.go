package mde

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// FieldCSR is the [mdm.Error.Field] of what is wrong with a certificate request.
const FieldCSR = "csr"

// maxCSRBytes is the largest certificate request that is read; a real one has
// under 2 KiB.
const maxCSRBytes = 16 << 10

// The shapes of RFC 2986. The subject stays raw: a Windows 10 device sends a
// PrintableString with characters that no PrintableString may have, on which
// a stricter reader gives up.
type certificationRequest struct {
	Raw                asn1.RawContent
	Info               certificationRequestInfo
	SignatureAlgorithm pkix.AlgorithmIdentifier
	Signature          asn1.BitString
}

type certificationRequestInfo struct {
	Raw        asn1.RawContent
	Version    int
	Subject    asn1.RawValue
	PublicKey  subjectPublicKeyInfo
	Attributes []asn1.RawValue `asn1:"optional,tag:0"`
}

type subjectPublicKeyInfo struct {
	Raw       asn1.RawContent
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

type attribute struct {
	ID     asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// ParseCSR reads the certificate request of an enrolling Windows device and
// verifies its signature: that the device has the key. Unlike
// [x509.ParseCertificateRequest] it accepts a subject that is no valid name,
// which real devices send, and it does verify the signature, also where that
// is RSA with SHA-1 under its old identifier, 1.3.14.3.2.29.
//
// The key is RSA of 2048 to 8192 bits, P-256 or P-384. Subject is left empty
// on purpose, since nothing of a request but its key may enter a certificate;
// RawSubject and Extensions hold what was asked for. See [CSRDeviceID].
//
// Errors are [*mdm.Error] with the field [FieldCSR]: [mdm.CodeMalformed],
// [mdm.CodeTooLarge], [mdm.CodeUnsupported] for an algorithm or a kind of key,
// and [mdm.CodeInvalid] for a wrong signature or a weak key.
func ParseCSR(der []byte) (*x509.CertificateRequest, error) {
	if len(der) > maxCSRBytes {
		return nil, mdm.Errorf(mdm.CodeTooLarge, FieldCSR, "the certificate request has %d bytes; the limit is %d", len(der), maxCSRBytes)
	}
	var in certificationRequest
	if rest, err := asn1.Unmarshal(der, &in); err != nil || len(rest) > 0 || !isSequence(in.Info.Subject) {
		return nil, mdm.WrapError(mdm.CodeMalformed, FieldCSR, "the certificate request is not PKCS #10 in DER", orTrailing(err))
	}
	alg, err := signatureAlgorithm(in.SignatureAlgorithm.Algorithm)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(in.Info.PublicKey.Raw)
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, FieldCSR, "the public key of the certificate request cannot be read", err)
	}
	kind, err := checkKey(key)
	if err != nil {
		return nil, err
	}
	ext, err := requestedExtensions(in.Info.Attributes)
	if err != nil {
		return nil, err
	}
	out := &x509.CertificateRequest{
		Raw:                      in.Raw,
		RawTBSCertificateRequest: in.Info.Raw,
		RawSubjectPublicKeyInfo:  in.Info.PublicKey.Raw,
		RawSubject:               in.Info.Subject.FullBytes,
		Version:                  in.Info.Version,
		Signature:                in.Signature.RightAlign(),
		SignatureAlgorithm:       alg,
		PublicKeyAlgorithm:       kind,
		PublicKey:                key,
		Extensions:               ext,
	}
	if err := out.CheckSignature(); err != nil {
		return nil, mdm.WrapError(mdm.CodeInvalid, FieldCSR, "the signature of the certificate request is wrong", err)
	}
	return out, nil
}

// CSRDeviceID returns the device id that Windows puts into a private extension
// of its request, without the NUL that ends it, or "" when there is none. It is
// as much of a claim as the DeviceID of the context that it should equal.
func CSRDeviceID(r *x509.CertificateRequest) string {
	for _, e := range r.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 66, 1, 0}) {
			id := strings.TrimRight(string(e.Value), "\x00")
			if checkText("DeviceID", id) != nil {
				return ""
			}
			return id
		}
	}
	return ""
}

// signatureAlgorithm knows both identifiers of RSA with SHA-1, which proves
// possession of a key well enough: nothing else is trusted to it.
func signatureAlgorithm(id asn1.ObjectIdentifier) (x509.SignatureAlgorithm, error) {
	switch id.String() {
	case "1.3.14.3.2.29", "1.2.840.113549.1.1.5":
		return x509.SHA1WithRSA, nil
	case "1.2.840.113549.1.1.11":
		return x509.SHA256WithRSA, nil
	case "1.2.840.113549.1.1.12":
		return x509.SHA384WithRSA, nil
	case "1.2.840.113549.1.1.13":
		return x509.SHA512WithRSA, nil
	case "1.2.840.10045.4.3.2":
		return x509.ECDSAWithSHA256, nil
	case "1.2.840.10045.4.3.3":
		return x509.ECDSAWithSHA384, nil
	}
	return 0, mdm.Errorf(mdm.CodeUnsupported, FieldCSR, "the signature algorithm of the certificate request is not supported; sign with RSA or ECDSA and SHA-256")
}

func checkKey(key any) (x509.PublicKeyAlgorithm, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < 2048 || n > 8192 {
			return 0, mdm.Errorf(mdm.CodeInvalid, FieldCSR, "the RSA key has %d bits; it must have 2048 to 8192", n)
		}
		return x509.RSA, nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
			return 0, mdm.Errorf(mdm.CodeUnsupported, FieldCSR, "the elliptic curve of the key is not P-256 or P-384")
		}
		return x509.ECDSA, nil
	}
	return 0, mdm.Errorf(mdm.CodeUnsupported, FieldCSR, "the key is neither RSA nor ECDSA")
}

// requestedExtensions reads the extensionRequest attribute (RFC 2985 5.4.2).
// Values stay raw, for Windows puts one there that is no DER. Other attributes
// are the client's notes and are ignored.
func requestedExtensions(attributes []asn1.RawValue) ([]pkix.Extension, error) {
	malformed := mdm.Errorf(mdm.CodeMalformed, FieldCSR, "the requested extensions cannot be read")
	var out []pkix.Extension
	seen := map[string]bool{}
	for _, raw := range attributes {
		var a attribute
		if rest, err := asn1.Unmarshal(raw.FullBytes, &a); err != nil || len(rest) > 0 {
			return nil, malformed
		}
		if !a.ID.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}) {
			continue
		}
		for _, v := range a.Values {
			var list []pkix.Extension
			if rest, err := asn1.Unmarshal(v.FullBytes, &list); err != nil || len(rest) > 0 {
				return nil, malformed
			}
			for _, e := range list {
				if seen[e.Id.String()] {
					return nil, mdm.Errorf(mdm.CodeMalformed, FieldCSR, "the extension %s is requested twice", e.Id)
				}
				seen[e.Id.String()] = true
				out = append(out, e)
			}
		}
	}
	return out, nil
}

func isSequence(v asn1.RawValue) bool {
	return v.Class == asn1.ClassUniversal && v.Tag == asn1.TagSequence && v.IsCompound
}

// orTrailing stands in for the cause when the reader had none.
func orTrailing(err error) error {
	if err != nil {
		return err
	}
	return asn1.SyntaxError{Msg: "not a sequence, or followed by other bytes"}
}
