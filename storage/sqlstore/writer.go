package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// writer is SQLite's one writer: a pinned connection, the statements prepared on
// it, and a turn that one unit of work has at a time.
type writer struct {
	db     *sql.DB
	turn   chan struct{} // holds one value while nobody has the turn
	conn   *sql.Conn
	stmts  map[string]*sql.Stmt
	closed bool
}

func newWriter(db *sql.DB) *writer {
	w := &writer{db: db, turn: make(chan struct{}, 1)}
	w.turn <- struct{}{}
	return w
}

func openWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	if n := db.Stats().MaxOpenConnections; n == 1 {
		return nil, mdm.Errorf(mdm.CodeInvalid, "db", "the pool allows one connection, and the store keeps one for writing: allow at least two")
	}
	w := newWriter(db)
	return w, w.open(ctx)
}

// acquire waits for the turn, for as long as ctx lasts.
func (w *writer) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return mdm.WrapError(mdm.CodeUnavailable, "", ended, err)
	}
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
		return mdm.WrapError(mdm.CodeUnavailable, "", ended, ctx.Err())
	}
}

func (w *writer) release() { w.turn <- struct{}{} }

// open pins a connection and checks what it needs.
func (w *writer) open(ctx context.Context) error {
	if w.closed {
		return mdm.Errorf(mdm.CodeUnavailable, "", "the store is closed")
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return failure("open a connection", err)
	}
	if err := checkPragmas(ctx, conn); err != nil {
		return errors.Join(err, conn.Close())
	}
	w.conn, w.stmts = conn, make(map[string]*sql.Stmt)
	return nil
}

// begin waits for the turn and begins a transaction, on another connection if
// this one broke since the last.
func (w *writer) begin(ctx context.Context) (unit, error) {
	if err := w.acquire(ctx); err != nil {
		return nil, err
	}
	if err := w.immediate(context.WithoutCancel(ctx)); err != nil {
		w.release()
		return nil, err
	}
	return &written{writer: w}, nil
}

func (w *writer) immediate(ctx context.Context) error {
	for again := true; ; again = false {
		if w.conn == nil {
			if err := w.open(ctx); err != nil {
				return err
			}
		}
		_, err := w.ExecContext(ctx, `BEGIN IMMEDIATE`)
		if broken := errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn); broken {
			w.drop()
			if again {
				continue
			}
		}
		return failure("begin", err)
	}
}

// rollback ends a transaction, and the connection when that fails: SQLite may
// have rolled back by itself, or the connection is broken.
func (w *writer) rollback(ctx context.Context) {
	if _, err := w.conn.ExecContext(ctx, `ROLLBACK`); err != nil {
		w.drop()
	}
}

// drop gives up the connection and makes the pool forget it; the next unit of
// work opens another.
func (w *writer) drop() {
	w.forget()
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = w.conn.Close()
	w.conn, w.stmts = nil, nil
}

// forget closes the prepared statements. Nobody else does: database/sql does not
// keep those of a pinned connection, and SQLite does not end the transaction of
// a closed connection while it has any. On a connection that is gone already a
// driver may not survive that, and nothing is left to close.
func (w *writer) forget() {
	if w.conn.Raw(func(any) error { return nil }) == nil {
		for _, st := range w.stmts {
			_ = st.Close()
		}
	}
	w.stmts = nil
}

// close waits for the unit that runs and gives the connection back.
func (w *writer) close() error {
	<-w.turn
	defer w.release()
	w.closed = true
	if w.conn == nil {
		return nil
	}
	w.forget()
	err := w.conn.Close()
	w.conn, w.stmts = nil, nil
	return err
}

func checkPragmas(ctx context.Context, conn *sql.Conn) error {
	var seq int
	var name, file string
	if err := conn.QueryRowContext(ctx, `PRAGMA database_list`).Scan(&seq, &name, &file); err != nil {
		return failure("look at the database", err)
	}
	if file == "" {
		return mdm.Errorf(mdm.CodeInvalid, "db", "an SQLite database in memory is another one for each connection: use a file, or storage/inmem")
	}
	var mode string
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return failure("read journal_mode", err)
	}
	if !strings.EqualFold(mode, "wal") {
		return mdm.Errorf(mdm.CodeInvalid, "db", "journal_mode is %q and must be WAL: add _pragma=journal_mode(WAL) to the data source name", mode)
	}
	var timeout int
	if err := conn.QueryRowContext(ctx, `PRAGMA busy_timeout`).Scan(&timeout); err != nil {
		return failure("read busy_timeout", err)
	}
	if timeout < 1000 {
		return mdm.Errorf(mdm.CodeInvalid, "db", "busy_timeout is %d ms and must be at least 1000: add _pragma=busy_timeout(5000) to the data source name", timeout)
	}
	var synchronous int
	if err := conn.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&synchronous); err != nil {
		return failure("read synchronous", err)
	}
	if synchronous == 0 {
		return mdm.Errorf(mdm.CodeInvalid, "db", "synchronous is OFF, which loses commits when the machine stops: use NORMAL or FULL")
	}
	return nil
}

// read runs statements through the pool: they see the last commit.
func (w *writer) read(context.Context) (Querier, func(), error) {
	return foreign{w.db, &sqlite}, func() {}, nil
}

func (w *writer) snapshot(ctx context.Context) (Querier, func(), error) {
	t, err := w.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, nil, failure("begin to read", err)
	}
	return foreign{t, &sqlite}, func() { _ = t.Rollback() }, nil // nothing was written
}

// written is a unit of work on the writer's connection.
type written struct {
	*writer
	committed bool
}

func (u *written) commit(ctx context.Context) error {
	_, err := u.ExecContext(ctx, `COMMIT`)
	u.committed = err == nil
	return err
}

func (u *written) end(ctx context.Context) {
	if !u.committed {
		u.rollback(ctx)
	}
	u.release()
}

func (w *writer) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := w.stmts[query]; st != nil {
		return st, nil
	}
	st, err := w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	w.stmts[query] = st
	return st, nil
}

func (w *writer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := w.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, sqlite.plain(args)...)
}

func (w *writer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := w.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, sqlite.plain(args)...)
}

func (w *writer) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	st, err := w.stmt(ctx, query)
	if err != nil { // let the row carry the error of the plain statement
		return w.conn.QueryRowContext(ctx, query, sqlite.plain(args)...)
	}
	return st.QueryRowContext(ctx, sqlite.plain(args)...)
}
