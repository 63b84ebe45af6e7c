package sqlstore

import (
	"context"
	"database/sql"
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
	dead   bool
}

func (t *tx) Tenant() mdm.TenantID { return t.tenant }
func (t *tx) AfterCommit(f func()) { t.after = append(t.after, f) }

type unitKey struct{}

// InTx runs fn in an immediate transaction.
func (s *Store) InTx(ctx context.Context, tenant mdm.TenantID, fn func(context.Context, mdm.Tx) error) error {
	if err := s.outside(ctx); err != nil {
		return err
	}
	s.writer.lock.Lock()
	t, err := s.commit(ctx, tenant, fn)
	s.writer.lock.Unlock()
	if err != nil {
		return err
	}
	for _, f := range t.after {
		f()
	}
	return nil
}

// commit runs one unit with the writer's lock held.
func (s *Store) commit(ctx context.Context, tenant mdm.TenantID, fn func(context.Context, mdm.Tx) error) (*tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, mdm.WrapError(mdm.CodeUnavailable, "", "the request ended before its unit of work began", err)
	}
	if s.writer.conn == nil {
		if err := s.writer.open(ctx); err != nil {
			return nil, err
		}
	}
	q := prepared{&s.writer}
	id, err := s.tenantID(ctx, q, tenant)
	if err != nil {
		return nil, err
	}
	// Once begun, a unit is not interrupted half-way: it is short, and an
	// interrupted statement would leave its fate to the driver.
	work := context.WithoutCancel(ctx)
	if _, err := q.ExecContext(work, `BEGIN IMMEDIATE`); err != nil {
		s.dropBroken(err)
		return nil, failure("begin", err)
	}
	t := &tx{s: s, q: q, tenant: tenant, id: id}
	done := false
	defer func() {
		t.dead = true
		if !done {
			if _, err := s.writer.conn.ExecContext(work, `ROLLBACK`); err != nil {
				s.dropBroken(sql.ErrConnDone)
			}
		}
	}()
	if err := fn(context.WithValue(work, unitKey{}, s), t); err != nil {
		return nil, err
	}
	if err := t.write("commit"); err != nil {
		return nil, err
	}
	if _, err := q.ExecContext(work, `COMMIT`); err != nil {
		return nil, failure("commit", err)
	}
	done = true
	return t, nil
}

// dropBroken gives up a connection that cannot be trusted any more; the next
// unit of work opens another.
func (s *Store) dropBroken(err error) {
	if !errors.Is(err, sql.ErrConnDone) || s.writer.conn == nil {
		return
	}
	_ = s.writer.conn.Raw(func(any) error { return errBad })
	_ = s.writer.conn.Close()
	s.writer.conn, s.writer.stmts = nil, nil
}

// Join makes a unit of work of the application's own transaction: what fn
// writes through it commits, or is rolled back, with everything else in that
// transaction. Only append-only writes belong there, as the transaction may stay
// open for long. Wakes registered with AfterCommit run at once and may find
// nothing yet: the sweeps find it later.
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
	if err := fn(context.WithValue(ctx, unitKey{}, s), t); err != nil {
		return err
	}
	for _, f := range t.after {
		f()
	}
	return nil
}

// outside refuses what would wait for its own unit of work for ever.
func (s *Store) outside(ctx context.Context) error {
	if ctx.Value(unitKey{}) == s {
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

// unit runs fn as a unit of work of its own.
func (s *Store) unit(ctx context.Context, tenant mdm.TenantID, fn func(context.Context, *tx) error) error {
	return s.InTx(ctx, tenant, func(ctx context.Context, x mdm.Tx) error { return fn(ctx, x.(*tx)) })
}

func (t *tx) write(what string) error {
	if t.s.fault == nil {
		return nil
	}
	return t.s.fault(what)
}

// exec runs a writing statement and returns how many rows it touched.
func (t *tx) exec(ctx context.Context, what, query string, args ...any) (int64, error) {
	if err := t.write(what); err != nil {
		return 0, err
	}
	r, err := t.q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, failure("write "+what, err)
	}
	n, err := r.RowsAffected()
	if err != nil {
		return 0, failure("write "+what, err)
	}
	return n, nil
}

// insert runs an INSERT and returns the key that the database made.
func (t *tx) insert(ctx context.Context, what, query string, args ...any) (int64, error) {
	if err := t.write(what); err != nil {
		return 0, err
	}
	r, err := t.q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, failure("write "+what, err)
	}
	id, err := r.LastInsertId()
	if err != nil {
		return 0, failure("write "+what, err)
	}
	return id, nil
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
