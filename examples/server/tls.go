package main

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/keelson-mdm/keelson"
)

// reloadPause is how often the files of -tls-cert are looked at.
const reloadPause = time.Minute

// identity is what the server shows to everybody who connects.
type identity struct {
	get     func() (*tls.Certificate, error)
	anchors []*x509.Certificate // what devices must be told to trust; none for a public certificate
	trust   *x509.CertPool      // trusts the server
	signer  keelson.Signer      // signs enrollment profiles
}

func loadIdentity(o *options, d dataDir, host string, log *slog.Logger) (*identity, error) {
	if o.tlsCert != "" {
		return filesIdentity(o, log)
	}
	c, root, err := d.selfSigned(host, time.Now())
	if err != nil {
		return nil, err
	}
	id := newIdentity(c, func() (*tls.Certificate, error) { return c, nil })
	id.anchors = []*x509.Certificate{root}
	id.trust.AddCert(root)
	return id, nil
}

// filesIdentity serves with the files of -tls-cert, and takes up new ones
// without a restart.
func filesIdentity(o *options, log *slog.Logger) (*identity, error) {
	first, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, fmt.Errorf("-tls-cert: %w", err)
	}
	r := &reloader{cert: o.tlsCert, key: o.tlsKey, log: log, now: &first, looked: time.Now(), changed: modified(o.tlsCert)}
	id := newIdentity(&first, r.get)
	for _, der := range first.Certificate {
		if c, err := x509.ParseCertificate(der); err == nil {
			id.trust.AddCert(c)
		}
	}
	return id, nil
}

func newIdentity(c *tls.Certificate, get func() (*tls.Certificate, error)) *identity {
	id := &identity{get: get, trust: x509.NewCertPool()}
	if key, ok := c.PrivateKey.(crypto.Signer); ok {
		id.signer = keelson.Signer{Certificate: c.Leaf, Key: key}
		for _, der := range c.Certificate[1:] {
			if up, err := x509.ParseCertificate(der); err == nil {
				id.signer.Chain = append(id.signer.Chain, up)
			}
		}
	}
	return id
}

// config asks for client certificates and requires none: Windows sends the one
// of its enrollment, and Keelson judges it. Naming our authority keeps browsers
// from asking people about certificates of theirs.
func (id *identity) config(devices *x509.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(devices)
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return id.get() },
		ClientAuth:     tls.RequestClientCert,
		ClientCAs:      pool,
	}
}

// reloader serves with what stands in two files now.
type reloader struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	now     *tls.Certificate
	looked  time.Time
	changed time.Time
}

func (r *reloader) get() (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.looked) < reloadPause {
		return r.now, nil
	}
	r.looked = time.Now()
	at := modified(r.cert)
	if at.Equal(r.changed) {
		return r.now, nil
	}
	c, err := tls.LoadX509KeyPair(r.cert, r.key)
	if err != nil { // perhaps one of the two is still to be written
		r.log.Warn("the new certificate cannot be used yet", "file", r.cert, "error", err)
		return r.now, nil
	}
	r.now, r.changed = &c, at
	r.log.Info("serving with a new certificate", "file", r.cert, "not_after", c.Leaf.NotAfter)
	return r.now, nil
}

func modified(file string) time.Time {
	st, err := os.Stat(file)
	if err != nil {
		return time.Time{}
	}
	return st.ModTime()
}
