package mdmtest

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

// Messages are signed and encrypted here and not by the pkcs7 module, for two
// reasons: it takes the signing time from the system and not from the device's
// clock, and its cipher is a setting of the whole process, which would let the
// server under test decide what the device encrypts with.

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidEnvelopedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidAES128CBC     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	oidDESCBC        = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 7}
)

// identity is a key with its certificate.
type identity struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// The structures of RFC 5652.
type (
	cmsContentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"optional"`
	}
	cmsSignedData struct {
		Version          int
		DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
		Encapsulated     cmsContentInfo
		Certificates     asn1.RawValue
		SignerInfos      []cmsSignerInfo `asn1:"set"`
	}
	cmsSignerInfo struct {
		Version            int
		SID                cmsIssuerAndSerial
		DigestAlgorithm    pkix.AlgorithmIdentifier
		SignedAttrs        asn1.RawValue
		SignatureAlgorithm pkix.AlgorithmIdentifier
		Signature          []byte
	}
	cmsIssuerAndSerial struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	cmsAttribute struct {
		Type   asn1.ObjectIdentifier
		Values []any `asn1:"set"`
	}
	cmsEnvelopedData struct {
		Version    int
		Recipients []cmsRecipientInfo `asn1:"set"`
		Content    cmsEncryptedContent
	}
	cmsRecipientInfo struct {
		Version      int
		RID          cmsIssuerAndSerial
		KeyAlgorithm pkix.AlgorithmIdentifier
		EncryptedKey []byte
	}
	cmsEncryptedContent struct {
		Type      asn1.ObjectIdentifier
		Algorithm pkix.AlgorithmIdentifier
		Content   asn1.RawValue
	}
)

// signCMS returns content as CMS SignedData with SHA-256, signed at the given
// time; detached leaves the content out.
func signCMS(content []byte, by *identity, at time.Time, detached bool, extra ...cmsAttribute) ([]byte, error) {
	digest := sha256.Sum256(content)
	attrs := append([]cmsAttribute{
		{Type: oidContentType, Values: []any{oidData}},
		{Type: oidMessageDigest, Values: []any{digest[:]}},
		{Type: oidSigningTime, Values: []any{at.UTC()}},
	}, extra...)
	set, err := asn1.MarshalWithParams(attrs, "set") // sorts, as DER wants
	if err != nil {
		return nil, fmt.Errorf("CMS attributes: %w", err)
	}
	attrsDigest := sha256.Sum256(set)
	signature, err := rsa.SignPKCS1v15(rand.Reader, by.key, crypto.SHA256, attrsDigest[:])
	if err != nil {
		return nil, fmt.Errorf("CMS signature: %w", err)
	}
	tagged := append([]byte{0xA0}, set[1:]...) // [0] IMPLICIT in place of SET
	sha := pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}
	sd := cmsSignedData{
		Version:          1,
		DigestAlgorithms: []pkix.AlgorithmIdentifier{sha},
		Encapsulated:     cmsContentInfo{Type: oidData},
		Certificates:     asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: by.cert.Raw},
		SignerInfos: []cmsSignerInfo{{
			Version:            1,
			SID:                cmsIssuerAndSerial{Issuer: asn1.RawValue{FullBytes: by.cert.RawIssuer}, Serial: by.cert.SerialNumber},
			DigestAlgorithm:    sha,
			SignedAttrs:        asn1.RawValue{FullBytes: tagged},
			SignatureAlgorithm: pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue},
			Signature:          signature,
		}},
	}
	if !detached {
		octets, err := asn1.Marshal(content)
		if err != nil {
			return nil, fmt.Errorf("CMS content: %w", err)
		}
		sd.Encapsulated.Content = explicit0(octets)
	}
	return marshalContentInfo(oidSignedData, sd)
}

// encryptCMS returns content as CMS EnvelopedData for one RSA recipient, with
// AES-128-CBC, which RFC 8894 2.9 makes mandatory.
func encryptCMS(content []byte, to *x509.Certificate) ([]byte, error) {
	pub, ok := to.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the recipient's key is %T, not RSA", to.PublicKey)
	}
	key, iv := make([]byte, 16), make([]byte, aes.BlockSize)
	rand.Read(key)
	rand.Read(iv)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	pad := aes.BlockSize - len(content)%aes.BlockSize
	padded := append([]byte(nil), content...)
	for range pad {
		padded = append(padded, byte(pad))
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(padded, padded)
	//lint:ignore SA1019 it is the key transport of SCEP; servers know no other
	encryptedKey, err := rsa.EncryptPKCS1v15(rand.Reader, pub, key)
	if err != nil {
		return nil, fmt.Errorf("encrypt to the CA: %w", err)
	}
	ivOctets, err := asn1.Marshal(iv)
	if err != nil {
		return nil, err
	}
	return marshalContentInfo(oidEnvelopedData, cmsEnvelopedData{
		Recipients: []cmsRecipientInfo{{
			RID:          cmsIssuerAndSerial{Issuer: asn1.RawValue{FullBytes: to.RawIssuer}, Serial: to.SerialNumber},
			KeyAlgorithm: pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue},
			EncryptedKey: encryptedKey,
		}},
		Content: cmsEncryptedContent{
			Type:      oidData,
			Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidAES128CBC, Parameters: asn1.RawValue{FullBytes: ivOctets}},
			Content:   asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: padded},
		},
	})
}

func explicit0(der []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: der}
}

func marshalContentInfo(oid asn1.ObjectIdentifier, body any) ([]byte, error) {
	inner, err := asn1.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("CMS: %w", err)
	}
	return asn1.Marshal(cmsContentInfo{Type: oid, Content: explicit0(inner)})
}

// envelopeCipher returns the content cipher of CMS EnvelopedData.
func envelopeCipher(der []byte) (asn1.ObjectIdentifier, error) {
	var ci cmsContentInfo
	if _, err := asn1.Unmarshal(der, &ci); err != nil {
		return nil, err
	}
	var ed struct {
		Version    int
		Recipients asn1.RawValue
		Content    cmsEncryptedContent
	}
	if _, err := asn1.Unmarshal(ci.Content.Bytes, &ed); err != nil {
		return nil, err
	}
	return ed.Content.Algorithm.Algorithm, nil
}
