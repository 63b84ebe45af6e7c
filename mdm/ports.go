package mdm

import (
	"context"
	"crypto/x509"
	"time"
)

// CA issues device identities. The built-in one is identity/ca; an outside CA
// implements this port and, as its certificates do not carry our name, an
// [Admitter] that judges them. Implementations are safe for concurrent use.
type CA interface {
	// Issue signs a leaf for the request's key. It must ignore the CSR's
	// subject and extensions. Errors with a transient [Code] make the device
	// ask again.
	Issue(ctx context.Context, r IssueRequest) (*x509.Certificate, error)
	// Roots are the certificates to which device identities chain; during a
	// roll-over, old and new.
	Roots(ctx context.Context, t TenantID) ([]*x509.Certificate, error)
}

// IssueRequest asks a [CA] for one device identity.
type IssueRequest struct {
	Tenant     TenantID
	Enrollment EnrollmentID
	Generation Generation
	PublicKey  any // *rsa.PublicKey or *ecdsa.PublicKey, already checked for strength
	CommonName string
}

// Pusher wakes devices. Nil in a configuration means that devices poll.
type Pusher interface {
	// Push wakes each target and returns one outcome a target, in order.
	// A failed push loses nothing: the command is queued, and a sweep wakes
	// the device again. It returns an error only when nothing was tried.
	Push(ctx context.Context, t TenantID, targets []PushTarget) ([]PushOutcome, error)
}

// PushTarget is how to wake one enrollment.
type PushTarget struct {
	Enrollment EnrollmentKey
	Protocol   Protocol
	Topic      string // Apple
	Token      []byte // Apple
	Magic      string // Apple
	ChannelURI string // Windows
}

// PushStatus is what became of one push.
type PushStatus int

// The push states.
const (
	PushDelivered PushStatus = iota + 1
	PushGone                 // the token is dead: suspect, not unenrolled
	PushRetry                // try again after RetryAfter
	PushFailed
)

// PushOutcome is the answer for one [PushTarget].
type PushOutcome struct {
	Status     PushStatus
	RetryAfter time.Duration // zero means the caller's own backoff
	Err        error         // nil when delivered; never holds a token
}

// Admitter is the application's one veto on an enrollment. It runs before the
// unit of work, with a deadline.
type Admitter interface {
	// Admit returns nil to let the device in. A [CodeNotAdmitted] error
	// refuses it; any other error, a timeout included, is treated as the
	// configuration's default says.
	Admit(ctx context.Context, a Admission) error
}

// Admission is what is known when a device asks to enroll.
type Admission struct {
	Tenant      TenantID
	Natural     Natural
	Protocol    Protocol
	Facts       HostFacts // claims of the device
	Intent      IntentID
	Person      string
	Certificate *x509.Certificate // verified; nil for a Windows enrollment, which has none yet
	// Known is the host that the claims point to, zero when none: letting
	// this device in takes its place.
	Known HostID
}

// PasswordChecker checks the credentials that a person types in a Windows
// on-premise enrollment.
type PasswordChecker interface {
	// CheckPassword returns the person's stable name, or a
	// [CodeUnauthenticated] error.
	CheckPassword(ctx context.Context, t TenantID, user, password string) (person string, err error)
}

// Hooks consumes committed events: at least once, in order per enrollment,
// with [Event.ID] as idempotency key. An error makes the event come again
// later. Hooks run outside any unit of work.
type Hooks interface {
	HandleEvent(ctx context.Context, e Event) error
}

// Meter receives measurements. Names and label keys come from a fixed set;
// values never hold a secret or a device's identity. Nil means none.
type Meter interface {
	Count(name string, n int64, labels ...string)
	Observe(name string, seconds float64, labels ...string)
}
