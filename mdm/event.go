package mdm

import "time"

// EventKind names what happened. Kinds are part of the API.
type EventKind string

// What devices cause. A protocol package emits these through [Sink].
const (
	// EventAuthenticated: a device began an enrollment or a renewal
	// (Data is [Authenticated]).
	EventAuthenticated EventKind = "enrollment.authenticated"
	// EventConfirmed: the announced life was confirmed by a TokenUpdate or a
	// first Windows session (Data is [Confirmed]).
	EventConfirmed EventKind = "enrollment.confirmed"
	// EventCheckedOut: the device said that it leaves.
	EventCheckedOut EventKind = "enrollment.checked_out"
	// EventFacts: the device told facts about itself (Data is [HostFacts]).
	EventFacts EventKind = "host.facts"
	// EventObserved: the device showed what it carries (Data is [Observation]).
	EventObserved EventKind = "profiles.observed"
)

// What engines report to the application through the outbox.
const (
	EventEnrolled       EventKind = "host.enrolled"
	EventRenewed        EventKind = "host.renewed"
	EventUnenrolled     EventKind = "host.unenrolled"
	EventHostDeleted    EventKind = "host.deleted"
	EventCommandEnded   EventKind = "command.ended"
	EventProfileChanged EventKind = "profile.changed"
)

// Event is the envelope of everything that happens. Its JSON form is part of
// the API; Seq orders the events of one enrollment, At only tells a person when.
type Event struct {
	ID         EventID       `json:"id"`
	Tenant     TenantID      `json:"tenant"`
	Seq        int64         `json:"seq"`
	Kind       EventKind     `json:"kind"`
	At         time.Time     `json:"at"`
	Host       HostID        `json:"host,omitempty"`
	Enrollment EnrollmentID  `json:"enrollment,omitempty"`
	Generation Generation    `json:"generation,omitempty"`
	Command    CommandID     `json:"command,omitempty"`
	Actor      Actor         `json:"actor,omitzero"`
	Key        EnrollmentKey `json:"-"`
	HostKey    HostKey       `json:"-"`
	Data       any           `json:"data,omitempty"`
}

// Authenticated is the data of [EventAuthenticated]: who came, by which
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

// Confirmed is the data of [EventConfirmed].
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
	// Asked is the event sequence at which the question left: what was
	// delivered after it cannot be judged by this answer.
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
