package keelson

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage"
)

// Retention says for how long what is over is kept. In each field zero takes the
// default, and a negative value keeps for ever.
type Retention struct {
	// Commands is how long commands are kept once they have ended, with their
	// results. Zero means 90 days. An idempotency key lives as long.
	Commands time.Duration
	// PerChannel is how many commands that have ended each channel keeps, the
	// newest. Zero means 1,000.
	PerChannel int
	// Identities is how long certificates and enrollment links are kept after
	// their own end. What a device was bound to stays while it has not got
	// another. Zero means 90 days.
	Identities time.Duration
}

const defaultAge = 90 * 24 * time.Hour

// complete puts in the defaults.
func (r *Retention) complete() {
	for _, age := range []*time.Duration{&r.Commands, &r.Identities} {
		if *age == 0 {
			*age = defaultAge
		}
	}
	if r.PerChannel == 0 {
		r.PerChannel = 1000
	}
}

const (
	retainEvery = time.Minute
	retainLease = 2 * time.Minute
	retainBatch = 200 // rows a unit of work, and a statement
	// retainPages is how many pages of channels, and of links, are looked at a
	// round.
	retainPages = 25
	// contentIdle is how long content that nothing seems to use is left: far
	// longer than a unit of work, the application's own included, may be open.
	contentIdle = 7 * 24 * time.Hour
)

// errTaken is that another instance prunes.
var errTaken = mdm.Errorf(mdm.CodeBusy, "", "another instance prunes")

// retainer deletes what is over, on one instance at a time: the one that has the
// lease. Each step is a unit of work that checks the lease itself. By its own
// clock an instance only prolongs the lease early.
type retainer struct {
	c       Config
	owner   string
	mu      sync.Mutex                                 // one round at a time
	lease   storage.Lease                              // of epoch 0 while it is not held
	prolong time.Time                                  // when the lease is to be prolonged
	visited map[mdm.TenantID]mdm.EnrollmentKey         // channels that have been looked at
	intents map[mdm.TenantID]mdm.IntentID              // likewise
	pause   func(ctx context.Context, d time.Duration) // after a step that took that long
}

func newRetainer(c Config) (*retainer, error) {
	owner, err := mdm.NewUUID(c.Clock.Now(), c.Rand)
	if err != nil {
		return nil, err
	}
	return &retainer{c: c, owner: string(owner), visited: make(map[mdm.TenantID]mdm.EnrollmentKey), intents: make(map[mdm.TenantID]mdm.IntentID)}, nil
}

// hold takes the lease, or prolongs it in time.
func (r *retainer) hold(ctx context.Context) error {
	now := r.c.Clock.Now()
	if now.Before(r.prolong) {
		return nil
	}
	l, ok, err := r.c.Store.Leases().Acquire(ctx, "retention", r.owner, retainLease, now)
	switch {
	case err != nil:
		return fmt.Errorf("acquire the lease of retention: %w", err)
	case !ok:
		r.lease, r.prolong = storage.Lease{}, time.Time{}
		return errTaken
	}
	r.lease, r.prolong = l, now.Add(retainLease/2)
	return nil
}

// sweep is one thing that is pruned: a step in a unit of work that deletes up to
// retainBatch rows, and says whether there may be more. A step may run again;
// done, if there is one, follows its commit.
type sweep struct {
	what string
	step func(ctx context.Context, tx mdm.Tx, now time.Time) (more bool, err error)
	done func()
}

