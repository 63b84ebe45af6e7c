package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/identity/ca"
)

const (
	// leafLife is within what Apple accepts of a certificate that an
	// administrator had devices trust: 825 days.
	leafLife = 397 * 24 * time.Hour
	// leafRenewal is how long before its end a certificate is replaced.
	leafRenewal = 30 * 24 * time.Hour
)

// authority loads a certificate authority of our own, which is made at first
// start.
func (d dataDir) authority(name, commonName string, o *ca.RootOptions) (*x509.Certificate, crypto.Signer, error) {
	b, err := d.once(name, func() ([]byte, error) {
		cert, key, err := ca.NewSelfSigned(commonName, o)
		if err != nil {
			return nil, err
		}
		c, k, err := ca.MarshalPEM(cert, key)
		return append(c, k...), err
	})
	if err != nil {
		return nil, nil, err
	}
	cert, key, err := ca.ParsePEM(b, b)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", d.path(name), err)
	}
	return cert, key, nil
}

// selfSigned returns the certificate to serve with, and the authority that
// devices and browsers have to trust. Both are kept; the certificate is made
// anew when a name is missing in it or its end is near.
func (d dataDir) selfSigned(host string, now time.Time) (*tls.Certificate, *x509.Certificate, error) {
	root, key, err := d.authority("server-ca.pem", "Keelson server authority", &ca.RootOptions{Key: ca.P256})
	if err != nil {
		return nil, nil, err
	}
	names := serverNames(host)
	if b, err := d.read("server.pem"); err != nil {
		return nil, nil, err
	} else if c, err := tls.X509KeyPair(b, b); err == nil && covers(c.Leaf, names, root, now) {
		return &c, root, nil
	}
	b, err := issueServer(root, key, names, now)
	if err != nil {
		return nil, nil, err
	}
	if err := d.write("server.pem", b); err != nil {
		return nil, nil, fmt.Errorf("keep server.pem: %w", err)
	}
	c, err := tls.X509KeyPair(b, b)
	return &c, root, err
}

// serverNames are the names by which this machine is reached.
func serverNames(host string) []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if h, err := os.Hostname(); err == nil && h != "" {
		names = append(names, h)
	}
	if !slices.Contains(names, host) {
		names = append(names, host)
	}
	return names
}

func covers(leaf *x509.Certificate, names []string, root *x509.Certificate, now time.Time) bool {
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter.Add(-leafRenewal)) || leaf.CheckSignatureFrom(root) != nil {
		return false
	}
	return !slices.ContainsFunc(names, func(n string) bool { return leaf.VerifyHostname(n) != nil })
}

// issueServer makes a certificate, its chain and its key, as one PEM file.
func issueServer(root *x509.Certificate, rootKey crypto.Signer, names []string, now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: names[len(names)-1]},
		NotBefore:             now.Add(-ca.Backdate),
		NotAfter:              now.Add(leafLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, root, key.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, b := range []*pem.Block{
		{Type: "CERTIFICATE", Bytes: der},
		{Type: "CERTIFICATE", Bytes: root.Raw},
		{Type: "PRIVATE KEY", Bytes: private},
	} {
		out = append(out, pem.EncodeToMemory(b)...)
	}
	return out, nil
}
