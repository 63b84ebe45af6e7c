package profiles

import (
	"maps"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
)

// Nodes may be shared between profiles, and commands for different slots may
// reach a device in any order. Four rules keep what is wanted in place, and let
// go what is not:
//
//   - leftover: an instruction deletes no node that a wanted profile owns, or one
//     that is held or frozen.
//   - inherit: who owns a node that another slot leaves on the device for its
//     sake takes over the trace, so that the node is deleted with it even if its
//     own content never gets there.
//   - rewrite: when a profile gives up a node that another one owns, the other
//     is sent once more, for the value on the device may be the first one's.
//   - giveWay: when a profile that is new to the host owns a node that an
//     unanswered instruction may be about to delete, that instruction is given
//     anew, without the node.
//
// The last two apply in the one plan in which the change is seen, so that none
// calls for itself again.

// owner is who owns a node.
type owner struct {
	node Node
	// slot is one that is sure to remember the node, or else the first that
	// owns it.
	slot *slot
	sure bool
}

func (c *channel) nodes(h mdm.Hash) []Node {
	if d := c.in.Documents[h]; d != nil {
		return d.Nodes
	}
	return nil
}

// names reports whether a content names a node.
func (c *channel) names(h mdm.Hash, key string) bool {
	return slices.ContainsFunc(c.nodes(h), func(n Node) bool { return n.Key == key })
}

// own returns the nodes that wanted, held and frozen profiles own. Of two profiles
// that own one node, the first slot names it.
func (c *channel) own() map[string]owner {
	if c.owned != nil {
		return c.owned
	}
	c.owned = make(map[string]owner)
	for i := range c.slots {
		switch s := &c.slots[i]; {
		case s.want != nil && !s.frozen:
			c.owns(s, s.want.Content)
		case (s.held || s.frozen) && s.row != nil:
			for _, t := range settled(s.row) {
				if t.Order != 0 {
					c.owns(s, t.Content)
				}
			}
		}
	}
	return c.owned
}

func (c *channel) owns(s *slot, h mdm.Hash) {
	nodes := c.nodes(h)
	if len(nodes) == 0 {
		return
	}
	sure := c.remembers(s)
	for _, n := range nodes {
		o, ok := c.owned[n.Key]
		if !ok {
			o = owner{node: n, slot: s}
		}
		if !o.sure && sure[n.Key] {
			o.slot, o.sure = s, true
		}
		c.owned[n.Key] = o
	}
}

// remembers returns the nodes that the slot's traces name, beside that of an
// instruction that may turn out never to have left.
func (c *channel) remembers(s *slot) map[string]bool {
	if s.row == nil {
		return nil
	}
	m := make(map[string]bool)
	for _, t := range settled(s.row) {
		if t.Order == s.row.Order && s.row.Ack != s.row.Order {
			continue
		}
		for _, n := range c.nodes(t.Content) {
			m[n.Key] = true
		}
	}
	return m
}

// leftover returns, in key order, the nodes of r's traces that nothing owns once
// op is done, and those that must stay while they are deleted. What is left to
// others, they inherit.
func (c *channel) leftover(r *Row, op Op) Leftovers {
	var drop map[string]Node
	for _, t := range r.Traces {
		for _, n := range c.nodes(t.Content) {
			if o, ok := c.own()[n.Key]; ok {
				if !o.sure && !(op == Install && c.names(r.Content, n.Key)) {
					o.slot.inherit(t.Content)
				}
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
	left := Leftovers{Drop: make([]Node, 0, len(drop)), Keep: make([]Node, 0, len(c.owned))}
	for _, k := range slices.Sorted(maps.Keys(drop)) {
		left.Drop = append(left.Drop, drop[k])
	}
	for _, k := range slices.Sorted(maps.Keys(c.owned)) {
		left.Keep = append(left.Keep, c.owned[k].node)
	}
	return left
}

// inherit notes that the slot takes over a trace of h.
func (s *slot) inherit(h mdm.Hash) {
	if s.row != nil && slices.Contains(settled(s.row), Trace{Content: h}) {
		return
	}
	if !slices.Contains(s.inherits, h) {
		s.inherits = append(s.inherits, h)
	}
}

// takeOver puts inherited traces before the slot's own, whose acknowledgement
// settles them: it writes the nodes for which they were inherited.
func (s *slot) takeOver() {
	if len(s.inherits) == 0 {
		return
	}
	if s.step == nil {
		s.step = &Step{Row: s.next()}
	}
	traces := make([]Trace, len(s.inherits))
	for i, h := range s.inherits {
		traces[i].Content = h
	}
	s.step.Row.Traces = append(traces, s.step.Row.Traces...)
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
	if next.Op == Remove && c.empty(&next) {
		return &Step{Row: next, Drop: true}
	}
	return c.instruct(&next, next.Op)
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
	var fresh map[string]bool
	for i := range c.slots {
		s := &c.slots[i]
		if s.want != nil && (s.row == nil || s.row.Op != Install || s.row.Content != s.want.Content) {
			for _, n := range c.nodes(s.want.Content) {
				if fresh == nil {
					fresh = make(map[string]bool)
				}
				fresh[n.Key] = true
			}
		}
	}
	if len(fresh) == 0 {
		return
	}
	for i := range c.slots {
		s := &c.slots[i]
		if s.row == nil || s.row.Ack == s.row.Order || s.held || s.frozen || s.sends() {
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
