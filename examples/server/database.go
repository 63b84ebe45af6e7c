package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"   // registers the driver "mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
	_ "modernc.org/sqlite"             // registers the driver "sqlite"

	"github.com/keelson-mdm/keelson/storage"
	"github.com/keelson-mdm/keelson/storage/inmem"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

// database is the store of -db.
type database struct {
	storage.Store
	close func() error
	lasts bool // over a restart
}

// openDatabase opens what -db says and brings its schema up to date.
func openDatabase(ctx context.Context, spec string, d dataDir) (*database, error) {
	if spec == "" {
		spec = "sqlite:" + d.path("keelson.db")
	}
	kind, rest, _ := strings.Cut(spec, ":")
	switch kind {
	case "memory":
		return &database{Store: inmem.New(nil), close: func() error { return nil }}, nil
	case "sqlite":
		if rest == "" {
			return nil, errors.New("-db: sqlite: needs the path of a file")
		}
		return openSQLite(ctx, rest)
	case "postgres", "postgresql":
		return openServer(ctx, "pgx", spec, sqlstore.PostgreSQL)
	case "mysql":
		name, err := mysqlName(spec)
		if err != nil {
			return nil, err
		}
		return openServer(ctx, "mysql", name, sqlstore.MySQL)
	}
	return nil, errors.New("-db: use memory:, sqlite:PATH, postgres://… or mysql://…") // not what was given: it may hold a password
}

func openSQLite(ctx context.Context, path string) (*database, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// SQLite gives its other files the mode of this one.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("-db: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", sqliteName(path))
	if err != nil {
		return nil, err
	}
	return openStore(ctx, db, sqlstore.SQLite)
}

// openServer connects to a database server.
func openServer(ctx context.Context, driver, name string, d sqlstore.Dialect) (*database, error) {
	db, err := sql.Open(driver, name)
	if err != nil {
		return nil, errors.New("-db: this is no address of a database server") // the error may quote a password
	}
	// database/sql keeps two idle connections and opens the rest anew.
	db.SetMaxIdleConns(2 * runtime.GOMAXPROCS(0))
	db.SetConnMaxIdleTime(5 * time.Minute)
	return openStore(ctx, db, d)
}

func openStore(ctx context.Context, db *sql.DB, d sqlstore.Dialect) (*database, error) {
	if err := sqlstore.Migrate(ctx, db, d); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	store, err := sqlstore.Open(ctx, db, d, nil)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &database{
		Store: store, lasts: true,
		close: func() error { return errors.Join(store.Close(), db.Close()) },
	}, nil
}

// mysqlName is the driver's data source name of mysql://user:password@host:port/database.
func mysqlName(spec string) (string, error) {
	u, err := url.Parse(spec)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" {
		return "", errors.New("-db: mysql needs mysql://user:password@host:port/database")
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "3306")
	}
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName = "tcp", host, strings.Trim(u.Path, "/")
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	if u.RawQuery == "" {
		return c.FormatDSN(), nil
	}
	name := c.FormatDSN()
	if strings.Contains(name, "?") {
		return name + "&" + u.RawQuery, nil
	}
	return name + "?" + u.RawQuery, nil
}

// sqliteName is the data source name of a file.
func sqliteName(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // a drive letter
		path = "/" + path
	}
	u := url.URL{Scheme: "file", Path: path}
	return u.String() + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)"
}
