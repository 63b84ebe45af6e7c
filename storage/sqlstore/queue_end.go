package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// endAll ends the entries that match without the device, and returns what their
// owners are told. Expired entries that had left end as unknown. The plus keeps
// SQLite from reading all of the tenant's queue, which it thinks is less work
// than a few rows by their key.
func (t *tx) endAll(ctx context.Context, o mdm.Outcome, now time.Time, where string, args ...any) (out []mdm.Result, sent int, err error) {
	err = t.each(ctx, "the queue", `SELECT q.uid, q.seq, q.generation, q.owner, q.ref_key, q.ref_order, q.kind, q.actor, q.sent,
		e.id, e.uid, e.host, e.generation, h.uid, h.platform
		FROM keelson_queue q JOIN keelson_enrollment e ON e.id = q.enrollment AND e.tenant = q.tenant JOIN keelson_host h ON h.id = e.host
		WHERE +q.tenant = ? AND q.seq IN (SELECT seq FROM keelson_queue WHERE tenant = ? AND `+where+`) ORDER BY q.seq`,
		append([]any{t.id, t.id}, args...), func(rows *sql.Rows) error {
			r := mdm.Result{Outcome: o, At: now}
			var times int
			if err := rows.Scan(&r.Command, &r.Seq, &r.Generation, &r.Owner, &r.Ref.Key, &r.Ref.Order, &r.Kind, actorColumn{&r.Actor}, &times,
				&r.Enrollment, &r.Life, &r.Host, &r.Current, &r.HostID, &r.Platform); err != nil {
				return err
			}
			if times > 0 {
				sent++
				if o == mdm.OutcomeExpired {
					r.Outcome = mdm.OutcomeUnknown
				}
			}
			out = append(out, r)
			return nil
		})
	if err != nil {
		return nil, 0, err
	}
	for _, r := range out {
		if _, err := t.finish(ctx, ending{outcome: r.Outcome, at: now}, `seq = ?`, r.Seq); err != nil {
			return nil, 0, err
		}
	}
	return out, sent, nil
}

func (r queueRoom) Cancel(ctx context.Context, x mdm.Tx, id mdm.CommandID, now time.Time) (queue.CancelAnswer, mdm.Result, error) {
	t, err := r.s.join(x)
	if err != nil {
		return "", mdm.Result{}, err
	}
	ended, _, err := t.endAll(ctx, mdm.OutcomeCanceled, now, `uid = ? AND sent = 0`, id)
	if err != nil {
		return "", mdm.Result{}, err
	}
	if len(ended) > 0 {
		return queue.Canceled, ended[0], nil
	}
	var waiting, done bool
	err = t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_queue WHERE tenant = ?1 AND uid = ?2),
		EXISTS (SELECT 1 FROM keelson_done WHERE tenant = ?1 AND uid = ?2)`, t.id, id).Scan(&waiting, &done)
	switch {
	case err != nil:
		return "", mdm.Result{}, failure("read a command", err)
	case waiting:
		return queue.TooLate, mdm.Result{}, nil
	case done:
		return queue.Ended, mdm.Result{}, nil
	}
	return "", mdm.Result{}, failure("command", sql.ErrNoRows)
}

func (r queueRoom) EndBefore(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey, gen mdm.Generation, now time.Time) ([]mdm.Result, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	out, _, err := t.endAll(ctx, mdm.OutcomeCanceled, now, `enrollment = ? AND generation < ?`, k, gen)
	return out, err
}

func (r queueRoom) EndRef(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey, o mdm.Owner, key int64, now time.Time) (taken, left int, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, 0, err
	}
	out, left, err := t.endAll(ctx, mdm.OutcomeSuperseded, now, `enrollment = ? AND owner = ? AND ref_key = ?`, k, o, key)
	return len(out) - left, left, err
}

func (r queueRoom) Expire(ctx context.Context, x mdm.Tx, now time.Time, limit int) ([]mdm.Result, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	out, _, err := t.endAll(ctx, mdm.OutcomeExpired, now, `expires > 0 AND expires <= ? ORDER BY seq LIMIT ?`, mdm.Micros(now), limit)
	return out, err
}

func (r queueRoom) Waiting(ctx context.Context, tenant mdm.TenantID, now time.Time, after mdm.EnrollmentKey, limit int) (keys []mdm.EnrollmentKey, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return t.each(ctx, "the queue", `SELECT DISTINCT q.enrollment FROM keelson_queue q JOIN keelson_enrollment e ON e.id = q.enrollment AND e.tenant = q.tenant
			WHERE q.tenant = ? AND q.enrollment > ? AND e.state = 'enrolled' AND q.generation = e.generation AND `+ready+`
			ORDER BY q.enrollment LIMIT ?`, slices.Concat([]any{t.id, after}, readyArgs(now, false), []any{limit}),
			func(rows *sql.Rows) error {
				var k mdm.EnrollmentKey
				if err := rows.Scan(&k); err != nil {
					return err
				}
				keys = append(keys, k)
				return nil
			})
	})
	return keys, err
}

// eitherColumns reads waiting and ended entries alike.
const (
	waitingColumns = entryColumns + `, '' AS outcome, '' AS code, '' AS detail, NULL AS body, 0 AS ended_at,
		'' AS late_outcome, '' AS late_code, '' AS late_detail, 0 AS late_at`
	doneColumns = entryColumns + `, q.outcome, q.code, q.detail, q.body, q.ended_at,
		q.late_outcome, q.late_code, q.late_detail, q.late_at`
)

func scanDone(scan func(...any) error) (queue.Done, error) {
	var row entryRow
	var d queue.Done
	var late queue.LateAnswer
	var ended, lateAt int64
	if err := scan(append(row.targets(), &d.Outcome, &d.Code, &d.Detail, &d.Body, &ended,
		&late.Outcome, &late.Code, &late.Detail, &lateAt)...); err != nil {
		return d, err
	}
	if lateAt != 0 {
		late.At = mdm.FromMicros(lateAt)
		d.Late = &late
	}
	d.Entry, d.EndedAt = row.entry(), mdm.FromMicros(ended)
	return d, nil
}

func (r queueRoom) Get(ctx context.Context, tenant mdm.TenantID, id mdm.CommandID) (d queue.Done, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		d, err = scanDone(t.q.QueryRowContext(ctx, `SELECT `+waitingColumns+` FROM keelson_queue q JOIN keelson_content c ON c.id = q.content
			WHERE q.tenant = ?1 AND q.uid = ?2
			UNION ALL SELECT `+doneColumns+` FROM keelson_done q JOIN keelson_content c ON c.id = q.content
			WHERE q.tenant = ?1 AND q.uid = ?2`, t.id, id).Scan)
		return failure("command", err)
	})
	return d, err
}

func (r queueRoom) List(ctx context.Context, tenant mdm.TenantID, k mdm.EnrollmentKey, before int64, limit int) (out []queue.Done, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return t.each(ctx, "commands", `SELECT `+waitingColumns+` FROM keelson_queue q JOIN keelson_content c ON c.id = q.content
			WHERE q.tenant = ?1 AND q.enrollment = ?2 AND q.seq < ?3
			UNION ALL SELECT `+doneColumns+` FROM keelson_done q JOIN keelson_content c ON c.id = q.content
			WHERE q.tenant = ?1 AND q.enrollment = ?2 AND q.seq < ?3 ORDER BY 1 DESC LIMIT ?4`,
			[]any{t.id, k, before, limit}, func(rows *sql.Rows) error {
				d, err := scanDone(rows.Scan)
				out = append(out, d)
				return err
			})
	})
	return out, err
}
