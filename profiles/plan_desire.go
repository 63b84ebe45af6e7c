package profiles

import (
	"cmp"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
)

// slot is the working state of one slot of a channel.
type slot struct {
	key  SlotKey
	row  *Row     // nil before the first instruction
	want *Profile // nil when nothing should fill it
	held bool     // nothing should fill it, and it must not be emptied yet
	// frozen: what fills it, or empties it, cannot be known, because a content
	// cannot be read. What the device carries stays.
	frozen bool
	step   *Step  // nil when there is nothing to do
	over   string // see [Row.Overridden]

	inherits []mdm.Hash // contents of other slots whose nodes this one owns now
}

// slots joins the rows of a channel with the desired set: what the definitions
// reach. An unknown membership keeps what the row says, whichever way.
func slots(in *Input, rows []Row) []slot {
	byKey := func(a, b slot) int { return cmp.Compare(a.key, b.key) }
	out := make([]slot, 0, len(rows)+len(in.Definitions.Profiles))
	for i := range rows {
		out = append(out, slot{key: rows[i].Slot, row: &rows[i]})
	}
	if !slices.IsSortedFunc(out, byKey) {
		slices.SortStableFunc(out, byKey)
	}
	known := out // shares its array with out, which never outgrows it
	host := &in.State.Host
	for i := range in.Definitions.Profiles {
		p := &in.Definitions.Profiles[i]
		if !p.Family.Covers(host.Platform) {
			continue
		}
		at, found := slices.BinarySearchFunc(known, p.Slot, func(s slot, k SlotKey) int { return cmp.Compare(s.key, k) })
		reached := p.Scope.reaches(host.Platform, in.State.member)
		switch {
		case reached == No, reached == Unknown && !(found && keeps(known[at].row, p)):
		case found:
			known[at].want = p
		default:
			out = append(out, slot{key: p.Slot, want: p})
		}
	}
	if len(out) > len(known) {
		slices.SortStableFunc(out, byKey)
	}
	return slices.CompactFunc(out, func(a, b slot) bool { return a.key == b.key })
}

// keeps reports whether a row carries p, so that an unknown membership leaves it
// there. The same content under a definition that took the place of another is
// left as well.
func keeps(r *Row, p *Profile) bool {
	return r.Op == Install && (r.Profile == p.Key || r.Content == p.Content)
}

// member is the host's membership in a label: what is recorded, or else the
// label's default. Of a label that does not exist it is unknown.
func (s *HostState) member(l mdm.LabelKey) Tri {
	if v, ok := s.Members[l]; ok {
		return v
	}
	if v, ok := s.Labels[l]; ok {
		return v
	}
	return Unknown
}

// stands reports whether the row's instruction is the one that w calls for. One
// that failed stands for the very revision that gave it and for no other: there
// a new attempt with new budgets is due.
func stands(r *Row, w *Profile) bool {
	switch {
	case r.Op != Install || r.Content != w.Content, r.recalled():
		return false
	case r.Profile == w.Key && r.Revision == w.Revision:
		return true
	case r.Ack != r.Order:
		return true
	}
	return r.AckOutcome.OK() && (r.Seen != r.Order || r.Missing == "")
}

// recalled reports whether the row's instruction was taken back.
func (r *Row) recalled() bool { return r.Ack != r.Order && r.Command == "" }
