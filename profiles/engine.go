package profiles

import (
	"context"
	"io"
	"log/slog"

	"github.com/keelson-mdm/keelson/mdm"
)

// Config is what an [Engine] needs. Fields are required unless their comment
// says otherwise.
type Config struct {
	Store      Store
	Transactor mdm.Transactor
	Queue      Queue
	Box        *mdm.Box
	Clock      mdm.Clock
	Rand       io.Reader
	Formats    map[Family]Format
	// Reserved lists identifiers that administrators may not use, as
	// prefixes. Nil reserves none.
	Reserved []string
	// Wake is told which channels have something new to fetch, after the
	// commit. Nil tells nobody, and devices poll.
	Wake func(t mdm.TenantID, channels []mdm.EnrollmentKey)
	// Report appends an event for the application in the unit of work that
	// caused it. Nil tells nobody.
	Report func(ctx context.Context, tx mdm.Tx, e mdm.Event) error
	// Tenants lists the tenants whose work Run does.
	Tenants func(ctx context.Context) ([]mdm.TenantID, error)
	// Page is how many hosts one planning unit takes; 0 means 100.
	Page int
	// Log receives what needs a person's eye. Nil discards.
	Log *slog.Logger
}

// Engine is the profiles engine. It is safe for concurrent use, and any number
// of replicas may run on one store.
type Engine struct {
	c    Config
	docs library
	wake chan struct{}
}

// New returns an engine.
func New(c Config) (*Engine, error) {
	if c.Store == nil || c.Transactor == nil || c.Queue == nil || c.Box == nil || c.Clock == nil || c.Rand == nil || c.Tenants == nil || len(c.Formats) == 0 {
		return nil, mdm.Errorf(mdm.CodeInvalid, "profiles", "Store, Transactor, Queue, Box, Clock, Rand, Tenants and Formats are required")
	}
	if c.Wake == nil {
		c.Wake = func(mdm.TenantID, []mdm.EnrollmentKey) {}
	}
	if c.Page <= 0 {
		c.Page = 100
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{c: c, docs: library{limit: libraryLimit}, wake: make(chan struct{}, 1)}, nil
}

// Kick makes a running reconciliation look for work at once: evidence came. It
// never blocks.
func (g *Engine) Kick() { g.kick() }

// kick makes a running reconciliation look for work at once. It never blocks.
func (g *Engine) kick() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *Engine) unit(ctx context.Context, t mdm.TenantID, fn func(context.Context, mdm.Tx) error) error {
	return g.c.Transactor.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		tx.AfterCommit(g.kick)
		return nil
	})
}
