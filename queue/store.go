package queue

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Store is what the queue needs of a backend. Methods that take a Tx join that
// unit of work; the others are units of their own and one statement where the
// backend can do that. All are safe for concurrent use. Content and Body are
// sealed before they get here.
//
// Rows of another tenant do not exist for any method.
type Store interface {
	// PutContent keeps sealed content under the hash of its clear bytes; a
	// hash that is there already is left alone.
	PutContent(ctx context.Context, tx mdm.Tx, h mdm.Hash, sealed []byte) error
	// Content returns sealed content, or a [mdm.CodeNotFound] error.
	Content(ctx context.Context, t mdm.TenantID, h mdm.Hash) ([]byte, error)

	// Insert queues entries in the order given, drawing Seq from a rising
	// sequence, and returns the sequences in that order; 0 stands for an entry
	// whose idempotency key was there already. Waiting entries with the same
	// supersede key that have not left end as [mdm.OutcomeSuperseded].
	Insert(ctx context.Context, tx mdm.Tx, entries []Entry) ([]int64, error)

	// Poll judges the caller and hands out: entries of the current
	// generation, due, not expired, [mdm.Once] only if never sent, none that
	// stands behind an earlier waiting entry with the same resource key; by
	// lane, then sequence. The sent mark is set by the statement that selects.
	// Handouts carry sealed data. An idle poll writes nothing.
	Poll(ctx context.Context, t mdm.TenantID, p Poll) (Answer, error)

	// Report is File, the evidence, the mark and the outbox reference that the
	// owner's results call for (see [Effects]), and Poll, in one atomic step.
	// Only a caller with [StandingGood] reports; otherwise nothing is filed.
	Report(ctx context.Context, t mdm.TenantID, r Report) (Filed, Answer, error)

	// File ends or holds the reported entry of enrollment e, moving an ended
	// one to the history.
	File(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, r Report) (Filed, error)
	// Next hands out as Poll does, for an enrollment already judged.
	Next(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, p Poll) ([]Handout, error)

	// Cancel takes back one entry. It returns [Canceled] when it had not left,
	// [TooLate] when it has left and is unanswered (unchanged), [Ended] when it
	// had ended, and a [mdm.CodeNotFound] error when it never was.
	Cancel(ctx context.Context, tx mdm.Tx, id mdm.CommandID, now time.Time) (CancelAnswer, error)
	// EndBefore ends, as [mdm.OutcomeCanceled], every waiting entry of an
	// enrollment whose generation is below gen, sent or not.
	EndBefore(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, gen mdm.Generation, now time.Time) (int, error)
	// EndRef ends, as [mdm.OutcomeSuperseded], the waiting entries of one
	// owner about one key, and reports whether any of them had left.
	EndRef(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, o mdm.Owner, key int64, now time.Time) (sent bool, err error)
	// Expire ends up to limit entries whose time is over, as
	// [mdm.OutcomeExpired], and returns how many.
	Expire(ctx context.Context, tx mdm.Tx, now time.Time, limit int) (int, error)
	// Waiting lists enrollments that have something to hand out now, with keys
	// above after, in key order.
	Waiting(ctx context.Context, t mdm.TenantID, now time.Time, after mdm.EnrollmentKey, limit int) ([]mdm.EnrollmentKey, error)

	// Get returns an entry, waiting or ended (Outcome empty while waiting), or
	// a [mdm.CodeNotFound] error. List returns those of one enrollment, the
	// newest first, with a sequence below before (0 means from the newest).
	Get(ctx context.Context, t mdm.TenantID, id mdm.CommandID) (Done, error)
	List(ctx context.Context, t mdm.TenantID, e mdm.EnrollmentKey, before int64, limit int) ([]Done, error)
}

// CancelAnswer is the truthful answer to a cancel.
type CancelAnswer string

// The answers.
const (
	Canceled CancelAnswer = "canceled" // it never left and never will
	TooLate  CancelAnswer = "too_late" // it has left; the device may have executed it
	Ended    CancelAnswer = "done"     // it had ended before
)

// Effects says which rows beside the history a filed result touches when
// [Store.Report] runs. Backends follow it, and the face routes the results of
// [Store.File] by the same table.
func Effects(o mdm.Owner) (evidence, outbox bool) {
	switch o {
	case mdm.OwnerProfiles:
		return true, false
	case mdm.OwnerApplication:
		return false, true
	default:
		return false, false
	}
}
