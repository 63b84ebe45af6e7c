package sqlstore_test

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/internal/dbtest"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

// each runs a test on every server.
func each(t *testing.T, test func(t *testing.T, s server)) {
	for _, s := range []server{postgres, mysql} {
		t.Run(string(s.dialect), func(t *testing.T) {
			s.Need(t)
			test(t, s)
		})
	}
}

// with adds parameters to a data source name.
func with(dsn, params string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&" + params
	}
	return dsn + "?" + params
}

func TestOpenRefusesServers(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		for _, c := range []struct {
			name   string
			of     sqlstore.Dialect
			params string // of the data source
			field  string
			says   string
		}{
			{"a standby", sqlstore.PostgreSQL, "default_transaction_read_only=on", "db", "use the primary"},
			{"a lenient SQL mode", sqlstore.MySQL, "sql_mode=%27%27", "db", "must be strict"},
		} {
			if c.of != s.dialect {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				db := s.Open(t, with(s.fresh(t), c.params))
				_, err := sqlstore.Open(context.Background(), db, s.dialect, nil)
				require.ErrorIs(t, err, mdm.CodeInvalid)
				var e *mdm.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, c.field, e.Field)
				require.Contains(t, e.Message, c.says)
			})
		}
		t.Run("no schema", func(t *testing.T) {
			_, err := sqlstore.Open(context.Background(), s.Open(t, s.Blank(t)), s.dialect, nil)
			require.ErrorIs(t, err, mdm.CodeInvalid)
			require.ErrorContains(t, err, "run sqlstore.Migrate first")
		})
		t.Run("another database's dialect", func(t *testing.T) {
			other := sqlstore.PostgreSQL
			if s.dialect == other {
				other = sqlstore.MySQL
			}
			_, err := sqlstore.Open(context.Background(), s.Open(t, s.fresh(t)), other, nil)
			require.ErrorIs(t, err, mdm.CodeUnavailable)
		})
		t.Run("isolation is set where the default is another", func(t *testing.T) {
			params := "default_transaction_isolation=serializable"
			level := "SHOW transaction_isolation"
			if s.dialect == sqlstore.MySQL {
				params, level = "tx_isolation=%27SERIALIZABLE%27", "SELECT @@tx_isolation"
			}
			db := s.Open(t, with(s.fresh(t), params))
			var is string
			require.NoError(t, db.QueryRow(level).Scan(&is))
			require.Equal(t, "serializable", strings.ToLower(is), "the application's own default stays")
			st := s.open(t, db, nil)
			require.Equal(t, sql.LevelReadCommitted, st.Begins().Isolation)
		})
	})
}

// TestMigrateTogether: several replicas start at once, and each of them migrates.
func TestMigrateTogether(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		dsn := s.Blank(t)
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			db := s.Open(t, dsn)
			wg.Go(func() { errs[i] = sqlstore.Migrate(context.Background(), db, s.dialect) })
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		db := s.Open(t, dsn)
		var n, distinct int
		require.NoError(t, db.QueryRow("SELECT count(*), count(DISTINCT version_id) FROM keelson_schema").Scan(&n, &distinct))
		require.Equal(t, distinct, n, "no migration ran twice")
		s.open(t, db, nil)
	})
}

// TestSchemaAges: an older schema is refused, a newer one is lived with.
func TestSchemaAges(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		dsn := s.Blank(t)
		db := s.Open(t, dsn)
		require.NoError(t, sqlstore.Migrate(context.Background(), db, s.dialect))
		st := s.open(t, db, nil)
		_, err := db.Exec("INSERT INTO keelson_schema (version_id, is_applied) VALUES (999, true)")
		require.NoError(t, err)
		require.NoError(t, st.Ready(context.Background()))
		s.open(t, db, nil)
		_, err = db.Exec("DELETE FROM keelson_schema WHERE version_id > 0")
		require.NoError(t, err)
		require.ErrorIs(t, st.Ready(context.Background()), mdm.CodeInvalid)
	})
}

// TestServerSchemas: the servers' schemas have the tables and columns that
// SQLite's has, but for what draws numbers.
func TestServerSchemas(t *testing.T) {
	columns := func(t *testing.T, db *sql.DB, query string) map[string]bool {
		out := make(map[string]bool)
		for _, row := range table(t, db, query) {
			name := row["t"]
			if strings.HasPrefix(name, "keelson_") && name != "keelson_schema" && name != "keelson_sequence" && name != "keelson_generation" {
				out[name+"."+row["c"]] = true
			}
		}
		return out
	}
	_, db := newStore(t)
	want := columns(t, db, "SELECT m.name AS t, c.name AS c FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'")
	require.Greater(t, len(want), 100)
	each(t, func(t *testing.T, s server) {
		in := "current_schema()"
		if s.dialect == sqlstore.MySQL {
			in = "DATABASE()"
		}
		db := s.Open(t, s.fresh(t))
		require.Equal(t, want, columns(t, db, "SELECT table_name AS t, column_name AS c FROM information_schema.columns WHERE table_schema = "+in))
		for _, name := range dbtest.Tables(t, db, s.TablesQuery()) {
			require.True(t, strings.HasPrefix(name, "keelson_"))
		}
	})
}
