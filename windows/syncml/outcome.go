package syncml

// Class says what a status code means for the command that it answers.
type Class string

// The classes. [Class.OK], [Class.Retry] and [Class.Cause] group them.
const (
	// Success: done.
	Success Class = "success"
	// Accepted: taken and done later (202, the normal answer to a policy
	// write), so read it back.
	Accepted Class = "accepted"
	// Continue: a chunk was taken, the object is not complete (213).
	Continue Class = "continue"
	// Authenticated: the sender is, for the whole session (212, header only).
	Authenticated Class = "authenticated"
	// Absent: a Get found no node, which is an answer and not a failure.
	Absent Class = "absent"

	// AlreadyExists: an Add found the node; send it again as a Replace.
	AlreadyExists Class = "already_exists"
	// NotExecuted: the session ended or the device was busy before the
	// command ran. Send it again; it costs no attempt.
	NotExecuted Class = "not_executed"
	// Unauthenticated: a credential is missing or wrong; the session
	// authenticates again and the command stays.
	Unauthenticated Class = "unauthenticated"

	// Canceled: the person at the device declined.
	Canceled Class = "canceled"
	// Transient: failed, and the same command may succeed later, a bounded
	// number of times.
	Transient Class = "transient"
	// NotFound: the node is absent, and the command needed it.
	NotFound Class = "not_found"
	// Permanent: failed, and the same command will fail again.
	Permanent Class = "permanent"
	// Malformed: the device could not read the command. Keep it apart from
	// others.
	Malformed Class = "malformed"

	// RolledBack: undone because a sibling in the same Atomic failed.
	RolledBack Class = "rolled_back"
	// AtomicFailed: a child failed; it, and not the Atomic, is the cause.
	AtomicFailed Class = "atomic_failed"
	// Unknown: the roll-back failed as well and the state must be read (516).
	Unknown Class = "unknown"
)

// Outcome classifies a status code for a command of the given kind (OMA DM
// RepPro 1.2, response status codes; the Windows page on OMA DM protocol
// support). A code that neither names falls to its hundred: 2xx success, 5xx
// transient, all others permanent.
//
// 500 is transient because some Windows nodes answer it for a value that is
// merely absent; on a Get it therefore proves nothing.
func Outcome(cmd Kind, code int) Class {
	switch code {
	case 202:
		return Accepted
	case 212:
		return Authenticated
	case 213:
		return Continue
	case 214, 417, 503, 508: // session abandoned, retry later, busy, refresh first
		return NotExecuted
	case 215:
		return Canceled
	case 216:
		return RolledBack
	case 400, 412:
		return Malformed
	case 401, 407:
		return Unauthenticated
	case 404:
		switch cmd {
		case Delete:
			return Success
		case Get:
			return Absent
		}
		return NotFound
	case 408, 409, 420, 510: // timeout, conflict, device full, data store
		return Transient
	case 418:
		if cmd == Add {
			return AlreadyExists
		}
		return Permanent
	case 501, 505: // command or version that the device does not implement
		return Permanent
	case 507:
		return AtomicFailed
	case 516:
		return Unknown
	}
	switch {
	case code >= 200 && code < 300:
		return Success
	case code >= 500 && code < 600:
		return Transient
	}
	return Permanent
}

// OK reports whether the device did, or undertook to do, what was asked.
func (c Class) OK() bool {
	switch c {
	case Success, Accepted, Continue, Authenticated, Absent:
		return true
	}
	return false
}

// Retry reports whether sending the command again may help; for AlreadyExists,
// as a Replace.
func (c Class) Retry() bool {
	switch c {
	case AlreadyExists, NotExecuted, Unauthenticated, Canceled, Transient, RolledBack, AtomicFailed, Unknown:
		return true
	}
	return false
}

// Cause reports whether a failure of this class is a cause of its own, and not
// the consequence of a sibling or child.
func (c Class) Cause() bool {
	return !c.OK() && c != RolledBack && c != AtomicFailed
}

// Meaning returns a few words for a status code, for an error text that a
// person reads. It is empty for a code that is not in the tables.
func Meaning(code int) string { return meanings[code] }

// meanings is never written to.
var meanings = map[int]string{
	200: "done",
	202: "accepted for later",
	212: "authenticated",
	213: "chunk accepted",
	214: "session canceled",
	215: "not executed, canceled by the user",
	216: "rolled back",
	400: "malformed command",
	401: "wrong credential",
	403: "forbidden",
	404: "node not found",
	405: "command or scope not allowed on this node",
	406: "feature not supported",
	407: "credential missing",
	408: "timed out",
	409: "conflict",
	412: "incomplete command",
	413: "message too large",
	414: "address too long",
	415: "format or type not supported",
	416: "object too large",
	417: "retry later",
	418: "node already exists",
	420: "device full",
	424: "size mismatch",
	425: "access denied by the node's list",
	500: "command failed",
	501: "command not implemented",
	503: "busy",
	505: "version not supported",
	506: "processing error",
	507: "atomic failed",
	508: "refresh required",
	510: "data store failure",
	511: "severe failure",
	516: "atomic roll-back failed",
}
