package profiles

import "github.com/keelson-mdm/keelson/mdm"

// remove plans a slot that nothing should fill.
func (c *channel) remove(s *slot) *Step {
	next := s.next()
	if next.Op == Remove {
		return c.goOnRemoving(s, &next)
	}
	if s.frozen {
		return recall(s.row)
	}
	c.free(next.Traces, mdm.Hash{})
	if c.empty(&next) {
		return &Step{Row: next, Drop: true}
	}
	next.Tries, next.Misses = 0, 0
	return c.instruct(&next, Remove)
}

// empty reports whether there is nothing on the device that a removal would take
// away: nothing came there, or all of it is what others own.
func (c *channel) empty(r *Row) bool {
	return len(r.Traces) == 0 || r.Family == WindowsProfile && len(c.leftover(r, Remove).Drop) == 0
}

// goOnRemoving plans a slot that is being emptied. A refused removal is looked
// at: what is not there any more needs no removal. It is never given up: after
// the budget it comes again each day.
func (c *channel) goOnRemoving(s *slot, r *Row) *Step {
	switch {
	case r.Ack != r.Order:
		return nil
	case r.AckOutcome.OK(), r.Seen == r.Order && r.Missing != "":
		return &Step{Row: *r, Drop: true}
	case s.frozen:
		return nil
	case c.empty(r):
		return &Step{Row: *r, Drop: true}
	}
	step := c.retry(r)
	if r.Family == AppleProfile && r.Asked != r.Order && (step == nil || !step.Send) {
		return ask(r)
	}
	return step
}

// hold finds the slots whose removal waits for a successor: a device must not
// lose a network or a root before what takes its place is acknowledged.
func (c *channel) hold() {
	for i := range c.slots {
		s := &c.slots[i]
		if s.want != nil || s.row.Op != Install {
			continue
		}
		for _, t := range settled(s.row) {
			switch d := c.in.Documents[t.Content]; {
			case d == nil:
			case d.Unreadable != "":
				s.held = s.held || c.awaited(Connectivity) || c.awaited(Trust)
			case d.Class != Plain && d.Class != "" && c.awaited(d.Class):
				s.held = true
			}
		}
	}
}

// awaited reports whether a profile of the class is wanted and not acknowledged
// yet. One whose content cannot be read may be of any class.
func (c *channel) awaited(class Class) bool {
	for i := range c.slots {
		s := &c.slots[i]
		if s.want == nil {
			continue
		}
		d := c.in.Documents[s.want.Content]
		if d == nil || d.Class != class && d.Unreadable == "" {
			continue
		}
		if r := s.row; r == nil || !stands(r, s.want) || r.Ack != r.Order || !r.AckOutcome.OK() {
			return true
		}
	}
	return false
}

// recall takes a held install back if it has not left: it is not wanted any
// more.
func recall(r *Row) *Step {
	if r.Ack == r.Order || r.Command == "" {
		return nil
	}
	next := *r
	next.Command = ""
	return &Step{Row: next, Recall: true, open: r.Order}
}