// sweeps are what is pruned of a tenant. pages bounds each walk.
func (r *retainer) sweeps(t mdm.TenantID, pages int) []sweep {
	keep, q := r.c.Retention, r.c.Store.Queue()
	var out []sweep
	old := func(what string, age time.Duration, step func(context.Context, mdm.Tx, time.Time, int) (int, error)) {
		if age < 0 {
			return
		}
		out = append(out, sweep{what: what, step: func(ctx context.Context, tx mdm.Tx, now time.Time) (bool, error) {
			n, err := step(ctx, tx, now.Add(-age), retainBatch)
			return n == retainBatch, err
		}})
	}
	old("commands", keep.Commands, q.PruneDone)
	if keep.PerChannel >= 0 {
		var n int
		var next mdm.EnrollmentKey
		out = append(out, sweep{what: "commands of a channel", step: func(ctx context.Context, tx mdm.Tx, _ time.Time) (more bool, err error) {
			n, next, err = q.PruneChannels(ctx, tx, keep.PerChannel, r.visited[t], retainBatch)
			return n == retainBatch || next != 0 && pages != 1, err
		}, done: func() {
			r.visited[t] = next
			if n < retainBatch {
				pages--
			}
		}})
	}
	old("certificates", keep.Identities, r.c.Store.Identity().PruneCertificates)
	if keep.Identities >= 0 {
		var next mdm.IntentID
		left := pages
		out = append(out, sweep{what: "links", step: func(ctx context.Context, tx mdm.Tx, now time.Time) (more bool, err error) {
			next, err = r.c.Store.Identity().PruneIntents(ctx, tx, now.Add(-keep.Identities), r.intents[t], retainBatch)
			return next != "" && left != 1, err
		}, done: func() {
			r.intents[t] = next
			left--
		}})
	}
	out = append(out, sweep{what: "content", step: func(ctx context.Context, tx mdm.Tx, now time.Time) (bool, error) {
		n, err := q.PruneContent(ctx, tx, now.Add(-contentIdle), now, retainBatch)
		return n == retainBatch, err
	}})
	return out
}

// round prunes every tenant. Of errors it tells all, and goes on with the rest.
func (r *retainer) round(ctx context.Context, pages int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.hold(ctx); err != nil {
		return err
	}
	tenants, err := r.c.Store.Lifecycle().Tenants(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range tenants {
		for _, s := range r.sweeps(t, pages) {
			err := r.sweep(ctx, t, s)
			if errors.Is(err, errTaken) || ctx.Err() != nil {
				return errors.Join(append(errs, err)...)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("prune the %s of %s: %w", s.what, t, err))
			}
		}
	}
	return errors.Join(errs...)
}

// sweep makes steps until there is no more.
func (r *retainer) sweep(ctx context.Context, t mdm.TenantID, s sweep) error {
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		began := time.Now()
		if err := r.hold(ctx); err != nil {
			return err
		}
		err := r.c.Store.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) (err error) {
			now := r.c.Clock.Now()
			if err := r.c.Store.Leases().Holds(ctx, tx, r.lease, now); err != nil {
				return err
			}
			more, err = s.step(ctx, tx, now)
			return err
		})
		switch {
		case errors.Is(err, mdm.CodePrecondition): // it ended meanwhile: whoever has it goes on
			r.prolong = time.Time{}
			more = true
		case err != nil:
			return err
		case s.done != nil:
			s.done()
		}
		if r.pause != nil && more {
			r.pause(ctx, time.Since(began))
		}
	}
	return nil
}

// run prunes steadily, for half of the time at most, until ctx ends.
func (r *retainer) run(ctx context.Context) error {
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	r.mu.Lock()
	r.pause = wait
	r.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			r.release(ctx)
			return ctx.Err()
		case <-tick.C:
		}
		if err := r.round(ctx, retainPages); err != nil && !errors.Is(err, errTaken) && ctx.Err() == nil {
			r.c.Log.WarnContext(ctx, "what is over was not pruned", "error", err)
		}
	}
}

// wait lets others go first for a while.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// release gives the lease up, so that another instance need not wait for its end.
func (r *retainer) release(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease.Epoch == 0 {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := r.c.Store.Leases().Release(last, r.lease); err != nil {
		r.c.Log.WarnContext(ctx, "a lease was not released", "error", err)
	}
	r.lease, r.prolong = storage.Lease{}, time.Time{}
}

// Prune does at once what [MDM.Run] does steadily: it deletes what
// [Config].Retention does not keep, of every tenant. While another instance is at
// it, it is a [mdm.CodeBusy] error.
func (m *MDM) Prune(ctx context.Context) error { return m.retainer.round(ctx, -1) }
