package sqlstore_test

import (
	"context"
	"database/sql/driver"
	"maps"
	"slices"
	"sync"

	"modernc.org/sqlite"
)

// recorder opens connections that write down every statement.
type recorder struct {
	dsn  string
	book *book
}

// book is what recorders wrote down.
type book struct {
	mu      sync.Mutex
	queries map[string]bool
	asked   int // how often, a statement that is prepared once more than once
}

func (b *book) add(query string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queries == nil {
		b.queries = make(map[string]bool)
	}
	b.queries[query] = true
	b.asked++
}

// all lists the statements, sorted.
func (b *book) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.queries))
}

func (r *recorder) Driver() driver.Driver { return &sqlite.Driver{} }

func (r *recorder) Connect(context.Context) (driver.Conn, error) {
	c, err := r.Driver().Open(r.dsn)
	if err != nil {
		return nil, err
	}
	return &recorded{whole: c.(whole), book: r.book}, nil
}

// whole is what the driver's connections can do.
type whole interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// recorded is a connection that writes down what it is asked.
type recorded struct {
	whole
	book *book
}

func (c *recorded) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.book.add(query)
	return c.whole.PrepareContext(ctx, query)
}

func (c *recorded) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.book.add(query)
	return c.whole.ExecContext(ctx, query, args)
}

func (c *recorded) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.book.add(query)
	return c.whole.QueryContext(ctx, query, args)
}
