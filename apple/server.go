package apple

import (
	"context"
	"crypto"
	"crypto/x509"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// Identity is what Apple MDM needs of [identity.Service].
type Identity interface {
	OpenLink(ctx context.Context, t mdm.TenantID, link string) (identity.Intent, string, error)
	Verify(ctx context.Context, t mdm.TenantID, leaf *x509.Certificate) error
	Recall(ctx context.Context, t mdm.TenantID, pin mdm.Hash) (identity.Known, bool)
	NaturalOf(ctx context.Context, t mdm.TenantID, pin mdm.Hash) (mdm.Natural, error)
	Admit(ctx context.Context, t mdm.TenantID, leaf *x509.Certificate, cl identity.Claim) (*identity.Admitted, error)
	Bind(ctx context.Context, tx mdm.Tx, a *identity.Admitted) (mdm.Authenticated, error)
	Enrollment(ctx context.Context, tx mdm.Tx, n mdm.Natural) (mdm.Enrollment, error)
}

// Queue is what Apple MDM needs of [queue.Queue].
type Queue interface {
	Poll(ctx context.Context, t mdm.TenantID, p queue.Poll) (queue.Answer, error)
	// Report may do a whole report in one step; see [queue.Reporter].
	Report(ctx context.Context, t mdm.TenantID, p queue.Poll, r queue.Report) (queue.Answer, queue.Filed, bool, error)
	File(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, r queue.Report) (queue.Filed, error)
	Next(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, p queue.Poll) ([]queue.Handout, error)
}

// Config is what a [Server] needs. Fields are required unless their comment says
// otherwise.
type Config struct {
	Store      Store
	Transactor mdm.Transactor
	Queue      Queue
	Identity   Identity
	Sink       mdm.Sink
	Box        *mdm.Box
	Clock      mdm.Clock
	// URLs returns what devices of a tenant are told.
	URLs func(mdm.TenantID) URLs
	// Topic is that of the push certificate (its UID), which begins with
	// com.apple.mgmt.
	Topic string

	// Organization is shown to people. Empty shows none.
	Organization string
	// Anchors go into the enrollment profile. Nil means none.
	Anchors []*x509.Certificate
	// CAFingerprint is the digest of the SCEP authority's certificate that
	// devices check. Nil checks none.
	CAFingerprint []byte
	// Signer signs the enrollment profile. Nil leaves it unsigned.
	Signer *Signer
	// ClientCertificate returns the certificate of a device that does not sign
	// its messages; the connection has proved that the device holds its key. Nil
	// takes it from the TLS connection.
	ClientCertificate func(*http.Request) *x509.Certificate
	// Seen is told, after the unit of work, of a host that spoke in good
	// standing. It must not block. Nil tells nobody.
	Seen func(mdm.TenantID, mdm.HostKey)
	// Log receives what needs a person's eye. Nil discards.
	Log *slog.Logger
}

// URLs are the absolute URLs of one tenant. CheckIn may equal Server.
type URLs struct {
	CheckIn string
	Server  string
	SCEP    string
}

// Signer is a certificate with its key and what leads to a trusted root.
type Signer struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
	Chain       []*x509.Certificate
}

// Server is Apple MDM. It is safe for concurrent use and holds no state.
type Server struct {
	c     Config
	rooms sync.Pool // of *[maxUsual]byte, used again and again
}

// New returns a server, or a [mdm.CodeInvalid] error that names what is missing
// or wrong.
func New(c Config) (*Server, error) {
	if c.Store == nil || c.Transactor == nil || c.Queue == nil || c.Identity == nil || c.Sink == nil || c.Box == nil || c.Clock == nil || c.URLs == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "apple", "Store, Transactor, Queue, Identity, Sink, Box, Clock and URLs are required")
	}
	if !strings.HasPrefix(c.Topic, "com.apple.mgmt.") {
		return nil, mdm.Errorf(mdm.CodeInvalid, "Topic", "must be the topic of the push certificate (its UID), which begins with com.apple.mgmt.")
	}
	if c.Signer != nil {
		if err := c.Signer.check(); err != nil {
			return nil, err
		}
	}
	if c.ClientCertificate == nil {
		c.ClientCertificate = peerCertificate
	}
	if c.Seen == nil {
		c.Seen = func(mdm.TenantID, mdm.HostKey) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{c: c}, nil
}

func (s *Signer) check() error {
	if s.Certificate == nil || s.Key == nil {
		return mdm.Errorf(mdm.CodeInvalid, "Signer", "a signer needs a certificate and its key: leave it nil for profiles that are not signed")
	}
	k, ok := s.Key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !k.Equal(s.Certificate.PublicKey) {
		return mdm.Errorf(mdm.CodeInvalid, "Signer", "the signer's key does not belong to its certificate")
	}
	return nil
}

func peerCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}
