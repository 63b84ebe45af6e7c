package windows

import (
	"context"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows/mde"
)

// Queue is what a management session needs of the command queue;
// [*queue.Queue] is one.
type Queue interface {
	File(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, r queue.Report) (queue.Filed, error)
	Next(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, p queue.Poll) ([]queue.Handout, error)
}

// Identity is what this package needs to know of who is calling;
// [*identity.Service] is one.
type Identity interface {
	CheckPassword(ctx context.Context, t mdm.TenantID, user, password string) (person string, err error)
	IssueTo(ctx context.Context, t mdm.TenantID, person string, cl identity.Claim, team mdm.TeamKey, key any) (*x509.Certificate, *identity.Admitted, error)
	Renew(ctx context.Context, t mdm.TenantID, signer *x509.Certificate, key any) (*x509.Certificate, error)
	Admit(ctx context.Context, t mdm.TenantID, leaf *x509.Certificate, cl identity.Claim) (*identity.Admitted, error)
	Bind(ctx context.Context, tx mdm.Tx, a *identity.Admitted) (mdm.Authenticated, error)
	Verify(ctx context.Context, t mdm.TenantID, leaf *x509.Certificate) error
	NaturalOf(ctx context.Context, t mdm.TenantID, pin mdm.Hash) (mdm.Natural, error)
	Enrollment(ctx context.Context, tx mdm.Tx, n mdm.Natural) (mdm.Enrollment, error)
}

// Config is what a [Server] needs. URL to Rand are required; every other field
// works when it is zero.
type Config struct {
	// URL is where devices reach this server: https and a host. The addresses
	// that devices are told begin with it, and they remember them.
	URL        string
	Store      Store
	Transactor mdm.Transactor
	Queue      Queue
	Identity   Identity
	Sink       mdm.Sink
	// Box seals what a session leaves in the store.
	Box *mdm.Box
	// CA tells the roots that a device is given beside its certificate. One of
	// them must be self-signed and have issued it.
	CA    mdm.CA
	Clock mdm.Clock
	// Rand is the source of secrets. It must be safe for concurrent use.
	Rand io.Reader

	// ProviderID names this server on the device and can never be changed; see
	// [mde.Provisioning]. Empty means "Keelson".
	ProviderID string
	// Name is the server's name as users see it. Empty means the ProviderID.
	Name string
	// Poll is how often a device calls by itself. Nil means [mde.DefaultPoll].
	Poll *mde.Poll
	// Renewal is when a device renews its certificate. Zero means 60 days
	// before its end, and every 4 days after that. A certificate that lives
	// shortly is renewed in the last third of its life in any case.
	Renewal mde.Renewal
	// FaultStatus is the HTTP status of a SOAP fault: 500, or 200 as some
	// servers have it. Zero means 500.
	FaultStatus int
	// Seen is told of every authenticated session, to be gathered in memory;
	// it must not block. Nil means that nobody listens.
	Seen func(mdm.TenantID, mdm.HostKey)
	// ClientCertificate returns the certificate whose key the device proved to
	// hold, verified or not; nil when there is none. Nil takes it from the TLS
	// connection. Set it behind a proxy that ends TLS, and trust no header that
	// the proxy does not set itself.
	ClientCertificate func(*http.Request) *x509.Certificate
	// BatchCommands and BatchBytes bound what one message brings: queued
	// commands, and the bytes of their content. One command leaves whatever its
	// size. Zero means 40, and 256 KiB.
	BatchCommands int
	BatchBytes    int
	// MaxBody bounds a management message of a device. Zero means 8 MiB.
	MaxBody int64
	// Log receives what needs a person's eye. Nil discards.
	Log *slog.Logger
}

// Server is Windows MDM over HTTP. It has no routes of its own: each method
// returns the handler of one of them, for one tenant. It is safe for concurrent
// use.
type Server struct{ c Config }

// New checks the configuration and returns a server.
func New(c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.ProviderID == "" {
		c.ProviderID = "Keelson"
	}
	if c.Renewal == (mde.Renewal{}) {
		c.Renewal = mde.Renewal{Days: 60, RetryDays: 4}
	}
	if c.FaultStatus == 0 {
		c.FaultStatus = http.StatusInternalServerError
	}
	if c.ClientCertificate == nil {
		c.ClientCertificate = peerCertificate
	}
	if c.BatchCommands == 0 {
		c.BatchCommands = 40
	}
	if c.BatchBytes == 0 {
		c.BatchBytes = 256 << 10
	}
	if c.MaxBody == 0 {
		c.MaxBody = 8 << 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	s := &Server{c: c}
	if err := s.rehearse(); err != nil {
		return nil, err
	}
	return s, nil
}

func (c *Config) check() error {
	if c.Store == nil || c.Transactor == nil || c.Queue == nil || c.Identity == nil || c.Sink == nil ||
		c.Box == nil || c.CA == nil || c.Clock == nil || c.Rand == nil {
		return mdm.Errorf(mdm.CodeInvalid, "windows", "Store, Transactor, Queue, Identity, Sink, Box, CA, Clock and Rand are required")
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return mdm.Errorf(mdm.CodeInvalid, "URL", "the URL is https://, a host, and nothing behind it")
	}
	switch c.FaultStatus {
	case 0, http.StatusOK, http.StatusInternalServerError:
	default:
		return mdm.Errorf(mdm.CodeInvalid, "FaultStatus", "a SOAP fault goes out with the status 500 or 200, not %d", c.FaultStatus)
	}
	if c.BatchCommands < 0 || c.BatchBytes < 0 || c.MaxBody < 0 {
		return mdm.Errorf(mdm.CodeInvalid, "BatchCommands", "BatchCommands, BatchBytes and MaxBody are not negative: leave them zero for their defaults")
	}
	return nil
}

// address is the URL of a route, as devices are told.
func (s *Server) address(t mdm.TenantID, route string) string {
	return s.c.URL + "/mdm/v1/" + string(t) + "/windows/" + route
}

func peerCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}
