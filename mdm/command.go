package mdm

import "time"

// Owner is the engine or application part that queued a command and to which
// its result is routed.
type Owner string

// The owners. An application's own commands belong to OwnerApplication.
const (
	OwnerApplication Owner = "application"
	OwnerProfiles    Owner = "profiles"
	OwnerLifecycle   Owner = "lifecycle"
	OwnerIdentity    Owner = "identity"
)

// Redelivery says what may happen to a command whose reply was lost.
type Redelivery string

// The redelivery classes.
const (
	// Repeatable commands leave again until they are answered.
	Repeatable Redelivery = "repeatable"
	// Frozen commands leave again with the very bytes that left first: a lock
	// keeps its PIN.
	Frozen Redelivery = "frozen"
	// Once is for what must never leave twice without a person: key rotations.
	Once Redelivery = "once"
)

// Outcome is how a command ended. Exactly one is recorded.
type Outcome string

// The outcomes.
const (
	OutcomeAcknowledged Outcome = "acknowledged"
	OutcomeAccepted     Outcome = "accepted" // Windows 202: taken, effect to be read back
	OutcomeError        Outcome = "error"
	OutcomeMalformed    Outcome = "malformed"   // CommandFormatError, or a status that says so
	OutcomeUnrenderable Outcome = "unrendered"  // a per-device value could not be filled in
	OutcomeUndecodable  Outcome = "undecodable" // the answer's bytes could not be decoded
	OutcomeCanceled     Outcome = "canceled"
	OutcomeExpired      Outcome = "expired"
	OutcomeSuperseded   Outcome = "superseded"
)

// OK reports whether the device took the command.
func (o Outcome) OK() bool { return o == OutcomeAcknowledged || o == OutcomeAccepted }

// Ref says what a command is about, in its owner's terms: for
// [OwnerProfiles] a profile and its revision.
type Ref struct {
	Key      int64
	Revision Revision
}

// Result is the one outcome of one command, as a protocol package hands it to
// [Sink.Result] after it was filed.
type Result struct {
	Command    CommandID
	Seq        int64 // the queue's sequence of the command
	Enrollment EnrollmentKey
	Host       HostKey
	HostID     HostID
	Platform   Platform
	Generation Generation // under which the command was queued
	Current    Generation // of the enrollment now; differs when the result is late
	Owner      Owner
	Ref        Ref
	Kind       string
	Outcome    Outcome
	Code       string // the device's error code; empty when none
	Detail     string // safe text: what the device said was wrong
	At         time.Time
	// Body is what the device answered, decoded by the protocol package into a
	// type of [package mdm]; nil when the command has no answer.
	Body any
}

// Late reports whether the result belongs to an earlier life.
func (r Result) Late() bool { return r.Generation != r.Current }
