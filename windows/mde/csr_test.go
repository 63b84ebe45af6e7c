package mde

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	encodingasn1 "encoding/asn1"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/keelson-mdm/keelson/mdm"
)

// csrShape is what there is to a certificate request; zero is a plain one.
type csrShape struct {
	subjectTag   asn1.Tag // of the common name
	subject      string
	deviceIDs    []string // values of the private extension, not wrapped in DER
	eku          bool     // asks for clientAuth as well
	sha1         bool     // signed with SHA-1 under the identifier of OIW
	badSignature bool
	noAttributes bool
}

// windows10 is what a Windows 10 19043 sends: a PrintableString of 64 bytes
// with an exclamation mark and a NUL at its end.
func windows10() csrShape {
	return csrShape{
		subjectTag: asn1.PrintableString,
		subject:    "5A1B2C3D-4E5F-4A6B-8C7D-9E0F1A!" + testDeviceID + "\x00",
		deviceIDs:  []string{testDeviceID + "\x00"},
		sha1:       true,
	}
}

// makeCSR encodes a request by hand, for the library would refuse to.
func makeCSR(t testing.TB, key *rsa.PrivateKey, s csrShape) []byte {
	t.Helper()
	if s.subjectTag == 0 {
		s.subjectTag = asn1.UTF8String
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	oid := func(dots string) encodingasn1.ObjectIdentifier {
		id, err := x509.ParseOID(dots)
		require.NoError(t, err)
		var out encodingasn1.ObjectIdentifier
		b, err := id.MarshalBinary()
		require.NoError(t, err)
		_, err = encodingasn1.Unmarshal(append([]byte{6, byte(len(b))}, b...), &out)
		require.NoError(t, err)
		return out
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oid("2.5.4.3"))
					b.AddASN1(s.subjectTag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s.subject)) })
				})
			})
		})
		b.AddBytes(spki)
		if s.noAttributes {
			return
		}
		b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			if len(s.deviceIDs) == 0 && !s.eku {
				return
			}
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oid("1.2.840.113549.1.9.14"))
				b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						for _, id := range s.deviceIDs {
							b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
								b.AddASN1ObjectIdentifier(oid("1.3.6.1.4.1.311.66.1.0"))
								b.AddASN1OctetString([]byte(id))
							})
						}
						if s.eku {
							b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
								b.AddASN1ObjectIdentifier(oid("2.5.29.37"))
								b.AddASN1OctetString([]byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 2})
							})
						}
					})
				})
			})
		})
	})
	tbs := b.BytesOrPanic()

	hash, sum, alg := crypto.SHA256, sha256Sum(tbs), "1.2.840.113549.1.1.11"
	if s.sha1 {
		one := sha1.Sum(tbs)
		hash, sum, alg = crypto.SHA1, one[:], "1.3.14.3.2.29"
	}
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, hash, sum)
	require.NoError(t, err)
	if s.badSignature {
		sig[10] ^= 1
	}
	var out cryptobyte.Builder
	out.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid(alg))
			b.AddASN1NULL()
		})
		b.AddASN1BitString(sig)
	})
	return out.BytesOrPanic()
}

func sha256Sum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

// The request of a real Windows 10, on which the standard library gives up.
func TestParseCSRWindows10(t *testing.T) {
	key := rsaKey(t, 2048)
	shape := windows10()
	require.Len(t, shape.subject, 64)
	der := makeCSR(t, key, shape)

	_, err := x509.ParseCertificateRequest(der)
	require.ErrorContains(t, err, "PrintableString")

	got, err := ParseCSR(der)
	require.NoError(t, err)
	require.True(t, key.PublicKey.Equal(got.PublicKey))
	require.Equal(t, x509.SHA1WithRSA, got.SignatureAlgorithm)
	require.Equal(t, testDeviceID, CSRDeviceID(got))
	require.Equal(t, der, got.Raw)
	require.Empty(t, got.Subject.String(), "nothing to copy by mistake")
	require.Contains(t, string(got.RawSubject), shape.subject)

	sum := sha1.Sum(got.RawTBSCertificateRequest)
	require.NoError(t, rsa.VerifyPKCS1v15(got.PublicKey.(*rsa.PublicKey), crypto.SHA1, sum[:], got.Signature))
}

