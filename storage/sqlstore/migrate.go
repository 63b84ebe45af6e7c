package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/keelson-mdm/keelson/mdm"
)

// versionTable keeps which migrations have run.
const versionTable = "keelson_schema"

//go:embed migrations
var migrations embed.FS

func provider(db *sql.DB, d *dialect) (*goose.Provider, error) {
	store, err := database.NewStore(d.goose, versionTable)
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	dir, err := fs.Sub(migrations, "migrations/"+string(d.name))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	p, err := goose.NewProvider("", db, dir, goose.WithStore(store), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	return p, nil
}

// migratingAlone runs fn while no other replica migrates: the others wait, and then find
// nothing to do. The lock is a connection's: it ends with the process.
func migratingAlone(ctx context.Context, db *sql.DB, d *dialect, fn func() error) error {
	if d.acquire == "" {
		return fn()
	}
	if db.Stats().MaxOpenConnections == 1 {
		return mdm.Errorf(mdm.CodeInvalid, "db", "the pool allows one connection, and migrating takes two: allow at least two")
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return failure("open a connection", err)
	}
	defer c.Close()
	var got sql.NullString
	if err := c.QueryRowContext(ctx, d.acquire).Scan(&got); err != nil {
		return failure("wait for other migrations", err)
	}
	if got.String == "0" {
		return mdm.Errorf(mdm.CodeUnavailable, "schema", "another program has been migrating for minutes: see what it does")
	}
	err = fn()
	return errors.Join(err, failure("let other migrations go on", c.QueryRowContext(context.WithoutCancel(ctx), d.release).Scan(&got)))
}

// Migrate brings the schema up to this program's version. It only goes forward;
// running it again changes nothing.
func Migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	di, err := of(d)
	if err != nil {
		return err
	}
	p, err := provider(db, di)
	if err != nil {
		return err
	}
	err = migratingAlone(ctx, db, di, func() error {
		_, err := p.Up(ctx)
		return err
	})
	if mdm.CodeOf(err) == mdm.CodeInvalid {
		return err
	}
	return mdm.WrapError(mdm.CodeUnavailable, "", "the schema could not be brought up to date", err)
}

// checkSchema refuses a schema that is older than this program. A newer one is
// accepted: migrations only add what an older program can live with.
func checkSchema(ctx context.Context, db *sql.DB, d *dialect) error {
	p, err := provider(db, d)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	want := sources[len(sources)-1].Version
	var known bool
	if err := db.QueryRowContext(ctx, d.bind(d.hasTable), versionTable).Scan(&known); err != nil {
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
