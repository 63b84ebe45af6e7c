package inmem

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

type queueRoom struct{ s *Store }

func (r queueRoom) PutContent(ctx context.Context, x mdm.Tx, h mdm.Hash, sealed []byte, now time.Time) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	c, ok := t.contents.get(h.String())
	switch {
	case !ok:
		c.sealed = bytes.Clone(sealed)
	case !c.used.Before(now.Add(-queue.ContentFresh)):
		return nil
	}
	c.used = stored(now)
	return t.contents.put(t, "content", h.String(), c)
}

func (t *tx) content(h mdm.Hash) ([]byte, error) {
	c, ok := t.contents.get(h.String())
	if !ok {
		return nil, notFound("content")
	}
	return bytes.Clone(c.sealed), nil
}

func (r queueRoom) Content(ctx context.Context, tenant mdm.TenantID, h mdm.Hash) (b []byte, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { b, err = t.content(h); return err })
	return b, err
}

func (r queueRoom) Insert(ctx context.Context, x mdm.Tx, entries []queue.Entry) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	for i := range entries {
		if err := t.insert(&entries[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r queueRoom) First(_ context.Context, x mdm.Tx, e mdm.EnrollmentKey, key string) (queue.Entry, []byte, error) {
	t, err := r.s.join(x)
	if err != nil {
		return queue.Entry{}, nil, err
	}
	seq, ok := t.idem.get(idemKey(e, key))
	if !ok {
		return queue.Entry{}, nil, notFound("command")
	}
	first := t.either(seq).Entry
	sealed, err := t.content(first.Hash)
	if err != nil {
		return queue.Entry{}, nil, err
	}
	return first, sealed, nil
}

func idemKey(e mdm.EnrollmentKey, k string) string { return itoa(int64(e)) + "/" + k }

func (t *tx) insert(e *queue.Entry) error {
	if e.Idempotency != "" {
		if _, ok := t.idem.get(idemKey(e.Enrollment, e.Idempotency)); ok {
			return mdm.Errorf(mdm.CodeConflict, "idempotency", "a command with this key exists")
		}
	}
	if _, ok := t.ids.get(e.ID); ok {
		return mdm.Errorf(mdm.CodeConflict, "id", "a command with this id exists")
	}
	if _, ok := t.enrollments.get(e.Enrollment); !ok {
		return notFound("enrollment")
	}
	if _, ok := t.contents.get(e.Hash.String()); !ok {
		return notFound("content")
	}
	if e.Supersede != "" {
		for _, w := range t.line(e.Enrollment) {
			if w.Supersede == e.Supersede && w.Sent == 0 {
				if err := t.finish(w, queue.Done{Outcome: mdm.OutcomeSuperseded, EndedAt: stored(e.Queued)}); err != nil {
					return err
				}
			}
		}
	}
	e.Seq = next(&t.s.lastSeq)
	line, _ := t.lines.get(e.Enrollment)
	if err := t.lines.put(t, "queue", e.Enrollment, append(slices.Clone(line), e.Seq)); err != nil {
		return err
	}
	if err := t.ids.put(t, "queue", e.ID, e.Seq); err != nil {
		return err
	}
	if e.Idempotency != "" {
		if err := t.idem.put(t, "queue", idemKey(e.Enrollment, e.Idempotency), e.Seq); err != nil {
			return err
		}
	}
	w := *e
	w.Content = nil
	w.NotBefore, w.Expires, w.Queued = stored(w.NotBefore), stored(w.Expires), stored(w.Queued)
	w.Sent, w.SentAt, w.Held = 0, time.Time{}, time.Time{}
	return t.waiting.put(t, "queue", e.Seq, w)
}

// line returns an enrollment's waiting entries, oldest first.
func (t *tx) line(e mdm.EnrollmentKey) []queue.Entry {
	seqs, _ := t.lines.get(e)
	out := make([]queue.Entry, len(seqs))
	for i, seq := range seqs {
		out[i], _ = t.waiting.get(seq)
	}
	return out
}

// finish moves an entry to the history.
func (t *tx) finish(e queue.Entry, d queue.Done) error {
	line, _ := t.lines.get(e.Enrollment)
	rest := slices.DeleteFunc(slices.Clone(line), func(s int64) bool { return s == e.Seq })
	if err := t.lines.put(t, "queue", e.Enrollment, rest); err != nil {
		return err
	}
	if err := t.waiting.del(t, "queue", e.Seq); err != nil {
		return err
	}
	d.Entry = e
	d.Body = bytes.Clone(d.Body)
	return t.done.put(t, "done", e.Seq, d)
}

// Poll reads first: only when something can leave does it become a unit of work.
func (r queueRoom) Poll(ctx context.Context, tenant mdm.TenantID, p queue.Poll) (a queue.Answer, err error) {
	leaves := false
	err = r.s.read(ctx, tenant, func(t *tx) error { a, leaves, err = t.judge(p); return err })
	if err != nil || !leaves {
		return a, err
	}
	err = r.s.unit(ctx, tenant, func(t *tx) error {
		if a, leaves, err = t.judge(p); err != nil || !leaves {
			return err
		}
		a.Handouts, err = t.next(a.Enrollment, p)
		return err
	})
	if err != nil {
		return queue.Answer{}, err
	}
	return a, nil
}

// judge reads the caller's enrollment and whether anything can leave.
func (t *tx) judge(p queue.Poll) (queue.Answer, bool, error) {
	k, ok := t.naturals.get(p.Natural)
	if !ok {
		return queue.Answer{}, false, nil
	}
	e, err := t.enrollment(k)
	if err != nil {
		return queue.Answer{}, false, err
	}
	a := queue.Answer{Standing: queue.Stand(&e, p.Pin), Enrollment: e}
	return a, a.Standing == queue.StandingGood && !p.Judge && len(t.ready(e, p.Now, p.SkipHeld)) > 0, nil
}

// ready lists what may leave now, in order.
func (t *tx) ready(e mdm.Enrollment, now time.Time, skipHeld bool) []queue.Entry {
	held := make(map[string]bool) // resources on which an earlier entry waits
	ready := slices.DeleteFunc(t.line(e.Key), func(w queue.Entry) bool {
		if w.Generation != e.Generation || !w.Expires.IsZero() && !w.Expires.After(now) {
			return true
		}
		behind := held[w.Resource]
		held[w.Resource] = w.Resource != ""
		return behind || w.NotBefore.After(now) || skipHeld && !w.Held.IsZero() || w.Redelivery == mdm.Once && w.Sent > 0
	})
	slices.SortStableFunc(ready, func(a, b queue.Entry) int { return cmp.Compare(a.Lane, b.Lane) })
	return ready
}

// next selects and marks what leaves.
func (t *tx) next(e mdm.Enrollment, p queue.Poll) (out []queue.Handout, err error) {
	size := 0
	for _, w := range t.ready(e, p.Now, p.SkipHeld) {
		if len(out) >= max(p.Limit, 1) {
			break
		}
		data, err := t.content(w.Hash)
		if err != nil {
			return nil, err
		}
		if size += len(data); p.MaxBytes > 0 && len(out) > 0 && size > p.MaxBytes {
			break
		}
		w.SentAt, w.Sent = stored(p.Now), w.Sent+1
		if err := t.waiting.put(t, "queue", w.Seq, w); err != nil {
			return nil, err
		}
		out = append(out, queue.Handout{Entry: w, Data: data})
	}
	return out, nil
}

func (r queueRoom) Next(ctx context.Context, x mdm.Tx, e mdm.Enrollment, p queue.Poll) ([]queue.Handout, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	return t.next(e, p)
}

func (r queueRoom) File(ctx context.Context, x mdm.Tx, e mdm.Enrollment, rep queue.Report) (queue.Filed, error) {
	t, err := r.s.join(x)
	if err != nil {
		return queue.Filed{}, err
	}
	return t.file(e, rep)
}

func (t *tx) file(e mdm.Enrollment, rep queue.Report) (queue.Filed, error) {
	seq, ok := t.ids.get(rep.Command)
	d := t.either(seq)
	if !ok || d.Enrollment != e.Key {
		return queue.Filed{Filing: queue.FilingForeign}, nil
	}
	f := queue.Filed{Filing: queue.FilingNew, Result: t.result(d.Entry, e)}
	f.Result.Outcome, f.Result.Code, f.Result.Detail, f.Result.At = rep.Outcome, rep.Code, rep.Detail, rep.Now
	switch {
	case d.Outcome == "" && rep.NotNow:
		d.Held = stored(rep.Now)
		return queue.Filed{Filing: queue.FilingNotNow}, t.waiting.put(t, "queue", seq, d.Entry)
	case d.Outcome == "":
		return f, t.finish(d.Entry, queue.Done{Outcome: rep.Outcome, Code: rep.Code, Detail: rep.Detail, Body: rep.Body, EndedAt: stored(rep.Now)})
	case rep.NotNow, d.Late != nil, !endedWithout(d.Outcome):
		return queue.Filed{Filing: queue.FilingRepeated}, nil
	}
	d.Late = &queue.LateAnswer{Outcome: rep.Outcome, Code: rep.Code, Detail: rep.Detail, At: stored(rep.Now)}
	d.Body = bytes.Clone(rep.Body)
	f.Filing = queue.FilingLate
	return f, t.done.put(t, "done", seq, d)
}

// endedWithout reports whether an entry with that outcome had ended without the
// device's answer.
func endedWithout(o mdm.Outcome) bool {
	switch o {
	case mdm.OutcomeCanceled, mdm.OutcomeSuperseded, mdm.OutcomeExpired, mdm.OutcomeUnknown:
		return true
	}
	return false
}

// result is what the owner of an entry is told, without the outcome.
func (t *tx) result(w queue.Entry, e mdm.Enrollment) mdm.Result {
	return mdm.Result{
		Command: w.ID, Seq: w.Seq, Enrollment: e.Key, Life: e.ID, Host: e.Host, HostID: e.HostID, Platform: e.Platform,
		Generation: w.Generation, Current: e.Generation, Owner: w.Owner, Ref: w.Ref, Kind: w.Kind, Actor: w.Actor,
	}
}

// endAll ends entries without the device.
func (t *tx) endAll(entries []queue.Entry, o mdm.Outcome, now time.Time) (out []mdm.Result, err error) {
	for _, w := range entries {
		e, err := t.enrollment(w.Enrollment)
		if err != nil {
			return nil, err
		}
		r := t.result(w, e)
		if r.Outcome, r.At = o, now; o == mdm.OutcomeExpired && w.Sent > 0 {
			r.Outcome = mdm.OutcomeUnknown
		}
		if err := t.finish(w, queue.Done{Outcome: r.Outcome, EndedAt: stored(now)}); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (r queueRoom) Cancel(ctx context.Context, x mdm.Tx, id mdm.CommandID, now time.Time) (queue.CancelAnswer, mdm.Result, error) {
	t, err := r.s.join(x)
	if err != nil {
		return "", mdm.Result{}, err
	}
	seq, ok := t.ids.get(id)
	if !ok {
		return "", mdm.Result{}, notFound("command")
	}
	w, ok := t.waiting.get(seq)
	switch {
	case !ok:
		return queue.Ended, mdm.Result{}, nil
	case w.Sent > 0:
		return queue.TooLate, mdm.Result{}, nil
	}
	rs, err := t.endAll([]queue.Entry{w}, mdm.OutcomeCanceled, now)
	if err != nil {
		return "", mdm.Result{}, err
	}
	return queue.Canceled, rs[0], nil
}

func (r queueRoom) EndBefore(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey, gen mdm.Generation, now time.Time) ([]mdm.Result, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	old := slices.DeleteFunc(t.line(k), func(w queue.Entry) bool { return w.Generation >= gen })
	return t.endAll(old, mdm.OutcomeCanceled, now)
}

func (r queueRoom) EndRef(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey, o mdm.Owner, key int64, now time.Time) (taken, left int, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, 0, err
	}
	about := slices.DeleteFunc(t.line(k), func(w queue.Entry) bool { return w.Owner != o || w.Ref.Key != key })
	for _, w := range about {
		if w.Sent > 0 {
			left++
		} else {
			taken++
		}
	}
	_, err = t.endAll(about, mdm.OutcomeSuperseded, now)
	return taken, left, err
}

func (r queueRoom) Expire(ctx context.Context, x mdm.Tx, now time.Time, limit int) ([]mdm.Result, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	var over []queue.Entry
	for _, seq := range t.waiting.keys() {
		if w, _ := t.waiting.get(seq); !w.Expires.IsZero() && !w.Expires.After(now) && len(over) < limit {
			over = append(over, w)
		}
	}
	return t.endAll(over, mdm.OutcomeExpired, now)
}

func (r queueRoom) Waiting(ctx context.Context, tenant mdm.TenantID, now time.Time, after mdm.EnrollmentKey, limit int) (keys []mdm.EnrollmentKey, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, k := range t.lines.keys() {
			if k <= after || len(keys) == limit {
				continue
			}
			e, _ := t.enrollments.get(k)
			if e.State != mdm.EnrollmentEnrolled {
				continue
			}
			if len(t.ready(e, now, false)) > 0 {
				keys = append(keys, k)
			}
		}
		return nil
	})
	return keys, err
}

func (r queueRoom) Get(ctx context.Context, tenant mdm.TenantID, id mdm.CommandID) (d queue.Done, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		seq, ok := t.ids.get(id)
		if !ok {
			return notFound("command")
		}
		d = t.either(seq)
		return nil
	})
	return d, err
}

func (t *tx) either(seq int64) queue.Done {
	if w, ok := t.waiting.get(seq); ok {
		return queue.Done{Entry: w}
	}
	d, _ := t.done.get(seq)
	d.Body = bytes.Clone(d.Body)
	if d.Late != nil {
		late := *d.Late
		d.Late = &late
	}
	return d
}

func (r queueRoom) List(ctx context.Context, tenant mdm.TenantID, k mdm.EnrollmentKey, before int64, limit int) (out []queue.Done, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		var seqs []int64
		line, _ := t.lines.get(k)
		seqs = append(seqs, line...)
		for seq, d := range t.done.m {
			if d.Enrollment == k {
				seqs = append(seqs, seq)
			}
		}
		slices.SortFunc(seqs, func(a, b int64) int { return cmp.Compare(b, a) })
		for _, seq := range seqs {
			if (before == 0 || seq < before) && len(out) < limit {
				out = append(out, t.either(seq))
			}
		}
		return nil
	})
	return out, err
}
