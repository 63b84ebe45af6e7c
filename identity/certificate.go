package identity

import (
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// State is where a certificate stands.
type State string

// The certificate states.
const (
	Reserved   State = "reserved"
	Issued     State = "issued"
	Bound      State = "bound"
	Superseded State = "superseded"
)

// Certificate is one identity: reserved when a key first asks, so that the same
// challenge and key always get the same answer, and pinned to the channel that
// first authenticates with it.
type Certificate struct {
	Intent mdm.IntentID
	Kind   Kind
	// PublicKey is the SHA-256 of the SubjectPublicKeyInfo.
	PublicKey  mdm.Hash
	Enrollment mdm.EnrollmentID
	Generation mdm.Generation
	Hash       mdm.Hash // SHA-256 of DER; zero while reserved
	DER        []byte
	NotAfter   time.Time
	Natural    mdm.Natural // empty until bound
	State      State
	Team       mdm.TeamKey // of the intent
	Person     string      // of the intent
	CreatedAt  time.Time
}
