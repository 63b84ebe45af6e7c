package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/keelson-mdm/keelson/mdm"
)

// Dialect names the database's SQL.
type Dialect string

// The dialects.
const (
	SQLite Dialect = "sqlite"
)

// versionTable keeps which migrations have run.
const versionTable = "keelson_schema"

//go:embed migrations
var migrations embed.FS

func unknownDialect(d Dialect) error {
	return mdm.Errorf(mdm.CodeUnsupported, "dialect", "no dialect %q: use sqlstore.SQLite", d)
}

func provider(db *sql.DB, d Dialect) (*goose.Provider, error) {
	if d != SQLite {
		return nil, unknownDialect(d)
	}
	store, err := database.NewStore(goose.DialectSQLite3, versionTable)
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	dir, err := fs.Sub(migrations, "migrations/"+string(d))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	p, err := goose.NewProvider("", db, dir, goose.WithStore(store), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	return p, nil
}

// Migrate brings the schema up to this program's version. It only goes forward;
// running it again changes nothing.
func Migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	p, err := provider(db, d)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return mdm.WrapError(mdm.CodeUnavailable, "", "the schema could not be brought up to date", err)
	}
	return nil
}

// checkSchema refuses a schema that is older than this program. A newer one is
// accepted: migrations only add what an older program can live with.
func checkSchema(ctx context.Context, db *sql.DB, d Dialect) error {
	p, err := provider(db, d)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	want := sources[len(sources)-1].Version
	var known bool
	if err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?)`, versionTable).Scan(&known); err != nil {
		return failure("look for the schema", err)
	}
	if !known {
		return mdm.Errorf(mdm.CodeInvalid, "schema", "there is no Keelson schema in this database: run sqlstore.Migrate first")
	}
	var have int64
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable+` WHERE is_applied`).Scan(&have); err != nil {
		return failure("read the schema's version", err)
	}
	if have < want {
		return mdm.Errorf(mdm.CodeInvalid, "schema", "the schema has version %d and this program needs %d: run sqlstore.Migrate first", have, want)
	}
	return nil
}
