package inmem

import (
	"context"
	"sync"
	"time"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage"
	"github.com/keelson-mdm/keelson/windows"
)

// Options are the choices of a [Store]; nil takes the zero value of each.
type Options struct {
	// Fault fails writes, for tests. Nil fails none.
	Fault storage.FaultHook
}

// Store is the backend. Units of work run one after the other.
type Store struct {
	mu      sync.Mutex
	fault   storage.FaultHook
	tenants map[mdm.TenantID]*state
	order   []mdm.TenantID
	leases  map[string]leaseRow
	// sequences are shared by all tenants, as those of a database are.
	lastKey, lastSeq, lastEvent, lastGeneration int64
}

var _ storage.Store = (*Store)(nil)

// New returns an empty store.
func New(o *Options) *Store {
	s := &Store{tenants: make(map[mdm.TenantID]*state), leases: make(map[string]leaseRow)}
	if o != nil {
		s.fault = o.Fault
	}
	return s
}

// Ready always succeeds.
func (s *Store) Ready(context.Context) error { return nil }

// The rooms. Each is the store seen through one interface.
func (s *Store) Queue() queue.Store         { return queueRoom{s} }
func (s *Store) Identity() identity.Store   { return identityRoom{s} }
func (s *Store) Lifecycle() lifecycle.Store { return lifecycleRoom{s} }
func (s *Store) Profiles() profiles.Store   { return profilesRoom{s} }
func (s *Store) Apple() apple.Store         { return appleRoom{s} }
func (s *Store) Windows() windows.Store     { return windowsRoom{s} }
func (s *Store) Leases() storage.Leases     { return leases{s} }

// tx is a unit of work: it holds the store's lock and remembers how to undo.
type tx struct {
	*state
	s      *Store
	tenant mdm.TenantID
	undo   []func()
	after  []func()
	failed error // why it cannot commit any more
	dead   bool
}

func (t *tx) Tenant() mdm.TenantID { return t.tenant }
func (t *tx) AfterCommit(f func()) { t.after = append(t.after, f) }

// unitKey marks the context of a store's unit of work.
type unitKey struct{ s *Store }

// InTx runs fn with the store locked, and undoes its writes when it fails.
func (s *Store) InTx(ctx context.Context, tenant mdm.TenantID, fn func(context.Context, mdm.Tx) error) error {
	if err := s.outside(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return mdm.WrapError(mdm.CodeUnavailable, "", "the request ended before its unit of work began", err)
	}
	var after []func()
	if err := s.commit(ctx, tenant, fn, &after); err != nil {
		return err
	}
	for _, f := range after {
		f()
	}
	return nil
}

// commit runs one unit with the store locked, and undoes what fn wrote when it
// fails or panics. Wakes are for after the lock.
func (s *Store) commit(ctx context.Context, tenant mdm.TenantID, fn func(context.Context, mdm.Tx) error, after *[]func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.begin(tenant)
	if err != nil {
		return err
	}
	committed := false
	defer func() {
		t.dead = true
		if !committed {
			for i := len(t.undo) - 1; i >= 0; i-- {
				t.undo[i]()
			}
		}
	}()
	if err := fn(context.WithValue(ctx, unitKey{s}, true), t); err != nil {
		return err
	}
	if err := t.write("commit"); err != nil {
		return err
	}
	committed, *after = true, t.after
	return nil
}

// outside refuses what would wait for its own unit of work for ever.
func (s *Store) outside(ctx context.Context) error {
	if ctx.Value(unitKey{s}) != nil {
		return mdm.Errorf(mdm.CodeInternal, "", "a unit of work is open: use the methods that join it")
	}
	return nil
}

func (s *Store) begin(tenant mdm.TenantID) (*tx, error) {
	st := s.tenants[tenant]
	if st == nil {
		return nil, mdm.Errorf(mdm.CodeNotFound, "tenant", "no tenant %q", tenant)
	}
	return &tx{state: st, s: s, tenant: tenant}, nil
}

// join returns the unit behind a caller's Tx.
func (s *Store) join(x mdm.Tx) (*tx, error) {
	t, ok := x.(*tx)
	if !ok || t.s != s || t.dead {
		return nil, mdm.Errorf(mdm.CodeInternal, "", "not an open unit of work of this store")
	}
	return t, nil
}

// read runs fn on a tenant's state as a read of its own.
func (s *Store) read(ctx context.Context, tenant mdm.TenantID, fn func(*tx) error) error {
	if err := s.outside(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.begin(tenant)
	if err != nil {
		return err
	}
	defer func() { t.dead = true }()
	return fn(t)
}

// unit runs fn as a unit of work of its own.
func (s *Store) unit(ctx context.Context, tenant mdm.TenantID, fn func(*tx) error) error {
	return s.InTx(ctx, tenant, func(_ context.Context, x mdm.Tx) error { return fn(x.(*tx)) })
}

// write asks the fault hook before a write. A write that failed ends its unit,
// whatever its caller makes of the error, as it does in a database.
func (t *tx) write(what string) error {
	if t.failed == nil && t.s.fault != nil {
		t.failed = t.s.fault(what)
	}
	return t.failed
}

func next(n *int64) int64 { *n++; return *n }

// stored is a time as stores keep it: microseconds, UTC.
func stored(t time.Time) time.Time { return mdm.FromMicros(mdm.Micros(t)) }

func notFound(what string) error { return mdm.Errorf(mdm.CodeNotFound, "", "no such %s", what) }