// From the body of a request to the key: base64 with line breaks, the odd
// subject, and two claims of one name that agree.
func TestCSRInARequest(t *testing.T) {
	key := rsaKey(t, 2048)
	in := request(OpRequestSecurityToken, tokenID, password, tokenBody(Issue, pkcs10, makeCSR(t, key, windows10()), windowsItems()))
	r, err := DecodeRequestSecurityToken([]byte(in))
	require.NoError(t, err)
	csr, err := ParseCSR(r.PKCS10)
	require.NoError(t, err)
	require.True(t, key.PublicKey.Equal(csr.PublicKey))
	require.Equal(t, r.Context.DeviceID(), CSRDeviceID(csr))
}

// It is the subject alone on which the standard library gives up: it knows the
// old identifier of RSA with SHA-1.
func TestParseCSROldIdentifier(t *testing.T) {
	der := makeCSR(t, rsaKey(t, 2048), csrShape{subject: "pc", sha1: true})
	std, err := x509.ParseCertificateRequest(der)
	require.NoError(t, err)
	require.NoError(t, std.CheckSignature())
	got, err := ParseCSR(der)
	require.NoError(t, err)
	require.Equal(t, std.SignatureAlgorithm, got.SignatureAlgorithm)
}

// A newer Windows sends what everybody can read, and both readers agree on it.
func TestParseCSRWindows11(t *testing.T) {
	der := makeCSR(t, rsaKey(t, 2048), csrShape{subject: "2F1E5B6A!" + testDeviceID, deviceIDs: []string{testDeviceID + "\x00"}, eku: true})
	std, err := x509.ParseCertificateRequest(der)
	require.NoError(t, err)
	got, err := ParseCSR(der)
	require.NoError(t, err)
	require.Equal(t, testDeviceID, CSRDeviceID(got))
	require.Equal(t, std.Extensions, got.Extensions)
	require.Equal(t, std.RawSubject, got.RawSubject)
	require.Equal(t, std.RawSubjectPublicKeyInfo, got.RawSubjectPublicKeyInfo)
	require.Equal(t, std.RawTBSCertificateRequest, got.RawTBSCertificateRequest)
	require.Equal(t, std.Signature, got.Signature)
	require.Equal(t, std.SignatureAlgorithm, got.SignatureAlgorithm)
	require.Equal(t, std.PublicKeyAlgorithm, got.PublicKeyAlgorithm)
	require.Equal(t, std.Version, got.Version)
}

func TestParseCSRKeys(t *testing.T) {
	ec := func(c elliptic.Curve) crypto.Signer {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		require.NoError(t, err)
		return key
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		key  crypto.Signer
		alg  x509.SignatureAlgorithm
		code mdm.Code
	}{
		"RSA 2048":         {rsaKey(t, 2048), x509.SHA256WithRSA, ""},
		"RSA 2048 SHA-1":   {rsaKey(t, 2048), x509.SHA1WithRSA, ""},
		"RSA 2048 SHA-384": {rsaKey(t, 2048), x509.SHA384WithRSA, ""},
		"RSA 3072 SHA-512": {rsaKey(t, 3072), x509.SHA512WithRSA, ""},
		"P-256":            {ec(elliptic.P256()), x509.ECDSAWithSHA256, ""},
		"P-384":            {ec(elliptic.P384()), x509.ECDSAWithSHA384, ""},
		"RSA 2040":         {rsaKey(t, 2040), x509.SHA256WithRSA, mdm.CodeInvalid},
		"RSA 2048 PSS":     {rsaKey(t, 2048), x509.SHA256WithRSAPSS, mdm.CodeUnsupported},
		"P-224":            {ec(elliptic.P224()), x509.ECDSAWithSHA256, mdm.CodeUnsupported},
		"P-521":            {ec(elliptic.P521()), x509.ECDSAWithSHA256, mdm.CodeUnsupported},
		"Ed25519":          {edKey, x509.PureEd25519, mdm.CodeUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
				Subject: pkix.Name{CommonName: "pc"}, SignatureAlgorithm: c.alg,
			}, c.key)
			require.NoError(t, err)
			got, err := ParseCSR(der)
			if c.code != "" {
				requireCode(t, err, c.code, FieldCSR)
				return
			}
			require.NoError(t, err)
			require.Empty(t, CSRDeviceID(got))
			judge := openssl(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), "req", "-verify", "-noout", "-pubkey")
			block, _ := pem.Decode([]byte(judge))
			require.NotNil(t, block)
			require.Equal(t, got.RawSubjectPublicKeyInfo, block.Bytes, "openssl reads the same key and verifies the same signature")
		})
	}
}

