package profiles

import (
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Op is what a row's instruction does.
type Op string

// The operations.
const (
	Install Op = "install"
	Remove  Op = "remove"
)

// Trace is content that was sent to a device and is not proven gone. Order is
// that of the instruction, and 0 when it was given for another slot, of which
// this one has taken over nodes.
type Trace struct {
	Order   int64
	Content mdm.Hash
}

// Row is the state of one slot on one enrollment channel, in its current life.
// Times are for people; every comparison is by Order.
type Row struct {
	Enrollment mdm.EnrollmentKey
	Slot       SlotKey
	Identifier string // the slot's name; read-only, joined
	Family     Family

	// What is wanted.
	Op       Op
	Profile  mdm.ProfileKey // the definition that wants it; stays after a removal began
	Revision mdm.Revision
	Content  mdm.Hash
	Order    int64     // of the current instruction: the host's plan revision that gave it
	Since    time.Time // when Order was given

	// Command carries the instruction. Empty when it was taken back, because it
	// is not wanted any more, or when it could not be made.
	Command mdm.CommandID
	Traces  []Trace // oldest first; what may be on the device

	// Blurred is set when an earlier content with the same UUID may have been
	// on the device, so that seeing the UUID proves nothing.
	Blurred bool

	// Overridden says, for people, which profile writes another value to a node of
	// this one, and prevails. Empty when none does.
	Overridden string

	// What the device answered; written by [Store.Acknowledge] only.
	Ack        int64 // order that was answered; 0 none
	AckOutcome mdm.Outcome
	AckCode    string
	AckDetail  string
	AckAt      time.Time

	Asked    int64 // order about which a question was queued
	AskedSeq int64 // the queue's sequence of that question

	// What was observed; written by [Store.RecordSeen] only.
	Seen     int64 // order to which Evidence belongs
	Evidence Evidence
	SeenAt   time.Time
	Missing  string // what the observation lacked; empty when it lacked nothing

	// Tries counts the retries after failed answers, Misses those after
	// observations that lacked it, both of this revision of this definition;
	// they decide about further ones and reset with the revision.
	Tries  int
	Misses int
	// RetryAt is when a failed instruction is given again; zero means that no
	// time is set.
	RetryAt time.Time
}
