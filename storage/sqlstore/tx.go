package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/keelson-mdm/keelson/mdm"
)

// tx is a unit of work.
type tx struct {
	s      *Store
	q      Querier
	tenant mdm.TenantID
	id     int64 // the tenant's row key
	after  []func()
	failed error // why it cannot commit any more
	dead   bool
}

func (t *tx) Tenant() mdm.TenantID { return t.tenant }
func (t *tx) AfterCommit(f func()) { t.after = append(t.after, f) }

// unitKey marks the context of a store's unit of work.
type unitKey struct{ s *Store }

// InTx runs fn in an immediate transaction.
func (s *Store) InTx(ctx context.Context, tenant mdm.TenantID, fn func(context.Context, mdm.Tx) error) error {
	return s.unit(ctx, tenant, func(ctx context.Context, t *tx) error { return fn(ctx, t) })
}

// unit runs fn as a unit of work of its own, and the wakes after it.
func (s *Store) unit(ctx context.Context, tenant mdm.TenantID, fn func(context.Context, *tx) error) error {
	var after []func()
	err := s.commit(ctx, func(ctx context.Context, t *tx) (err error) {
		if t.id, err = s.tenantID(ctx, t.q, tenant); err != nil {
			return err
		}
		t.tenant = tenant
		defer func() { after = t.after }()
		return fn(ctx, t)
	})
	if err != nil {
		return err
	}
	for _, f := range after {
		f()
	}
	return nil
}

// commit runs fn in a transaction on the writer's connection, and rolls it back
// when fn fails or panics.
func (s *Store) commit(ctx context.Context, fn func(context.Context, *tx) error) error {
	if err := s.outside(ctx); err != nil {
		return err
	}
	if err := s.writer.acquire(ctx); err != nil {
		return err
	}
	defer s.writer.release()
	// Once begun, a unit is not interrupted half-way: it is short, and an
	// interrupted statement would leave its fate to the driver.
	work := context.WithoutCancel(ctx)
	if err := s.writer.begin(work); err != nil {
		return err
	}
	t := &tx{s: s, q: prepared{&s.writer}}
	done := false
	defer func() {
		t.dead = true
		if !done {
			s.writer.rollback(work)
		}
	}()
	if err := fn(context.WithValue(work, unitKey{s}, true), t); err != nil {
		return err
	}
	if err := t.write("commit"); err != nil {
		return err
	}
	if _, err := t.q.ExecContext(work, `COMMIT`); err != nil {
		return failure("commit", err)
	}
	done = true
	return nil
}

// Join makes a unit of work of the application's own transaction: what fn
// writes through it commits, or is rolled back, with everything else in that
// transaction. When Join returns an error the application rolls back: part of
// what fn wrote may stand in the transaction. Only append-only writes belong
// there, as the transaction may stay open for long. Wakes registered with
// AfterCommit run at once and may find nothing yet: the sweeps find it later.
func (s *Store) Join(ctx context.Context, q Querier, tenant mdm.TenantID, fn func(context.Context, mdm.Tx) error) error {
	if err := s.outside(ctx); err != nil {
		return err
	}
	id, err := s.tenantID(ctx, q, tenant)
	if err != nil {
		return err
	}
	t := &tx{s: s, q: q, tenant: tenant, id: id}
	defer func() { t.dead = true }()
	if err := fn(context.WithValue(ctx, unitKey{s}, true), t); err != nil {
		return err
	}
	if t.failed != nil {
		return t.failed
	}
	for _, f := range t.after {
		f()
	}
	return nil
}

// outside refuses what would wait for its own unit of work for ever.
func (s *Store) outside(ctx context.Context) error {
	if ctx.Value(unitKey{s}) != nil {
		return mdm.Errorf(mdm.CodeInternal, "", "a unit of work is open: use the methods that join it")
	}
	return nil
}

// join returns the unit behind a caller's Tx.
func (s *Store) join(x mdm.Tx) (*tx, error) {
	t, ok := x.(*tx)
	if !ok || t.s != s || t.dead {
		return nil, mdm.Errorf(mdm.CodeInternal, "", "not an open unit of work of this store")
	}
	return t, nil
}

// read runs fn with the pool, for a read of its own that is one statement.
func (s *Store) read(ctx context.Context, tenant mdm.TenantID, fn func(*tx) error) error {
	if err := s.outside(ctx); err != nil {
		return err
	}
	id, err := s.tenantID(ctx, s.db, tenant)
	if err != nil {
		return err
	}
	t := &tx{s: s, q: s.db, tenant: tenant, id: id}
	defer func() { t.dead = true }()
	return fn(t)
}

// snapshot is read for several statements that must see one state.
func (s *Store) snapshot(ctx context.Context, tenant mdm.TenantID, fn func(*tx) error) error {
	if err := s.outside(ctx); err != nil {
		return err
	}
	id, err := s.tenantID(ctx, s.db, tenant)
	if err != nil {
		return err
	}
	r, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return failure("begin to read", err)
	}
	t := &tx{s: s, q: r, tenant: tenant, id: id}
	defer func() {
		t.dead = true
		_ = r.Rollback() // nothing was written
	}()
	return fn(t)
}

// write asks the fault hook before a write. A write that failed for the
// database's sake ends its unit, whatever its caller makes of the error: SQLite
// may have rolled everything back by itself, and what followed would stand alone.
func (t *tx) write(what string) error {
	if t.failed != nil {
		return t.failed
	}
	if t.s.fault != nil {
		t.failed = t.s.fault(what)
	}
	return t.failed
}

// run runs a writing statement.
func (t *tx) run(ctx context.Context, what, query string, args ...any) (sql.Result, int64, error) {
	if err := t.write(what); err != nil {
		return nil, 0, err
	}
	r, err := t.q.ExecContext(ctx, query, args...)
	var n int64
	if err == nil {
		n, err = r.RowsAffected()
	}
	if err = failure("write "+what, err); err != nil && !errors.Is(err, mdm.CodeConflict) {
		t.failed = err
	}
	return r, n, err
}

// exec runs a writing statement and returns how many rows it touched.
func (t *tx) exec(ctx context.Context, what, query string, args ...any) (int64, error) {
	_, n, err := t.run(ctx, what, query, args...)
	return n, err
}

// insert runs an INSERT of one row and returns the key that the database made,
// or 0 when what the row is made of does not exist.
func (t *tx) insert(ctx context.Context, what, query string, args ...any) (int64, error) {
	r, n, err := t.run(ctx, what, query, args...)
	if err != nil || n == 0 {
		return 0, err
	}
	id, err := r.LastInsertId()
	return id, failure("write "+what, err)
}

// each runs a query and calls scan for every row.
func (t *tx) each(ctx context.Context, what, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := t.q.QueryContext(ctx, query, args...)
	if err != nil {
		return failure("read "+what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("read %s: %w", what, err)
		}
	}
	return failure("read "+what, rows.Err())
}

// list is keys as one argument, for "IN (SELECT value FROM json_each(?))": one
// statement for lists of every length.
func list[K ~int64](keys []K) (string, error) {
	b, err := json.Marshal(keys)
	return string(b), err
}

const inList = `IN (SELECT value FROM json_each(?))`
