package mdmtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // what Windows 10 19043 signs with
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// pcDeviceIDExtension is Microsoft's private extension that repeats the
// DeviceID, followed by a NUL and in no DER wrapping of its own.
func pcDeviceIDExtension() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 66, 1, 0}
}

// pcCSR makes the certificate request of a PC: a 64 byte common name made of a
// cut GUID, '!', the DeviceID and a NUL. With odd set it is that of Windows 10
// 19043, which no strict parser takes.
func pcCSR(deviceID string, random io.Reader, key *rsa.PrivateKey, odd bool) ([]byte, error) {
	guid := make([]byte, 16)
	if _, err := io.ReadFull(random, guid); err != nil {
		return nil, fmt.Errorf("make the name of a CSR: %w", err)
	}
	h := strings.ToUpper(hex.EncodeToString(guid))
	cut := (h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])[:30]
	cn := []byte(cut + "!" + deviceID + "\x00")
	extension := append([]byte(deviceID), 0)
	if odd {
		return pcOddCSR(cn, extension, key)
	}
	subject, err := pcSubject(cn, asn1.TagUTF8String)
	if err != nil {
		return nil, err
	}
	eku, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 2}})
	if err != nil {
		return nil, fmt.Errorf("make a CSR: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		RawSubject:         subject,
		SignatureAlgorithm: x509.SHA256WithRSA,
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: eku},
			{Id: pcDeviceIDExtension(), Value: extension},
		},
	}, key)
	if err != nil {
		return nil, fmt.Errorf("make a CSR: %w", err)
	}
	return der, nil
}

// pcSubject is a name of one CN in the given string type, illegal or not.
func pcSubject(cn []byte, tag int) ([]byte, error) {
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	type rdnSET []attribute // encoding/asn1 writes a SET for a type named so
	der, err := asn1.Marshal([]rdnSET{{{
		Type:  asn1.ObjectIdentifier{2, 5, 4, 3},
		Value: asn1.RawValue{Class: asn1.ClassUniversal, Tag: tag, Bytes: cn},
	}}})
	if err != nil {
		return nil, fmt.Errorf("make the name of a CSR: %w", err)
	}
	return der, nil
}

// pcOddCSR encodes by hand what the standard library would refuse to write.
func pcOddCSR(cn, extension []byte, key *rsa.PrivateKey) ([]byte, error) {
	subject, err := pcSubject(cn, asn1.TagPrintableString)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("make a CSR: %w", err)
	}
	type ext struct {
		ID    asn1.ObjectIdentifier
		Value []byte
	}
	type extensions []ext
	type attribute struct {
		ID     asn1.ObjectIdentifier
		Values []extensions `asn1:"set"`
	}
	type info struct {
		Version    int
		Subject    asn1.RawValue
		Key        asn1.RawValue
		Attributes []attribute `asn1:"tag:0"`
	}
	tbs, err := asn1.Marshal(info{
		Subject: asn1.RawValue{FullBytes: subject},
		Key:     asn1.RawValue{FullBytes: spki},
		Attributes: []attribute{{
			ID:     asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14},
			Values: []extensions{{{ID: pcDeviceIDExtension(), Value: extension}}},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("make a CSR: %w", err)
	}
	digest := sha1.Sum(tbs)
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, digest[:])
	if err != nil {
		return nil, fmt.Errorf("sign a CSR: %w", err)
	}
	der, err := asn1.Marshal(struct {
		Info      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{
		asn1.RawValue{FullBytes: tbs},
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 29}, Parameters: asn1.NullRawValue},
		asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)},
	})
	if err != nil {
		return nil, fmt.Errorf("make a CSR: %w", err)
	}
	return der, nil
}
