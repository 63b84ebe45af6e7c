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
	OutcomeMalformed    Outcome = "malformed"    // CommandFormatError, or a status that says so
	OutcomeUnrenderable Outcome = "unrenderable" // a per-device value could not be filled in
	OutcomeUndecodable  Outcome = "undecodable"  // the answer's bytes could not be decoded
	OutcomeCanceled     Outcome = "canceled"
	OutcomeExpired      Outcome = "expired"
	OutcomeUnknown      Outcome = "unknown" // it left, its time ran out, and nobody knows
	OutcomeSuperseded   Outcome = "superseded"
)

// OK reports whether the device took the command.
func (o Outcome) OK() bool { return o == OutcomeAcknowledged || o == OutcomeAccepted }

// Ref says what a command is about, in its owner's terms: for
// [OwnerProfiles] the slot, and the count of instructions given for it.
type Ref struct {
	Key   int64
	Order int64
}

// The kinds of command that engines queue and protocol packages write on the
// wire. An application's raw Apple command uses its RequestType.
const (
	// KindInstallProfile: the content is the profile, byte for byte.
	KindInstallProfile = "InstallProfile"
	// KindRemoveProfile: the content is the payload identifier.
	KindRemoveProfile = "RemoveProfile"
	// KindProfileList asks for the managed profiles; it has no content.
	KindProfileList = "ProfileList"
	// KindDeviceInformation: the content is the queries, one a line.
	KindDeviceInformation = "DeviceInformation"
	// KindRawApple: the content is a property list with a RequestType.
	KindRawApple = "Raw"
	// KindSyncML: the content is a SyncML fragment: Add, Replace, Delete, Get,
	// Exec and Atomic as an administrator writes them, without CmdIDs.
	KindSyncML = "SyncML"
)

// Result is the one outcome of one command, as a protocol package hands it to
// [Sink.Result] after it was filed.
type Result struct {
	Command    CommandID
	Seq        int64 // the queue's sequence of the command
	Enrollment EnrollmentKey
	Life       EnrollmentID // of the enrollment now
	Host       HostKey
	HostID     HostID
	Platform   Platform
	Generation Generation // under which the command was queued
	Current    Generation // of the enrollment now; differs when the result is late
	Owner      Owner
	Ref        Ref
	Kind       string
	Actor      Actor // who had it queued, and why; zero for the engines' own
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
