package sqlstore

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// endAll ends the entries that match, see [tx.waiting], without the device, and returns what their
// owners are told, with how many had left. Expired entries that had left end as
// unknown.
func (t *tx) endAll(ctx context.Context, o mdm.Outcome, now time.Time, lock, where, rest string, args ...any) (out []mdm.Result, sent int, err error) {
	seqs, err := t.waiting(ctx, lock, where, rest, args...)
	if err != nil || len(seqs) == 0 {
		return nil, 0, err
	}
	these, keys := t.d.in(seqs)
	ended := make(map[mdm.Outcome][]int64)
	err = t.each(ctx, "the queue", `SELECT q.uid, q.seq, q.generation, q.owner, q.ref_key, q.ref_order, q.kind, q.actor, q.sent,
		e.id, e.uid, e.host, e.generation, e.host_uid, e.platform
		FROM keelson_queue q JOIN keelson_enrollment e ON e.id = q.enrollment AND e.tenant = q.tenant
		WHERE `+t.d.plus+`q.tenant = ? AND q.seq `+these+` ORDER BY q.seq`, append([]any{t.id}, keys...), func(rows *sql.Rows) error {
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
		ended[r.Outcome] = append(ended[r.Outcome], r.Seq)
		out = append(out, r)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	for _, o := range slices.Sorted(maps.Keys(ended)) {
		if err := t.finish(ctx, ending{outcome: o, at: now}, ended[o]...); err != nil {
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
	ended, _, err := t.endAll(ctx, mdm.OutcomeCanceled, now, t.d.lock, `uid = ? AND sent = 0`, "", id)
	if err != nil {
		return "", mdm.Result{}, err
	}
	if len(ended) > 0 {
		return queue.Canceled, ended[0], nil
	}
	var waiting, done bool
	err = t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_queue WHERE tenant = ? AND uid = ?),
		EXISTS (SELECT 1 FROM keelson_done WHERE tenant = ? AND uid = ?)`, t.id, id, t.id, id).Scan(&waiting, &done)
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
	out, _, err := t.endAll(ctx, mdm.OutcomeCanceled, now, t.d.lock, `enrollment = ? AND generation < ?`, "", k, gen)
	return out, err
}

func (r queueRoom) EndRef(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey, o mdm.Owner, key int64, now time.Time) (taken, left int, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, 0, err
	}
	out, left, err := t.endAll(ctx, mdm.OutcomeSuperseded, now, t.d.lock, `enrollment = ? AND owner = ? AND ref_key = ?`, "", k, o, key)
	return len(out) - left, left, err
}

func (r queueRoom) Expire(ctx context.Context, x mdm.Tx, now time.Time, limit int) ([]mdm.Result, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	out, _, err := t.endAll(ctx, mdm.OutcomeExpired, now, t.d.skip, `expires > 0 AND expires <= ?`, ` ORDER BY seq LIMIT ?`, mdm.Micros(now), limit)
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

// waitingColumns and doneColumns read waiting and ended entries alike.
func waitingColumns(t *tx) string {
	return entryColumns + `, '' AS outcome, '' AS code, '' AS detail, ` + t.d.noBytes + ` AS body, 0 AS ended_at,
		'' AS late_outcome, '' AS late_code, '' AS late_detail, 0 AS late_at`
}

const doneColumns = entryColumns + `, q.outcome, q.code, q.detail, q.body, q.ended_at,
	q.late_outcome, q.late_code, q.late_detail, q.late_at`

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
		d, err = scanDone(t.q.QueryRowContext(ctx, `SELECT `+waitingColumns(t)+` FROM keelson_queue q
			WHERE q.tenant = ? AND q.uid = ?
			UNION ALL SELECT `+doneColumns+` FROM keelson_done q
			WHERE q.tenant = ? AND q.uid = ?`, t.id, id, t.id, id).Scan)
		return failure("command", err)
	})
	return d, err
}

func (r queueRoom) List(ctx context.Context, tenant mdm.TenantID, k mdm.EnrollmentKey, before int64, limit int) (out []queue.Done, err error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return t.each(ctx, "commands", `SELECT `+waitingColumns(t)+` FROM keelson_queue q
			WHERE q.tenant = ? AND q.enrollment = ? AND q.seq < ?
			UNION ALL SELECT `+doneColumns+` FROM keelson_done q
			WHERE q.tenant = ? AND q.enrollment = ? AND q.seq < ? ORDER BY 1 DESC LIMIT ?`,
			[]any{t.id, k, before, t.id, k, before, limit}, func(rows *sql.Rows) error {
				d, err := scanDone(rows.Scan)
				out = append(out, d)
				return err
			})
	})
	return out, err
}
