package sqlstore

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// markHost marks a host of this tenant; there is nothing to plan of others.
func (t *tx) markHost(ctx context.Context, h mdm.HostKey, l profiles.Lane) error {
	_, err := t.exec(ctx, "mark", `INSERT INTO keelson_dirty (tenant, host, lane) SELECT tenant, id, ? FROM keelson_host WHERE tenant = ? AND id = ?`, l, t.id, h)
	return err
}

func (r profilesRoom) MarkHost(ctx context.Context, x mdm.Tx, h mdm.HostKey, l profiles.Lane) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.markHost(ctx, h, l)
}

func (r profilesRoom) MarkTeam(ctx context.Context, x mdm.Tx, k mdm.TeamKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "mark", `INSERT INTO keelson_walk (tenant, team, visited) VALUES (?, ?, 0)`, t.id, k)
	return err
}

func (r profilesRoom) MarkDue(ctx context.Context, x mdm.Tx, h mdm.HostKey, at time.Time) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "mark", `INSERT INTO keelson_due (tenant, host, at) SELECT tenant, id, ? FROM keelson_host WHERE tenant = ? AND id = ?`+
		t.d.merge("keelson_due", "tenant, host", "at", t.d.less), mdm.Micros(at), t.id, h)
	return err
}

// numbers reads one column of keys.
func (t *tx) numbers(ctx context.Context, query string, args ...any) (out []int64, err error) {
	err = t.each(ctx, "keys", query, args, func(rows *sql.Rows) error {
		var k int64
		err := rows.Scan(&k)
		out = append(out, k)
		return err
	})
	return out, err
}

// keys reads one column of host keys.
func (t *tx) keys(ctx context.Context, query string, args ...any) (out []mdm.HostKey, err error) {
	err = t.each(ctx, "marks", query, args, func(rows *sql.Rows) error {
		var k mdm.HostKey
		if err := rows.Scan(&k); err != nil {
			return err
		}
		out = append(out, k)
		return nil
	})
	return out, err
}

// claim is what one unit takes to plan.
type claim struct {
	t     *tx
	limit int
	hosts map[mdm.HostKey]bool
	marks []int64 // of those that were taken
}

func (c *claim) left() int { return c.limit - len(c.hosts) }

