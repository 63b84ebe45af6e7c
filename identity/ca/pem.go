package ca

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/keelson-mdm/keelson/mdm"
)

// MaxPEM bounds each input of [ParsePEM], in bytes.
const MaxPEM = 64 << 10

// MarshalPEM returns an authority as two PEM files; the key as PKCS #8, without
// a password: keep it as a secret. It fails for keys that cannot leave their
// module.
func MarshalPEM(cert *x509.Certificate, key crypto.Signer) (certPEM, keyPEM []byte, err error) {
	if cert == nil {
		return nil, nil, mdm.Errorf(mdm.CodeInvalid, "certificate", "no certificate to write")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("write the authority's key: %w", err)
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return certPEM, keyPEM, nil
}

// ParsePEM reads the first certificate of certPEM and the first private key of
// keyPEM (PKCS #8, PKCS #1 or SEC 1); both may be the same file. It does not
// say whether they belong together: [New] does. Errors are [mdm.CodeMalformed]
// or [mdm.CodeTooLarge] and hold nothing of the key.
func ParsePEM(certPEM, keyPEM []byte) (*x509.Certificate, crypto.Signer, error) {
	if len(certPEM) > MaxPEM || len(keyPEM) > MaxPEM {
		return nil, nil, mdm.Errorf(mdm.CodeTooLarge, "", "a PEM file of an authority has at most %d bytes", MaxPEM)
	}
	block := firstBlock(certPEM, "CERTIFICATE")
	if block == nil {
		return nil, nil, mdm.Errorf(mdm.CodeMalformed, "certificate", "the file holds no PEM block CERTIFICATE")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, mdm.WrapError(mdm.CodeMalformed, "certificate", "the PEM block holds no certificate", err)
	}
	key, err := parseKey(firstBlock(keyPEM, "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"))
	if err != nil {
		return nil, nil, err
	}
	return cert, key, nil
}

func firstBlock(data []byte, kinds ...string) *pem.Block {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return nil
		}
		for _, k := range kinds {
			if block.Type == k {
				return block
			}
		}
	}
}

func parseKey(block *pem.Block) (crypto.Signer, error) {
	if block == nil {
		return nil, mdm.Errorf(mdm.CodeMalformed, "key", "the file holds no PEM block with a private key")
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, mdm.Errorf(mdm.CodeMalformed, "key", "the private key is encrypted: decrypt it first, for example with openssl pkey")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		// The cause is dropped: it could quote the key.
		return nil, mdm.Errorf(mdm.CodeMalformed, "key", "the PEM block holds no private key that can be read")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, mdm.Errorf(mdm.CodeMalformed, "key", "a key of this kind cannot sign")
	}
	return signer, nil
}
