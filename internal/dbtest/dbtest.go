// Package dbtest gives tests databases on real servers: the one that an
// environment variable names, or a local one that answers, or a throwaway one
// started from installed programs. Without any a test is skipped with a line that
// says so; with CI=true that is a failure.
//
// It is test code: nothing but tests imports it.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Server is a database server for the tests of one process.
type Server struct {
	// Env is the environment variable that names one.
	Env string

	kind  kind
	once  sync.Once
	admin *sql.DB // connected to no database of a test
	dsn   func(database string) string
	stop  func()
	why   string // there is none

	mu   sync.Mutex
	idle []string // databases that were prepared, and emptied
	made []string
}

// kind is what differs between servers.
type kind struct {
	driver string
	local  func() []func(database string) string // where one may answer
	start  func() (dsn func(database string) string, stop func(), err error)
	parse  func(dsn string) (func(database string) string, error)
	drop   string
	tables string // the query for the tables of a database
}

// PostgreSQL makes the handle on a PostgreSQL server: pgx is its driver.
func PostgreSQL() *Server { return &Server{Env: "KEELSON_TEST_POSTGRES", kind: postgres} }

// MySQL makes the handle on a MySQL or MariaDB server.
func MySQL() *Server { return &Server{Env: "KEELSON_TEST_MYSQL", kind: mysql} }

// find looks for a server, once.
func (s *Server) find() {
	if named := os.Getenv(s.Env); named != "" {
		dsn, err := s.kind.parse(named)
		if err == nil {
			err = s.use(dsn)
		}
		if err != nil {
			s.why = s.Env + " names a server that does not answer: " + err.Error()
		}
		return
	}
	for _, dsn := range s.kind.local() {
		if s.use(dsn) == nil {
			return
		}
	}
	dsn, stop, err := s.kind.start()
	if err == nil {
		s.stop = stop
		err = s.use(dsn)
	}
	if err != nil {
		s.why = s.Env + " is not set, no local server answers, and none can be started: " + err.Error()
	}
}

func (s *Server) use(dsn func(database string) string) error {
	db, err := sql.Open(s.kind.driver, dsn(""))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close()
		return err
	}
	db.SetMaxOpenConns(4)
	s.admin, s.dsn = db, dsn
	return nil
}

// Need skips the test when there is no server, or fails it with CI=true.
func (s *Server) Need(t testing.TB) {
	t.Helper()
	s.once.Do(s.find)
	if s.why == "" {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(s.why)
	}
	t.Skip(s.why)
}

// Name makes a database that prepare has filled, or takes one that an earlier
// test has left and that was emptied, and returns the name of its data source.
// Every caller prepares alike.
func (s *Server) Name(t testing.TB, prepare func(*sql.DB) error) string {
	t.Helper()
	s.Need(t)
	s.mu.Lock()
	var name string
	if n := len(s.idle); n > 0 {
		name, s.idle = s.idle[n-1], s.idle[:n-1]
	}
	s.mu.Unlock()
	if name == "" {
		var id [6]byte
		_, _ = rand.Read(id[:]) // never fails
		name = "keelson_test_" + hex.EncodeToString(id[:])
		_, err := s.admin.Exec("CREATE DATABASE " + name)
		require.NoError(t, err)
		s.mu.Lock()
		s.made = append(s.made, name)
		s.mu.Unlock()
		s.with(t, name, func(db *sql.DB) { require.NoError(t, prepare(db)) })
	}
	t.Cleanup(func() {
		s.with(t, name, func(db *sql.DB) { s.empty(t, db) })
		s.mu.Lock()
		s.idle = append(s.idle, name)
		s.mu.Unlock()
	})
	return s.dsn(name)
}

// Blank makes an empty database for one test, and returns the name of its data
// source.
func (s *Server) Blank(t testing.TB) string {
	t.Helper()
	s.Need(t)
	var id [6]byte
	_, _ = rand.Read(id[:]) // never fails
	name := "keelson_test_" + hex.EncodeToString(id[:])
	_, err := s.admin.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = s.admin.Exec(s.kind.drop + name) })
	return s.dsn(name)
}

// Open connects to a data source until the test ends.
func (s *Server) Open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(s.kind.driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Driver is the name of the driver that speaks to the server.
func (s *Server) Driver() string { return s.kind.driver }

func (s *Server) with(t testing.TB, name string, fn func(*sql.DB)) {
	t.Helper()
	db, err := sql.Open(s.kind.driver, s.dsn(name))
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(2)
	fn(db)
}

// empty deletes every row of a test's, in every table of ours but those of the
// schema itself; rows of tenant 0 belong to that.
func (s *Server) empty(t testing.TB, db *sql.DB) {
	t.Helper()
	for _, table := range Tables(t, db, s.kind.tables) {
		if table == "keelson_schema" {
			continue
		}
		if _, err := db.Exec("DELETE FROM " + table + " WHERE tenant <> 0"); err == nil {
			continue
		}
		_, err := db.Exec("DELETE FROM " + table) // one of no tenant
		require.NoError(t, err)
	}
}

// Tables returns the names that a query returns.
func Tables(t testing.TB, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.Query(query)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		if strings.HasPrefix(name, "keelson_") {
			out = append(out, name)
		}
	}
	require.NoError(t, rows.Err())
	return out
}

// TablesQuery lists the tables of a database.
func (s *Server) TablesQuery() string { return s.kind.tables }

// Close drops what was made and stops what was started: call it when the tests
// of a package have run.
func (s *Server) Close() {
	if s.admin != nil {
		for _, name := range s.made {
			_, _ = s.admin.Exec(s.kind.drop + name)
		}
		_ = s.admin.Close()
	}
	if s.stop != nil {
		s.stop()
	}
}
