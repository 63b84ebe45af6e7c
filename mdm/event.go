package mdm

import (
	"encoding/json"
	"time"
)

// EventKind names what happened, for the application. Kinds are part of the API.
type EventKind string

// What engines report to the application through the outbox.
const (
	EventEnrolled       EventKind = "host.enrolled"
	EventRenewed        EventKind = "host.renewed"
	EventUnenrolled     EventKind = "host.unenrolled"
	EventHostDeleted    EventKind = "host.deleted"
	EventCommandEnded   EventKind = "command.ended"
	EventProfileChanged EventKind = "profile.changed" // a definition was made, changed or deleted
)

// EventVersion is the version of the envelope.
const EventVersion = 1

// Event is the envelope of what the application is told. Its JSON form is part
// of the API: fields are added, never changed. Seq orders the events of one
// enrollment; At only tells a person when. Actor is who caused it, and why, when
// an administrator's write did; what a device or time did has none. Data is an
// object whose fields belong to the kind.
type Event struct {
	Version    int             `json:"version"`
	ID         EventID         `json:"id"`
	Tenant     TenantID        `json:"tenant"`
	Seq        int64           `json:"seq"`
	Kind       EventKind       `json:"kind"`
	At         time.Time       `json:"at"`
	Host       HostID          `json:"host,omitempty"`
	ExternalID ExternalID      `json:"external_id,omitempty"`
	Enrollment EnrollmentID    `json:"enrollment,omitempty"`
	Generation Generation      `json:"generation,omitempty"`
	Command    CommandID       `json:"command,omitempty"`
	Actor      Actor           `json:"actor,omitzero"`
	Data       json.RawMessage `json:"data,omitempty"`
	// Key is the channel whose events keep their order; 0 stands alone.
	Key EnrollmentKey `json:"-"`
}
