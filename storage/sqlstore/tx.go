package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// tx is a unit of work.
type tx struct {
	s      *Store
	d      *dialect
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

// InTx runs fn in a transaction, again when another stood in its way.
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

// attempts is how often a unit of work is tried when others stand in its way.
const attempts = 8

// commit runs fn in a transaction, and rolls it back when fn fails or panics. It
// begins again what another transaction stood in the way of.
func (s *Store) commit(ctx context.Context, fn func(context.Context, *tx) error) (err error) {
	if err := s.outside(ctx); err != nil {
		return err
	}
	for n := range attempts {
		if err = s.once(ctx, fn); !errors.Is(err, errAgain) || ctx.Err() != nil {
			return err
		}
		s.again.Add(1)
		pause(ctx, n)
	}
	return err
}

// pause lets the others go first: at random, and for longer each time.
func pause(ctx context.Context, n int) {
	t := time.NewTimer(rand.N(time.Millisecond << n))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (s *Store) once(ctx context.Context, fn func(context.Context, *tx) error) error {
	u, err := s.turns.begin(ctx)
	if err != nil {
		return err
	}
	// Once begun, a unit is not interrupted half-way: it is short, and an
	// interrupted statement would leave its fate to the driver.
	work := context.WithoutCancel(ctx)
	t := &tx{s: s, d: s.d, q: u}
	defer func() {
		t.dead = true
		u.end(work)
	}()
	if err := fn(context.WithValue(work, unitKey{s}, true), t); err != nil {
		return err
	}
	if err := t.write("commit"); err != nil {
		return err
	}
	return failure("commit", u.commit(work))
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
	own := foreign{q, s.d}
	id, err := s.tenantID(ctx, own, tenant)
	if err != nil {
		return err
	}
	t := &tx{s: s, d: s.d, q: own, tenant: tenant, id: id}
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

// read runs fn outside of units, for a read of its own that is one statement.
func (s *Store) read(ctx context.Context, tenant mdm.TenantID, fn func(*tx) error) error {
	return s.look(ctx, tenant, s.turns.read, fn)
}

// snapshot is read for several statements that must see one state.
func (s *Store) snapshot(ctx context.Context, tenant mdm.TenantID, fn func(*tx) error) error {
	return s.look(ctx, tenant, s.turns.snapshot, fn)
}

// single runs fn, which writes with one statement: a unit of work that a server
// need not be told to begin and to commit.
func (s *Store) single(ctx context.Context, tenant mdm.TenantID, fn func(context.Context, *tx) error) error {
	if s.d.name == SQLite {
		return s.unit(ctx, tenant, fn)
	}
	work := context.WithoutCancel(ctx)
	return s.look(ctx, tenant, s.turns.read, func(t *tx) error {
		if err := t.write("commit"); err != nil {
			return err
		}
		return fn(work, t)
	})
}

func (s *Store) look(ctx context.Context, tenant mdm.TenantID, turn func(context.Context) (Querier, func(), error), fn func(*tx) error) error {
	if err := s.outside(ctx); err != nil {
		return err
	}
	q, done, err := turn(ctx)
	if err != nil {
		return err
	}
	t := &tx{s: s, d: s.d, q: q, tenant: tenant}
	defer func() {
		t.dead = true
		done()
	}()
	if t.id, err = s.tenantID(ctx, q, tenant); err != nil {
		return err
	}
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

// exec runs a writing statement and returns how many rows it touched.
func (t *tx) exec(ctx context.Context, what, query string, args ...any) (int64, error) {
	if err := t.write(what); err != nil {
		return 0, err
	}
	r, err := t.q.ExecContext(ctx, query, args...)
	var n int64
	if err == nil {
		n, err = r.RowsAffected()
	}
	return n, t.judged(failure("write "+what, err))
}

// judged notes an error that ends the unit: one of the database's, or any that
// left no transaction to go on in.
func (t *tx) judged(err error) error {
	if err != nil && (t.d.aborts || !errors.Is(err, mdm.CodeConflict)) {
		t.failed = err
	}
	return err
}

// insert runs an INSERT of one row and returns the key that the database made.
// A row whose key is taken is a [mdm.CodeConflict] error, and the unit goes on.
func (t *tx) insert(ctx context.Context, what, key, query string, args ...any) (int64, error) {
	if t.d.returns { // the error of a taken key would end the transaction
		query += " ON CONFLICT DO NOTHING"
	}
	id, err := t.insertFrom(ctx, what, key, query, args...)
	if err == nil && id == 0 {
		return 0, mdm.Errorf(mdm.CodeConflict, "", "write %s: %s", what, exists)
	}
	return id, err
}

// insertFrom is insert for INSERT … SELECT: 0 when there was nothing to insert.
func (t *tx) insertFrom(ctx context.Context, what, key, query string, args ...any) (id int64, err error) {
	if err := t.write(what); err != nil {
		return 0, err
	}
	if t.d.returns {
		err = t.q.QueryRowContext(ctx, query+" RETURNING "+key, args...).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil
		}
		return id, t.judged(failure("write "+what, err))
	}
	r, err := t.q.ExecContext(ctx, query, args...)
	if err == nil {
		var n int64
		if n, err = r.RowsAffected(); err == nil && n > 0 {
			id, err = r.LastInsertId()
		}
	}
	return id, t.judged(failure("write "+what, err))
}

// touched turns an update that found no row into "no such row". MySQL counts what
// changed and not what was found, so it is asked.
func (t *tx) touched(ctx context.Context, n int64, err error, what, table, column string, key any) error {
	if err != nil || n > 0 {
		return err
	}
	if t.d.name == MySQL {
		var found bool
		err := t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+table+` WHERE tenant = ? AND `+column+` = ?)`, t.id, key).Scan(&found)
		if err != nil || found {
			return failure("read "+what, err)
		}
	}
	return failure(what, sql.ErrNoRows)
}

// hold keeps rows as they are until the unit ends; the query ends in their
// condition.
func (t *tx) hold(ctx context.Context, what, query string, args ...any) error {
	if t.d.lock == "" {
		return nil
	}
	return t.each(ctx, what, query+t.d.lock, args, func(*sql.Rows) error { return nil })
}

// holdKeys holds rows by their keys, in key order, and returns those that are
// there still and meet a condition, if there is one.
func (t *tx) holdKeys(ctx context.Context, table, key string, keys []int64, lock, where string, args ...any) (held []int64, err error) {
	if len(keys) == 0 || lock == "" {
		return keys, nil
	}
	if where != "" {
		where = " AND " + where
	}
	these, ids := t.d.in(keys)
	err = t.each(ctx, table, `SELECT `+key+` FROM `+table+t.d.keyed+` WHERE tenant = ? AND `+key+` `+these+where+` ORDER BY `+key+lock,
		slices.Concat([]any{t.id}, ids, args), func(rows *sql.Rows) error {
			var k int64
			err := rows.Scan(&k)
			held = append(held, k)
			return err
		})
	return held, err
}

// guarded runs a writing statement that may find a key taken, so that the unit
// goes on after it.
func (t *tx) guarded(ctx context.Context, what, query string, args ...any) (int64, error) {
	if !t.d.aborts {
		return t.exec(ctx, what, query, args...)
	}
	if _, err := t.q.ExecContext(ctx, `SAVEPOINT keelson`); err != nil {
		return 0, t.judged(failure("guard "+what, err))
	}
	n, err := t.exec(ctx, what, query, args...)
	if err == nil || !errors.Is(err, mdm.CodeConflict) {
		return n, err
	}
	t.failed = nil
	_, back := t.q.ExecContext(ctx, `ROLLBACK TO SAVEPOINT keelson`)
	if back != nil {
		return 0, t.judged(failure("guard "+what, back))
	}
	return n, err
}

// each runs a query and calls scan for every row.
func (t *tx) each(ctx context.Context, what, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := t.q.QueryContext(ctx, query, args...)
	if err != nil {
		return t.judged(failure("read "+what, err))
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("read %s: %w", what, err)
		}
	}
	return t.judged(failure("read "+what, rows.Err()))
}

// in is a condition on a column: that its value is one of these keys.
func in[K ~int64](t *tx, keys []K) (string, []any) {
	ints := make([]int64, len(keys))
	for i, k := range keys {
		ints[i] = int64(k)
	}
	return t.d.in(ints)
}
