package sqlstore_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

func TestOpenRefuses(t *testing.T) {
	empty := template(t)
	exec := func(statements ...string) func(*testing.T, *sql.DB) {
		return func(t *testing.T, db *sql.DB) {
			for _, s := range statements {
				_, err := db.Exec(s)
				require.NoError(t, err)
			}
		}
	}
	for _, c := range []struct {
		name    string
		dsn     func(path string) string
		prepare func(*testing.T, *sql.DB)
		field   string
		says    string // what to do
	}{
		{"a database in memory", func(string) string { return ":memory:?" + pragmas }, nil, "db", "use a file, or storage/inmem"},
		{"a shared database in memory", func(string) string { return "file:shared?mode=memory&cache=shared&" + pragmas }, nil, "db", "use a file, or storage/inmem"},
		{
			"no WAL", func(p string) string { return "file:" + p + "?_pragma=busy_timeout(5000)" },
			exec("PRAGMA journal_mode = DELETE"), "db", "add _pragma=journal_mode(WAL)",
		},
		{
			"a small busy timeout", func(p string) string { return "file:" + p + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(999)" },
			nil, "db", "add _pragma=busy_timeout(5000)",
		},
		{"no busy timeout", func(p string) string { return "file:" + p + "?_pragma=journal_mode(WAL)" }, nil, "db", "add _pragma=busy_timeout(5000)"},
		{"no waiting for the disk", func(p string) string { return "file:" + p + "?" + pragmas + "&_pragma=synchronous(OFF)" }, nil, "db", "use NORMAL or FULL"},
		{
			"a pool of one", func(p string) string { return "file:" + p + "?" + pragmas },
			func(_ *testing.T, db *sql.DB) { db.SetMaxOpenConns(1) }, "db", "allow at least two",
		},
		{
			"no schema", func(string) string { return "file:" + filepath.Join(t.TempDir(), "none.db") + "?" + pragmas },
			nil, "schema", "run sqlstore.Migrate first",
		},
		{
			"an older schema", func(p string) string { return "file:" + p + "?" + pragmas },
			exec("DELETE FROM keelson_schema WHERE version_id > 0"), "schema", "run sqlstore.Migrate first",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, err := sql.Open("sqlite", c.dsn(fresh(t, empty)))
			require.NoError(t, err)
			t.Cleanup(func() { _ = db.Close() })
			if c.prepare != nil {
				c.prepare(t, db)
			}
			s, err := sqlstore.Open(context.Background(), db, sqlstore.SQLite, nil)
			require.ErrorIs(t, err, mdm.CodeInvalid)
			require.Nil(t, s)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.field, e.Field)
			require.Contains(t, e.Message, c.says)
			require.Zero(t, db.Stats().InUse, "no connection is kept")
		})
	}
}

func TestOpenUnknownDialect(t *testing.T) {
	_, db := newStore(t)
	_, err := sqlstore.Open(context.Background(), db, "oracle", nil)
	require.ErrorIs(t, err, mdm.CodeUnsupported)
	require.ErrorIs(t, sqlstore.Migrate(context.Background(), db, "oracle"), mdm.CodeUnsupported)
}

// A newer schema is one that this program survives.
func TestOpenNewerSchema(t *testing.T) {
	s, db := newStore(t)
	_, err := db.Exec(`INSERT INTO keelson_schema (version_id, is_applied) VALUES (999, 1)`)
	require.NoError(t, err)
	require.NoError(t, s.Ready(context.Background()))
	open(t, db, nil)
}

func TestReady(t *testing.T) {
	s, db := newStore(t)
	require.NoError(t, s.Ready(context.Background()))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, s.Ready(ctx), mdm.CodeUnavailable)
	_, err := db.Exec("DELETE FROM keelson_schema WHERE version_id > 0")
	require.NoError(t, err)
	require.ErrorIs(t, s.Ready(context.Background()), mdm.CodeInvalid)
	require.NoError(t, db.Close())
	require.ErrorIs(t, s.Ready(context.Background()), mdm.CodeUnavailable)
}

// The pool may begin its own transactions immediately: reads do not wait for the
// writer all the same.
func TestReadsDoNotTakeTheWriteLock(t *testing.T) {
	db := connect(t, fresh(t, template(t)), pragmas+"&_txlock=immediate")
	s := open(t, db, nil)
	ctx := context.Background()
	require.NoError(t, s.Lifecycle().PutTenant(ctx, mdm.DefaultTenant))
	h := mdm.Host{ID: "host", State: mdm.HostEnrolled}
	require.NoError(t, s.InTx(ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error { return s.Lifecycle().PutHost(ctx, tx, &h) }))
	require.NoError(t, s.InTx(ctx, mdm.DefaultTenant, func(context.Context, mdm.Tx) error {
		state, err := s.Profiles().LoadHost(ctx, mdm.DefaultTenant, h.Key) // beside this unit: another context
		require.NoError(t, err)
		require.Equal(t, h.Key, state.Host.Key)
		return nil
	}))
}

func TestClose(t *testing.T) {
	s, db := newStore(t)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.Zero(t, db.Stats().InUse, "the connection is given back")
	require.ErrorIs(t, s.InTx(context.Background(), mdm.DefaultTenant, func(context.Context, mdm.Tx) error { return nil }), mdm.CodeUnavailable)
	require.NoError(t, db.Ping(), "the database is the application's")
}
