package keelson

import (
	"context"
	"sync"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

const (
	wakeBatch  = 500
	sweepPause = 10 * time.Minute // between two wakes of devices that did not come
)

// waker pushes to devices that have something to fetch: at once when something
// is queued, and again and again for what stays queued. Wakes are hints: losing
// one only delays.
type waker struct {
	c       Config
	targets func(context.Context, mdm.TenantID, []mdm.EnrollmentKey) ([]mdm.PushTarget, error)
	waiting func(context.Context, mdm.TenantID, mdm.EnrollmentKey, int) ([]mdm.EnrollmentKey, error)

	mu   sync.Mutex
	due  map[mdm.TenantID]map[mdm.EnrollmentKey]bool
	kick chan struct{}
}

func newWaker(c Config) *waker {
	return &waker{c: c, due: make(map[mdm.TenantID]map[mdm.EnrollmentKey]bool), kick: make(chan struct{}, 1)}
}

// wake asks for a push to channels; several wakes of one become one.
func (w *waker) wake(t mdm.TenantID, keys []mdm.EnrollmentKey) {
	if w.c.Push == nil || w.targets == nil {
		return
	}
	w.mu.Lock()
	if w.due[t] == nil {
		w.due[t] = make(map[mdm.EnrollmentKey]bool)
	}
	for _, k := range keys {
		w.due[t][k] = true
	}
	w.mu.Unlock()
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

func (w *waker) run(ctx context.Context) error {
	sweep := time.NewTicker(sweepPause)
	defer sweep.Stop()
	w.sweep(ctx) // what was queued when the process before this one ended
	for {
		w.pushDue(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.kick:
		case <-sweep.C:
			w.sweep(ctx)
		}
	}
}

// sweep asks for a push to every channel that has something waiting.
func (w *waker) sweep(ctx context.Context) {
	if w.c.Push == nil || w.waiting == nil {
		return
	}
	tenants, err := w.c.Store.Lifecycle().Tenants(ctx)
	for _, t := range tenants {
		for after := mdm.EnrollmentKey(0); err == nil; {
			var keys []mdm.EnrollmentKey
			if keys, err = w.waiting(ctx, t, after, wakeBatch); len(keys) == 0 {
				break
			}
			w.wake(t, keys)
			after = keys[len(keys)-1]
		}
	}
	if err != nil && ctx.Err() == nil {
		w.c.Log.WarnContext(ctx, "waiting devices were not found", "error", err)
	}
}

func (w *waker) pushDue(ctx context.Context) {
	w.mu.Lock()
	batch := w.due
	w.due = make(map[mdm.TenantID]map[mdm.EnrollmentKey]bool)
	w.mu.Unlock()
	for t, set := range batch {
		keys := make([]mdm.EnrollmentKey, 0, min(len(set), wakeBatch))
		for k := range set {
			if keys = append(keys, k); len(keys) == wakeBatch {
				w.push(ctx, t, keys)
				keys = keys[:0]
			}
		}
		if len(keys) > 0 {
			w.push(ctx, t, keys)
		}
	}
}

func (w *waker) push(ctx context.Context, t mdm.TenantID, keys []mdm.EnrollmentKey) {
	targets, err := w.targets(ctx, t, keys)
	if err != nil || len(targets) == 0 {
		if err != nil && ctx.Err() == nil {
			w.c.Log.WarnContext(ctx, "devices were not woken", "tenant", t, "error", err)
		}
		return
	}
	outcomes, err := w.c.Push.Push(ctx, t, targets)
	if err != nil && ctx.Err() == nil {
		w.c.Log.WarnContext(ctx, "devices were not woken", "tenant", t, "error", err)
	}
	for i, o := range outcomes {
		if o.Status != mdm.PushDelivered {
			w.c.Log.InfoContext(ctx, "a device was not woken", "tenant", t, "enrollment_key", int64(targets[i].Enrollment), "status", int(o.Status), "error", o.Err)
		}
	}
}

const expireBatch = 200

// expire ends commands whose time is over and tells their owners.
func (m *MDM) expire(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		tenants, err := m.c.Store.Lifecycle().Tenants(ctx)
		for _, t := range tenants {
			if e := m.expireTenant(ctx, t); e != nil {
				err = e
			}
		}
		if err != nil && ctx.Err() == nil {
			m.c.Log.WarnContext(ctx, "commands were not expired", "error", err)
		}
	}
}

func (m *MDM) expireTenant(ctx context.Context, t mdm.TenantID) error {
	for n := expireBatch; n == expireBatch; {
		err := m.c.Store.InTx(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
			rs, err := m.queue.Expire(ctx, tx, expireBatch)
			n = len(rs)
			if err != nil {
				return err
			}
			return m.results(ctx, tx, rs, mdm.Actor{})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
