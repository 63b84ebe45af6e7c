package windows

import (
	"fmt"
	"strconv"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// verdict is what all answers to an entry come to.
type verdict struct {
	// outcome is empty when the device did not get around to it: the command
	// waits and leaves again in the next session.
	outcome mdm.Outcome
	code    string
	detail  string
}

// severity orders classes: the worst one decides, and of equals the first.
func severity(c syncml.Class) int {
	switch c {
	case syncml.Accepted:
		return 1
	case syncml.NotExecuted, syncml.Unauthenticated:
		return 2
	case syncml.Canceled:
		return 3
	case syncml.Transient:
		return 4
	case syncml.NotFound, syncml.AlreadyExists, syncml.Permanent:
		return 5
	case syncml.Malformed:
		return 6
	case syncml.Unknown:
		return 7
	}
	return 0
}

// judge weighs the answers to an entry that is answered. That an Atomic failed,
// or that something was rolled back, is blamed only if nothing else can be.
//
// A Get is a question, and that a node cannot be read is an answer, which the
// observation carries: it fails nothing. Only when an entry asks and nothing at
// all could be read does it count.
func (e *entry) judge() verdict {
	var worst, rolledBack syncml.Failure
	top, reads := 0, e.onlyUnread()
	weigh := func(kind syncml.Kind, uri string, code int, hr string) {
		class := syncml.Outcome(kind, code)
		f := syncml.Failure{Kind: kind, Target: uri, Code: code, Class: class, OriginalError: hr}
		if class == syncml.RolledBack || class == syncml.AtomicFailed {
			if rolledBack.Code == 0 || uri == "" && rolledBack.Target != "" {
				rolledBack = f
			}
			return
		}
		if n := severity(class); n > top {
			top, worst = n, f
		}
	}
	for i := range e.Targets {
		if t := &e.Targets[i]; !t.Skip && !t.Inherited && (t.Kind != syncml.Get || reads) {
			weigh(t.Kind, t.URI, t.Code, t.Error)
		}
	}
	for i := range e.Groups {
		if g := &e.Groups[i]; g.Code != 0 {
			weigh(g.Kind, "", g.Code, g.Error)
		}
	}
	if top < 2 && rolledBack.Code != 0 {
		return verdict{mdm.OutcomeError, strconv.Itoa(rolledBack.Code), describe(rolledBack)}
	}
	v := verdict{code: strconv.Itoa(worst.Code), detail: describe(worst)}
	switch {
	case top == 0:
		return verdict{outcome: mdm.OutcomeAcknowledged}
	case top == 1:
		return verdict{outcome: mdm.OutcomeAccepted}
	case top == 2 && !e.Once:
		return v // it never ran, and leaves again
	case worst.Class == syncml.Malformed:
		v.outcome = mdm.OutcomeMalformed
	default:
		v.outcome = mdm.OutcomeError
	}
	return v
}

// onlyUnread reports whether the entry only asks, and nothing was read.
func (e *entry) onlyUnread() bool {
	for i := range e.Targets {
		t := &e.Targets[i]
		if t.Kind != syncml.Get || syncml.Outcome(t.Kind, t.Code).OK() {
			return false
		}
	}
	return true
}

// describe names the node at fault and what the device said.
func describe(f syncml.Failure) string {
	where := f.Target
	if where == "" {
		where = string(f.Kind)
	}
	s := fmt.Sprintf("%s: status %d", clip(where, 512), f.Code)
	if m := syncml.Meaning(f.Code); m != "" {
		s += ", " + m
	}
	if f.OriginalError != "" {
		s += " (" + f.OriginalError + ")"
	}
	return s
}
