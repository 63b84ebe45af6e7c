package dbtest

import (
	"context"
	"database/sql"
	"net"
	"sync/atomic"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
)

// Wire counts round trips to a server: a write that follows a read begins one.
type Wire struct{ trips atomic.Int64 }

// Trips returns how many there were so far.
func (w *Wire) Trips() int64 { return w.trips.Load() }

// watched is a connection whose round trips are counted.
type watched struct {
	net.Conn
	wire    *Wire
	writing atomic.Bool // since the last read
}

func (c *watched) Write(b []byte) (int, error) {
	if c.writing.CompareAndSwap(false, true) {
		c.wire.trips.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *watched) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.writing.Store(false)
	}
	return n, err
}

// Watch connects to a data source until the test ends, and counts round trips.
func (s *Server) Watch(t testing.TB, dsn string) (*sql.DB, *Wire) {
	t.Helper()
	w := &Wire{}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &watched{Conn: c, wire: w}, nil
	}
	var db *sql.DB
	if s.kind.driver == postgres.driver {
		c, err := pgx.ParseConfig(dsn)
		require.NoError(t, err)
		c.DialFunc = dial
		db = stdlib.OpenDB(*c)
	} else {
		c, err := driver.ParseDSN(dsn)
		require.NoError(t, err)
		c.DialFunc = dial
		connector, err := driver.NewConnector(c)
		require.NoError(t, err)
		db = sql.OpenDB(connector)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, w
}
