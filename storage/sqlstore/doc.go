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
//
// # PostgreSQL and MySQL
//
// Units of work are READ COMMITTED transactions, many at once and no more than
// [Options].Connections, whatever the application's pool allows; who finds none
// free in time is answered [mdm.CodeBusy]. A unit that another stands in the way of
// (a deadlock, a serialization failure) begins again by itself. Open checks the
// server's version, encoding, SQL mode and isolation, and says what to change.
// MySQL means MySQL 8 or MariaDB 10.6 and later; the suite runs on MariaDB.
//
// # Lock order
//
// Whoever holds rows takes them in this order, so that nobody waits for each other:
//
//	lease → tenant (definitions) → enrollment → host → plan → queue → row → marks, outbox
//
// An idle poll holds nothing. A check-in holds its enrollment, and its host when it
// changes it; planning holds plans, in key order, and neither enrollments nor
// hosts. Marks, events and members are inserts. What is claimed (marks, walks,
// events) is claimed with SKIP LOCKED. Retention holds its lease and what it
// deletes, which it takes with SKIP LOCKED too and by key, once reads without a
// lock have found it: nobody that delivers, reports or plans waits for it, nor it
// for them.
package sqlstore
