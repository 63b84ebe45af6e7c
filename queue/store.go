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
	// hash that is there already is left alone, and known to be in use now.
	PutContent(ctx context.Context, tx mdm.Tx, h mdm.Hash, sealed []byte, now time.Time) error
	// Content returns sealed content, or a [mdm.CodeNotFound] error.
	Content(ctx context.Context, t mdm.TenantID, h mdm.Hash) ([]byte, error)

	// Insert queues entries in the order given and sets each one's Seq, drawn
	// from a rising sequence. Waiting entries with the same supersede key that
	// have not left end as [mdm.OutcomeSuperseded]. An idempotency key that
	// stands on an entry of the enrollment, waiting, ended or before it in
	// entries, is a [mdm.CodeConflict] error with the field "idempotency": of
	// two units that insert it at the same time, one does.
	Insert(ctx context.Context, tx mdm.Tx, entries []Entry) error
	// First returns the entry, waiting or ended, on which an idempotency key
	// stands, with its sealed content, or a [mdm.CodeNotFound] error. It sees
	// what the unit has inserted.
	First(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, idempotency string) (Entry, []byte, error)

	// Poll judges the caller and hands out: entries of the current
	// generation, due, not expired, [mdm.Once] only if never sent, none that
	// stands behind an earlier waiting entry with the same resource key; by
	// lane, then sequence. The sent mark is set by the statement that selects.
	// Handouts carry sealed data. An idle poll writes nothing.
	Poll(ctx context.Context, t mdm.TenantID, p Poll) (Answer, error)

	// File ends or holds the reported entry of enrollment e, moving an ended
	// one to the history; the first answer wins. To one that had ended without
	// the device it adds the answer.
	File(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, r Report) (Filed, error)
	// Next hands out as Poll does, for an enrollment already judged.
	Next(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, p Poll) ([]Handout, error)

	// What follows ends entries without the device. Each decides and writes in
	// one step, so that an entry either was taken back or had left.

	// Cancel takes back one entry. It answers [Canceled], with the result for
	// the entry's owner, when it had not left; [TooLate] when it has left and
	// is unanswered (unchanged); [Ended] when it had ended; and a
	// [mdm.CodeNotFound] error when it never was.
	Cancel(ctx context.Context, tx mdm.Tx, id mdm.CommandID, now time.Time) (CancelAnswer, mdm.Result, error)
	// EndBefore ends, as [mdm.OutcomeCanceled], every waiting entry of an
	// enrollment whose generation is below gen, sent or not, and returns the
	// results for their owners.
	EndBefore(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, gen mdm.Generation, now time.Time) ([]mdm.Result, error)
	// EndRef ends, as [mdm.OutcomeSuperseded], the waiting entries of one
	// owner about one key, and counts those that had not left and those that
	// had.
	EndRef(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, o mdm.Owner, key int64, now time.Time) (taken, left int, err error)
	// Expire ends up to limit entries whose time is over, as
	// [mdm.OutcomeExpired], or [mdm.OutcomeUnknown] when they had left, and
	// returns the results for their owners.
	Expire(ctx context.Context, tx mdm.Tx, now time.Time, limit int) ([]mdm.Result, error)
	// Waiting lists enrollments that have something to hand out now, with keys
	// above after, in key order.
	Waiting(ctx context.Context, t mdm.TenantID, now time.Time, after mdm.EnrollmentKey, limit int) ([]mdm.EnrollmentKey, error)

	// Get returns an entry, waiting or ended (Outcome empty while waiting), or
	// a [mdm.CodeNotFound] error. List returns those of one enrollment, the
	// newest first, with a sequence below before (0 means from the newest).
	Get(ctx context.Context, t mdm.TenantID, id mdm.CommandID) (Done, error)
	List(ctx context.Context, t mdm.TenantID, e mdm.EnrollmentKey, before int64, limit int) ([]Done, error)

	Pruner
}

// Pruner is how the queue's room stays bounded. Each method joins a unit of work,
// looks at no more than limit rows, and takes only what no other unit holds, so
// that whatever stands in its way is left for the next time; it takes no lock
// that delivery or planning waits for, and none on what it leaves.
type Pruner interface {
	// PruneDone deletes up to limit entries that had ended before that time, the
	// oldest first, with their results, and returns how many. What is asked about
	// them later never was: a report on one is foreign, its idempotency key is free.
	PruneDone(ctx context.Context, tx mdm.Tx, before time.Time, limit int) (int, error)
	// PruneChannels leaves each enrollment its newest keep entries that have
	// ended. It goes through the enrollments with keys above after, limit of
	// them, and deletes up to limit entries, n: when n is less, next is where to
	// go on, and 0 after the last; when it is not, there may be more of next.
	PruneChannels(ctx context.Context, tx mdm.Tx, keep int, after mdm.EnrollmentKey, limit int) (n int, next mdm.EnrollmentKey, err error)
	// PruneContent looks at up to limit contents that were last known to be in
	// use before that time, and deletes those that no entry, waiting or ended, no
	// profile, no profile's row and no trace of one needs. The others are in use
	// now. It returns how many it looked at. Whoever needs content puts it first,
	// so that before is to be earlier, by an hour and more, than any unit that
	// may be open has begun.
	PruneContent(ctx context.Context, tx mdm.Tx, before, now time.Time, limit int) (looked int, err error)
}

// ContentFresh is for how long [Store].PutContent need not write down that a
// content is in use.
const ContentFresh = time.Hour

// Reporter is what a backend may do beside [Store]: the whole of a report in one
// step.
type Reporter interface {
	// Report is File, the owner's evidence and Next in one step, for the report
	// that devices send most: of a channel in good standing, on a waiting
	// instruction of [mdm.OwnerProfiles], one whose Ref has a key. It judges the
	// caller as Poll does, files, acknowledges and marks as the profiles room
	// does for that result, and hands out what is next. Of every other report
	// taken is not set and nothing has changed: its caller does the same step by
	// step, in a unit of work.
	Report(ctx context.Context, t mdm.TenantID, p Poll, r Report) (a Answer, f Filed, taken bool, err error)
}

// CancelAnswer is the truthful answer to a cancel.
type CancelAnswer string

// The answers.
const (
	Canceled CancelAnswer = "canceled" // it never left and never will
	TooLate  CancelAnswer = "too_late" // it has left; the device may have executed it
	Ended    CancelAnswer = "ended"    // it had ended before
)