// Requests made by openssl, with and without attributes.
func TestParseCSROfOpenSSL(t *testing.T) {
	for _, args := range [][]string{
		{"-newkey", "rsa:2048"},
		{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"},
		{"-newkey", "rsa:2048", "-addext", "extendedKeyUsage=clientAuth", "-addext", "1.3.6.1.4.1.311.66.1.0=DER:4100"},
	} {
		args = append([]string{"req", "-new", "-nodes", "-keyout", "/dev/null", "-outform", "DER", "-subj", "/O=Example/CN=pc"}, args...)
		der := openssl(t, nil, args...)
		got, err := ParseCSR([]byte(der))
		require.NoError(t, err)
		if len(got.Extensions) > 0 {
			require.Equal(t, "A", CSRDeviceID(got))
		}
	}
}

func TestParseCSRRefuses(t *testing.T) {
	key := rsaKey(t, 2048)
	good := makeCSR(t, key, windows10())
	changed := func(old, new string) []byte {
		require.Equal(t, 1, strings.Count(string(good), old))
		return []byte(strings.Replace(string(good), old, new, 1))
	}
	bad := windows10()
	bad.badSignature = true
	twice := windows10()
	twice.deviceIDs = append(twice.deviceIDs, "other")
	for name, c := range map[string]struct {
		der  []byte
		code mdm.Code
	}{
		"nothing":             {nil, mdm.CodeMalformed},
		"text":                {[]byte("-----BEGIN CERTIFICATE REQUEST-----"), mdm.CodeMalformed},
		"cut short":           {good[:len(good)-1], mdm.CodeMalformed},
		"a byte more":         {append(good[:len(good):len(good)], 0), mdm.CodeMalformed},
		"too large":           {make([]byte, maxCSRBytes+1), mdm.CodeTooLarge},
		"wrong signature":     {makeCSR(t, key, bad), mdm.CodeInvalid},
		"changed content":     {changed("5A1B2C3D", "5A1B2C3E"), mdm.CodeInvalid},
		"unknown algorithm":   {changed("\x06\x05\x2b\x0e\x03\x02\x1d", "\x06\x05\x2b\x0e\x03\x02\x03"), mdm.CodeUnsupported},
		"a device id twice":   {makeCSR(t, key, twice), mdm.CodeMalformed},
		"a broken key":        {changed("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x63"), mdm.CodeMalformed},
		"a broken attribute":  {changed("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e", "\x04\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"), mdm.CodeMalformed},
		"a broken extension":  {changed("\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x42\x01\x00", "\x04\x0a\x2b\x06\x01\x04\x01\x82\x37\x42\x01\x00"), mdm.CodeMalformed},
		"a certificate":       {readCert(t, "root.pem").Raw, mdm.CodeMalformed},
		"an infinite subject": {changed("\x30\x4b\x31\x49\x30\x47\x06\x03\x55\x04\x03", "\x30\x80\x31\x49\x30\x47\x06\x03\x55\x04\x03"), mdm.CodeMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCSR(c.der)
			requireCode(t, err, c.code, FieldCSR)
			require.Nil(t, got)
		})
	}
	_, err := ParseCSR(good)
	require.NoError(t, err)
	_, err = ParseCSR(makeCSR(t, key, csrShape{subject: "pc", noAttributes: true}))
	require.NoError(t, err, "the attributes are empty, or absent")
}

func TestCSRDeviceID(t *testing.T) {
	key := rsaKey(t, 2048)
	for in, want := range map[string]string{"": "", "\x00": "", "A\x00": "A", "A": "A", "A\nB\x00": "", "A\x00B\x00": "", strings.Repeat("A", 1025): ""} {
		got, err := ParseCSR(makeCSR(t, key, csrShape{subject: "pc", deviceIDs: []string{in}}))
		require.NoError(t, err)
		require.Equal(t, want, CSRDeviceID(got))
	}
	require.Empty(t, CSRDeviceID(&x509.CertificateRequest{}))
}
