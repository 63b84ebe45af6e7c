package sqlstore_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

var update = flag.Bool("update", false, "write golden files anew")

func TestMigrateTwice(t *testing.T) {
	s, db := newStore(t)
	h := mdm.Host{ID: "host", State: mdm.HostEnrolled}
	require.NoError(t, s.InTx(context.Background(), mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
		return s.Lifecycle().PutHost(ctx, tx, &h)
	}))
	before := dump(t, db)
	versions := table(t, db, "SELECT version_id FROM keelson_schema")
	require.NoError(t, sqlstore.Migrate(context.Background(), db, sqlstore.SQLite))
	require.Equal(t, before, dump(t, db))
	require.Equal(t, versions, table(t, db, "SELECT version_id FROM keelson_schema"))
}

// The application's own tables, and its own migrations, are left alone.
func TestMigrateBesideTheApplication(t *testing.T) {
	db := connect(t, filepath.Join(t.TempDir(), "app.db"), pragmas)
	for _, s := range []string{
		"CREATE TABLE host (name TEXT)", "INSERT INTO host VALUES ('theirs')",
		"CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY, version_id INTEGER, is_applied INTEGER, tstamp TEXT)",
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (77, 1)",
	} {
		_, err := db.Exec(s)
		require.NoError(t, err)
	}
	require.NoError(t, sqlstore.Migrate(context.Background(), db, sqlstore.SQLite))
	require.Len(t, table(t, db, "SELECT name FROM host"), 1)
	require.Equal(t, []map[string]string{{"version_id": "77"}}, table(t, db, "SELECT version_id FROM goose_db_version"))
	open(t, db, nil)
}

func TestMigrateFails(t *testing.T) {
	db := connect(t, filepath.Join(t.TempDir(), "no such folder", "x.db"), pragmas)
	require.ErrorIs(t, sqlstore.Migrate(context.Background(), db, sqlstore.SQLite), mdm.CodeUnavailable)
}

// TestSchema is the golden test of what stands in the database. A change of what
// was released is another migration, never an edit.
func TestSchema(t *testing.T) {
	_, db := newStore(t)
	var b strings.Builder
	for _, row := range table(t, db, "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name") {
		if row["name"] != "sqlite_sequence" {
			b.WriteString(row["sql"] + ";\n\n")
		}
	}
	const golden = "testdata/schema.golden.sql"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err, "run go test -update")
	require.Equal(t, string(want), b.String())
}

// TestSchemaRules holds what every table has in common.
func TestSchemaRules(t *testing.T) {
	_, db := newStore(t)
	house := map[string]bool{"keelson_schema": true, "keelson_sequence": true, "keelson_tenant": true, "keelson_lease": true} // of no tenant
	for _, row := range table(t, db, "SELECT name, tbl_name, type, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'sqlite_sequence'") {
		name := row["tbl_name"]
		require.True(t, strings.HasPrefix(row["name"], "keelson_"), "%s has our prefix", row["name"])
		if house[name] {
			continue
		}
		switch row["type"] {
		case "table":
			require.Contains(t, row["sql"], "tenant ", "%s belongs to tenants", name)
			require.NotContains(t, row["sql"], "REFERENCES", "%s has no foreign keys", name)
			if strings.Contains(row["sql"], "INTEGER PRIMARY KEY") && name != "keelson_done" && name != "keelson_seen" {
				require.Contains(t, row["sql"], "AUTOINCREMENT", "keys of %s are never used again", name)
			}
			if strings.Contains(row["sql"], "  PRIMARY KEY (") {
				require.Contains(t, row["sql"], "  PRIMARY KEY (tenant", "tenant is the first column of every key of %s", name)
			}
		case "index":
			require.Contains(t, row["sql"], "(tenant", "tenant is the first column of %s", row["name"])
		}
	}
}
