package mdmtest

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Fate says what became of one hand-out of a command and of the answer to it.
type Fate string

// The fates. Only FateDelivered tells the device that the server has its answer.
const (
	FateOpen      Fate = "open"      // answered, and the answer is still under way
	FateDelivered Fate = "delivered" // the server took the answer: HTTP 200
	FateLost      Fate = "lost"      // the answer was not sent, or no response to it was read
	FateRefused   Fate = "refused"   // the server answered the answer with another status than 200
	FateDropped   Fate = "dropped"   // the hand-out itself was lost: the device never acted on it
)

// Sighting is one hand-out of a command.
type Sighting struct {
	// Seq orders all sightings of a device, from 1.
	Seq int `json:"seq"`
	// At is when the command arrived, by the device's clock.
	At time.Time `json:"at"`
	// Hash is the lower-case hex SHA-256 of what was to be done, independent of
	// the formatting on the wire. It differs between two sightings of one
	// command only if the server changed the content under the same UUID.
	Hash string `json:"hash"`
	// Status is the answer: Acknowledged, Error, CommandFormatError or NotNow.
	// Empty when the hand-out was dropped.
	Status string `json:"status,omitempty"`
	// ErrorChain is what was sent with Error or CommandFormatError.
	ErrorChain []ErrorChainItem `json:"error_chain,omitempty"`
	// Fate is what became of the answer.
	Fate Fate `json:"fate"`
	// Injected is set if the loss was asked for by the test, for example with
	// [Apple.LoseReply], as against one that the network or the server caused.
	Injected bool `json:"injected,omitempty"`
	// Reason says how the answer or the hand-out was lost or refused.
	Reason string `json:"reason,omitempty"`
}

// final reports whether the server knows that the command has ended.
func (s Sighting) final() bool {
	return s.Fate == FateDelivered && s.Status != statusNotNow
}

// CommandRecord is everything that a device saw of one command.
type CommandRecord struct {
	UUID        string `json:"uuid"`
	RequestType string `json:"request_type"`
	// Hash is that of the first sighting.
	Hash string `json:"hash"`
	// Sightings are in the order of arrival; never empty.
	Sightings []Sighting `json:"sightings"`
}

// Executed counts the sightings that the device acted on: all but the dropped.
func (r CommandRecord) Executed() int {
	n := 0
	for _, s := range r.Sightings {
		if s.Fate != FateDropped {
			n++
		}
	}
	return n
}

// Answers lists the answers given, in order.
func (r CommandRecord) Answers() []string {
	var answers []string
	for _, s := range r.Sightings {
		if s.Status != "" {
			answers = append(answers, s.Status)
		}
	}
	return answers
}

// LostByInjection reports whether an answer or a hand-out of this command was
// lost because the test asked for it.
func (r CommandRecord) LostByInjection() bool {
	return slices.ContainsFunc(r.Sightings, func(s Sighting) bool { return s.Injected })
}

// Duplicated reports whether the command was handed out again after the server
// had taken a final answer to it. Neither a NotNow nor an answer that was lost
// or refused counts: after those the server has to hand it out again.
func (r CommandRecord) Duplicated() bool {
	i := slices.IndexFunc(r.Sightings, Sighting.final)
	return i >= 0 && i < len(r.Sightings)-1
}

// Violation is something that a server did against the vendor's schema.
type Violation struct {
	At     time.Time `json:"at"`
	During string    `json:"during"` // what the device was doing, such as "TokenUpdate"
	Text   string    `json:"text"`   // what was wrong
}

func (v Violation) String() string { return v.During + ": " + v.Text }

// recorder keeps what a device saw. It is safe for concurrent use.
type recorder struct {
	mu         sync.Mutex
	seq        int
	commands   []*CommandRecord // in the order of the first sighting
	byUUID     map[string]*CommandRecord
	violations []Violation
}

func newRecorder() *recorder {
	return &recorder{byUUID: make(map[string]*CommandRecord)}
}

// sightingRef finds a sighting again, to settle its fate.
type sightingRef struct {
	uuid  string
	index int
}

// saw adds a sighting and returns how to refer to it.
func (r *recorder) saw(uuid, requestType string, s Sighting) sightingRef {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	s.Seq = r.seq
	rec := r.byUUID[uuid]
	if rec == nil {
		rec = &CommandRecord{UUID: uuid, RequestType: requestType, Hash: s.Hash}
		r.byUUID[uuid] = rec
		r.commands = append(r.commands, rec)
	}
	rec.Sightings = append(rec.Sightings, s)
	return sightingRef{uuid: uuid, index: len(rec.Sightings) - 1}
}

// update changes one sighting.
func (r *recorder) update(ref sightingRef, change func(*Sighting)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec := r.byUUID[ref.uuid]; rec != nil && ref.index < len(rec.Sightings) {
		change(&rec.Sightings[ref.index])
	}
}

// all returns a deep copy of the record.
func (r *recorder) all() []CommandRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]CommandRecord, 0, len(r.commands))
	for _, c := range r.commands {
		cp := *c
		cp.Sightings = slices.Clone(c.Sightings)
		for i := range cp.Sightings {
			cp.Sightings[i].ErrorChain = slices.Clone(cp.Sightings[i].ErrorChain)
		}
		out = append(out, cp)
	}
	return out
}

// violate notes a violation.
func (r *recorder) violate(at time.Time, during, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, Violation{At: at, During: during, Text: fmt.Sprintf(format, args...)})
}

// violated returns the violations so far; take also forgets them.
func (r *recorder) violated(take bool) []Violation {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.violations)
	if take {
		r.violations = nil
	}
	return out
}

// restore replaces everything with what a snapshot held.
func (r *recorder) restore(commands []CommandRecord, violations []Violation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq, r.commands, r.byUUID = 0, nil, make(map[string]*CommandRecord)
	for _, c := range commands {
		for _, s := range c.Sightings {
			r.seq = max(r.seq, s.Seq)
		}
		r.commands = append(r.commands, &c)
		r.byUUID[c.UUID] = &c
	}
	r.violations = slices.Clone(violations)
}
