package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"

	"github.com/keelson-mdm/keelson/mdm"
)

// Querier runs statements: a connection, or a transaction of the application's.
// *sql.Tx and *sql.Conn have it.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// writer is SQLite's one writer: a pinned connection, a lock, and the
// statements prepared on it.
type writer struct {
	db    *sql.DB
	lock  sync.Mutex
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// open pins a connection and checks what it needs.
func (w *writer) open(ctx context.Context) error {
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

func (w *writer) close() error {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.conn == nil {
		return nil
	}
	for _, st := range w.stmts {
		_ = st.Close() // the connection goes with them
	}
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

// prepared runs statements on the pinned connection, each prepared once.
type prepared struct{ w *writer }

func (p prepared) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := p.w.stmts[query]; st != nil {
		return st, nil
	}
	st, err := p.w.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.w.stmts[query] = st
	return st, nil
}

func (p prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := p.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (p prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := p.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (p prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	st, err := p.stmt(ctx, query)
	if err != nil { // let the row carry the error of the plain statement
		return p.w.conn.QueryRowContext(ctx, query, args...)
	}
	return st.QueryRowContext(ctx, args...)
}
