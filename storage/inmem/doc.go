// Package inmem is a [storage.Store] in memory, for tests and for trying things
// out. It keeps every contract that the SQL backends keep, units of work and
// their rollback included, and forgets everything when the process ends.
package inmem
