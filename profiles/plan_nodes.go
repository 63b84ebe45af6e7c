package profiles

import (
	"maps"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
)

// Nodes may be shared between profiles, and commands for different slots may
// reach a device in any order. Three rules keep what is wanted in place:
//
//   - leftover: an instruction deletes no node that a wanted or a held profile
//     owns.
//   - rewrite: when a profile gives up a node that another one owns, the other
//     is sent once more, for the value on the device may be the first one's.
//   - giveWay: when a profile that is new to the host owns a node that an
//     unanswered instruction may be about to delete, that instruction is given
//     anew, without the node.
//
// Both last rules apply in the one plan in which the change is seen, so that
// none calls for itself again.

func (c *channel) nodes(h mdm.Hash) []Node {
	if d := c.in.Documents[h]; d != nil {
		return d.Nodes
	}
	return nil
}

// own returns the nodes that wanted and held profiles own. Of two profiles that
// own one node, the first slot names it.
func (c *channel) own() map[string]Node {
	if c.owned != nil {
		return c.owned
	}
	c.owned = make(map[string]Node)
	add := func(h mdm.Hash) {
		for _, n := range c.nodes(h) {
			if _, ok := c.owned[n.Key]; !ok {
				c.owned[n.Key] = n
			}
		}
	}
	for i := range c.slots {
		switch s := &c.slots[i]; {
		case s.want != nil:
			add(s.want.Content)
		case s.held:
			for _, t := range settled(s.row) {
				add(t.Content)
			}
		}
	}
	return c.owned
}

// leftover returns, in key order, the nodes of traces that nothing owns, and
// those that must stay while they are deleted.
func (c *channel) leftover(traces []Trace) Leftovers {
	var drop map[string]Node
	for _, t := range traces {
		for _, n := range c.nodes(t.Content) {
			if _, ok := c.own()[n.Key]; ok {
				continue
			}
			if drop == nil {
				drop = make(map[string]Node)
			}
			drop[n.Key] = n
		}
	}
	if drop == nil {
		return Leftovers{}
	}
	return Leftovers{Drop: inOrder(drop), Keep: inOrder(c.own())}
}

func inOrder(m map[string]Node) []Node {
	out := make([]Node, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

// free notes the nodes of traces that are given up, beside those of keep.
func (c *channel) free(traces []Trace, keep mdm.Hash) {
	var kept map[string]bool
	for _, t := range traces {
		for _, n := range c.nodes(t.Content) {
			if kept == nil {
				kept = keys(c.nodes(keep))
			}
			if kept[n.Key] {
				continue
			}
			if c.freed == nil {
				c.freed = make(map[string]bool)
			}
			c.freed[n.Key] = true
		}
	}
}

func keys(nodes []Node) map[string]bool {
	m := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		m[n.Key] = true
	}
	return m
}

func touches(nodes []Node, m map[string]bool) bool {
	return slices.ContainsFunc(nodes, func(n Node) bool { return m[n.Key] })
}

// again gives the instruction of a slot anew.
func (c *channel) again(s *slot) *Step {
	next := s.next()
	if next.Op == Remove && c.empty(next) {
		return &Step{Row: *next, Drop: true}
	}
	return c.instruct(next, next.Op)
}

func (s *slot) sends() bool {
	return s.step != nil && (s.step.Send || s.step.Drop || s.step.Recall)
}

// rewrite sends once more what owns a node that another slot gives up.
func (c *channel) rewrite() {
	if len(c.freed) == 0 {
		return
	}
	for i := range c.slots {
		s := &c.slots[i]
		if s.want != nil && s.row != nil && !s.sends() && touches(c.nodes(s.want.Content), c.freed) {
			s.step = c.again(s)
		}
	}
}

// giveWay gives unanswered instructions anew that may delete what a profile new
// to the host is about to write.
func (c *channel) giveWay() {
	fresh := make(map[string]bool)
	for i := range c.slots {
		s := &c.slots[i]
		if s.want != nil && (s.row == nil || s.row.Op != Install || s.row.Content != s.want.Content) {
			for _, n := range c.nodes(s.want.Content) {
				fresh[n.Key] = true
			}
		}
	}
	if len(fresh) == 0 {
		return
	}
	for i := range c.slots {
		s := &c.slots[i]
		if s.row == nil || s.row.Ack == s.row.Order || s.held || s.sends() {
			continue
		}
		for _, t := range s.row.Traces {
			if (s.row.Op == Remove || t.Content != s.row.Content) && touches(c.nodes(t.Content), fresh) {
				s.step = c.again(s)
				break
			}
		}
	}
}
