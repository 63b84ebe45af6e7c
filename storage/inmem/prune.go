package inmem

import (
	"context"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// forget deletes an entry that has ended, with its id and its key.
func (t *tx) forget(seq int64) error {
	d, _ := t.done.get(seq)
	if err := t.ids.del(t, "done", d.ID); err != nil {
		return err
	}
	if d.Idempotency != "" {
		if err := t.idem.del(t, "done", idemKey(d.Enrollment, d.Idempotency)); err != nil {
			return err
		}
	}
	return t.done.del(t, "done", seq)
}

func (r queueRoom) PruneDone(_ context.Context, x mdm.Tx, before time.Time, limit int) (n int, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	var old []queue.Done
	for _, d := range t.done.m {
		if d.EndedAt.Before(before) {
			old = append(old, d)
		}
	}
	slices.SortFunc(old, func(a, b queue.Done) int { return a.EndedAt.Compare(b.EndedAt) })
	for _, d := range old[:min(limit, len(old))] {
		if err := t.forget(d.Seq); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func (r queueRoom) PruneChannels(_ context.Context, x mdm.Tx, keep int, after mdm.EnrollmentKey, limit int) (n int, next mdm.EnrollmentKey, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, 0, err
	}
	ended := make(map[mdm.EnrollmentKey][]int64)
	for _, seq := range t.done.keys() {
		d, _ := t.done.get(seq)
		ended[d.Enrollment] = append(ended[d.Enrollment], seq)
	}
	seen := 0
	next = after
	for _, k := range t.enrollments.keys() {
		if k <= after {
			continue
		}
		if seen++; seen > limit {
			return n, next, nil
		}
		for _, seq := range ended[k][:max(0, len(ended[k])-keep)] {
			if n == limit {
				return n, next, nil
			}
			if err := t.forget(seq); err != nil {
				return 0, 0, err
			}
			n++
		}
		if n == limit {
			return n, next, nil
		}
		next = k
	}
	if seen == limit {
		return n, next, nil
	}
	return n, 0, nil
}

func (r queueRoom) PruneContent(_ context.Context, x mdm.Tx, before, now time.Time, limit int) (looked int, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	used := t.usedContents()
	keys := t.contents.keys()
	slices.SortStableFunc(keys, func(a, b string) int {
		x, _ := t.contents.get(a)
		y, _ := t.contents.get(b)
		return x.used.Compare(y.used)
	})
	for _, k := range keys {
		c, _ := t.contents.get(k)
		if looked == limit || !c.used.Before(before) {
			break
		}
		looked++
		if used[k] {
			c.used = stored(now)
			err = t.contents.put(t, "content", k, c)
		} else {
			err = t.contents.del(t, "content", k)
		}
		if err != nil {
			return 0, err
		}
	}
	return looked, nil
}

// usedContents are the contents that something needs.
func (t *tx) usedContents() map[string]bool {
	used := make(map[string]bool)
	for _, e := range t.waiting.m {
		used[e.Hash.String()] = true
	}
	for _, d := range t.done.m {
		used[d.Hash.String()] = true
	}
	for _, p := range t.profiles.m {
		used[p.Content.String()] = true
	}
	for _, rows := range t.rows.m {
		for _, r := range rows {
			used[r.Content.String()] = true
			for _, tr := range r.Traces {
				used[tr.Content.String()] = true
			}
		}
	}
	return used
}
