package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

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
		return nil, errors.New("-db: PostgreSQL comes in a later version: use sqlite:PATH")
	case "mysql":
		return nil, errors.New("-db: MySQL and MariaDB come in a later version: use sqlite:PATH")
	}
	return nil, errors.New("-db: use memory: or sqlite:PATH") // not what was given: it may hold a password
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
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &database{
		Store: store, lasts: true,
		close: func() error { return errors.Join(store.Close(), db.Close()) },
	}, nil
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
