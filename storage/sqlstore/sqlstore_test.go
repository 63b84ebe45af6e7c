package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/keelson-mdm/keelson/internal/dbtest"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
	"github.com/keelson-mdm/keelson/storage/storagetest"
)

// pragmas are what every test opens with, unless it is about them. A power cut
// is not tested here, so that commits need not wait for the disk.
const pragmas = "_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(NORMAL)"

// connect opens a database file until the test ends.
func connect(t testing.TB, path, params string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?"+params)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// template makes a migrated database file; copies of it are cheaper than
// migrations.
func template(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "template.db")
	db := connect(t, path, pragmas)
	require.NoError(t, sqlstore.Migrate(context.Background(), db, sqlstore.SQLite))
	_, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// fresh writes a copy of a template and returns its path.
func fresh(t testing.TB, template []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mdm.db")
	require.NoError(t, os.WriteFile(path, template, 0o600))
	return path
}

// open opens a store over a database until the test ends.
func open(t testing.TB, db *sql.DB, fault storage.FaultHook) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), db, sqlstore.SQLite, &sqlstore.Options{Fault: fault})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// newStore is a migrated store on a file of its own, with a tenant.
func newStore(t testing.TB) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	db := connect(t, fresh(t, template(t)), pragmas)
	s := open(t, db, nil)
	require.NoError(t, s.Lifecycle().PutTenant(context.Background(), mdm.DefaultTenant))
	return s, db
}

// TestStore holds the store to the suite, and every statement that this made to
// a plan that does not read a growing table whole.
func TestStore(t *testing.T) {
	empty := template(t)
	made := &book{}
	t.Run("suite", func(t *testing.T) {
		storagetest.Run(t, storagetest.Harness{
			Open: func(t *testing.T, fault storage.FaultHook) storage.Store {
				db := sql.OpenDB(&recorder{dsn: "file:" + fresh(t, empty) + "?" + pragmas, book: made})
				t.Cleanup(func() { _ = db.Close() })
				return open(t, db, fault)
			},
			Dump: func(t *testing.T, s storage.Store) []storagetest.Line { return dump(t, s.(*sqlstore.Store).DB()) },
			Reopen: func(t *testing.T, s storage.Store) storage.Store {
				old := s.(*sqlstore.Store)
				require.NoError(t, old.Close())
				return open(t, old.DB(), nil)
			},
		})
	})
	t.Run("plans", func(t *testing.T) { checkPlans(t, connect(t, fresh(t, empty), pragmas), made.all()) })
}

// dumping marks the statements of tests.
const dumping = "-- dump\n"

// dump reads every row of every table of ours, but sequences.
func dump(t testing.TB, db *sql.DB) []storagetest.Line {
	t.Helper()
	return dumpTables(t, db, dbtest.Tables(t, db, dumping+"SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"))
}

func (s server) dump(t testing.TB, db *sql.DB) []storagetest.Line {
	t.Helper()
	return dumpTables(t, db, dbtest.Tables(t, db, s.TablesQuery()))
}

func dumpTables(t testing.TB, db *sql.DB, names []string) []storagetest.Line {
	t.Helper()
	tenants := map[string]mdm.TenantID{}
	for _, row := range table(t, db, "SELECT id, name FROM keelson_tenant") {
		tenants[row["id"]] = mdm.TenantID(row["name"])
	}
	var out []storagetest.Line
	for _, name := range names {
		if name == "keelson_sequence" || name == "keelson_generation" || name == "keelson_schema" {
			continue
		}
		var lines []storagetest.Line
		for _, row := range table(t, db, "SELECT * FROM "+name) {
			if row["tenant"] == "0" {
				continue // the schema's
			}
			cells := make([]string, 0, len(row))
			for c, v := range row {
				cells = append(cells, c+"="+v)
			}
			slices.Sort(cells)
			of := row["tenant"]
			if name == "keelson_tenant" {
				of = row["id"]
			}
			lines = append(lines, storagetest.Line{Tenant: tenants[of], Row: name + " " + strings.Join(cells, " ")})
		}
		slices.SortFunc(lines, func(a, b storagetest.Line) int { return strings.Compare(a.Row, b.Row) })
		out = append(out, lines...)
	}
	return out
}

// table reads what a query returns as text, by column.
func table(t testing.TB, db *sql.DB, query string) (out []map[string]string) {
	t.Helper()
	query = dumping + query
	rows, err := db.Query(query)
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		values := make([]any, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		require.NoError(t, rows.Scan(targets...))
		row := make(map[string]string, len(columns))
		for i, c := range columns {
			row[c] = fmt.Sprintf("%v", values[i])
			if b, ok := values[i].([]byte); ok {
				row[c] = fmt.Sprintf("%x", b)
				if c != "sha" && utf8.Valid(b) && !strings.ContainsRune(string(b), 0) {
					row[c] = string(b) // MySQL's names
				}
			}
		}
		out = append(out, row)
	}
	require.NoError(t, rows.Err())
	return out
}
