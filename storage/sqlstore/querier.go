package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Querier runs statements: a connection, or a transaction of the application's.
// *sql.Tx and *sql.Conn have it.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// turns is where units of work begin: SQLite's [writer], or a server's [pool].
type turns interface {
	// begin waits for a turn, for as long as ctx lasts, and begins.
	begin(ctx context.Context) (unit, error)
	// read waits for a turn to read outside of units; done ends it.
	read(ctx context.Context) (q Querier, done func(), err error)
	// snapshot is read for several statements that see one state.
	snapshot(ctx context.Context) (q Querier, done func(), err error)
	// close waits for the units that run; those that follow fail.
	close() error
}

// unit is a transaction with a turn.
type unit interface {
	Querier
	commit(ctx context.Context) error
	// end rolls back what has not committed, and gives up the turn.
	end(ctx context.Context)
}

// foreign runs our statements in the application's transaction.
type foreign struct {
	q Querier
	d *dialect
}

func (f foreign) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return f.q.ExecContext(ctx, f.d.bind(query), f.d.plain(args)...)
}

func (f foreign) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return f.q.QueryContext(ctx, f.d.bind(query), f.d.plain(args)...)
}

func (f foreign) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return f.q.QueryRowContext(ctx, f.d.bind(query), f.d.plain(args)...)
}

// maxPrepared bounds how many different statements are kept prepared, and
// longest how long they are: lists of many keys are statements of their own.
const (
	maxPrepared = 1000
	longest     = 1 << 14
)

// prepared keeps the statements of a pool, each prepared once a connection: one
// round trip an execution with every driver. Preparing takes a connection, so it
// is never done by who holds one: a unit of work that meets a new statement runs
// it as it is, and the next one finds it prepared.
type prepared struct {
	db     *sql.DB
	d      *dialect
	mu     sync.RWMutex
	stmts  map[string]*sql.Stmt
	wanted map[string]bool
}

func newPrepared(db *sql.DB, d *dialect) prepared {
	return prepared{db: db, d: d, stmts: make(map[string]*sql.Stmt), wanted: make(map[string]bool)}
}

// known returns a statement that has been prepared, or nil, and then asks for it.
func (p *prepared) known(query string) *sql.Stmt {
	p.mu.RLock()
	st, n, asked := p.stmts[query], len(p.stmts), p.wanted[query]
	p.mu.RUnlock()
	if st == nil && !asked && n < maxPrepared && len(query) <= longest {
		p.mu.Lock()
		p.wanted[query] = true
		p.mu.Unlock()
	}
	return st
}

// prepare prepares what was asked for. Its caller holds no connection.
func (p *prepared) prepare(ctx context.Context) error {
	p.mu.RLock()
	n := len(p.wanted)
	p.mu.RUnlock()
	if n == 0 {
		return nil
	}
	p.mu.Lock()
	wanted := slices.Collect(maps.Keys(p.wanted))
	clear(p.wanted)
	p.mu.Unlock()
	for _, query := range wanted {
		if err := p.add(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

func (p *prepared) add(ctx context.Context, query string) error {
	st, err := p.db.PrepareContext(ctx, p.d.bind(query))
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stmts[query] != nil {
		return st.Close() // another was faster
	}
	p.stmts[query] = st
	return nil
}

// stmt returns a statement, prepared now if need be, or nil when it is not worth
// keeping. Its caller holds no connection.
func (p *prepared) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := p.known(query); st != nil {
		return st, nil
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	return p.known(query), nil
}

func (p *prepared) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.stmts {
		_ = st.Close() // of a connection that may be gone
	}
	p.stmts = map[string]*sql.Stmt{}
}

func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := p.stmt(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case st == nil:
		return p.db.ExecContext(ctx, p.d.bind(query), p.d.plain(args)...)
	}
	return st.ExecContext(ctx, p.d.plain(args)...)
}

func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := p.stmt(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case st == nil:
		return p.db.QueryContext(ctx, p.d.bind(query), p.d.plain(args)...)
	}
	return st.QueryContext(ctx, p.d.plain(args)...)
}

func (p *prepared) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	st, err := p.stmt(ctx, query)
	if err != nil || st == nil { // let the row carry the error of the plain statement
		return p.db.QueryRowContext(ctx, p.d.bind(query), p.d.plain(args)...)
	}
	return st.QueryRowContext(ctx, p.d.plain(args)...)
}

// plain gives arguments the types that every driver takes: some look at methods
// of named types, and would write a number as its name. PostgreSQL's text takes
// neither zero bytes nor what is not UTF-8, of which a broken device may send any:
// such bytes become the replacement character.
func (d *dialect) plain(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = plainValue(a)
		if s, ok := out[i].(string); ok && d.numbered && (strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s)) {
			out[i] = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
		}
	}
	return out
}

func plainValue(a any) any {
	switch a.(type) {
	case nil, int64, string, []byte, bool, driver.Valuer:
		return a
	}
	switch v := reflect.ValueOf(a); v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return int64(v.Uint())
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	}
	return a
}
