package sqlstore

import (
	"context"
	"database/sql"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// openPool checks what units of work need of a server.
func openPool(ctx context.Context, db *sql.DB, d *dialect, o *Options) (*pool, error) {
	p := newPool(db, d, o)
	check := checkPostgreSQL
	if d.name == MySQL {
		check = checkMySQL
	}
	plain, err := check(ctx, db)
	if err != nil {
		return nil, err
	}
	if plain { // units begin as all transactions do, one round trip cheaper
		p.begun = nil
	}
	return p, nil
}

// checkPostgreSQL reports whether transactions are READ COMMITTED by default.
func checkPostgreSQL(ctx context.Context, db *sql.DB) (bool, error) {
	var version int
	var encoding, level, readOnly string
	if err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
		current_setting('default_transaction_isolation'), current_setting('default_transaction_read_only')`).
		Scan(&version, &encoding, &level, &readOnly); err != nil {
		return false, failure("look at the database", err)
	}
	switch {
	case version < 120000:
		return false, mdm.Errorf(mdm.CodeUnsupported, "db", "PostgreSQL 12 is the oldest that the store runs on; this server has version number %d", version)
	case encoding != "UTF8":
		return false, mdm.Errorf(mdm.CodeInvalid, "db", "the database's encoding is %s and must be UTF8", encoding)
	case readOnly == "on":
		return false, mdm.Errorf(mdm.CodeInvalid, "db", "transactions are read-only by default: use the primary, or clear default_transaction_read_only")
	}
	return level == "read committed", nil
}

// checkMySQL reports whether transactions are READ COMMITTED by default.
func checkMySQL(ctx context.Context, db *sql.DB) (bool, error) {
	var version, mode string
	var database sql.NullString
	if err := db.QueryRowContext(ctx, `SELECT version(), @@sql_mode, DATABASE()`).Scan(&version, &mode, &database); err != nil {
		return false, failure("look at the database", err)
	}
	switch {
	case !database.Valid:
		return false, mdm.Errorf(mdm.CodeInvalid, "db", "the data source name chooses no database: end its address in /name")
	case !strings.Contains(mode, "STRICT_TRANS_TABLES") && !strings.Contains(mode, "STRICT_ALL_TABLES"):
		return false, mdm.Errorf(mdm.CodeInvalid, "db", "sql_mode is %q and must be strict, or values are cut off silently: add sql_mode='STRICT_TRANS_TABLES' to the data source name", mode)
	}
	level := `@@transaction_isolation`
	if strings.Contains(version, "MariaDB") {
		level = `@@tx_isolation`
	}
	var isolation string
	if err := db.QueryRowContext(ctx, `SELECT `+level).Scan(&isolation); err != nil {
		return false, failure("read the isolation level", err)
	}
	return isolation == "READ-COMMITTED", nil
}
