package lifecycle

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Store is what lifecycle needs of a backend. Methods that take a Tx join that
// unit of work and see its writes. Getters return a [mdm.CodeNotFound] error
// when there is no row. Rows of another tenant do not exist.
type Store interface {
	// PutHost inserts a host when h.Key is zero, setting the key, and updates
	// it otherwise, all but Team, which profiles moves, and LastSeenAt: see
	// Seen. A second host with the same ExternalID is a [mdm.CodeConflict]
	// error. Getters that take a Tx hold the row until the unit ends, so that
	// what was read is what is changed.
	PutHost(ctx context.Context, tx mdm.Tx, h *mdm.Host) error
	// HostTx and the finders read within a unit of work. FindHosts returns the
	// hosts that are not deleted and have that hardware id or that serial
	// (empty arguments find nothing), in key order.
	HostTx(ctx context.Context, tx mdm.Tx, k mdm.HostKey) (mdm.Host, error)
	HostByExternalTx(ctx context.Context, tx mdm.Tx, x mdm.ExternalID) (mdm.Host, error)
	FindHosts(ctx context.Context, tx mdm.Tx, hardwareID, serial string) ([]mdm.Host, error)

	// PutEnrollment inserts when e.Key is zero, setting the key, and updates
	// otherwise. The natural key is unique in the tenant.
	PutEnrollment(ctx context.Context, tx mdm.Tx, e *mdm.Enrollment) error
	EnrollmentTx(ctx context.Context, tx mdm.Tx, n mdm.Natural) (mdm.Enrollment, error)
	EnrollmentByKey(ctx context.Context, tx mdm.Tx, k mdm.EnrollmentKey) (mdm.Enrollment, error)
	// EnrollmentsOf returns the channels of a host, ended ones included, in
	// key order.
	EnrollmentsOf(ctx context.Context, tx mdm.Tx, k mdm.HostKey) ([]mdm.Enrollment, error)
	// SetPerson records who authenticated at the enrollment; empty clears it.
	SetPerson(ctx context.Context, tx mdm.Tx, k mdm.HostKey, person string) error
	PersonOf(ctx context.Context, tx mdm.Tx, k mdm.HostKey) (string, error)

	// Seen raises LastSeenAt of hosts, in one batch.
	Seen(ctx context.Context, t mdm.TenantID, at map[mdm.HostKey]time.Time) error

	// Reads of their own.
	Host(ctx context.Context, t mdm.TenantID, id mdm.HostID) (mdm.Host, error)
	HostByKey(ctx context.Context, t mdm.TenantID, k mdm.HostKey) (mdm.Host, error)
	HostByExternal(ctx context.Context, t mdm.TenantID, x mdm.ExternalID) (mdm.Host, error)
	// Hosts lists in key order, with keys above after; deleted ones only when
	// the filter asks for them.
	Hosts(ctx context.Context, t mdm.TenantID, f HostFilter, after mdm.HostKey, limit int) ([]mdm.Host, error)
	Enrollments(ctx context.Context, t mdm.TenantID, k mdm.HostKey) ([]mdm.Enrollment, error)
	CountHosts(ctx context.Context, t mdm.TenantID) (map[mdm.Platform]map[mdm.HostState]int, error)

	// Append adds an event to the outbox, drawing Seq from a rising sequence.
	Append(ctx context.Context, tx mdm.Tx, e mdm.Event) error
	// ClaimEvents takes up to limit events that are due, at most one an
	// enrollment (the oldest undelivered; events without enrollment each stand
	// alone), and hides them from other claimers until the lease ends.
	ClaimEvents(ctx context.Context, t mdm.TenantID, now time.Time, lease time.Duration, limit int) ([]OutboxEvent, error)
	// EventDone deletes a delivered event; EventRetry makes it due again at
	// the given time and counts the try.
	EventDone(ctx context.Context, t mdm.TenantID, seq int64) error
	EventRetry(ctx context.Context, t mdm.TenantID, seq int64, at time.Time) error

	// PutTenant makes the tenant when it does not exist; Tenants lists all.
	PutTenant(ctx context.Context, t mdm.TenantID) error
	Tenants(ctx context.Context) ([]mdm.TenantID, error)
}

// HostFilter narrows a list of hosts. Zero values do not narrow.
type HostFilter struct {
	Platform mdm.Platform
	State    mdm.HostState
	Team     *mdm.TeamKey
	Search   string // part of name, serial or model, without case
	Deleted  bool   // include deleted hosts
}

// OutboxEvent is an event with its delivery state.
type OutboxEvent struct {
	mdm.Event
	Tries int // before this one
}
