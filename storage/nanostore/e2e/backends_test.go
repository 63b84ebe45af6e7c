package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/keelson-mdm/keelson/internal/dbtest"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage"
	"github.com/keelson-mdm/keelson/storage/inmem"
	"github.com/keelson-mdm/keelson/storage/nanostore"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

var (
	postgres = dbtest.PostgreSQL()
	mysql    = dbtest.MySQL()
)

// TestMain keeps the games few, unless it is asked for more: each is played on
// four backends.
func TestMain(m *testing.M) {
	flag.Parse()
	for name, value := range map[string]string{"rapid.checks": "10", "rapid.shrinktime": "5s"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			_ = f.Value.Set(value)
		}
	}
	code := m.Run()
	postgres.Close()
	mysql.Close()
	os.Exit(code)
}

// backend is what the tests stand on.
type backend interface {
	nanostore.Backend
	storage.Store
}

// backends opens an empty store of each kind.
var backends = []struct {
	name string
	open func(t *testing.T) backend
}{
	{"inmem", func(t *testing.T) backend { return inmem.New(nil) }},
	{"sqlite", func(t *testing.T) backend {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "mdm.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(NORMAL)")
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		require.NoError(t, sqlstore.Migrate(context.Background(), db, sqlstore.SQLite))
		return open(t, db, sqlstore.SQLite)
	}},
	{"postgres", func(t *testing.T) backend { return server(t, postgres, sqlstore.PostgreSQL) }},
	{"mysql", func(t *testing.T) backend { return server(t, mysql, sqlstore.MySQL) }},
}

func server(t *testing.T, s *dbtest.Server, d sqlstore.Dialect) backend {
	s.Need(t)
	name := s.Name(t, func(db *sql.DB) error { return sqlstore.Migrate(context.Background(), db, d) })
	return open(t, s.Open(t, name), d)
}

func open(t *testing.T, db *sql.DB, d sqlstore.Dialect) backend {
	s, err := sqlstore.Open(context.Background(), db, d, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// newStorage is the adapter on a store, for the default tenant.
func newStorage(t testing.TB, b backend) *nanostore.Storage {
	require.NoError(t, b.Lifecycle().PutTenant(context.Background(), mdm.DefaultTenant))
	box, err := mdm.NewBox(mdm.LocalKeyring{Current: "k", Keys: map[string][]byte{"k": bytes.Repeat([]byte{7}, 32)}}, rand.Reader)
	require.NoError(t, err)
	s, err := nanostore.New(nanostore.Config{Store: b, Box: box, Clock: mdm.SystemClock{}, Rand: rand.Reader})
	require.NoError(t, err)
	return s
}
