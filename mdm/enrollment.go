package mdm

import "time"

// Channel tells the two channels of a Mac apart.
type Channel string

// The channels.
const (
	DeviceChannel Channel = "device"
	UserChannel   Channel = "user"
)

// Protocol is the management protocol that an enrollment speaks.
type Protocol string

// The protocols.
const (
	AppleProtocol   Protocol = "apple"
	WindowsProtocol Protocol = "windows"
)

// Natural is the platform's own name of an enrollment channel, unique in a
// tenant: "apple:<UDID>", "apple:<UDID>:<UserID>", "windows:<enrollment>".
// Make it with [AppleNatural] or [WindowsNatural].
type Natural string

// AppleNatural returns the natural key of an Apple channel from the normalized
// enrollment id (UDID, or EnrollmentID in a user enrollment; for a user channel
// both ids joined by ':').
func AppleNatural(id string) Natural { return Natural("apple:" + id) }

// WindowsNatural returns the natural key of a Windows enrollment. It is the
// enrollment id that the server made: a DeviceID is a claim, and cloned
// machines share it.
func WindowsNatural(id EnrollmentID) Natural { return Natural("windows:" + string(id)) }

// EnrollmentState is where an enrollment channel stands.
type EnrollmentState string

// The enrollment states. Only an enrolled channel is handed commands.
const (
	EnrollmentAuthenticating EnrollmentState = "authenticating"
	EnrollmentEnrolled       EnrollmentState = "enrolled"
	EnrollmentEnded          EnrollmentState = "ended"
)

// Enrollment is one channel over which a host is managed: the unit to which
// commands, profiles and certificates belong.
type Enrollment struct {
	Key      EnrollmentKey
	ID       EnrollmentID // of the current life
	Natural  Natural
	Protocol Protocol
	Channel  Channel
	// Parent is the device channel of a user channel, which has no certificate
	// of its own: it is judged by its parent's pin, state and generation. 0 on
	// a device channel.
	Parent     EnrollmentKey
	Host       HostKey
	HostID     HostID
	Platform   Platform
	Generation Generation // of the current life; 0 until the first TokenUpdate
	State      EnrollmentState
	// Pin is the SHA-256 of the certificate that may speak for this life.
	// Zero means none.
	Pin Hash
	// Next is the life, or the renewed certificate, that has authenticated and
	// is confirmed by the next TokenUpdate or session. A zero Pin means none.
	Next       NextLife
	EnrolledAt time.Time
	EndedAt    time.Time
}

// NextLife is what an Authenticate announced. When ID and Generation equal the
// enrollment's own, it is a renewal of the certificate and nothing else.
type NextLife struct {
	ID         EnrollmentID
	Generation Generation
	Pin        Hash
	Person     string // who authenticated; takes effect with the life
}
