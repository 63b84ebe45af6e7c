package queue

import (
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Lane is the priority of an entry: lower leaves first. Any value is allowed;
// the constants leave room between them.
type Lane int

// The lanes.
const (
	LaneUrgent  Lane = 10 // a person waits: lock, resend
	LaneNormal  Lane = 50
	LaneObserve Lane = 70 // questions, after what they ask about
	LaneBulk    Lane = 90
)

// Command is what a caller queues. Enrollment, Generation, Owner and Kind are
// required; Lane 0 means [LaneNormal] and Redelivery "" means [mdm.Repeatable].
type Command struct {
	// ID is made by [Queue.Enqueue] when empty.
	ID         mdm.CommandID
	Enrollment mdm.EnrollmentKey
	// Generation is the life for which the command is meant: it is handed out
	// in no other.
	Generation mdm.Generation
	Owner      mdm.Owner
	Ref        mdm.Ref
	Kind       string
	Content    []byte
	Lane       Lane
	NotBefore  time.Time // zero means at once
	Expires    time.Time // zero means never
	// Resource keeps entries on one thing in order. Empty orders with nothing.
	Resource string
	// Supersede takes back waiting entries of the same enrollment with the
	// same key that have not left. Empty supersedes nothing.
	Supersede string
	// Idempotency makes a second Enqueue of the same command with the same key
	// on the same enrollment a no-op, for as long as the first is kept, ended or
	// not; another command with that key is refused. See [Queue.Repeated].
	Idempotency string
	Redelivery  mdm.Redelivery
	// Actor is who has it queued, and why. It is kept with the entry and decides
	// nothing. The zero Actor is an engine, or the application itself.
	Actor mdm.Actor
}

// Entry is a queued command as stores keep it.
type Entry struct {
	Command // Content is nil; Hash names it
	Hash    mdm.Hash
	Seq     int64 // the queue's order, from a sequence of the store
	Queued  time.Time
	SentAt  time.Time // of the last hand-out; zero means never left
	Sent    int       // how often it was handed out
	Held    time.Time // of the last NotNow; zero means not held
}

// Handout is one entry that leaves now, with its content.
type Handout struct {
	Entry
	Data []byte
	// Err says why Data is missing: the content could not be opened or filled
	// in. The protocol package ends this one entry as
	// [mdm.OutcomeUnrenderable]; nothing is sent for it, and the poll goes on.
	Err error
}

// Done is an entry that has ended.
type Done struct {
	Entry
	Outcome mdm.Outcome
	Code    string
	Detail  string
	Body    []byte // what the device answered, when it was kept; opened
	EndedAt time.Time
	// Late is what the device answered after the entry had ended without it;
	// nil when it did not.
	Late *LateAnswer
}

// LateAnswer is an answer to an entry that had ended.
type LateAnswer struct {
	Outcome mdm.Outcome
	Code    string
	Detail  string
	At      time.Time
}

// Standing is what the queue found out about a caller. It decides what the
// device is told.
type Standing int

// The standings.
const (
	// StandingUnknown: no such channel in this tenant.
	StandingUnknown Standing = iota
	// StandingRefused: the certificate is not the channel's.
	StandingRefused
	// StandingEnded: the channel is no longer enrolled.
	StandingEnded
	// StandingWaiting: a new life has authenticated and is not confirmed yet;
	// there is nothing to do, and that is no error.
	StandingWaiting
	// StandingGood: the channel's own certificate, in its current life.
	StandingGood
)

// Stand judges a caller by its enrollment row; nil means that there is none.
// Stores gate their hand-out statement by the same rule.
func Stand(e *mdm.Enrollment, pin mdm.Hash) Standing {
	switch {
	case e == nil:
		return StandingUnknown
	case pin.IsZero():
		return StandingRefused
	case pin == e.Pin && e.State == mdm.EnrollmentEnrolled,
		pin == e.Next.Pin && e.State == mdm.EnrollmentEnrolled && e.Next.Generation == e.Generation:
		return StandingGood
	case pin == e.Next.Pin:
		return StandingWaiting
	case pin == e.Pin:
		return StandingEnded
	default:
		return StandingRefused
	}
}

// Caller is who asks: the channel by its natural key and the certificate by its
// SHA-256. The certificate has been verified to the CA before.
type Caller struct {
	Natural mdm.Natural
	Pin     mdm.Hash
}

// Poll asks for what is next.
type Poll struct {
	Caller
	Now time.Time
	// SkipHeld leaves out entries that answered NotNow: set when this very
	// message was a NotNow.
	SkipHeld bool
	// Judge only judges: nothing is handed out.
	Judge bool
	// Limit is how many entries may leave at once; 0 means 1.
	Limit int
	// MaxBytes bounds the sum of the content lengths; at least one entry leaves
	// whatever its length. 0 means no bound.
	MaxBytes int
}

// Answer is what a poll found.
type Answer struct {
	Standing   Standing
	Enrollment mdm.Enrollment // as it was read; zero when unknown
	Handouts   []Handout      // only with [StandingGood]
}

// Report is a device's word on one command.
type Report struct {
	Command mdm.CommandID
	Now     time.Time
	// NotNow holds the entry instead of ending it. Outcome is then empty.
	NotNow  bool
	Outcome mdm.Outcome
	Code    string // at most 64 bytes are kept
	Detail  string // at most 1,024 bytes are kept
	Body    []byte // kept with the history when not nil
}

// Filing says what became of a [Report].
type Filing string

// The filings.
const (
	// FilingForeign: no such command on this channel. Nothing changed.
	FilingForeign Filing = "foreign"
	// FilingNew: the entry was waiting and has ended by this very report.
	FilingNew Filing = "new"
	// FilingNotNow: the entry was waiting and is held.
	FilingNotNow Filing = "not_now"
	// FilingLate: the entry had ended without the device (canceled, superseded,
	// expired), and the answer has been added to its history.
	FilingLate Filing = "late"
	// FilingRepeated: the device had answered before. Nothing changed.
	FilingRepeated Filing = "repeated"
)

// Filed is what became of a [Report]. Result is set for [FilingNew] and [FilingLate], and
// is for the owner: as an outcome, or, when late, as evidence only.
type Filed struct {
	Filing Filing
	Result mdm.Result
}

// Told reports whether the owner is to be told.
func (f Filed) Told() bool { return f.Filing == FilingNew || f.Filing == FilingLate }
