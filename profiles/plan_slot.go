package profiles

import (
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// next is the slot's row as it is stored next: for what is wanted, and with the
// traces that are still open.
func (s *slot) next() Row {
	next := *s.row
	if w := s.want; w != nil {
		next.Profile, next.Revision, next.Content, next.Family = w.Key, w.Revision, w.Content, w.Family
		next.Overridden = s.over
	}
	next.Traces = settled(s.row)
	return next
}

// install plans a slot that something should fill.
func (c *channel) install(s *slot) *Step {
	r, w := s.row, s.want
	if r == nil {
		return c.instruct(&Row{
			Enrollment: c.enrollment, Slot: s.key, Identifier: w.Identifier, Family: w.Family,
			Profile: w.Key, Revision: w.Revision, Content: w.Content, Overridden: s.over,
		}, Install)
	}
	next := s.next()
	moved := r.Profile != w.Key || r.Revision != w.Revision
	if !stands(r, w) {
		if r.Op == Install {
			c.free(next.Traces, w.Content)
		}
		next.Tries, next.Misses = 0, 0
		next.Blurred = blurred(&next, c.in.Documents)
		return c.instruct(&next, Install)
	}
	if moved { // the same content under another definition or revision
		next.Tries, next.Misses = 0, 0
	}
	step := c.goOn(&next)
	if step == nil && (moved || r.Overridden != s.over) {
		step = &Step{Row: next}
	}
	return step
}

// goOn plans a slot whose instruction stands: wait, ask, repair, or retry.
func (c *channel) goOn(r *Row) *Step {
	switch {
	case r.Ack != r.Order: // not answered
		return nil
	case !r.AckOutcome.OK():
		if gaveUp(r) {
			return nil
		}
		return c.retry(r)
	case r.Overridden != "", provable(r, c.in.Documents[r.Content]) <= Accepted:
		return nil
	case r.Seen == r.Order && r.Missing == "":
		if r.RetryAt.IsZero() {
			return nil
		}
		r.RetryAt = time.Time{} // it came back by itself
		return &Step{Row: *r}
	case r.Seen == r.Order:
		if r.Misses >= maxMisses {
			return nil
		}
		return c.retry(r)
	case r.Asked != r.Order:
		return ask(r)
	}
	return nil
}

// retry gives the same instruction again after a pause, which grows with the
// count of what went wrong.
func (c *channel) retry(r *Row) *Step {
	n, cost := &r.Misses, true
	if !r.AckOutcome.OK() {
		n, cost = &r.Tries, costs(r.AckOutcome)
	}
	if r.RetryAt.IsZero() {
		pause := backoff(*n)
		if r.Op == Remove && *n >= maxTries {
			pause = maxPause
		}
		r.RetryAt = c.in.Now.Add(pause)
		c.due(r.RetryAt)
		return &Step{Row: *r}
	}
	if c.in.Now.Before(r.RetryAt) {
		c.due(r.RetryAt)
		return nil
	}
	if cost {
		*n++
	}
	return c.instruct(r, r.Op)
}

// gaveUp reports whether the retries of a refused install are used up.
func gaveUp(r *Row) bool { return costs(r.AckOutcome) && r.Tries >= maxTries }

// costs reports whether an outcome uses up a retry: the device or the content is
// at fault, and not a person or the time.
func costs(o mdm.Outcome) bool {
	switch o {
	case mdm.OutcomeCanceled, mdm.OutcomeExpired, mdm.OutcomeUnknown, mdm.OutcomeSuperseded:
		return false
	}
	return true
}

// ask has a row observed.
func ask(r *Row) *Step {
	r.Asked, r.AskedSeq = r.Order, 0
	return &Step{Row: *r, Ask: true}
}
