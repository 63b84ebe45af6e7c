package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
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
	// Connections bounds how many connections of the pool the store uses at
	// once on a server. 0 means twice the cores of this machine, at least 4,
	// and never more than the pool allows. SQLite has one writer.
	Connections int
	// Wait is how long a request waits for one of them before it is told to
	// come back, with [mdm.CodeBusy]. 0 means 5 seconds.
	Wait time.Duration
	// Fault fails writes, for tests. Nil fails none.
	Fault storage.FaultHook
}

// Store is the backend. It is safe for concurrent use.
type Store struct {
	db    *sql.DB
	d     *dialect
	fault storage.FaultHook
	turns turns

	again atomic.Int64 // units that began again

	mu      sync.RWMutex
	tenants map[mdm.TenantID]int64
}

var _ storage.Store = (*Store)(nil)

// Open returns a store over the application's database, whose schema [Migrate]
// has brought up. On SQLite it takes one connection for itself until
// [Store.Close], and the pool must allow at least two. What is missing or set
// wrong is a [mdm.CodeInvalid] error that says what to change.
func Open(ctx context.Context, db *sql.DB, d Dialect, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	di, err := of(d)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, d: di, fault: o.Fault, tenants: make(map[mdm.TenantID]int64)}
	if d == SQLite {
		s.turns, err = openWriter(ctx, db)
	} else {
		s.turns, err = openPool(ctx, db, di, o)
	}
	if err != nil {
		return nil, err
	}
	if err := checkSchema(ctx, db, di); err != nil {
		return nil, errors.Join(err, s.turns.close())
	}
	return s, nil
}

// Close waits for the units of work that run and gives back the store's
// connections; units that follow fail. The database stays open: it is the
// application's.
func (s *Store) Close() error { return s.turns.close() }

// Ready reports why the store cannot be used now.
func (s *Store) Ready(ctx context.Context) error { return checkSchema(ctx, s.db, s.d) }

// Stats is what a store has counted since it was opened.
type Stats struct {
	// Again is how many units of work began again because another transaction
	// stood in their way. There is one lock order, so that it stays near zero.
	Again int64
}

// Stats returns the counts.
func (s *Store) Stats() Stats { return Stats{Again: s.again.Load()} }

// Queue is the queue's room.
func (s *Store) Queue() queue.Store {
	if s.d.name == PostgreSQL {
		return reporting{queueRoom{s}}
	}
	return queueRoom{s}
}

// Identity is identity's room.
func (s *Store) Identity() identity.Store { return identityRoom{s} }

// Lifecycle is lifecycle's room.
func (s *Store) Lifecycle() lifecycle.Store { return lifecycleRoom{s} }

// Profiles is the engine's room.
func (s *Store) Profiles() profiles.Store { return profilesRoom{s} }

// Apple is Apple MDM's room.
func (s *Store) Apple() apple.Store { return appleRoom{s} }

// Windows is Windows MDM's room.
func (s *Store) Windows() windows.Store { return windowsRoom{s} }

// tenantID returns the row key of a tenant.
func (s *Store) tenantID(ctx context.Context, q Querier, t mdm.TenantID) (int64, error) {
	s.mu.RLock()
	id, ok := s.tenants[t]
	s.mu.RUnlock()
	if ok {
		return id, nil
	}
	err := q.QueryRowContext(ctx, `SELECT id FROM keelson_tenant WHERE name = ?`, string(t)).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, mdm.Errorf(mdm.CodeNotFound, "tenant", "no tenant %q", t)
	case err != nil:
		return 0, failure("read a tenant", err)
	}
	s.mu.Lock()
	s.tenants[t] = id
	s.mu.Unlock()
	return id, nil
}
