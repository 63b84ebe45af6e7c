package profiles

// Status is what people see of one (host, profile). It is always derived from a
// row by [Classify], never stored.
type Status string

// The statuses.
const (
	Pending   Status = "pending"   // wanted, not answered yet
	Verifying Status = "verifying" // taken by the device, not proven yet
	Verified  Status = "verified"  // proven as far as the profile allows
	// Unprovable: the device took it, and nothing more can be read back.
	Unprovable Status = "accepted_not_verifiable"
	Failed     Status = "failed"
	Removing   Status = "removing"
	// RemovalFailed: the device refuses to let it go, and it is tried again each
	// day; or what is to be removed cannot be known, see [ReasonLost].
	RemovalFailed Status = "removal_failed"
)

// Reason is a stable code for why a status is what it is; part of the API.
type Reason string

// The reasons.
const (
	ReasonNotPlanned  Reason = "not_planned"  // the change has not been planned yet
	ReasonQueued      Reason = "queued"       // the command waits for the device
	ReasonRetryLater  Reason = "retry_later"  // refused or missing; comes again
	ReasonUnobserved  Reason = "unobserved"   // taken; what the device carries was not looked at yet
	ReasonProven      Reason = "proven"       // seen as desired
	ReasonUnreadable  Reason = "unreadable"   // the platform, or this device, lets nobody read it back
	ReasonSameUUID    Reason = "same_uuid"    // an edit kept its PayloadUUID, so old and new look alike
	ReasonRefused     Reason = "refused"      // the device refused it, and the retries are used up
	ReasonMissing     Reason = "missing"      // the device took it and does not carry it
	ReasonHeld        Reason = "held"         // its removal waits until a successor is acknowledged
	ReasonOverridden  Reason = "overridden"   // another profile writes another value to one of its nodes, and prevails
	ReasonLost        Reason = "content_lost" // what is stored of its content cannot be read
	ReasonNotDesired  Reason = "not_desired"  // nothing wants it
	ReasonNotEnrolled Reason = "not_enrolled" // the host has no channel to carry it
)

// Classify derives the status of a row. wanted is the desired profile of its
// slot, nil when nothing wants it; a row that differs from it has not been
// planned yet, and shows what will be. doc is the document of what is wanted, or
// of what the row carries, nil when unknown: of several, one that cannot be read.
// This is the one classifier for every view; that a removal is held is
// the plan's to say, see [ReasonHeld].
func Classify(r *Row, wanted *Profile, doc *Document) (Status, Reason) {
	if wanted == nil {
		return classifyRemoval(r, doc)
	}
	if doc != nil && doc.Unreadable != "" {
		return Failed, ReasonLost
	}
	if r == nil || !stands(r, wanted) {
		return Pending, ReasonNotPlanned
	}
	switch {
	case r.Ack != r.Order:
		return Pending, ReasonQueued
	case !r.AckOutcome.OK():
		if !gaveUp(r) {
			return Pending, ReasonRetryLater
		}
		return Failed, ReasonRefused
	case r.Overridden != "":
		return Failed, ReasonOverridden
	case r.Blurred:
		return Unprovable, ReasonSameUUID
	case provable(r, doc) <= Accepted:
		return Unprovable, ReasonUnreadable
	case r.Seen != r.Order:
		return Verifying, ReasonUnobserved
	case r.Missing == "" && r.Evidence <= Accepted:
		return Unprovable, ReasonUnreadable // this device does not let it be read
	case r.Missing == "":
		return Verified, ReasonProven
	case r.Misses < maxMisses:
		return Verifying, ReasonRetryLater
	}
	return Failed, ReasonMissing
}

func classifyRemoval(r *Row, doc *Document) (Status, Reason) {
	switch {
	case r == nil:
		return "", ReasonNotDesired
	case doc != nil && doc.Unreadable != "" && r.Family == WindowsProfile &&
		(r.Op == Install || r.Ack == r.Order && !r.AckOutcome.OK()):
		return RemovalFailed, ReasonLost
	case r.Op == Install:
		return Removing, ReasonNotPlanned
	case r.Ack == r.Order && !r.AckOutcome.OK() && gaveUp(r):
		return RemovalFailed, ReasonRefused
	case r.Ack == r.Order && !r.AckOutcome.OK():
		return Removing, ReasonRetryLater
	}
	return Removing, ReasonQueued
}
