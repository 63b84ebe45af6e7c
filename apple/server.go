package apple

import (
	"context"
	"crypto"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// Identity is what Apple MDM needs of [identity.Service].
type Identity interface {
	OpenLink(ctx context.Context, t mdm.TenantID, link string) (identity.Intent, string, error)
	Verify(ctx context.Context, t mdm.TenantID, leaf *x509.Certificate) error
	NaturalOf(ctx context.Context, t mdm.TenantID, pin mdm.Hash) (mdm.Natural, error)
	Admit(ctx context.Context, t mdm.TenantID, leaf *x509.Certificate, cl identity.Claim) (*identity.Admitted, error)
	Bind(ctx context.Context, tx mdm.Tx, a *identity.Admitted) (mdm.Authenticated, error)
	Enrollment(ctx context.Context, tx mdm.Tx, n mdm.Natural) (mdm.Enrollment, error)
}

// Queue is what Apple MDM needs of [queue.Queue].
type Queue interface {
	Poll(ctx context.Context, t mdm.TenantID, p queue.Poll) (queue.Answer, error)
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
	// Topic is that of the push certificate.
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
	// its messages. Nil takes it from the TLS connection.
	ClientCertificate func(*http.Request) *x509.Certificate
	// Seen is told of every host that spoke. Nil tells nobody.
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
type Server struct{ c Config }

// New returns a server.
func New(c Config) (*Server, error) {
	if c.Store == nil || c.Transactor == nil || c.Queue == nil || c.Identity == nil || c.Sink == nil || c.Box == nil || c.Clock == nil || c.URLs == nil || c.Topic == "" {
		return nil, mdm.Errorf(mdm.CodeInvalid, "apple", "Store, Transactor, Queue, Identity, Sink, Box, Clock, URLs and Topic are required")
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

func peerCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// maxBody bounds a request, in bytes. Results with long lists are the largest.
const maxBody = 4 << 20

// body reads a bounded request body.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case err == nil:
		return b, nil
	case isTooLarge(err):
		return nil, mdm.Errorf(mdm.CodeTooLarge, "", "a message has at most %d bytes", maxBody)
	default:
		return nil, mdm.WrapError(mdm.CodeMalformed, "", "the message did not arrive whole", err)
	}
}
