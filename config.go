package keelson

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/scep"
	"github.com/keelson-mdm/keelson/storage"
)

// Config is what [New] needs. URL, Store, CA and Keyring are required; every
// other field works when it is zero.
type Config struct {
	// URL is where devices reach this server: https, without a path. It stands
	// in every device's enrollment and cannot be changed later.
	URL string
	// Store keeps everything; see storage/sqlstore and storage/inmem.
	Store storage.Store
	// CA issues device identities; see identity/ca for the built-in one.
	CA mdm.CA
	// RA decrypts and signs SCEP messages; it has an RSA key. Zero takes the
	// built-in CA's own, when that is RSA; otherwise no Apple device can enroll.
	RA scep.RA
	// Keyring seals what is secret at rest.
	Keyring mdm.Keyring

	// Push wakes devices. Nil means that they come when they come.
	Push mdm.Pusher
	// Topic is that of the APNs push certificate. Empty means that no Apple
	// device can enroll.
	Topic string
	// Organization is shown to people at enrollment. Empty shows none.
	Organization string
	// Anchors are what devices must trust to reach URL, when its certificate is
	// of a private CA. They go into the enrollment profile.
	Anchors []*x509.Certificate
	// Signer signs enrollment profiles, which devices show as the profile's
	// author. The zero value leaves them unsigned.
	Signer Signer

	// Passwords checks who enrolls a Windows PC by user name and password.
	// Nil means that no PC can enroll.
	Passwords mdm.PasswordChecker
	// Admitter is the application's veto on each enrollment. Nil lets in every
	// device that has a good challenge or password.
	Admitter mdm.Admitter
	// AdmitTimeout bounds Admitter; 0 means 5 seconds.
	AdmitTimeout time.Duration
	// AdmitOnFailure lets a device in when Admitter fails.
	AdmitOnFailure bool
	// OutsideCA accepts device certificates that do not carry our name; set it
	// when CA is not the built-in one, and judge devices in Admitter.
	OutsideCA bool

	// Authorizer judges every administrative read and write. Nil allows all:
	// the application then judges its callers itself.
	Authorizer mdm.Authorizer
	// Hooks receives what happened. Nil means that nobody listens.
	Hooks mdm.Hooks
	// ClientCertificate returns the certificate with which a device connected,
	// verified or not. Nil takes it from the TLS connection; set it behind a
	// proxy that ends TLS.
	ClientCertificate func(*http.Request) *x509.Certificate

	// Retention says for how long what is over is kept. The zero value keeps 90
	// days.
	Retention Retention

	// Clock tells the time; nil means the machine's.
	Clock mdm.Clock
	// Rand is the source of secrets; nil means crypto/rand.
	Rand io.Reader
	// Log receives what needs a person's eye; nil discards.
	Log *slog.Logger
	// Meter receives measurements; nil takes none.
	Meter mdm.Meter
}

// Signer is a certificate with its private key, and what leads to a root that
// devices trust.
type Signer struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
	Chain       []*x509.Certificate
}

func (c *Config) check() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return mdm.Errorf(mdm.CodeInvalid, "URL", "the URL is https://, a host, and nothing behind it: devices refuse everything else")
	case c.Store == nil:
		return mdm.Errorf(mdm.CodeInvalid, "Store", "a store is required: sqlstore.Open, or inmem.New to try things out")
	case c.CA == nil:
		return mdm.Errorf(mdm.CodeInvalid, "CA", "a CA is required: ca.New")
	case c.Keyring == nil:
		return mdm.Errorf(mdm.CodeInvalid, "Keyring", "a keyring is required: mdm.LocalKeyring with a key of 32 random bytes")
	case c.Signer.Certificate != nil && c.Signer.Key == nil:
		return mdm.Errorf(mdm.CodeInvalid, "Signer", "the signer's key is missing")
	}
	c.URL = u.Scheme + "://" + u.Host
	if c.Clock == nil {
		c.Clock = mdm.SystemClock{}
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	c.Retention.complete()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}
