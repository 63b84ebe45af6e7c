package apns

import (
	"time"

	"github.com/sideshow/apns2"
)

// Status is what became of one push. The zero value is no status.
type Status int

// The states.
const (
	// Delivered: APNs took the push. Whether the device gets it is unknown
	// until it polls.
	Delivered Status = iota + 1
	// TokenGone: the token is not, or no longer, good. The enrollment is
	// suspect and not ended: devices get new tokens and send a TokenUpdate,
	// and a restored or wrongly configured server sees the same answer.
	TokenGone
	// Retry: nothing is wrong with the target; push again after Wait.
	Retry
	// Failed: the same push will fail again until somebody acts; Reason says on
	// what.
	Failed
)

// String returns the name that logs and metrics use.
func (s Status) String() string {
	switch s {
	case Delivered:
		return "delivered"
	case TokenGone:
		return "token_gone"
	case Retry:
		return "retry"
	case Failed:
		return "failed"
	default:
		return "unknown"
	}
}

// Reason says why a push was not delivered: a word of Apple's table as it came,
// or one of ours, which are those declared here that Apple does not have.
type Reason string

// Reasons of Apple that are told apart here; others are passed on as they come.
const (
	ReasonBadDeviceToken            Reason = apns2.ReasonBadDeviceToken
	ReasonUnregistered              Reason = apns2.ReasonUnregistered
	ReasonExpiredToken              Reason = apns2.ReasonExpiredToken
	ReasonDeviceTokenNotForTopic    Reason = apns2.ReasonDeviceTokenNotForTopic
	ReasonIdleTimeout               Reason = apns2.ReasonIdleTimeout
	ReasonBadCertificate            Reason = apns2.ReasonBadCertificate
	ReasonBadCertificateEnvironment Reason = apns2.ReasonBadCertificateEnvironment
	ReasonTooManyRequests           Reason = apns2.ReasonTooManyRequests
	ReasonServiceUnavailable        Reason = apns2.ReasonServiceUnavailable
	ReasonShutdown                  Reason = apns2.ReasonShutdown
)

// Reasons of our own.
const (
	ReasonUnrecognized       Reason = "Unrecognized"       // an answer that is not APNs's; see HTTPStatus
	ReasonConnection         Reason = "Connection"         // no connection, or it broke
	ReasonTimeout            Reason = "Timeout"            // no answer in time
	ReasonCanceled           Reason = "Canceled"           // the caller's context ended first
	ReasonClosed             Reason = "Closed"             // the pusher was closed
	ReasonServerUntrusted    Reason = "ServerUntrusted"    // the server is not Apple, or RootCAs is wrong
	ReasonCertificateRefused Reason = "CertificateRefused" // the TLS handshake was refused: revoked, or not Apple's
	ReasonCertificateExpired Reason = "CertificateExpired" // the push certificate, by our clock
	ReasonTopicMismatch      Reason = "TopicMismatch"      // the target is of another topic; not sent
	ReasonInvalidTarget      Reason = "InvalidTarget"      // no token or no magic; not sent
)

// Outcome is the answer for one [Target].
type Outcome struct {
	Status Status
	Reason Reason // empty when delivered
	// HTTPStatus is what APNs answered last, 0 when nothing.
	HTTPStatus int
	// ID is the apns-id of the last answer, which Apple asks for in support
	// cases. Empty when there is none.
	ID string
	// Attempts is how often the push was sent, or tried to be.
	Attempts int
	// Wait is, for Retry, how long APNs asks to wait. Zero means the caller's
	// own backoff.
	Wait time.Duration
	// GoneSince is, for TokenGone, when APNs last saw that the token is dead.
	// A token that arrived later is not meant. Zero means unknown.
	GoneSince time.Time
	// Err is an [*mdm.Error], nil when delivered. It holds no token and no
	// magic.
	Err error
}
