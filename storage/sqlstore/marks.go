package sqlstore

import (
	"context"
	"database/sql"
	"errors"
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
	_, err = t.exec(ctx, "mark", `INSERT INTO keelson_due (tenant, host, at) SELECT tenant, id, ? FROM keelson_host WHERE tenant = ? AND id = ?
		ON CONFLICT (tenant, host) DO UPDATE SET at = min(at, excluded.at)`, mdm.Micros(at), t.id, h)
	return err
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

func (r profilesRoom) Claim(ctx context.Context, x mdm.Tx, now time.Time, limit int) ([]mdm.HostKey, bool, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, false, err
	}
	chosen := make(map[mdm.HostKey]bool)
	add := func(ks []mdm.HostKey) {
		for _, k := range ks {
			chosen[k] = true
		}
	}
	if err := t.claimDirty(ctx, chosen, limit); err != nil {
		return nil, false, err
	}
	if left := limit - len(chosen); left > 0 {
		due, err := t.keys(ctx, `SELECT host FROM keelson_due WHERE tenant = ? AND at <= ? ORDER BY at, host LIMIT ?`, t.id, mdm.Micros(now), left)
		if err != nil {
			return nil, false, err
		}
		add(due)
	}
	if err := t.claimWalks(ctx, chosen, limit); err != nil {
		return nil, false, err
	}
	if err := t.unmark(ctx, chosen, now); err != nil {
		return nil, false, err
	}
	var more bool
	err = t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_dirty WHERE tenant = ?1)
		OR EXISTS (SELECT 1 FROM keelson_walk WHERE tenant = ?1)
		OR EXISTS (SELECT 1 FROM keelson_due WHERE tenant = ?1 AND at <= ?2)`, t.id, mdm.Micros(now)).Scan(&more)
	return slices.Sorted(maps.Keys(chosen)), more, failure("read marks", err)
}

// errEnough stops a read that has found enough.
var errEnough = errors.New("enough")

// claimDirty chooses the hosts of the first marks by lane. A host may have many.
func (t *tx) claimDirty(ctx context.Context, chosen map[mdm.HostKey]bool, limit int) error {
	err := t.each(ctx, "marks", `SELECT host FROM keelson_dirty WHERE tenant = ? ORDER BY lane, id`, []any{t.id}, func(rows *sql.Rows) error {
		if len(chosen) >= limit {
			return errEnough
		}
		var k mdm.HostKey
		if err := rows.Scan(&k); err != nil {
			return err
		}
		chosen[k] = true
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// unmark ends the marks of claimed hosts. Marks that others set for them while
// this unit runs wait for its commit, and so are not lost.
func (t *tx) unmark(ctx context.Context, chosen map[mdm.HostKey]bool, now time.Time) error {
	for _, h := range slices.Sorted(maps.Keys(chosen)) {
		if _, err := t.exec(ctx, "mark", `DELETE FROM keelson_dirty WHERE tenant = ? AND host = ?`, t.id, h); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "mark", `DELETE FROM keelson_due WHERE tenant = ? AND host = ? AND at <= ?`, t.id, h, mdm.Micros(now)); err != nil {
			return err
		}
	}
	return nil
}

// claimWalks takes the next hosts of the oldest walks.
func (t *tx) claimWalks(ctx context.Context, chosen map[mdm.HostKey]bool, limit int) error {
	for len(chosen) < limit {
		var id int64
		var team mdm.TeamKey
		var visited mdm.HostKey
		err := t.q.QueryRowContext(ctx, `SELECT id, team, visited FROM keelson_walk WHERE tenant = ? ORDER BY id LIMIT 1`, t.id).Scan(&id, &team, &visited)
		if err != nil {
			if err = failure("walk", err); mdm.CodeOf(err) == mdm.CodeNotFound {
				return nil
			}
			return err
		}
		left := limit - len(chosen)
		page, err := t.keys(ctx, `SELECT id FROM keelson_host WHERE tenant = ? AND team = ? AND id > ? AND state <> 'deleted' ORDER BY id LIMIT ?`,
			t.id, team, visited, left+1)
		if err != nil {
			return err
		}
		over := len(page) <= left
		for _, h := range page[:min(left, len(page))] {
			chosen[h] = true
			visited = h
		}
		if over {
			_, err = t.exec(ctx, "mark", `DELETE FROM keelson_walk WHERE tenant = ? AND id = ?`, t.id, id)
		} else {
			_, err = t.exec(ctx, "mark", `UPDATE keelson_walk SET visited = ? WHERE tenant = ? AND id = ?`, visited, t.id, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
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
		return failure("read marks", t.q.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT host FROM keelson_dirty WHERE tenant = ?1
			UNION SELECT h.id FROM keelson_walk w JOIN keelson_host h ON h.tenant = w.tenant AND h.team = w.team AND h.id > w.visited
			WHERE w.tenant = ?1 AND h.state <> 'deleted')`, t.id).Scan(&n))
	})
	return n, err
}
