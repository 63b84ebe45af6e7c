package sqlstore

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// drop deletes rows by their keys, in key order: those that no other unit holds
// and that meet the condition still, now that they are held.
func (t *tx) drop(ctx context.Context, what, table, key string, keys []int64, where string, args ...any) (int, error) {
	slices.Sort(keys)
	held, err := t.holdKeys(ctx, table, key, keys, t.d.skip, where, args...)
	if err != nil || len(held) == 0 {
		return 0, err
	}
	these, ids := t.d.in(held)
	n, err := t.exec(ctx, what, t.d.del(table)+` WHERE `+t.d.plus+`tenant = ? AND `+key+` `+these, append([]any{t.id}, ids...)...)
	return int(n), err
}

func (r queueRoom) PruneDone(ctx context.Context, x mdm.Tx, before time.Time, limit int) (int, error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	seqs, err := t.numbers(ctx, `SELECT seq FROM keelson_done WHERE tenant = ? AND ended_at < ? ORDER BY ended_at LIMIT ?`, t.id, mdm.Micros(before), limit)
	if err != nil {
		return 0, err
	}
	return t.drop(ctx, "done", "keelson_done", "seq", seqs, "")
}

func (r queueRoom) PruneChannels(ctx context.Context, x mdm.Tx, keep int, after mdm.EnrollmentKey, limit int) (n int, next mdm.EnrollmentKey, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, 0, err
	}
	type channel struct {
		key   mdm.EnrollmentKey
		first int64 // the newest that leaves
	}
	var channels []channel
	err = t.each(ctx, "enrollments", `SELECT e.id, coalesce((SELECT d.seq FROM keelson_done d WHERE d.tenant = e.tenant AND d.enrollment = e.id
			ORDER BY d.seq DESC LIMIT 1 OFFSET ?), 0)
		FROM keelson_enrollment e WHERE `+t.d.plus+`e.tenant = ? AND e.id > ? ORDER BY e.id LIMIT ?`, []any{keep, t.id, after, limit}, func(rows *sql.Rows) error {
		var c channel
		err := rows.Scan(&c.key, &c.first)
		channels = append(channels, c)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	var seqs []int64
	for _, c := range channels {
		if c.first > 0 {
			more, err := t.numbers(ctx, `SELECT seq FROM keelson_done WHERE tenant = ? AND enrollment = ? AND seq <= ? ORDER BY seq LIMIT ?`,
				t.id, c.key, c.first, limit-len(seqs))
			if err != nil {
				return 0, 0, err
			}
			seqs = append(seqs, more...)
		}
		if len(seqs) == limit {
			break // perhaps not the whole of this one
		}
		next = c.key
	}
	if next == 0 {
		next = after
	}
	if len(channels) < limit && len(seqs) < limit {
		next = 0
	}
	n, err = t.drop(ctx, "done", "keelson_done", "seq", seqs, "")
	return n, next, err
}

func (r queueRoom) PruneContent(ctx context.Context, x mdm.Tx, before, now time.Time, limit int) (int, error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	old := make(map[mdm.Hash]int64)
	err = t.each(ctx, "content", `SELECT id, sha FROM keelson_content WHERE tenant = ? AND used_at < ? ORDER BY used_at LIMIT ?`,
		[]any{t.id, mdm.Micros(before), limit}, func(rows *sql.Rows) error {
			var id int64
			var sha []byte
			err := rows.Scan(&id, &sha)
			old[mdm.Hash(sha)] = id
			return err
		})
	if err != nil || len(old) == 0 {
		return 0, err
	}
	all := slices.Sorted(maps.Values(old))
	gone, err := t.needless(ctx, old)
	if err != nil {
		return 0, err
	}
	if _, err := t.drop(ctx, "content", "keelson_content", "id", gone, "used_at < ?", mdm.Micros(before)); err != nil {
		return 0, err
	}
	used := slices.DeleteFunc(slices.Clone(all), func(id int64) bool { return slices.Contains(gone, id) })
	held, err := t.holdKeys(ctx, "keelson_content", "id", used, t.d.skip, "used_at < ?", mdm.Micros(before))
	if err != nil || len(held) == 0 {
		return len(all), err
	}
	these, ids := t.d.in(held)
	_, err = t.exec(ctx, "content", `UPDATE keelson_content`+t.d.keyed+` SET used_at = ? WHERE `+t.d.plus+`tenant = ? AND id `+these, append([]any{mdm.Micros(now), t.id}, ids...)...)
	return len(all), err
}

// needless returns the keys of those contents that nothing uses. What moves while
// it looks moves down its list, from the queue to the history and from a profile
// to a row and its traces; what comes new was put first, see [queue.Pruner].
func (t *tx) needless(ctx context.Context, contents map[mdm.Hash]int64) ([]int64, error) {
	left := slices.Sorted(maps.Values(contents))
	for _, table := range []string{"keelson_queue", "keelson_done"} {
		these, ids := t.d.in(left)
		used, err := t.numbers(ctx, `SELECT DISTINCT content FROM `+table+` WHERE tenant = ? AND content `+these, append([]any{t.id}, ids...)...)
		if err != nil {
			return nil, err
		}
		left = slices.DeleteFunc(left, func(id int64) bool { return slices.Contains(used, id) })
	}
	hashes := []struct {
		query string
		skip  int // bytes before each hash
	}{
		{`SELECT DISTINCT content FROM keelson_profile WHERE tenant = ?`, 0},
		{`SELECT DISTINCT content FROM keelson_row WHERE tenant = ?`, 0},
		{`SELECT traces FROM keelson_row WHERE tenant = ? AND length(traces) > 0`, orderSize},
	}
	for _, h := range hashes {
		if len(left) == 0 {
			return nil, nil
		}
		used := make(map[int64]bool)
		err := t.each(ctx, "contents in use", h.query, []any{t.id}, func(rows *sql.Rows) error {
			var b sql.RawBytes
			if err := rows.Scan(&b); err != nil {
				return err
			}
			for step := h.skip + len(mdm.Hash{}); len(b) >= step; b = b[step:] {
				used[contents[mdm.Hash(b[h.skip:step])]] = true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		left = slices.DeleteFunc(left, func(id int64) bool { return used[id] })
	}
	return left, nil
}

// orderSize is how many bytes a row's trace has before its hash.
const orderSize = 8
