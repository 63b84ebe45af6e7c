package mdmtest

import (
	"bytes"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// scepCA is what GetCACert returned: a CA alone, which does everything, or with
// an RA.
type scepCA struct {
	certs     []*x509.Certificate // as they came
	ca        *x509.Certificate   // what CAFingerprint is of
	signer    *x509.Certificate   // of what is answered
	recipient *x509.Certificate   // requests are encrypted to it; has an RSA key
}

// readCACert reads the answer as Apple's client does, whose source is published
// (Security framework, SecSCEP.c and its tool scep.c): the whole Content-Type
// says which of the two forms it is, and an answer in neither is refused.
func readCACert(reply *httpReply) (*scepCA, error) {
	c := &scepCA{}
	switch reply.rawType {
	case "application/x-x509-ca-cert":
		cert, err := x509.ParseCertificate(reply.body)
		if err != nil {
			return nil, fmt.Errorf("the certificate of the CA: %w", err)
		}
		c.certs, c.ca, c.signer, c.recipient = []*x509.Certificate{cert}, cert, cert, cert
	case "application/x-x509-ca-ra-cert":
		p7, err := parseCMS(reply.body)
		if err != nil {
			return nil, fmt.Errorf("the certificates of CA and RA: %w", err)
		}
		c.certs = p7.Certificates
		if err := c.findRA(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("content type %q, neither application/x-x509-ca-cert nor application/x-x509-ca-ra-cert", reply.rawType)
	}
	if _, ok := c.recipient.PublicKey.(*rsa.PublicKey); !ok {
		return nil, errors.New("no certificate with an RSA key, to which a request could be encrypted")
	}
	return c, nil
}

// findRA tells the certificates of a CA and its RA apart: what another of them
// issued may be the RA, by its key usage, and what tops that chain is the CA.
// There may be two RAs, of which one signs and the other decrypts.
func (c *scepCA) findRA() error {
	const sign, decrypt = x509.KeyUsageDigitalSignature, x509.KeyUsageKeyEncipherment
	ras := make(map[x509.KeyUsage]*x509.Certificate) // the first of each
	for _, cert := range c.certs {
		top := c.top(cert)
		if top == cert {
			continue
		}
		if c.ca != nil && !c.ca.Equal(top) {
			return fmt.Errorf("the certificates are of two CAs, %q and %q", c.ca.Subject, top.Subject)
		}
		c.ca = top
		if usage := cert.KeyUsage & (sign | decrypt); ras[usage] == nil {
			ras[usage] = cert
		}
	}
	if c.signer, c.recipient = ras[sign], ras[decrypt]; c.signer == nil || c.recipient == nil {
		c.signer, c.recipient = ras[sign|decrypt], ras[sign|decrypt]
	}
	if c.signer == nil {
		return errors.New("no RA that was issued by a CA beside it and may sign and decrypt (digitalSignature, keyEncipherment)")
	}
	return nil
}

// top follows the issuers of cert among the certificates; it is cert itself
// where none of them issued it.
func (c *scepCA) top(cert *x509.Certificate) *x509.Certificate {
	for range c.certs {
		i := slices.IndexFunc(c.certs, func(by *x509.Certificate) bool {
			return !by.Equal(cert) && bytes.Equal(cert.RawIssuer, by.RawSubject) && cert.CheckSignatureFrom(by) == nil
		})
		if i < 0 {
			break
		}
		cert = c.certs[i]
	}
	return cert
}

// validAt reports whether everything that the device relies on is valid.
func (c *scepCA) validAt(now time.Time) bool {
	return !slices.ContainsFunc([]*x509.Certificate{c.ca, c.signer, c.recipient}, func(cert *x509.Certificate) bool {
		return now.Before(cert.NotBefore) || now.After(cert.NotAfter)
	})
}

// fingerprint hashes with the function that gives that many bytes; nil if there
// is none. Apple's older text names MD5 and SHA-1; the schema names none.
func fingerprint(size int, der []byte) []byte {
	switch size {
	case md5.Size:
		h := md5.Sum(der)
		return h[:]
	case sha1.Size:
		h := sha1.Sum(der)
		return h[:]
	case sha256.Size:
		h := sha256.Sum256(der)
		return h[:]
	case sha512.Size:
		h := sha512.Sum512(der)
		return h[:]
	}
	return nil
}
