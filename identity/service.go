package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"io"
	"log/slog"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Config is what a [Service] needs. Fields are required unless their comment
// says otherwise.
type Config struct {
	Store      Store
	Transactor mdm.Transactor
	CA         mdm.CA
	Clock      mdm.Clock
	// Rand is safe for concurrent use, as crypto/rand's Reader is.
	Rand io.Reader
	// Admitter is the application's veto. Nil admits every device that has a
	// good challenge or password.
	Admitter mdm.Admitter
	// AdmitTimeout bounds the context of Admitter and Passwords; 0 means 5
	// seconds, and negative is refused.
	AdmitTimeout time.Duration
	// AdmitOnFailure lets a device in when the Admitter fails, panics or times
	// out. The zero value turns it away, to come back later.
	AdmitOnFailure bool
	// Unnamed accepts certificates without our name in them, as an outside CA
	// issues them; the Admitter then judges them.
	Unnamed bool
	// Passwords checks Windows on-premise credentials. Nil refuses them all.
	Passwords mdm.PasswordChecker
	// Log receives what needs a person's eye: an Admitter or a password checker
	// that fails. Nil discards.
	Log *slog.Logger
}

// Service issues and judges identities. It is safe for concurrent use.
type Service struct {
	c         Config
	verifiers verifiers
	memory    memory
}

const defaultAdmitTimeout = 5 * time.Second

// New returns a service, or a [mdm.CodeInvalid] error when a required field is
// missing.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Transactor == nil || c.CA == nil || c.Clock == nil || c.Rand == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "identity", "Store, Transactor, CA, Clock and Rand are required")
	}
	if c.AdmitTimeout < 0 {
		return nil, mdm.Errorf(mdm.CodeInvalid, "AdmitTimeout", "a timeout is not negative: leave it zero for %s", defaultAdmitTimeout)
	}
	if c.AdmitTimeout == 0 {
		c.AdmitTimeout = defaultAdmitTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c: c}, nil
}

// now is the present as stores keep it, so that what is returned is what a later
// read returns.
func (s *Service) now() time.Time { return mdm.FromMicros(mdm.Micros(s.c.Clock.Now())) }

// HashOf returns the pin of a certificate.
func HashOf(c *x509.Certificate) mdm.Hash { return sha256.Sum256(c.Raw) }

func sum(s string) mdm.Hash { return sha256.Sum256([]byte(s)) }
