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
	"net/url"
	"slices"

	"github.com/smallstep/pkcs7"
)

// scepCA is what GetCACert returned: a CA, or an RA with its CA.
type scepCA struct {
	certs      []*x509.Certificate // never empty
	degenerate bool
}

func readCACert(reply *httpReply) (*scepCA, error) {
	ca := &scepCA{}
	if cert, err := x509.ParseCertificate(reply.body); err == nil {
		ca.certs = []*x509.Certificate{cert}
	} else {
		p7, err := parseCMS(reply.body)
		if err != nil {
			return nil, fmt.Errorf("neither a certificate nor degenerate CMS: %w", err)
		}
		if len(p7.Certificates) == 0 {
			return nil, errors.New("no certificate in it")
		}
		ca.certs, ca.degenerate = p7.Certificates, true
	}
	if _, ok := ca.recipient().PublicKey.(*rsa.PublicKey); !ok {
		return nil, errors.New("no certificate with an RSA key, to which a request could be encrypted")
	}
	return ca, nil
}

// recipient is to whom requests are encrypted: an RA that may decrypt, else the
// CA.
func (c *scepCA) recipient() *x509.Certificate {
	usable := func(ca bool) func(*x509.Certificate) bool {
		return func(cert *x509.Certificate) bool {
			_, isRSA := cert.PublicKey.(*rsa.PublicKey)
			decrypts := cert.KeyUsage == 0 || cert.KeyUsage&(x509.KeyUsageKeyEncipherment|x509.KeyUsageDataEncipherment) != 0
			return isRSA && cert.IsCA == ca && (ca || decrypts)
		}
	}
	for _, ca := range []bool{false, true} {
		if i := slices.IndexFunc(c.certs, usable(ca)); i >= 0 {
			return c.certs[i]
		}
	}
	return c.certs[0]
}

// issuer is the certificate of the CA itself.
func (c *scepCA) issuer() *x509.Certificate {
	if i := slices.IndexFunc(c.certs, func(cert *x509.Certificate) bool { return cert.IsCA }); i >= 0 {
		return c.certs[i]
	}
	return c.certs[0]
}

// matches reports whether one of the certificates has the fingerprint.
func (c *scepCA) matches(fp []byte) bool {
	return slices.ContainsFunc(c.certs, func(cert *x509.Certificate) bool {
		return bytes.Equal(fingerprint(len(fp), cert.Raw), fp)
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

// open decrypts the certificates of a CertRep and checks the one for our key.
func (r *scepRun) open(enveloped []byte) (*x509.Certificate, error) {
	var certs []*x509.Certificate
	env, err := parseCMS(enveloped)
	if err != nil {
		return nil, fmt.Errorf("the enveloped data: %w", err)
	}
	var degenerate []byte
	if err := guard(func() (err error) {
		degenerate, err = env.Decrypt(r.req.cert, r.req.key)
		return err
	}); err != nil {
		return nil, fmt.Errorf("decrypt with the key of the request: %w", err)
	}
	var p7 *pkcs7.PKCS7
	if p7, err = parseCMS(degenerate); err != nil {
		return nil, fmt.Errorf("the certificates: %w", err)
	}
	certs = p7.Certificates
	i := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return r.req.key.PublicKey.Equal(c.PublicKey) })
	if i < 0 {
		return nil, fmt.Errorf("none of the %d certificates is for the key of the request", len(certs))
	}
	return certs[i], r.judgeLeaf(certs[i])
}

// judgeLeaf checks that the certificate can be a device's identity.
func (r *scepRun) judgeLeaf(leaf *x509.Certificate) error {
	issued := func(ca *x509.Certificate) bool { return leaf.CheckSignatureFrom(ca) == nil }
	now := r.a.Now()
	switch {
	case !slices.ContainsFunc(r.ca.certs, issued):
		return errors.New("the certificate is not issued by the CA of GetCACert")
	case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate is valid from %s to %s, and now it is %s", leaf.NotBefore, leaf.NotAfter, now)
	case leaf.IsCA:
		return errors.New("the certificate is a CA's")
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("the certificate may not be used to sign")
	case len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) &&
		!slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny):
		return errors.New("the certificate may not be used as a client's")
	}
	return nil
}

// addAltNames puts the names of the SCEP payload into the request. Each may be a
// string or an array of them. ntPrincipalName is left out.
func addAltNames(csr *x509.CertificateRequest, v any) {
	names, _ := v.(map[string]any)
	each := func(key string) []string {
		if s, ok := names[key].(string); ok {
			return []string{s}
		}
		return strs(names, key)
	}
	csr.DNSNames = each("dNSName")
	csr.EmailAddresses = each("rfc822Name")
	for _, raw := range each("uniformResourceIdentifier") {
		if u, err := url.Parse(raw); err == nil {
			csr.URIs = append(csr.URIs, u)
		}
	}
}
