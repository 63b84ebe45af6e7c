package profiles

import (
	"github.com/keelson-mdm/keelson/mdm"
)

// settled returns what may be on the device, given what it answered: an
// acknowledged install replaced everything before it, and a refused one left
// what was there. A refused Windows profile may have been applied in part.
func settled(r *Row) []Trace {
	if r.Ack != r.Order || r.Op != Install || r.Order == 0 {
		return r.Traces
	}
	for i, t := range r.Traces {
		if t.Order != r.Order {
			continue
		}
		switch {
		case r.AckOutcome.OK():
			return r.Traces[i : i+1 : i+1]
		case r.Family == AppleProfile || neverLeft(r.AckOutcome):
			return r.Traces[:i:i]
		}
	}
	return r.Traces
}

// neverLeft reports whether a command with that outcome did not reach a device.
func neverLeft(o mdm.Outcome) bool { return o == mdm.OutcomeUnrenderable }

// install plans a slot that w should fill.
func (c *channel) install(e mdm.EnrollmentKey, slot SlotKey, w *Profile) {
	r := c.rows[slot]
	if r == nil {
		c.steps[slot] = c.instruct(Row{
			Enrollment: e, Slot: slot, Identifier: w.Identifier, Family: w.Family,
			Profile: w.Key, Revision: w.Revision, Content: w.Content,
		}, Install, Leftovers{})
		return
	}
	next := *r
	next.Profile, next.Revision, next.Content = w.Key, w.Revision, w.Content
	next.Traces = settled(r)
	if r.Op != Install || r.Content != w.Content {
		next.Tries, next.Misses = 0, 0
		next.Blurred = c.blurred(&next)
		c.steps[slot] = c.instruct(next, Install, c.leftover(next.Traces, c.nodes(w.Content)))
		return
	}
	if s := c.goOn(r, next); s != nil {
		c.steps[slot] = s
	} else if r.Profile != next.Profile || r.Revision != next.Revision {
		c.steps[slot] = &Step{Row: next} // the same content under another definition
	}
}

// goOn plans a slot whose instruction stands: wait, ask, repair, or retry.
func (c *channel) goOn(r *Row, next Row) *Step {
	doc := c.in.Documents[r.Content]
	switch {
	case r.Ack != r.Order: // not answered
		return nil
	case !r.AckOutcome.OK():
		return c.retry(&next, &next.Tries, maxTries)
	case provable(r, doc) <= Accepted:
		return nil
	case r.Seen == r.Order && r.Missing == "":
		return nil
	case r.Seen == r.Order:
		return c.retry(&next, &next.Misses, maxMisses)
	case r.Asked != r.Order:
		next.Asked = next.Order
		return &Step{Row: next, Ask: true}
	}
	return nil
}

// retry gives the same instruction again after a pause, while the budget lasts.
// n counts within next.
func (c *channel) retry(next *Row, n *int, budget int) *Step {
	switch {
	case *n >= budget:
		return nil
	case next.RetryAt.IsZero():
		next.RetryAt = c.in.Now.Add(backoff(*n))
		c.due(next.RetryAt)
		return &Step{Row: *next}
	case c.in.Now.Before(next.RetryAt):
		c.due(next.RetryAt)
		return nil
	}
	*n++
	return c.instruct(*next, next.Op, c.leftover(next.Traces, c.nodes(next.Content)))
}

// blurred reports whether the UUID of the wanted content may stand for an
// earlier content as well.
func (c *channel) blurred(r *Row) bool {
	doc := c.in.Documents[r.Content]
	if doc == nil || doc.UUID == "" {
		return false
	}
	for _, t := range r.Traces {
		if was := c.in.Documents[t.Content]; t.Content != r.Content && (was == nil || was.UUID == doc.UUID) {
			return true
		}
	}
	return false
}

// remove plans a slot that nothing should fill.
func (c *channel) remove(r *Row) {
	next := *r
	next.Traces = settled(r)
	if r.Op == Remove {
		if s := c.goOnRemoving(r, next); s != nil {
			c.steps[r.Slot] = s
		}
		return
	}
	left := c.leftover(next.Traces, nil)
	switch {
	case len(next.Traces) == 0, r.Family == WindowsProfile && len(left.Drop) == 0:
		c.steps[r.Slot] = &Step{Row: next, Drop: true}
	case c.held(r):
	default:
		next.Tries, next.Misses = 0, 0
		c.steps[r.Slot] = c.instruct(next, Remove, left)
	}
}

// goOnRemoving plans a slot that is being emptied. A refused removal is looked
// at: what is not there any more needs no removal.
func (c *channel) goOnRemoving(r *Row, next Row) *Step {
	switch {
	case r.Ack != r.Order:
		return nil
	case r.AckOutcome.OK(), r.Seen == r.Order && r.Missing != "":
		return &Step{Row: next, Drop: true}
	case r.Family == AppleProfile && r.Asked != r.Order:
		next.Asked = next.Order
		return &Step{Row: next, Ask: true}
	}
	// A removal is never given up: after the budget it comes again each day.
	if next.Tries >= maxTries && next.RetryAt.IsZero() {
		next.RetryAt = c.in.Now.Add(backoff(99))
		c.due(next.RetryAt)
		return &Step{Row: next}
	}
	return c.retry(&next, &next.Tries, next.Tries+1)
}

// held reports whether the removal of r waits for a successor: a device must
// not lose a network or a root before what takes its place is acknowledged.
func (c *channel) held(r *Row) bool {
	doc := c.in.Documents[r.Content]
	if doc == nil || doc.Class == Plain || doc.Class == "" {
		return false
	}
	for slot, w := range c.want {
		d := c.in.Documents[w.Content]
		if d == nil || d.Class != doc.Class {
			continue
		}
		s := c.rows[slot]
		if s == nil || s.Op != Install || s.Content != w.Content || s.Ack != s.Order || !s.AckOutcome.OK() {
			return true
		}
	}
	return false
}

// rewrite instructs again what shares a node with something that this plan
// replaces or removes: the value on the device may have been the other's.
func (c *channel) rewrite() {
	if len(c.freed) == 0 {
		return
	}
	for slot, w := range c.want {
		r := c.rows[slot]
		if r == nil || c.steps[slot] != nil && c.steps[slot].Send {
			continue
		}
		for _, n := range c.nodes(w.Content) {
			if c.freed[n.Key] {
				next := *r
				next.Profile, next.Revision, next.Content = w.Key, w.Revision, w.Content
				next.Traces = settled(r)
				c.steps[slot] = c.instruct(next, Install, Leftovers{})
				break
			}
		}
	}
}

// provable is the highest rung that observation can reach for a row.
func provable(r *Row, doc *Document) Evidence {
	switch {
	case doc == nil || r.Blurred:
		return Accepted
	default:
		return doc.Provable
	}
}
