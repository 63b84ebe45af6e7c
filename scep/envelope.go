package scep

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" // for clients that AcceptLegacy lets in
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"

	"github.com/smallstep/pkcs7"
	smallscep "github.com/smallstep/scep"

	"github.com/keelson-mdm/keelson/mdm"
)

// maxRecipients bounds how many recipients of a request are looked at.
const maxRecipients = 16

// envelopedData is RFC 5652, section 6.1, version 0. Recipients that are not a
// key transport by issuer and serial are skipped.
type envelopedData struct {
	Version    int
	Recipients []asn1.RawValue `asn1:"set"`
	Content    encryptedContentInfo
}

type keyTransport struct {
	Version   int
	Recipient issuerAndSerial
	Algorithm pkix.AlgorithmIdentifier
	Key       []byte
}

type encryptedContentInfo struct {
	Type      asn1.ObjectIdentifier
	Algorithm pkix.AlgorithmIdentifier
	Content   asn1.RawValue `asn1:"optional,tag:0"`
}

// encrypt returns content as EnvelopedData for one RSA recipient: AES-128-CBC,
// which RFC 8894, section 3.5.2 makes mandatory, with the key under RSA PKCS #1
// v1.5, which section 3.1 leaves no choice about.
func encrypt(random io.Reader, content []byte, to *x509.Certificate) ([]byte, error) {
	pub, ok := to.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("encrypt: the recipient has no RSA key")
	}
	var secret [16 + aes.BlockSize]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	key, iv := secret[:16], secret[16:]
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	pad := aes.BlockSize - len(content)%aes.BlockSize
	sealed := append(bytes.Clone(content), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, sealed)

	//lint:ignore SA1019 the protocol prescribes it
	wrapped, err := rsa.EncryptPKCS1v15(random, pub, key)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	recipient, err := asn1.Marshal(keyTransport{
		Recipient: nameOf(to),
		Algorithm: withNULL(pkcs7.OIDEncryptionAlgorithmRSA),
		Key:       wrapped,
	})
	if err != nil {
		return nil, fmt.Errorf("encode a recipient: %w", err)
	}
	ivDER, err := asn1.Marshal(iv)
	if err != nil {
		return nil, fmt.Errorf("encode an initialization vector: %w", err)
	}
	inner, err := asn1.Marshal(envelopedData{
		Recipients: []asn1.RawValue{{FullBytes: recipient}},
		Content: encryptedContentInfo{
			Type:      pkcs7.OIDData,
			Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidAES128CBC, Parameters: asn1.RawValue{FullBytes: ivDER}},
			Content:   asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: sealed},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("encode an envelope: %w", err)
	}
	return asn1.Marshal(contentInfo{Type: pkcs7.OIDEnvelopedData, Content: context0(inner)})
}

// contentCipher is how a content encryption is undone.
type contentCipher struct {
	keyLen int
	weak   bool
	block  func(key []byte) (cipher.Block, error)
}

func cipherOf(oid asn1.ObjectIdentifier) (contentCipher, bool) {
	switch {
	case oid.Equal(oidAES128CBC):
		return contentCipher{keyLen: 16, block: aes.NewCipher}, true
	case oid.Equal(oidAES192CBC):
		return contentCipher{keyLen: 24, block: aes.NewCipher}, true
	case oid.Equal(oidAES256CBC):
		return contentCipher{keyLen: 32, block: aes.NewCipher}, true
	case oid.Equal(oid3DESCBC):
		return contentCipher{keyLen: 24, weak: true, block: des.NewTripleDESCipher}, true
	case oid.Equal(oidDESCBC):
		return contentCipher{keyLen: 8, weak: true, block: des.NewCipher}, true
	}
	return contentCipher{}, false
}

