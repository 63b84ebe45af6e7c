package keelson_test

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/internal/dbtest"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/storage"
	"github.com/keelson-mdm/keelson/storage/inmem"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

const topic = "com.apple.mgmt.External.00000000-0000-4000-8000-000000000000"

// authority is one RSA authority for all tests of the binary.
var authority = sync.OnceValues(func() (*x509.Certificate, *rsa.PrivateKey) {
	cert, key, err := ca.NewSelfSigned("Test authority", nil)
	if err != nil {
		panic(err)
	}
	return cert, key.(*rsa.PrivateKey)
})

// backends are the stores that every end-to-end test runs on.
func backends(t *testing.T, test func(t *testing.T, open func(storage.FaultHook) storage.Store)) {
	t.Run("inmem", func(t *testing.T) {
		test(t, func(f storage.FaultHook) storage.Store { return inmem.New(&inmem.Options{Fault: f}) })
	})
	t.Run("sqlite", func(t *testing.T) {
		test(t, func(f storage.FaultHook) storage.Store { return openSQLite(t, filepath.Join(t.TempDir(), "k.db"), f) })
	})
	for _, s := range servers {
		t.Run(string(s.dialect), func(t *testing.T) {
			s.Need(t)
			test(t, func(f storage.FaultHook) storage.Store { return s.open(t, f) })
		})
	}
}

// server is a dialect with a server that speaks it.
type server struct {
	*dbtest.Server
	dialect sqlstore.Dialect
}

var servers = []server{{dbtest.PostgreSQL(), sqlstore.PostgreSQL}, {dbtest.MySQL(), sqlstore.MySQL}}

// name returns the data source of an empty database with the schema.
func (s server) name(t testing.TB) string {
	t.Helper()
	return s.Name(t, func(db *sql.DB) error { return sqlstore.Migrate(context.Background(), db, s.dialect) })
}

// open opens a store over an empty database until the test ends.
func (s server) open(t testing.TB, f storage.FaultHook) storage.Store {
	t.Helper()
	store, err := sqlstore.Open(context.Background(), s.Open(t, s.name(t)), s.dialect, &sqlstore.Options{Fault: f})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func newInmem() storage.Store { return inmem.New(nil) }

func openSQLite(t *testing.T, file string, f storage.FaultHook) storage.Store {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=synchronous(NORMAL)")
	require.NoError(t, err)
	require.NoError(t, sqlstore.Migrate(t.Context(), db, sqlstore.SQLite))
	s, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite, &sqlstore.Options{Fault: f})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, db.Close())
	})
	return s
}

// world is a server with an MDM in it.
type world struct {
	*keelson.MDM
	t     testing.TB
	url   string
	roots *x509.CertPool
	pool  *mdmtest.KeyPool
}

// keyring is the same for every test, so that a store can be opened again.
var keyring = mdm.LocalKeyring{Current: "1", Keys: map[string][]byte{"1": []byte(strings.Repeat("k", 32))}}

// serve starts a server over a store. change may alter the configuration.
func serve(t testing.TB, store storage.Store, change func(*keelson.Config)) *world {
	t.Helper()
	mux := http.NewServeMux()
	srv := httptest.NewUnstartedServer(mux)
	srv.EnableHTTP2 = true
	srv.Config.BaseContext = func(net.Listener) context.Context { // an application's middleware that knows no devices
		return mdm.WithActor(context.Background(), mdm.Actor{Kind: "user", Name: "nobody in particular"})
	}
	srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return joinWith(t, store, mux, srv, change)
}

// join puts an MDM into a server that runs.
func join(t testing.TB, store storage.Store, mux *http.ServeMux, srv *httptest.Server) *world {
	t.Helper()
	return joinWith(t, store, mux, srv, nil)
}

func joinWith(t testing.TB, store storage.Store, mux *http.ServeMux, srv *httptest.Server, change func(*keelson.Config)) *world {
	t.Helper()
	c := keelson.Config{
		URL: srv.URL, Store: store, CA: testCA(t), Keyring: keyring, Topic: topic,
		Anchors:   []*x509.Certificate{srv.Certificate()},
		Passwords: passwords{"ada": "lovelace"},
	}
	if change != nil {
		change(&c)
	}
	var m *keelson.MDM
	var err error
	for range 3 { // a fault may strike here, too
		if m, err = keelson.New(c); err == nil {
			break
		}
	}
	require.NoError(t, err)
	m.Register(mux)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return &world{MDM: m, t: t, url: srv.URL, roots: roots, pool: keys}
}

// testCA is the authority of the tests.
func testCA(t testing.TB) *ca.CA {
	t.Helper()
	cert, key := authority()
	own, err := ca.New(cert, key, nil)
	require.NoError(t, err)
	return own
}

// keys are shared by all simulated devices of the binary.
var keys = &mdmtest.KeyPool{}

// rsaKey is a key from the pool, for PCs.
func (w *world) rsaKey() (*rsa.PrivateKey, error) { return w.pool.Key(context.Background(), 2048) }

// passwords is a table of users.
type passwords map[string]string

func (p passwords) CheckPassword(_ context.Context, _ mdm.TenantID, user, password string) (string, error) {
	if want, ok := p[user]; ok && want == password {
		return user, nil
	}
	return "", mdm.Errorf(mdm.CodeUnauthenticated, "password", "wrong user name or password")
}

// link makes an enrollment link.
func (w *world) link() string {
	w.t.Helper()
	l, err := w.Enrollments().Link(context.Background(), keelson.LinkRequest{})
	require.NoError(w.t, err)
	return l.URL
}
