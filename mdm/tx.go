package mdm

import "context"

// Tx is one unit of work: one tenant, one goroutine, one commit. Stores accept
// only units that they began themselves. A Tx is not safe for concurrent use
// and is dead when the function that received it returns.
type Tx interface {
	// Tenant is the tenant whose rows this unit can reach.
	Tenant() TenantID
	// AfterCommit runs f once the unit has committed, in the order given. It
	// is for wakes only, best effort: f is lost when the process dies and never
	// runs after a rollback. f must not block.
	AfterCommit(f func())
}

// Transactor begins units of work.
type Transactor interface {
	// InTx runs fn in a unit of work and commits it when fn returns nil; any
	// error rolls everything back and is returned. fn may run again after a
	// conflict with another unit: it holds no I/O and no application code, and
	// what it computes outside tx it computes anew. Units do not nest: calling
	// InTx inside fn is an error.
	InTx(ctx context.Context, t TenantID, fn func(context.Context, Tx) error) error
}

// Sink is all that a protocol package knows of engines. Both methods join the
// unit of work that the protocol package opened; they never open one. An error
// that is [Transient] rolls the whole unit back, and the device is answered so
// that it asks again. After any other error the protocol package rolls back too,
// and files the command in a second unit without the handler, so that a defect
// in an engine never blocks a queue.
type Sink interface {
	Signal(ctx context.Context, tx Tx, s Signal) error
	Result(ctx context.Context, tx Tx, r Result) error
}