// decrypt opens a request's EnvelopedData. Everything that depends on a secret
// fails in one and the same way: a captured request must not become an oracle
// for its content when it is sent again with changes.
func (h *Handler) decrypt(envelope []byte) ([]byte, error) {
	der, err := toDER(envelope)
	if err != nil {
		return nil, refuse(smallscep.BadMessageCheck, err)
	}
	var outer contentInfo
	var data envelopedData
	if _, err := asn1.Unmarshal(der, &outer); err != nil || !outer.Type.Equal(pkcs7.OIDEnvelopedData) {
		return nil, refuse(smallscep.BadMessageCheck, malformed("its content is no EnvelopedData"))
	}
	if _, err := asn1.Unmarshal(outer.Content.Bytes, &data); err != nil {
		return nil, refuse(smallscep.BadMessageCheck, malformed("its EnvelopedData cannot be decoded"))
	}
	alg := data.Content.Algorithm
	c, ok := cipherOf(alg.Algorithm)
	if !ok || c.weak && !h.legacy {
		return nil, refuse(smallscep.BadAlg, mdm.Errorf(mdm.CodeUnsupported, "pkcsPKIEnvelope",
			"the content encryption %s is refused: use AES in CBC mode, as GetCACaps says", alg.Algorithm))
	}
	wrapped, err := h.wrappedKey(data.Recipients)
	if err != nil {
		return nil, err
	}
	sealed, err := octets(data.Content.Content)
	if err != nil {
		return nil, refuse(smallscep.BadMessageCheck, err)
	}
	// With a session key length, wrong padding gives a random key and no error.
	//lint:ignore SA1019 the protocol prescribes it
	key, err := h.ra.Key.Decrypt(h.rand, wrapped, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: c.keyLen})
	if e := (*mdm.Error)(nil); errors.As(err, &e) && e.Code.Answer().Transient {
		return nil, fmt.Errorf("decrypt a request: %w", err)
	}
	unreadable := refuse(smallscep.BadMessageCheck, &mdm.Error{
		Code: mdm.CodeMalformed, Field: "pkcsPKIEnvelope", Message: "the envelope does not open with our key", Err: err,
	})
	if err != nil {
		return nil, unreadable
	}
	block, err := c.block(key)
	if err != nil {
		return nil, unreadable
	}
	size, iv := block.BlockSize(), alg.Parameters.Bytes
	if alg.Parameters.Tag != asn1.TagOctetString || len(iv) != size || len(sealed) == 0 || len(sealed)%size != 0 {
		return nil, unreadable
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, sealed)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > size || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, unreadable
	}
	return plain[:len(plain)-pad], nil
}

// wrappedKey finds the content key that is encrypted to the RA.
func (h *Handler) wrappedKey(recipients []asn1.RawValue) ([]byte, error) {
	for _, raw := range recipients[:min(len(recipients), maxRecipients)] {
		var kt keyTransport
		if _, err := asn1.Unmarshal(raw.FullBytes, &kt); err != nil {
			continue
		}
		ours := h.ra.Certificate
		if !bytes.Equal(kt.Recipient.Issuer.FullBytes, ours.RawIssuer) || kt.Recipient.Serial.Cmp(ours.SerialNumber) != 0 {
			continue
		}
		if !kt.Algorithm.Algorithm.Equal(pkcs7.OIDEncryptionAlgorithmRSA) {
			return nil, refuse(smallscep.BadAlg, mdm.Errorf(mdm.CodeUnsupported, "pkcsPKIEnvelope",
				"the key encryption %s is refused: use rsaEncryption", kt.Algorithm.Algorithm))
		}
		return kt.Key, nil
	}
	return nil, refuse(smallscep.BadMessageCheck, mdm.Errorf(mdm.CodeMalformed, "pkcsPKIEnvelope",
		"the request is encrypted to another certificate than that of GetCACert"))
}

// octets returns the content of an OCTET STRING with an implicit tag, which may
// come in parts.
func octets(v asn1.RawValue) ([]byte, error) {
	if !v.IsCompound {
		return v.Bytes, nil
	}
	var out []byte
	for rest := v.Bytes; len(rest) > 0; {
		var part []byte
		var err error
		if rest, err = asn1.Unmarshal(rest, &part); err != nil {
			return nil, malformed("an encrypted content in parts that are none")
		}
		out = append(out, part...)
	}
	return out, nil
}
