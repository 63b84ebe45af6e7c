package profiles

import (
	"slices"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// settled returns what may be on the device, given what it answered: an
// acknowledged install replaced everything before it, and a refused one left
// what was there. A refused Windows profile may have been applied in part, and
// of an answer that nobody could read nothing is known.
func settled(r *Row) []Trace {
	if r.Ack != r.Order || r.Op != Install {
		return r.Traces
	}
	i := slices.IndexFunc(r.Traces, func(t Trace) bool { return t.Order == r.Order })
	switch {
	case i < 0:
		return r.Traces
	case r.AckOutcome.OK():
		return r.Traces[i : i+1 : i+1]
	case neverLeft(r.AckOutcome), r.Family == AppleProfile && refused(r.AckOutcome):
		return slices.Delete(slices.Clone(r.Traces), i, i+1)
	}
	return r.Traces
}

// neverLeft reports whether a command with that outcome did not reach a device.
func neverLeft(o mdm.Outcome) bool {
	return o == mdm.OutcomeUnrenderable || o == mdm.OutcomeCanceled || o == mdm.OutcomeExpired
}

// refused reports whether the device said that it did not do as it was told.
func refused(o mdm.Outcome) bool { return o == mdm.OutcomeError || o == mdm.OutcomeMalformed }

// blurred reports whether the UUID of the row's content may stand on the device
// for an earlier content as well.
func blurred(r *Row, docs map[mdm.Hash]*Document) bool {
	doc := docs[r.Content]
	if doc == nil || doc.UUID == "" {
		return false
	}
	for _, t := range r.Traces {
		if was := docs[t.Content]; t.Content != r.Content && (was == nil || was.Unreadable != "" || strings.EqualFold(was.UUID, doc.UUID)) {
			return true
		}
	}
	return false
}

// provable is the highest rung that observation can reach for a row.
func provable(r *Row, doc *Document) Evidence {
	if doc == nil || r.Blurred {
		return Accepted
	}
	return doc.Provable
}

// takenBack changes a step when what waited for its row turned out never to have
// left: that is no trace, and a first install that no device saw needs no
// removal.
func (s *Step) takenBack(docs map[mdm.Hash]*Document) {
	if s.Drop || s.open == 0 {
		return
	}
	r := &s.Row
	r.Traces = slices.DeleteFunc(slices.Clone(r.Traces), func(t Trace) bool { return t.Order == s.open })
	if r.Blurred {
		r.Blurred = blurred(r, docs)
	}
	if len(r.Traces) == 0 {
		s.Drop, s.Send, s.Recall = true, false, false
		return
	}
	written := make(map[string]bool)
	for _, t := range r.Traces {
		if d := docs[t.Content]; d != nil {
			for _, n := range d.Nodes {
				written[n.Key] = true
			}
		}
	}
	s.Left.Drop = slices.DeleteFunc(slices.Clone(s.Left.Drop), func(n Node) bool { return !written[n.Key] })
	if len(s.Left.Drop) == 0 {
		s.Left = Leftovers{}
	}
}
