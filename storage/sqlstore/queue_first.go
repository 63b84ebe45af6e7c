package sqlstore

import (
	"context"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// unused reports a [mdm.CodeConflict] error when an idempotency key stands on an
// entry of the enrollment, waiting or ended.
func (t *tx) unused(ctx context.Context, k mdm.EnrollmentKey, key string) error {
	var used bool
	err := t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_queue WHERE tenant = ? AND enrollment = ? AND idempotency = ?)
		OR EXISTS (SELECT 1 FROM keelson_done WHERE tenant = ? AND enrollment = ? AND idempotency = ?)`,
		t.id, k, key, t.id, k, key).Scan(&used)
	if err != nil {
		return failure("read a command", err)
	}
	if used {
		return mdm.Errorf(mdm.CodeConflict, "idempotency", "a command with this key exists")
	}
	return nil
}

func (r queueRoom) First(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey, key string) (queue.Entry, []byte, error) {
	t, err := r.s.join(x)
	if err != nil {
		return queue.Entry{}, nil, err
	}
	var row entryRow
	var sealed []byte
	err = t.q.QueryRowContext(ctx, `SELECT `+entryColumnsOf("q")+` FROM keelson_queue q WHERE q.tenant = ? AND q.enrollment = ? AND q.idempotency = ?
		UNION ALL SELECT `+entryColumnsOf("q")+` FROM keelson_done q WHERE q.tenant = ? AND q.enrollment = ? AND q.idempotency = ?`, t.id, k, key, t.id, k, key).
		Scan(append(row.targets(), &sealed)...)
	if err != nil {
		return queue.Entry{}, nil, failure("command", err)
	}
	return row.entry(), sealed, nil
}
