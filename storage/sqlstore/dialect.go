package sqlstore

import (
	"context"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/keelson-mdm/keelson/mdm"
)

// Dialect names the database's SQL.
type Dialect string

// The dialects.
const (
	SQLite     Dialect = "sqlite"
	PostgreSQL Dialect = "postgres"
	// MySQL is MySQL 8 and MariaDB 10.6 or later. The suite runs on MariaDB.
	MySQL Dialect = "mysql"
)

// dialect is where databases differ. Statements are written with '?' for every
// argument; what no common SQL says is a fragment here.
type dialect struct {
	name     Dialect
	numbered bool // arguments are $1, $2, …
	returns  bool // a key that the database made is read by RETURNING
	aborts   bool // a failed statement ends its transaction
	// keyed is behind a table whose rows are found by their key and nothing
	// else. InnoDB locks what it looks at: the rows of the index that it chose,
	// and then those of the key. Who came by another index waits for the one
	// that waits for him. Where keyed is set rows are found first, without a
	// lock, and then held, changed and deleted by their keys.
	keyed string
	// del begins the deletion of rows of a table by their keys.
	del func(table string) string

	plus    string                    // in front of a column that SQLite must not choose an index by
	by      func(index string) string // behind a table that SQLite must read by that index
	lock    string                    // holds the rows of a SELECT until the unit ends
	skip    string                    // the same, leaving out what others hold
	greater string                    // the greater of two values
	less    string                    // the smaller of two values
	noBytes string                    // NULL as a column of bytes

	// upsert ends an INSERT: what has that key already takes these columns of
	// what was to be inserted, and keeps everything when there are none.
	upsert func(key string, columns ...string) string
	// merge ends an INSERT: what has that key already keeps the greater or the
	// smaller value of a column.
	merge func(table, key, column, choose string) string
	// lower is a column without the case of ASCII letters, for LIKE.
	lower func(column string) string
	// in compares a column with keys: a statement for lists of every length,
	// or of every power of two.
	in func(keys []int64) (string, []any)
	// generation draws from the sequence of generations.
	generation func(ctx context.Context, q Querier) (int64, error)
	// clock is the database's time in microseconds; empty where that of the
	// process is the only one.
	clock string
	// fromHex is bytes of hexadecimal text, asBytes a text as names are kept.
	fromHex, asBytes func(column string) string
	goose            goose.Dialect
	// acquire and release are queries: the lock under which replicas migrate.
	// Empty where the database locks by itself.
	acquire, release string
	// hasTable is a query: does the table of that name exist?
	hasTable string
}

func of(d Dialect) (*dialect, error) {
	switch d {
	case SQLite:
		return &sqlite, nil
	case PostgreSQL:
		return &postgres, nil
	case MySQL:
		return &mysql, nil
	}
	return nil, mdm.Errorf(mdm.CodeUnsupported, "dialect", "no dialect %q: use sqlstore.SQLite, PostgreSQL or MySQL", d)
}

