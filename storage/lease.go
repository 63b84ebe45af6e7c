package storage

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Lease is the right of one instance to do a job that one does for all of them.
//
//	        Acquire by anybody                 time passes
//	free ───────────────────────▶ held(epoch) ─────────────▶ over
//	 ▲                             │   ▲  │                    │
//	 │                             │   └──┘                    │
//	 │                Release      │  Acquire by its holder    │ Acquire by anybody,
//	 └─────────────────────────────┘  (same epoch, later end)  │ the last holder too
//	                                                           ▼
//	                                                    held(epoch + 1)
//
// From "free" too the epoch rises: no two holders, and no two times of one, have
// the same. Holds is asked in the unit of work that does the job: it keeps the
// lease from changing hands until that unit ends, so that of a holder that slept
// through its own end nothing is committed after the next one has begun.
//
// Time is the database's on a server, so that clocks that disagree cannot make two
// holders. A holder's own clock only makes it stop earlier.
type Lease struct {
	Name  string
	Owner string // the instance, unique among those that run
	Epoch int64  // rises with each holder
}

// Leases hands out leases. It is safe for concurrent use. They are the house's and
// not a tenant's.
type Leases interface {
	// Acquire takes the lease of that name for an owner, or prolongs it, until
	// ttl from now; ok is not set while another holds it, or is about to. now is
	// used where the process's clock is the only one.
	Acquire(ctx context.Context, name, owner string, ttl time.Duration, now time.Time) (l Lease, ok bool, err error)
	// Holds joins a unit of work. It is a [mdm.CodePrecondition] error when the
	// lease has ended or changed hands; else the lease stays as it is until that
	// unit ends.
	Holds(ctx context.Context, tx mdm.Tx, l Lease, now time.Time) error
	// Release gives a lease up before its end; what is held no more is left alone.
	Release(ctx context.Context, l Lease) error
}
