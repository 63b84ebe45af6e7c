// Package sqlstore is a [storage.Store] over database/sql. It imports no driver:
// the application opens its own *sql.DB, brings the schema up with [Migrate],
// and hands the database to [Open], which never migrates.
//
//	db, _ := sql.Open("sqlite", "file:mdm.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
//	err := sqlstore.Migrate(ctx, db, sqlstore.SQLite)
//	store, err := sqlstore.Open(ctx, db, sqlstore.SQLite, nil)
//
// # SQLite
//
// SQLite has one writer. Units of work run one after the other, as BEGIN
// IMMEDIATE transactions on a connection that the store keeps for itself, so
// that no unit that has read can fail to write; reads of their own go through
// the pool and see the last commit. Open checks the pragmas that this needs and
// says what to change. A unit of work of ours inside a write transaction of the
// application's on the same database would wait for itself: it fails after the
// busy timeout, and [Store.Join] is what to use instead.
package sqlstore