// Claim takes marks that no other unit has taken.
func (r profilesRoom) Claim(ctx context.Context, x mdm.Tx, now time.Time, limit int) ([]mdm.HostKey, bool, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, false, err
	}
	c := &claim{t: t, limit: limit, hosts: make(map[mdm.HostKey]bool)}
	for _, step := range []func(context.Context, time.Time) error{c.dirty, c.due, c.walks, c.unmark} {
		if err := step(ctx, now); err != nil {
			return nil, false, err
		}
	}
	var more bool
	err = t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_dirty WHERE tenant = ? ORDER BY lane, id LIMIT 1`+t.d.skip+`)
		OR EXISTS (SELECT 1 FROM keelson_walk WHERE tenant = ? LIMIT 1`+t.d.skip+`)
		OR EXISTS (SELECT 1 FROM keelson_due WHERE tenant = ? AND at <= ? ORDER BY at LIMIT 1`+t.d.skip+`)`, t.id, t.id, t.id, mdm.Micros(now)).Scan(&more)
	return slices.Sorted(maps.Keys(c.hosts)), more, t.judged(failure("read marks", err))
}

// dirty takes the hosts of the first marks by lane. A host may have many marks.
func (c *claim) dirty(ctx context.Context, _ time.Time) error {
	t := c.t
	seen := c.marks
	for c.left() > 0 {
		page := c.left()
		not, args := "", []any{t.id}
		if len(seen) > 0 {
			these, ids := t.d.in(seen)
			not, args = " AND NOT (id "+these+")", append(args, ids...)
		}
		var ids []int64
		hosts := make(map[int64]mdm.HostKey)
		err := t.each(ctx, "marks", `SELECT id, host FROM keelson_dirty WHERE tenant = ?`+not+` ORDER BY lane, id LIMIT ?`+inlineSkip(t.d),
			append(args, page), func(rows *sql.Rows) error {
				var id int64
				var h mdm.HostKey
				err := rows.Scan(&id, &h)
				ids, hosts[id] = append(ids, id), h
				return err
			})
		if err != nil {
			return err
		}
		seen = append(seen, ids...)
		held := ids
		if t.d.keyed != "" {
			if held, err = t.holdKeys(ctx, "keelson_dirty", "id", ids, t.d.skip, ""); err != nil {
				return err
			}
		}
		for _, id := range held {
			c.hosts[hosts[id]] = true
		}
		c.marks = append(c.marks, held...)
		if len(ids) < page {
			return nil
		}
	}
	return nil
}

// inlineSkip is inline for what others do not hold.
func inlineSkip(d *dialect) string {
	if d.keyed != "" {
		return ""
	}
	return d.skip
}

// due takes hosts whose time has come.
func (c *claim) due(ctx context.Context, now time.Time) error {
	t := c.t
	if c.left() <= 0 {
		return nil
	}
	due, err := t.numbers(ctx, `SELECT host FROM keelson_due WHERE tenant = ? AND at <= ? ORDER BY at, host LIMIT ?`+inlineSkip(t.d),
		t.id, mdm.Micros(now), c.left())
	if err == nil && t.d.keyed != "" {
		due, err = t.holdKeys(ctx, "keelson_due", "host", due, t.d.skip, "at <= ?", mdm.Micros(now))
	}
	for _, h := range due {
		c.hosts[mdm.HostKey(h)] = true
	}
	return err
}

// walks takes the next hosts of the oldest walks.
func (c *claim) walks(ctx context.Context, _ time.Time) error {
	t := c.t
	for c.left() > 0 {
		var id int64
		var team mdm.TeamKey
		var visited mdm.HostKey
		err := t.q.QueryRowContext(ctx, `SELECT id, team, visited FROM keelson_walk WHERE tenant = ? ORDER BY id LIMIT 1`+t.d.skip, t.id).Scan(&id, &team, &visited)
		if err != nil {
			if err = failure("walk", err); mdm.CodeOf(err) == mdm.CodeNotFound {
				return nil
			}
			return t.judged(err)
		}
		left := c.left()
		page, err := t.keys(ctx, `SELECT id FROM keelson_host WHERE tenant = ? AND team = ? AND id > ? AND state <> 'deleted' ORDER BY id LIMIT ?`,
			t.id, team, visited, left+1)
		if err != nil {
			return err
		}
		over := len(page) <= left
		for _, h := range page[:min(left, len(page))] {
			c.hosts[h] = true
			visited = h
		}
		if over {
			_, err = t.exec(ctx, "mark", t.d.del("keelson_walk")+` WHERE tenant = ? AND id = ?`, t.id, id)
		} else {
			_, err = t.exec(ctx, "mark", `UPDATE keelson_walk`+t.d.keyed+` SET visited = ? WHERE tenant = ? AND id = ?`, visited, t.id, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unmark ends the marks of claimed hosts that nobody else has taken. Marks that
// others set while this unit runs are not seen by it, and so are not lost.
func (c *claim) unmark(ctx context.Context, now time.Time) error {
	if len(c.hosts) == 0 {
		return nil
	}
	t := c.t
	among, args := in(t, slices.Sorted(maps.Keys(c.hosts)))
	marks, err := t.numbers(ctx, `SELECT id FROM keelson_dirty WHERE `+t.d.plus+`tenant = ? AND host `+among+inlineSkip(t.d), append([]any{t.id}, args...)...)
	if err == nil && t.d.keyed != "" {
		marks, err = t.holdKeys(ctx, "keelson_dirty", "id", marks, t.d.skip, "")
	}
	if err != nil {
		return err
	}
	if len(marks) > 0 {
		these, ids := t.d.in(marks)
		if _, err := t.exec(ctx, "mark", t.d.del("keelson_dirty")+` WHERE `+t.d.plus+`tenant = ? AND id `+these, append([]any{t.id}, ids...)...); err != nil {
			return err
		}
	}
	due, err := t.numbers(ctx, `SELECT host FROM keelson_due`+t.d.keyed+` WHERE tenant = ? AND host `+among+` AND at <= ?`+t.d.skip,
		slices.Concat([]any{t.id}, args, []any{mdm.Micros(now)})...)
	if err != nil || len(due) == 0 {
		return err
	}
	these, ids := t.d.in(due)
	_, err = t.exec(ctx, "mark", t.d.del("keelson_due")+` WHERE tenant = ? AND host `+these, append([]any{t.id}, ids...)...)
	return err
}

func (r profilesRoom) NextDue(ctx context.Context, tenant mdm.TenantID) (at time.Time, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		var us int64
		err := t.q.QueryRowContext(ctx, `SELECT coalesce(min(at), 0) FROM keelson_due WHERE tenant = ?`, t.id).Scan(&us)
		at = mdm.FromMicros(us)
		return failure("read marks", err)
	})
	return at, err
}

func (r profilesRoom) Backlog(ctx context.Context, tenant mdm.TenantID) (n int, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return failure("read marks", t.q.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT host FROM keelson_dirty WHERE tenant = ?
			UNION SELECT h.id FROM keelson_walk w JOIN keelson_host h ON h.tenant = w.tenant AND h.team = w.team AND h.id > w.visited
			WHERE w.tenant = ? AND h.state <> 'deleted') m`, t.id, t.id).Scan(&n))
	})
	return n, err
}
