package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

func (r queueRoom) Cancel(ctx context.Context, x mdm.Tx, id mdm.CommandID, now time.Time) (queue.CancelAnswer, error) {
	t, err := r.s.join(x)
	if err != nil {
		return "", err
	}
	n, err := t.finish(ctx, ending{outcome: mdm.OutcomeCanceled, at: now}, `uid = ? AND sent = 0`, id)
	if err != nil {
		return "", err
	}
	if n > 0 {
		return queue.Canceled, nil
	}
	var waiting, done bool
	err = t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_queue WHERE tenant = ?1 AND uid = ?2),
		EXISTS (SELECT 1 FROM keelson_done WHERE tenant = ?1 AND uid = ?2)`, t.id, id).Scan(&waiting, &done)
	switch {
	case err != nil:
		return "", failure("read a command", err)
	case waiting:
		return queue.TooLate, nil
	case done:
		return queue.Ended, nil
	}
	return "", failure("command", sql.ErrNoRows)
}

func (r queueRoom) EndBefore(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey, gen mdm.Generation, now time.Time) (int, error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	n, err := t.finish(ctx, ending{outcome: mdm.OutcomeCanceled, at: now}, `enrollment = ? AND generation < ?`, k, gen)
	return int(n), err
}

func (r queueRoom) EndRef(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey, o mdm.Owner, key int64, now time.Time) (sent bool, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return false, err
	}
	const where = `enrollment = ? AND owner = ? AND ref_key = ?`
	err = t.q.QueryRowContext(ctx, `SELECT coalesce(max(sent), 0) > 0 FROM keelson_queue WHERE tenant = ? AND `+where, t.id, k, o, key).Scan(&sent)
	if err != nil {
		return false, failure("read the queue", err)
	}
	_, err = t.finish(ctx, ending{outcome: mdm.OutcomeSuperseded, at: now}, where, k, o, key)
	return sent, err
}

func (r queueRoom) Expire(ctx context.Context, x mdm.Tx, now time.Time, limit int) (int, error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	var last sql.NullInt64
	n := mdm.Micros(now)
	err = t.q.QueryRowContext(ctx, `SELECT max(seq) FROM (SELECT seq FROM keelson_queue
		WHERE tenant = ? AND expires > 0 AND expires <= ? ORDER BY seq LIMIT ?)`, t.id, n, limit).Scan(&last)
	if err != nil || !last.Valid {
		return 0, failure("read the queue", err)
	}
	ended, err := t.finish(ctx, ending{outcome: mdm.OutcomeExpired, at: now}, `expires > 0 AND expires <= ? AND seq <= ?`, n, last.Int64)
	return int(ended), err
}

func (r queueRoom) Waiting(ctx context.Context, tenant mdm.TenantID, now time.Time, after mdm.EnrollmentKey, limit int) (keys []mdm.EnrollmentKey, err error) {
	n := mdm.Micros(now)
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return t.each(ctx, "the queue", `SELECT DISTINCT q.enrollment FROM keelson_queue q JOIN keelson_enrollment e ON e.id = q.enrollment
			WHERE q.tenant = ? AND q.enrollment > ? AND q.not_before <= ? AND (q.expires = 0 OR q.expires > ?)
			AND (q.redelivery <> 'once' OR q.sent = 0) AND e.state = 'enrolled' AND e.generation = q.generation
			ORDER BY q.enrollment LIMIT ?`, []any{t.id, after, n, n, limit},
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
	waitingColumns = entryColumns + `, '' AS outcome, '' AS code, '' AS detail, NULL AS body, 0 AS ended_at`
	doneColumns    = entryColumns + `, q.outcome, q.code, q.detail, q.body, q.ended_at`
)

func scanDone(scan func(...any) error) (queue.Done, error) {
	var row entryRow
	var d queue.Done
	var ended int64
	if err := scan(append(row.targets(), &d.Outcome, &d.Code, &d.Detail, &d.Body, &ended)...); err != nil {
		return d, err
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
		return t.each(ctx, "commands", `SELECT * FROM (
			SELECT `+waitingColumns+` FROM keelson_queue q JOIN keelson_content c ON c.id = q.content
			WHERE q.tenant = ?1 AND q.enrollment = ?2 AND q.seq < ?3
			UNION ALL SELECT `+doneColumns+` FROM keelson_done q JOIN keelson_content c ON c.id = q.content
			WHERE q.tenant = ?1 AND q.enrollment = ?2 AND q.seq < ?3) ORDER BY seq DESC LIMIT ?4`,
			[]any{t.id, k, before, limit}, func(rows *sql.Rows) error {
				d, err := scanDone(rows.Scan)
				out = append(out, d)
				return err
			})
	})
	return out, err
}
