package profiles

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
)

// Contest is a node to which profiles write different values. On a host, the
// profile that was made first decides, among those that are wanted there: a new
// one never takes a setting away from a fleet that has it.
type Contest struct {
	Node   Node
	Owners []Owner // the first to be made first
}

// Owner is a profile that writes a node. Two that write the same value to it have
// the same Value.
type Owner struct {
	Profile mdm.ProfileKey
	Value   int
}

// Contests finds the nodes to which profiles write different values, in key
// order. It is pure.
func Contests(ps []Profile, docs map[mdm.Hash]*Document, formats map[Family]Format) []Contest {
	owners := make(map[string][]*Profile)
	at := make(map[string]Node)
	for _, p := range byAge(ps) {
		d := docs[p.Content]
		if d == nil {
			continue
		}
		for _, n := range d.Nodes {
			if o := owners[n.Key]; len(o) > 0 && o[len(o)-1] == p {
				continue
			}
			if _, ok := at[n.Key]; !ok {
				at[n.Key] = n
			}
			owners[n.Key] = append(owners[n.Key], p)
		}
	}
	var out []Contest
	differ := differences(docs, formats)
	for _, key := range slices.Sorted(maps.Keys(owners)) {
		c := Contest{Node: at[key]}
		values := 0
		for i, p := range owners[key] {
			o := Owner{Profile: p.Key, Value: values}
			for j, q := range owners[key][:i] {
				if !differ(q, p)[key] {
					o.Value = c.Owners[j].Value
					break
				}
			}
			if o.Value == values {
				values++
			}
			c.Owners = append(c.Owners, o)
		}
		if values > 1 {
			out = append(out, c)
		}
	}
	return out
}

// byAge returns profiles in the order in which they were made.
func byAge(ps []Profile) []*Profile {
	out := make([]*Profile, len(ps))
	for i := range ps {
		out[i] = &ps[i]
	}
	slices.SortFunc(out, func(a, b *Profile) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// differences returns a function that tells the nodes at which two profiles
// differ, and compares each two once.
func differences(docs map[mdm.Hash]*Document, formats map[Family]Format) func(a, b *Profile) map[string]bool {
	type pair struct{ a, b mdm.ProfileKey }
	known := make(map[pair]map[string]bool)
	return func(a, b *Profile) map[string]bool {
		k := pair{a.Key, b.Key}
		m, ok := known[k]
		if format := formats[a.Family]; !ok && format != nil && a.Family == b.Family {
			m = keys(format.Conflicts(docs[a.Content], docs[b.Content]))
		}
		known[k] = m
		return m
	}
}

// duel is a slot whose profile decides about a node, over one that writes another
// value to it.
type duel struct{ winner, loser *slot }

// compete finds who decides about contested nodes on this channel.
func (c *channel) compete() {
	if len(c.in.Contests) == 0 {
		return
	}
	wanted := make(map[mdm.ProfileKey]*slot)
	for i := range c.slots {
		if s := &c.slots[i]; s.want != nil && !s.frozen {
			wanted[s.want.Key] = s
		}
	}
	for _, contest := range c.in.Contests {
		var winner *slot
		value := 0
		for _, o := range contest.Owners {
			switch s := wanted[o.Profile]; {
			case s == nil:
			case winner == nil:
				winner, value = s, o.Value
			case o.Value != value:
				c.duels = append(c.duels, duel{winner, s})
				if s.over == "" {
					s.over = clip(fmt.Sprintf("overridden by the profile %q at %s", winner.want.Name, contest.Node.Address))
				}
			}
		}
	}
	slices.SortStableFunc(c.duels, func(a, b duel) int { return cmp.Compare(a.winner.want.Key, b.winner.want.Key) })
}

// prevail sees to it that what decides about a node is written last, in whatever
// order commands reach the device. For every duel, after each plan, either the
// loser was answered before the winner was given, or it was given no earlier: and
// once that is answered, the winner is given once more. To keep it so, a loser
// that is under way when a winner is given is given anew; and where the roles may
// have changed though neither is sent, because a definition with the same content
// took the place of another, the winner is.
//
// A loser may prevail at another node. So winners are given once more from the
// last one on, each when its losers are done, and each makes only what was made
// after it be given anew: this ends.
func (c *channel) prevail() {
	var groups [][]duel
	for i, d := range c.duels {
		if i == 0 || d.winner != c.duels[i-1].winner {
			groups = append(groups, nil)
		}
		last := &groups[len(groups)-1]
		*last = append(*last, d)
	}
	for _, g := range slices.Backward(groups) {
		if w := g[0].winner; w.row != nil && !w.sends() && overwritten(w, g) {
			w.step = c.again(w)
		}
	}
	for _, g := range groups {
		for _, d := range g {
			if r := d.loser.row; d.winner.gives() && r != nil && r.Ack != r.Order && !d.loser.sends() {
				d.loser.step = c.again(d.loser)
			}
		}
	}
}

// gives reports whether an instruction is given for the slot.
func (s *slot) gives() bool { return s.step != nil && s.step.Send }

// overwritten reports whether losers may have written after the winner, and all
// of those are done.
func overwritten(winner *slot, duels []duel) bool {
	if moved(winner) || slices.ContainsFunc(duels, func(d duel) bool { return moved(d.loser) }) {
		return true
	}
	w := winner.row
	if w.Ack != w.Order || !w.AckOutcome.OK() {
		return false
	}
	yes := false
	for _, d := range duels {
		r := d.loser.row
		switch {
		case d.loser.sends():
			return false
		case r == nil || r.Order < w.Order:
		case r.Ack != r.Order:
			return false
		case !neverLeft(r.AckOutcome):
			yes = true
		}
	}
	return yes
}

// moved reports whether another definition wants what the slot holds.
func moved(s *slot) bool { return s.row != nil && s.row.Profile != s.want.Key }
