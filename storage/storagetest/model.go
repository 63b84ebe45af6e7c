package storagetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// model is the queue as its contract tells it, and as slowly as one likes.
type model struct {
	all  []*queue.Done // in the order of insertion; Outcome is empty while waiting
	size map[mdm.Hash]int
}

func (m *model) find(id mdm.CommandID) *queue.Done {
	for _, d := range m.all {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// waiting lists what waits and matches, oldest first.
func (m *model) waiting(match func(*queue.Done) bool) []*queue.Done {
	var out []*queue.Done
	for _, d := range m.all {
		if d.Outcome == "" && match(d) {
			out = append(out, d)
		}
	}
	return out
}

func end(d *queue.Done, o mdm.Outcome, now time.Time) { d.Outcome, d.EndedAt = o, now }

// first is the entry on which an idempotency key stands; nil when there is none.
func (m *model) first(e mdm.EnrollmentKey, key string) *queue.Done {
	for _, d := range m.all {
		if key != "" && d.Enrollment == e && d.Idempotency == key {
			return d
		}
	}
	return nil
}

// insert queues e.
func (m *model) insert(e queue.Entry) *queue.Done {
	if e.Supersede != "" {
		for _, d := range m.waiting(func(d *queue.Done) bool {
			return d.Enrollment == e.Enrollment && d.Supersede == e.Supersede && d.Sent == 0
		}) {
			end(d, mdm.OutcomeSuperseded, e.Queued)
		}
	}
	d := &queue.Done{Entry: e}
	m.all = append(m.all, d)
	return d
}

// ready lists what may leave now, in order.
func (m *model) ready(e mdm.Enrollment, now time.Time, skipHeld bool) []*queue.Done {
	alive := m.waiting(func(d *queue.Done) bool {
		return d.Enrollment == e.Key && d.Generation == e.Generation && (d.Expires.IsZero() || d.Expires.After(now))
	})
	var out []*queue.Done
	for i, d := range alive {
		behind := slices.ContainsFunc(alive[:i], func(b *queue.Done) bool { return b.Resource != "" && b.Resource == d.Resource })
		switch {
		case behind, d.NotBefore.After(now), skipHeld && !d.Held.IsZero(), d.Redelivery == mdm.Once && d.Sent > 0:
		default:
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b *queue.Done) int { return cmp.Compare(a.Lane, b.Lane) })
	return out
}

// poll hands out.
func (m *model) poll(e mdm.Enrollment, p queue.Poll) []queue.Entry {
	var out []queue.Entry
	bytes := 0
	for _, d := range m.ready(e, p.Now, p.SkipHeld) {
		bytes += m.size[d.Hash]
		if len(out) == max(p.Limit, 1) || len(out) > 0 && p.MaxBytes > 0 && bytes > p.MaxBytes {
			break
		}
		d.Sent, d.SentAt = d.Sent+1, p.Now
		out = append(out, d.Entry)
	}
	return out
}

// file takes a report and tells what becomes of it.
func (m *model) file(e mdm.Enrollment, r queue.Report) queue.Filing {
	d := m.find(r.Command)
	switch {
	case d == nil || d.Enrollment != e.Key:
		return queue.FilingForeign
	case d.Outcome == "" && r.NotNow:
		d.Held = r.Now
		return queue.FilingNotNow
	case d.Outcome == "":
		end(d, r.Outcome, r.Now)
		d.Code, d.Detail, d.Body = r.Code, r.Detail, r.Body
		return queue.FilingNew
	case r.NotNow, d.Late != nil, d.Outcome == mdm.OutcomeAcknowledged, d.Outcome == mdm.OutcomeError:
		return queue.FilingRepeated
	}
	d.Late = &queue.LateAnswer{Outcome: r.Outcome, Code: r.Code, Detail: r.Detail, At: r.Now}
	d.Body = r.Body
	return queue.FilingLate
}

func (m *model) cancel(id mdm.CommandID, now time.Time) queue.CancelAnswer {
	d := m.find(id)
	switch {
	case d.Outcome != "":
		return queue.Ended
	case d.Sent > 0:
		return queue.TooLate
	}
	end(d, mdm.OutcomeCanceled, now)
	return queue.Canceled
}

// endAll ends what matches, and tells of each whether it had left.
func (m *model) endAll(now time.Time, match func(*queue.Done) bool, outcome func(*queue.Done) mdm.Outcome) (ended []mdm.CommandID, left int) {
	for _, d := range m.waiting(match) {
		end(d, outcome(d), now)
		ended = append(ended, d.ID)
		if d.Sent > 0 {
			left++
		}
	}
	return ended, left
}

// list is the history of a channel, the newest first.
func (m *model) list(e mdm.EnrollmentKey) []queue.Done {
	var out []queue.Done
	for _, d := range slices.Backward(m.all) {
		if d.Enrollment == e {
			out = append(out, *d)
		}
	}
	return out
}
