package identity

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Store is what identity needs of a backend. Methods that take a Tx join that
// unit of work. Getters return a [mdm.CodeNotFound] error when there is no row.
// All are safe for concurrent use; rows of another tenant do not exist.
type Store interface {
	// PutIntent inserts an intent.
	PutIntent(ctx context.Context, tx mdm.Tx, i Intent) error
	Intent(ctx context.Context, t mdm.TenantID, id mdm.IntentID) (Intent, error)
	IntentByLink(ctx context.Context, t mdm.TenantID, link mdm.Hash) (Intent, error)
	IntentByChallenge(ctx context.Context, t mdm.TenantID, challenge mdm.Hash) (Intent, error)
	// Intents lists intents that were given to somebody ([Intent.Given]), by
	// falling id, which is the newest first: those with ids below before, which
	// is empty to begin. A state that is not empty narrows to intents that are in
	// it at that time.
	Intents(ctx context.Context, t mdm.TenantID, s IntentState, now time.Time, before mdm.IntentID, limit int) ([]Intent, error)
	// UseIntent counts one device in. It returns a [mdm.CodeChallenge] error
	// when the quota is used up or the intent is revoked.
	UseIntent(ctx context.Context, tx mdm.Tx, id mdm.IntentID) error
	// RevokeIntent closes an intent and records who did; the first stays on
	// record. Certificates that it issued stay.
	RevokeIntent(ctx context.Context, tx mdm.Tx, id mdm.IntentID, who mdm.Actor) error

	// NextGeneration draws from a sequence that only rises, over all tenants.
	NextGeneration(ctx context.Context, tx mdm.Tx) (mdm.Generation, error)

	// Reserve inserts c as reserved and counts it on its intent, or returns
	// the row that (intent, public key) has already. It returns a
	// [mdm.CodeChallenge] error when the intent has issued limit certificates.
	Reserve(ctx context.Context, tx mdm.Tx, c Certificate, limit int) (Certificate, error)
	// FinishIssue stores hash, DER and NotAfter of a reserved certificate and
	// makes it issued. When another did that first, it returns that row.
	FinishIssue(ctx context.Context, tx mdm.Tx, c Certificate) (Certificate, error)
	// Certificate returns the row of a leaf.
	Certificate(ctx context.Context, t mdm.TenantID, h mdm.Hash) (Certificate, error)
	// Bind pins an issued certificate to a channel. Binding it again to the
	// same channel changes nothing; a bound certificate with another channel,
	// or a superseded one, is a [mdm.CodeIdentity] error. First is set when
	// this call bound it.
	Bind(ctx context.Context, tx mdm.Tx, h mdm.Hash, n mdm.Natural) (first bool, err error)
	// SupersedeBound marks the channel's bound certificates other than keep
	// as superseded. A zero keep marks all.
	SupersedeBound(ctx context.Context, tx mdm.Tx, n mdm.Natural, keep mdm.Hash) error

	// PruneCertificates deletes up to limit certificates that nobody can use since
	// that time: superseded ones and issued ones that no device came with, whose
	// own time had ended by then, and those that were reserved before and never
	// finished. A bound one stays. It returns how many.
	PruneCertificates(ctx context.Context, tx mdm.Tx, before time.Time, limit int) (int, error)
	// PruneIntents looks at the intents with ids above after, limit of them, and
	// deletes those whose time had ended by then and of which there is no
	// certificate. next is where to go on, empty after the last. Both leave alone
	// what another unit holds.
	PruneIntents(ctx context.Context, tx mdm.Tx, before time.Time, after mdm.IntentID, limit int) (next mdm.IntentID, err error)

	// Enrollment returns the channel of that natural key: a read of a table
	// that lifecycle writes. EnrollmentTx is the same within a unit of work.
	Enrollment(ctx context.Context, t mdm.TenantID, n mdm.Natural) (mdm.Enrollment, error)
	EnrollmentTx(ctx context.Context, tx mdm.Tx, n mdm.Natural) (mdm.Enrollment, error)
}
