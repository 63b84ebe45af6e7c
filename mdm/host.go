package mdm

import "time"

// Platform is the operating system family of a host.
type Platform string

// The platforms.
const (
	MacOS   Platform = "macos"
	IOS     Platform = "ios"
	IPadOS  Platform = "ipados"
	TVOS    Platform = "tvos"
	Windows Platform = "windows"
)

// Apple reports whether p speaks Apple's protocol.
func (p Platform) Apple() bool {
	return p == MacOS || p == IOS || p == IPadOS || p == TVOS
}

// Valid reports whether p is one of the platforms.
func (p Platform) Valid() bool { return p.Apple() || p == Windows }

// Host is one machine. Serial and HardwareID are claims of the device: they
// find a host and prove nothing.
type Host struct {
	Key        HostKey
	ID         HostID
	ExternalID ExternalID
	Platform   Platform
	Serial     string // empty when the platform does not tell (user enrollment)
	HardwareID string // UDID, EnrollmentID or DeviceID
	Name       string
	Model      string
	OSVersion  string
	Team       TeamKey // 0 means no team, which is a scope of its own
	State      HostState
	CreatedAt  time.Time
	LastSeenAt time.Time // zero means never
}

// HostState is where a host stands in its life.
//
//	pending ──► authenticating ──► enrolled ──► unenrolled ──► deleted
//	                 ▲                │  ▲           │
//	                 └────────────────┘  └───────────┘
//	              (a new generation begins at Authenticate)
type HostState string

// The host states. A renewal is a property of the certificate, lost contact one
// of LastSeenAt; neither is a state that a device could be stuck in.
const (
	HostPending        HostState = "pending"        // known, never enrolled
	HostAuthenticating HostState = "authenticating" // Authenticate came, TokenUpdate not yet
	HostEnrolled       HostState = "enrolled"
	HostUnenrolled     HostState = "unenrolled"
	HostDeleted        HostState = "deleted" // a tombstone; purged later
)

// HostFacts is what a device says about itself. Empty fields say nothing and
// change nothing.
type HostFacts struct {
	Platform   Platform
	Serial     string
	HardwareID string
	Name       string
	Model      string
	OSVersion  string
}
