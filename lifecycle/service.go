package lifecycle

import (
	"context"
	"io"
	"log/slog"

	"github.com/keelson-mdm/keelson/mdm"
)

// Config is what a [Service] needs. Fields are required unless their comment
// says otherwise.
type Config struct {
	Store      Store
	Transactor mdm.Transactor
	Clock      mdm.Clock
	// Rand is safe for concurrent use, as crypto/rand's Reader is.
	Rand io.Reader
	// Hooks receives committed events. Nil means that nobody listens, and
	// then no event is written.
	Hooks mdm.Hooks
	// Log receives what needs a person's eye. Nil discards.
	Log *slog.Logger
}

// Service keeps hosts and enrollments. It is safe for concurrent use.
type Service struct {
	c    Config
	wake chan struct{}
}

// New returns a service, or a [mdm.CodeInvalid] error when a required field is
// missing.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Transactor == nil || c.Clock == nil || c.Rand == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "lifecycle", "Store, Transactor, Clock and Rand are required")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c: c, wake: make(chan struct{}, 1)}, nil
}

// Apply turns what a device did into a transition, in the device's unit of
// work. Kinds of signal that are of no concern to lifecycle are [None].
//
// A device that may not do what it did is a [mdm.CodeIdentity] error, a channel
// or host that is not there [mdm.CodeNotFound], and a signal without its data
// [mdm.CodeInternal].
func (s *Service) Apply(ctx context.Context, tx mdm.Tx, g mdm.Signal) (Transition, error) {
	switch g.Kind {
	case mdm.SignalAuthenticated:
		if d, ok := g.Data.(mdm.Authenticated); ok {
			return s.announce(ctx, tx, d)
		}
	case mdm.SignalConfirmed:
		if d, ok := g.Data.(mdm.Confirmed); ok {
			return s.confirm(ctx, tx, g.Key, d.Pin)
		}
	case mdm.SignalFacts:
		if d, ok := g.Data.(mdm.HostFacts); ok {
			return Transition{}, s.facts(ctx, tx, g.Host, d)
		}
	case mdm.SignalCheckedOut:
		return s.checkOut(ctx, tx, g.Key, g.Generation)
	default:
		return Transition{}, nil
	}
	return Transition{}, mdm.Errorf(mdm.CodeInternal, "", "a signal %q carries data of another kind", g.Kind)
}
