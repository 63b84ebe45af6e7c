package sqlstore

import (
	"context"
	"database/sql"
	"runtime"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// pool begins units of work on a database server: many at once, and no more than
// it has turns, whatever the application's pool allows. Who finds no turn in
// time is told to come back later, instead of queueing without end.
type pool struct {
	prepared
	turn  chan struct{} // holds one value a turn that nobody has
	size  int
	wait  time.Duration
	begun *sql.TxOptions // how units begin
}

// defaultTurns serves a database of as many cores as this machine has.
func defaultTurns() int { return max(4, 2*runtime.GOMAXPROCS(0)) }

func newPool(db *sql.DB, d *dialect, o *Options) *pool {
	size := o.Connections
	if size <= 0 {
		size = defaultTurns()
	}
	if n := db.Stats().MaxOpenConnections; n > 0 {
		size = min(size, n) // more would only wait inside database/sql
	}
	wait := o.Wait
	if wait <= 0 {
		wait = 5 * time.Second
	}
	p := &pool{
		prepared: newPrepared(db, d),
		turn:     make(chan struct{}, size), size: size, wait: wait,
		begun: &sql.TxOptions{Isolation: sql.LevelReadCommitted},
	}
	for range size {
		p.turn <- struct{}{}
	}
	return p
}

// acquire waits for a turn.
func (p *pool) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return mdm.WrapError(mdm.CodeUnavailable, "", ended, err)
	}
	select {
	case _, open := <-p.turn:
		return closedUnless(open)
	default:
	}
	late := time.NewTimer(p.wait)
	defer late.Stop()
	select {
	case _, open := <-p.turn:
		return closedUnless(open)
	case <-late.C:
		return &mdm.Error{Code: mdm.CodeBusy, Message: "every connection that the store may use is busy: try again later", RetryAfter: 2 * p.wait}
	case <-ctx.Done():
		return mdm.WrapError(mdm.CodeUnavailable, "", ended, ctx.Err())
	}
}

const ended = "the request ended before its unit of work began"

func closedUnless(open bool) error {
	if open {
		return nil
	}
	return mdm.Errorf(mdm.CodeUnavailable, "", "the store is closed")
}

func (p *pool) release() { p.turn <- struct{}{} }

func (p *pool) begin(ctx context.Context) (unit, error) {
	if err := p.acquire(ctx); err != nil {
		return nil, err
	}
	return p.transaction(context.WithoutCancel(ctx), "begin", p.begun)
}

// transaction begins one for who has a turn.
func (p *pool) transaction(ctx context.Context, doing string, o *sql.TxOptions) (*transaction, error) {
	err := p.prepare(ctx)
	if err == nil {
		var t *sql.Tx
		if t, err = p.db.BeginTx(ctx, o); err == nil {
			return &transaction{p: p, tx: t}, nil
		}
	}
	p.release()
	return nil, failure(doing, err)
}

func (p *pool) read(ctx context.Context) (Querier, func(), error) {
	if err := p.acquire(ctx); err != nil {
		return nil, nil, err
	}
	return &p.prepared, p.release, nil
}

func (p *pool) snapshot(ctx context.Context) (Querier, func(), error) {
	if err := p.acquire(ctx); err != nil {
		return nil, nil, err
	}
	t, err := p.transaction(ctx, "begin to read", &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	return t, func() { t.end(ctx) }, nil
}

// close takes every turn, and gives none back.
func (p *pool) close() error {
	for range p.size {
		if _, open := <-p.turn; !open {
			return nil // closed before
		}
	}
	close(p.turn)
	p.prepared.close()
	return nil
}

// transaction is a unit of work on a server.
type transaction struct {
	p  *pool
	tx *sql.Tx
}

func (t *transaction) commit(context.Context) error { return t.tx.Commit() }

func (t *transaction) end(context.Context) {
	_ = t.tx.Rollback() // of what has committed, or is lost anyway
	t.p.release()
}

func (t *transaction) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if st := t.p.known(query); st != nil {
		return t.tx.StmtContext(ctx, st).ExecContext(ctx, t.p.d.plain(args)...)
	}
	return t.tx.ExecContext(ctx, t.p.d.bind(query), t.p.d.plain(args)...)
}

func (t *transaction) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if st := t.p.known(query); st != nil {
		return t.tx.StmtContext(ctx, st).QueryContext(ctx, t.p.d.plain(args)...)
	}
	return t.tx.QueryContext(ctx, t.p.d.bind(query), t.p.d.plain(args)...)
}

func (t *transaction) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if st := t.p.known(query); st != nil {
		return t.tx.StmtContext(ctx, st).QueryRowContext(ctx, t.p.d.plain(args)...)
	}
	return t.tx.QueryRowContext(ctx, t.p.d.bind(query), t.p.d.plain(args)...)
}
