package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// report appends an event for the application to the outbox and wakes the
// delivery after the commit. Who is zero for what a device did.
func (s *Service) report(ctx context.Context, tx mdm.Tx, k mdm.EventKind, h mdm.Host, e mdm.Enrollment, who mdm.Actor) error {
	return s.Report(ctx, tx, mdm.Event{
		Kind: k, Host: h.ID, ExternalID: h.ExternalID,
		Enrollment: e.ID, Key: e.Key, Generation: e.Generation, Actor: who,
	})
}

// Report appends an event for the application, in the caller's unit of work.
// ID and At are filled in when empty, Version and Tenant always. Without hooks it
// does nothing.
func (s *Service) Report(ctx context.Context, tx mdm.Tx, e mdm.Event) error {
	if s.c.Hooks == nil {
		return nil
	}
	if e.At.IsZero() {
		e.At = s.c.Clock.Now()
	}
	if e.ID == "" {
		id, err := mdm.NewUUID(e.At, s.c.Rand)
		if err != nil {
			return err
		}
		e.ID = mdm.EventID(id)
	}
	e.Version, e.Tenant = mdm.EventVersion, tx.Tenant()
	if err := s.c.Store.Append(ctx, tx, e); err != nil {
		return err
	}
	tx.AfterCommit(s.Wake)
	return nil
}

// Wake makes a running delivery look for events at once. It never blocks.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

const (
	eventLease = time.Minute
	eventBatch = 8               // so that a whole batch ends within its lease
	hookLimit  = 5 * time.Second // for one event
	eventPause = 5 * time.Second
	maxRetry   = time.Hour
)

// Deliver hands due events of one tenant to the hooks until none is left, and
// returns how many were delivered. Each is claimed by row, so that any number of
// replicas may run it; an event whose hook fails, panics or takes longer than 5
// seconds comes again after a pause that doubles from a second to an hour, and
// later events of its enrollment wait for it. An event comes again, too, when a
// process dies before it has noted the delivery.
func (s *Service) Deliver(ctx context.Context, t mdm.TenantID) (int, error) {
	if s.c.Hooks == nil {
		return 0, nil
	}
	// What is due is what was due at the beginning: an event that fails now is
	// not tried again before others had their turn.
	begin := s.c.Clock.Now()
	delivered := 0
	for ctx.Err() == nil {
		claimed := s.c.Clock.Now()
		batch, err := s.c.Store.ClaimEvents(ctx, t, begin, claimed.Add(eventLease).Sub(begin), eventBatch)
		if err != nil || len(batch) == 0 {
			return delivered, err
		}
		for _, e := range batch {
			if ctx.Err() != nil || s.c.Clock.Now().Sub(claimed) >= eventLease {
				break // it is not ours any more
			}
			ok, err := s.deliver(ctx, t, e)
			if err != nil {
				return delivered, err
			}
			if ok {
				delivered++
			}
		}
	}
	return delivered, ctx.Err()
}

// deliver hands over one event and notes what came of it, even when ctx has
// ended meanwhile: a delivery that is not noted is done again.
func (s *Service) deliver(ctx context.Context, t mdm.TenantID, e OutboxEvent) (ok bool, err error) {
	err = s.handle(ctx, e.Event)
	note := context.WithoutCancel(ctx)
	switch {
	case err == nil:
		return true, s.c.Store.EventDone(note, t, e.Seq)
	case ctx.Err() != nil:
		return false, ctx.Err() // that was no failure of the hook's; the lease brings it again
	}
	s.c.Log.WarnContext(ctx, "a hook failed; the event comes again", "event", e.ID, "kind", e.Kind, "tries", e.Tries+1, "error", err)
	return false, s.c.Store.EventRetry(note, t, e.Seq, s.c.Clock.Now().Add(retryPause(e.Tries)))
}

// handle calls the application and keeps a panic of its from ending the process.
// What it panicked with may be a secret and goes nowhere.
func (s *Service) handle(ctx context.Context, e mdm.Event) (err error) {
	ctx, cancel := context.WithTimeout(ctx, hookLimit)
	defer cancel()
	defer func() {
		if recover() != nil {
			err = errors.New("the hook panicked")
			s.c.Log.ErrorContext(ctx, "a hook panicked", "event", e.ID, "kind", e.Kind, slog.String("stack", string(debug.Stack())))
		}
	}()
	return s.c.Hooks.HandleEvent(ctx, e)
}

func retryPause(tries int) time.Duration {
	return min(time.Second<<min(max(tries, 0), 12), maxRetry)
}

// Run delivers the events of every tenant until ctx ends, and returns ctx's
// error once the hook that is running has returned.
func (s *Service) Run(ctx context.Context) error {
	if s.c.Hooks == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	tick := time.NewTicker(eventPause)
	defer tick.Stop()
	for {
		tenants, err := s.c.Store.Tenants(ctx)
		for _, t := range tenants {
			if _, e := s.Deliver(ctx, t); e != nil {
				err = errors.Join(err, e)
			}
		}
		if err != nil && ctx.Err() == nil {
			s.c.Log.ErrorContext(ctx, "events were not delivered", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// CommandEnded is the event of an application's command that ended. It names the
// command and does not carry the answer. Who ended it, by a cancel or by what they
// did to the host; zero when the device or time did.
func CommandEnded(r mdm.Result, who mdm.Actor) (mdm.Event, error) {
	data, err := json.Marshal(CommandEndedData{Kind: r.Kind, Outcome: r.Outcome, Code: r.Code, Late: r.Late(), QueuedBy: r.Actor})
	return mdm.Event{
		Kind: mdm.EventCommandEnded, At: r.At, Host: r.HostID, Key: r.Enrollment, Enrollment: r.Life,
		Generation: r.Generation, Command: r.Command, Actor: who, Data: data,
	}, err
}

// CommandEndedData is the data of [mdm.EventCommandEnded].
type CommandEndedData struct {
	Kind    string      `json:"kind"`
	Outcome mdm.Outcome `json:"outcome"`
	Code    string      `json:"code,omitempty"`
	Late    bool        `json:"late,omitempty"`
	// QueuedBy is who had the command queued, and why.
	QueuedBy mdm.Actor `json:"queued_by,omitzero"`
}
