package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

func TestBrokenConnection(t *testing.T) {
	a := newApp(t, pragmas)
	count := func() int { return len(table(t, a.db, "SELECT id FROM keelson_walk")) }
	mark := func(ctx context.Context, tx mdm.Tx) error { return a.s.Profiles().MarkTeam(ctx, tx, 0) }

	a.s.Break()
	a.do(mark) // between two units: nobody notices
	require.Equal(t, 1, count())

	err := a.s.InTx(a.ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		if err := mark(ctx, tx); err != nil {
			return err
		}
		a.s.Break()
		return mark(ctx, tx)
	})
	require.ErrorIs(t, err, mdm.CodeUnavailable, "within a unit: it fails whole, and may be tried again")
	require.Equal(t, 1, count())
	a.do(mark)
	require.Equal(t, 2, count())

	err = a.s.InTx(a.ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		defer a.s.Break()
		return mark(ctx, tx)
	})
	require.ErrorIs(t, err, mdm.CodeUnavailable, "at the commit")
	require.Equal(t, 2, count())
	a.do(mark)
	require.Equal(t, 3, count())

	require.NoError(t, a.s.Writer().Close()) // somebody closed it under us
	a.do(mark)
	require.Equal(t, 4, count())
	require.LessOrEqual(t, a.db.Stats().InUse, 1, "one connection is kept, whatever broke")
}

func TestClosedDatabase(t *testing.T) {
	a := newApp(t, pragmas)
	require.NoError(t, a.db.Close())
	_, err := a.s.Lifecycle().Host(a.ctx, mdm.DefaultTenant, a.host.ID)
	require.ErrorIs(t, err, mdm.CodeUnavailable)
	_, err = a.s.Profiles().LoadHost(a.ctx, mdm.DefaultTenant, a.host.Key)
	require.ErrorIs(t, err, mdm.CodeUnavailable)
	_, err = a.s.Profiles().Teams(a.ctx, mdm.DefaultTenant)
	require.ErrorIs(t, err, mdm.CodeUnavailable)
	a.s.Break() // until then the pinned connection goes on
	require.ErrorIs(t, a.s.InTx(a.ctx, mdm.DefaultTenant, a.order), mdm.CodeUnavailable)
	require.NoError(t, a.s.Close())
}

// A caller does not wait for its turn longer than it wants to.
func TestWaitingForATurn(t *testing.T) {
	a := newApp(t, pragmas)
	a.do(func(context.Context, mdm.Tx) error {
		ctx, cancel := context.WithTimeout(a.ctx, time.Millisecond)
		defer cancel()
		require.ErrorIs(t, a.s.InTx(ctx, mdm.DefaultTenant, a.order), mdm.CodeUnavailable)
		return nil
	})
	a.do(a.order)
}

// A unit that has begun ends as it should, though its caller went away.
func TestCallerGoesAway(t *testing.T) {
	a := newApp(t, pragmas)
	ctx, cancel := context.WithCancel(a.ctx)
	require.NoError(t, a.s.InTx(ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		cancel()
		require.NoError(t, ctx.Err())
		return a.order(ctx, tx)
	}))
	require.Len(t, a.poll(), 1)
}

// TestDiskFull fills the database up to a limit of pages.
func TestDiskFull(t *testing.T) {
	a := newApp(t, pragmas)
	var pages int
	require.NoError(t, a.db.QueryRow("PRAGMA page_count").Scan(&pages))
	full := connect(t, filepathOf(t, a.db), fmt.Sprintf("%s&_pragma=max_page_count(%d)", pragmas, pages+50))
	s := open(t, full, nil)
	fill := func(n int) error {
		return s.InTx(a.ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
			var entries []queue.Entry
			for i := range 3 {
				h := mdm.Hash{9, byte(n), byte(i)}
				if err := s.Queue().PutContent(ctx, tx, h, make([]byte, 3000), time.Time{}); err != nil {
					return err
				}
				entries = append(entries, queue.Entry{Command: queue.Command{
					ID: mdm.CommandID(fmt.Sprintf("%d-%d", n, i)), Enrollment: a.channel.Key, Generation: 1,
					Owner: mdm.OwnerApplication, Kind: mdm.KindRawApple, Redelivery: mdm.Repeatable,
				}, Hash: h})
			}
			return s.Queue().Insert(ctx, tx, entries)
		})
	}
	stored := 0
	var err error
	before := dump(t, a.db)
	for err == nil && stored < 200 {
		if err = fill(stored); err == nil {
			stored++
			before = dump(t, a.db)
		}
	}
	require.ErrorIs(t, err, mdm.CodeUnavailable)
	require.ErrorContains(t, err, "the disk is full")
	require.Greater(t, stored, 5)
	require.Equal(t, before, dump(t, a.db), "the unit that found no room left nothing")
	require.ErrorIs(t, fill(stored), mdm.CodeUnavailable, "it stays full")
	require.Equal(t, before, dump(t, a.db))

	answer, err := s.Queue().Poll(a.ctx, mdm.DefaultTenant, queue.Poll{Caller: queue.Caller{Natural: a.channel.Natural, Pin: a.channel.Pin}})
	require.NoError(t, err, "what needs no room goes on")
	require.Len(t, answer.Handouts, 1)

	s = open(t, a.db, nil) // there is room again
	require.NoError(t, fill(stored))
	all, err := s.Queue().List(a.ctx, mdm.DefaultTenant, a.channel.Key, 0, 1000)
	require.NoError(t, err)
	require.Len(t, all, 3*(stored+1), "nothing was lost")
	var check string
	require.NoError(t, a.db.QueryRow("PRAGMA integrity_check").Scan(&check))
	require.Equal(t, "ok", check)
}

// filepathOf is the file of a database.
func filepathOf(t *testing.T, db *sql.DB) string {
	t.Helper()
	return table(t, db, "SELECT file FROM pragma_database_list WHERE name = 'main'")[0]["file"]
}
