package mdm

// SignalKind names what a device did, between packages of one process.
type SignalKind string

// The signals.
const (
	// SignalAuthenticated: a device began an enrollment or a renewal
	// (Data is [Authenticated]).
	SignalAuthenticated SignalKind = "authenticated"
	// SignalConfirmed: the announced life was confirmed by a TokenUpdate or a
	// first Windows session (Data is [Confirmed]).
	SignalConfirmed SignalKind = "confirmed"
	// SignalCheckedOut: the device said that it leaves. Generation is the life
	// that it leaves.
	SignalCheckedOut SignalKind = "checked_out"
	// SignalFacts: the device told facts about itself (Data is [HostFacts]).
	SignalFacts SignalKind = "facts"
	// SignalObserved: the device showed what it carries (Data is
	// [Observation]).
	SignalObserved SignalKind = "observed"
)

// Signal is what a protocol package tells engines through [Sink]. Key and Host
// are set except for [SignalAuthenticated], which may make both. It never
// leaves the process; what the application is told is an [Event].
type Signal struct {
	Kind       SignalKind
	Key        EnrollmentKey
	Host       HostKey
	Generation Generation
	Data       any
}

// Authenticated is the data of [SignalAuthenticated]: who came, by which
// certificate, and for what life of which channel. The certificate has been
// verified and bound to Natural in the same unit.
type Authenticated struct {
	Natural  Natural
	Protocol Protocol
	Channel  Channel
	Next     NextLife
	Renewal  bool
	Facts    HostFacts
	Intent   IntentID
	Team     TeamKey // of a host that is new
}

// Confirmed is the data of [SignalConfirmed].
type Confirmed struct {
	Pin Hash // the certificate that confirmed
}

// Observation is what one channel carries, as the device itself reports it.
// Command is the query that was answered, which tells how old the answer is.
type Observation struct {
	// Complete is set when Items lists everything that the server manages on
	// the channel, so that what is missing is absent.
	Complete bool
	Items    []Observed
	// Asked is the queue's sequence of the question that was answered: what was
	// acknowledged after it was queued cannot be judged by this answer.
	Asked int64
}

// Observed is one item of an [Observation].
type Observed struct {
	Identifier string // payload identifier, or canonical LocURI
	UUID       string // PayloadUUID; empty on Windows
	Value      string // what a Get returned
	Format     string
	Status     int // OMA-DM status of the read; 0 on Apple
}