// bind writes a statement's arguments as the database wants them. Our statements
// have no '?' but for arguments.
func (d *dialect) bind(query string) string {
	if !d.numbered {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 16)
	n := 0
	for {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

// onConflict is the upsert of SQLite and PostgreSQL.
func onConflict(key string, columns ...string) string {
	if len(columns) == 0 {
		return " ON CONFLICT DO NOTHING"
	}
	set := make([]string, len(columns))
	for i, c := range columns {
		set[i] = c + " = excluded." + c
	}
	return " ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(set, ", ")
}

// merge is the merge of SQLite and PostgreSQL.
func merge(table, key, column, choose string) string {
	return " ON CONFLICT (" + key + ") DO UPDATE SET " + column + " = " + choose + "(" + table + "." + column + ", excluded." + column + ")"
}

func deleteFrom(table string) string { return "DELETE FROM " + table }

// lower is the lower of SQLite and PostgreSQL.
func lower(column string) string { return "lower(" + column + ")" }

// sqlite is SQLite 3.41 and later.
var sqlite = dialect{
	name: SQLite,
	by:   func(index string) string { return " INDEXED BY " + index },
	del:  deleteFrom,
	plus: "+", greater: "max", less: "min", noBytes: "NULL",
	upsert: onConflict, merge: merge, lower: lower,
	in: func(keys []int64) (string, []any) {
		return "IN (SELECT value FROM json_each(?))", []any{"[" + joined(keys) + "]"}
	},
	generation: func(ctx context.Context, q Querier) (g int64, err error) {
		if _, err := q.ExecContext(ctx, `UPDATE keelson_sequence SET value = value + 1 WHERE name = 'generation'`); err != nil {
			return 0, err
		}
		return g, q.QueryRowContext(ctx, `SELECT value FROM keelson_sequence WHERE name = 'generation'`).Scan(&g)
	},
	fromHex:  func(c string) string { return "unhex(" + c + ")" },
	asBytes:  func(c string) string { return c },
	goose:    goose.DialectSQLite3,
	hasTable: `SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?)`,
}

// postgres is PostgreSQL 12 and later.
var postgres = dialect{
	name: PostgreSQL, numbered: true, returns: true, aborts: true,
	by:   func(string) string { return "" },
	del:  deleteFrom,
	lock: " FOR UPDATE", skip: " FOR UPDATE SKIP LOCKED", greater: "greatest", less: "least", noBytes: "CAST(NULL AS bytea)",
	upsert: onConflict, merge: merge, lower: lower,
	in: func(keys []int64) (string, []any) {
		return "= ANY (CAST(? AS bigint[]))", []any{"{" + joined(keys) + "}"}
	},
	generation: func(ctx context.Context, q Querier) (g int64, err error) {
		return g, q.QueryRowContext(ctx, `SELECT nextval('keelson_generation')`).Scan(&g)
	},
	clock:    `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)`,
	fromHex:  func(c string) string { return "decode(" + c + ", 'hex')" },
	asBytes:  func(c string) string { return c },
	goose:    goose.DialectPostgres,
	acquire:  `SELECT pg_advisory_lock(hashtext('keelson_schema'))::text`,
	release:  `SELECT pg_advisory_unlock(hashtext('keelson_schema'))::text`,
	hasTable: `SELECT to_regclass(?) IS NOT NULL`,
}

// mysql is MySQL 8 and MariaDB 10.6 and later.
var mysql = dialect{
	name:  MySQL,
	by:    func(string) string { return "" },
	keyed: " FORCE INDEX (PRIMARY)",
	del:   func(table string) string { return "DELETE " + table + " FROM " + table + " FORCE INDEX (PRIMARY)" },
	lock:  " FOR UPDATE", skip: " FOR UPDATE SKIP LOCKED", greater: "greatest", less: "least", noBytes: "NULL",
	upsert: func(key string, columns ...string) string {
		if len(columns) == 0 {
			first, _, _ := strings.Cut(key, ",")
			return " ON DUPLICATE KEY UPDATE " + first + " = " + first
		}
		set := make([]string, len(columns))
		for i, c := range columns {
			set[i] = c + " = VALUES(" + c + ")"
		}
		return " ON DUPLICATE KEY UPDATE " + strings.Join(set, ", ")
	},
	merge: func(table, _, column, choose string) string {
		return " ON DUPLICATE KEY UPDATE " + column + " = " + choose + "(" + table + "." + column + ", VALUES(" + column + "))"
	},
	// Names are bytes here, so that no collation makes two of them one.
	lower: func(column string) string { return "lower(convert(" + column + " USING utf8mb4))" },
	in:    placeholders,
	// MySQL has no sequences, and a row that every enrollment updates would
	// make them wait for each other.
	generation: func(ctx context.Context, q Querier) (int64, error) {
		r, err := q.ExecContext(ctx, `INSERT INTO keelson_generation () VALUES ()`)
		if err != nil {
			return 0, err
		}
		g, err := r.LastInsertId()
		if err != nil {
			return 0, err
		}
		_, err = q.ExecContext(ctx, `DELETE FROM keelson_generation WHERE id = ?`, g)
		return g, err
	},
	clock:    `SELECT CAST(unix_timestamp(sysdate(6)) * 1000000 AS SIGNED)`,
	fromHex:  func(c string) string { return "unhex(" + c + ")" },
	asBytes:  func(c string) string { return "CAST(" + c + " AS BINARY)" },
	goose:    goose.DialectMySQL,
	acquire:  `SELECT GET_LOCK(concat(DATABASE(), '.keelson_schema'), 300)`,
	release:  `SELECT RELEASE_LOCK(concat(DATABASE(), '.keelson_schema'))`,
	hasTable: `SELECT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?)`,
}

// manyKeys is where a list of keys is written into the statement itself: no
// database takes that many arguments.
const manyKeys = 1 << 12

// placeholders has one argument a key, repeating the last up to a power of two,
// so that there are few different statements.
func placeholders(keys []int64) (string, []any) {
	if len(keys) == 0 {
		return "IN (NULL)", nil
	}
	if len(keys) > manyKeys {
		return "IN (" + joined(keys) + ")", nil
	}
	n := 1
	for n < len(keys) {
		n *= 2
	}
	args := make([]any, n)
	for i := range args {
		args[i] = keys[min(i, len(keys)-1)]
	}
	return "IN (?" + strings.Repeat(", ?", n-1) + ")", args
}

func joined(keys []int64) string {
	b := make([]byte, 0, 8*len(keys))
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, k, 10)
	}
	return string(b)
}
