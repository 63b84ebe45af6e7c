package sqlstore_test

import (
	"context"
	"database/sql"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/internal/dbtest"
	"github.com/keelson-mdm/keelson/storage"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
	"github.com/keelson-mdm/keelson/storage/storagetest"
)

// server is a dialect with a server that speaks it.
type server struct {
	*dbtest.Server
	dialect sqlstore.Dialect
}

var (
	postgres = server{dbtest.PostgreSQL(), sqlstore.PostgreSQL}
	mysql    = server{dbtest.MySQL(), sqlstore.MySQL}
)

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.Close()
	mysql.Close()
	os.Exit(code)
}

// fresh returns the data source of an empty database with the schema.
func (s server) fresh(t testing.TB) string {
	t.Helper()
	return s.Name(t, func(db *sql.DB) error { return sqlstore.Migrate(context.Background(), db, s.dialect) })
}

// open opens a store over a database until the test ends.
func (s server) open(t testing.TB, db *sql.DB, fault storage.FaultHook) *sqlstore.Store {
	t.Helper()
	st, err := sqlstore.Open(context.Background(), db, s.dialect, &sqlstore.Options{Fault: fault})
	require.NoError(t, err)
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func (s server) suite(t *testing.T) {
	s.Need(t)
	storagetest.Run(t, storagetest.Harness{
		Open: func(t *testing.T, fault storage.FaultHook) storage.Store {
			return s.open(t, s.Open(t, s.fresh(t)), fault)
		},
		Dump: func(t *testing.T, st storage.Store) []storagetest.Line {
			return s.dump(t, st.(*sqlstore.Store).DB())
		},
		Reopen: func(t *testing.T, st storage.Store) storage.Store {
			old := st.(*sqlstore.Store)
			require.NoError(t, old.Close())
			return s.open(t, old.DB(), nil)
		},
	})
}

// TestPostgreSQL and TestMySQL hold the servers to the suite.
func TestPostgreSQL(t *testing.T) { postgres.suite(t) }

func TestMySQL(t *testing.T) { mysql.suite(t) }
