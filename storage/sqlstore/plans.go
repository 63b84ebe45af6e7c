package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

func (r profilesRoom) Load(ctx context.Context, x mdm.Tx, hosts []mdm.HostKey) ([]profiles.HostState, error) {
	t, err := r.s.join(x)
	if err != nil || len(hosts) == 0 {
		return nil, err
	}
	among, args := in(t, hosts)
	// Whoever plans a host holds its plan, so that plans of one host follow each
	// other; everybody takes several in key order.
	err = t.hold(ctx, "plans", `SELECT host FROM keelson_plan WHERE tenant = ? AND host `+among+` ORDER BY host`, append([]any{t.id}, args...)...)
	if err != nil {
		return nil, err
	}
	return t.load(ctx, t.d.plus+`h.tenant = ? AND h.id `+among+` AND h.state <> 'deleted' ORDER BY h.id`, args...)
}

// load reads hosts and what belongs to them: six statements, however many.
func (t *tx) load(ctx context.Context, where string, args ...any) ([]profiles.HostState, error) {
	return t.loadSlot(ctx, 0, where, args...)
}

// loadSlot is load with the rows of one slot only, unless that is 0.
func (t *tx) loadSlot(ctx context.Context, slot profiles.SlotKey, where string, args ...any) ([]profiles.HostState, error) {
	hosts, err := t.hosts(ctx, where, args...)
	if err != nil || len(hosts) == 0 {
		return nil, err
	}
	out := make([]profiles.HostState, len(hosts))
	at := make(map[mdm.HostKey]*profiles.HostState, len(hosts))
	keys := make([]mdm.HostKey, len(hosts))
	for i, h := range hosts {
		out[i] = profiles.HostState{Host: h, Members: map[mdm.LabelKey]profiles.Tri{}, Labels: map[mdm.LabelKey]profiles.Tri{}}
		at[h.Key] = &out[i]
		keys[i] = h.Key
	}
	among, of := in(t, keys)
	of = append([]any{t.id}, of...)
	err = t.each(ctx, "plans", `SELECT host, revision FROM keelson_plan WHERE tenant = ? AND host `+among, of, func(rows *sql.Rows) error {
		var k mdm.HostKey
		var v int64
		if err := rows.Scan(&k, &v); err != nil {
			return err
		}
		at[k].PlanRevision = v
		return nil
	})
	if err != nil {
		return nil, err
	}
	labels, err := t.labels(ctx)
	if err != nil {
		return nil, err
	}
	for i := range out {
		for _, l := range labels {
			out[i].Labels[l.Key] = l.Default
		}
	}
	err = t.each(ctx, "members", `SELECT host, label, value FROM keelson_member WHERE tenant = ? AND host `+among, of, func(rows *sql.Rows) error {
		var h mdm.HostKey
		var l mdm.LabelKey
		var v profiles.Tri
		if err := rows.Scan(&h, &l, &v); err != nil {
			return err
		}
		at[h].Members[l] = v
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, t.loadChannels(ctx, at, keys, slot)
}

func (t *tx) loadChannels(ctx context.Context, at map[mdm.HostKey]*profiles.HostState, hosts []mdm.HostKey, slot profiles.SlotKey) error {
	among, args := in(t, hosts)
	es, err := t.enrollments(ctx, `e.state = 'enrolled' AND e.host `+among+` ORDER BY e.id`, args...)
	if err != nil || len(es) == 0 {
		return err
	}
	keys := make([]mdm.EnrollmentKey, len(es))
	for i := range es {
		keys[i] = es[i].Key
	}
	among, args = in(t, keys)
	where, args := `r.enrollment `+among, append([]any{t.id}, args...)
	if slot != 0 {
		where, args = where+` AND r.slot = ?`, append(args, slot)
	}
	rows, err := t.rows(ctx, where, args...)
	if err != nil {
		return err
	}
	of := make(map[mdm.EnrollmentKey][]profiles.Row)
	for _, row := range rows {
		of[row.Enrollment] = append(of[row.Enrollment], row)
	}
	for _, e := range es {
		at[e.Host].Channels = append(at[e.Host].Channels, profiles.ChannelState{Enrollment: e, Rows: of[e.Key]})
	}
	return nil
}

func (r profilesRoom) LoadTeam(ctx context.Context, tenant mdm.TenantID, k mdm.TeamKey, after mdm.HostKey, limit int) (out []profiles.HostState, err error) {
	err = r.s.snapshot(ctx, tenant, func(t *tx) error {
		out, err = t.load(ctx, byTenant+`h.team = ? AND h.id > ? AND h.state <> 'deleted' ORDER BY h.id LIMIT ?`, k, after, limit)
		return err
	})
	return out, err
}

func (r profilesRoom) LoadHost(ctx context.Context, tenant mdm.TenantID, h mdm.HostKey) (s profiles.HostState, err error) {
	err = r.s.snapshot(ctx, tenant, func(t *tx) error {
		out, err := t.load(ctx, byTenant+`h.id = ? AND h.state <> 'deleted'`, h)
		if err == nil && len(out) == 0 {
			return failure("host", sql.ErrNoRows)
		}
		if err == nil {
			s = out[0]
		}
		return err
	})
	return s, err
}

func (r profilesRoom) RaisePlan(ctx context.Context, x mdm.Tx, h mdm.HostKey, was int64, team mdm.TeamKey, version int64) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	current, args := `SELECT version FROM keelson_team WHERE tenant = ? AND id = ?`, []any{t.id, team}
	if team == 0 {
		current, args = `SELECT no_team_version FROM keelson_tenant WHERE id = ?`, []any{t.id}
	}
	n, err := t.exec(ctx, "plan", `UPDATE keelson_plan SET revision = revision + 1 WHERE tenant = ? AND host = ? AND revision = ?
		AND EXISTS (SELECT 1 FROM keelson_host h WHERE h.tenant = ? AND h.id = ? AND h.team = ?) AND (`+current+`) = ?`,
		slices.Concat([]any{t.id, h, was, t.id, h, team}, args, []any{version})...)
	if err == nil && n == 0 {
		return mdm.Errorf(mdm.CodeConflict, "", "the host was planned meanwhile")
	}
	return err
}

func (r profilesRoom) PutRows(ctx context.Context, x mdm.Tx, rows []profiles.Row) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	for i := range rows {
		v := &rows[i]
		_, err := t.exec(ctx, "row", `INSERT INTO keelson_row (tenant, enrollment, slot, family, op, profile, revision, content, ordered, since,
			command, traces, blurred, overridden, asked, asked_seq, tries, misses, retry_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`+
			t.d.upsert("tenant, enrollment, slot", "family", "op", "profile", "revision", "content", "ordered", "since", "command",
				"traces", "blurred", "overridden", "asked", "asked_seq", "tries", "misses", "retry_at"),
			t.id, v.Enrollment, v.Slot, v.Family, v.Op, v.Profile, v.Revision, v.Content[:], v.Order, mdm.Micros(v.Since),
			v.Command, packTraces(v.Traces), v.Blurred, v.Overridden, v.Asked, v.AskedSeq, v.Tries, v.Misses, mdm.Micros(v.RetryAt))
		if err != nil {
			return err
		}
	}
	return nil
}

func (r profilesRoom) DeleteRows(ctx context.Context, x mdm.Tx, keys []profiles.RowKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if _, err := t.exec(ctx, "row", `DELETE FROM keelson_row WHERE tenant = ? AND enrollment = ? AND slot = ?`, t.id, k.Enrollment, k.Slot); err != nil {
			return err
		}
	}
	return nil
}

// rows reads rows; the first argument is the tenant.
func (t *tx) rows(ctx context.Context, where string, args ...any) (out []profiles.Row, err error) {
	err = t.each(ctx, "rows", `SELECT r.enrollment, r.slot, s.name, r.family, r.op, r.profile, r.revision, r.content, r.ordered, r.since,
		r.command, r.traces, r.blurred, r.overridden, r.ack, r.ack_outcome, r.ack_code, r.ack_detail, r.ack_at, r.asked, r.asked_seq,
		r.seen, r.evidence, r.seen_at, r.missing, r.tries, r.misses, r.retry_at
		FROM keelson_row r JOIN keelson_slot s ON s.id = r.slot AND s.tenant = r.tenant WHERE r.tenant = ? AND `+where+` ORDER BY r.enrollment, r.slot`,
		args, func(rows *sql.Rows) error {
			var v profiles.Row
			var content, traces []byte
			var since, ackAt, seenAt, retryAt int64
			if err := rows.Scan(&v.Enrollment, &v.Slot, &v.Identifier, &v.Family, &v.Op, &v.Profile, &v.Revision, &content, &v.Order, &since,
				&v.Command, &traces, &v.Blurred, &v.Overridden, &v.Ack, &v.AckOutcome, &v.AckCode, &v.AckDetail, &ackAt, &v.Asked, &v.AskedSeq,
				&v.Seen, &v.Evidence, &seenAt, &v.Missing, &v.Tries, &v.Misses, &retryAt); err != nil {
				return err
			}
			copy(v.Content[:], content)
			v.Traces = unpackTraces(traces)
			v.Since, v.AckAt, v.SeenAt, v.RetryAt = mdm.FromMicros(since), mdm.FromMicros(ackAt), mdm.FromMicros(seenAt), mdm.FromMicros(retryAt)
			out = append(out, v)
			return nil
		})
	return out, err
}

func (r profilesRoom) RowsOf(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey) ([]profiles.Row, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	return t.rows(ctx, `r.enrollment = ?`, t.id, e)
}

func (r profilesRoom) DropRows(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "row", `DELETE FROM keelson_row WHERE tenant = ? AND enrollment = ?`, t.id, e)
	return err
}

const traceSize = 8 + 32

// packTraces writes each trace as its order, big-endian, and its hash.
func packTraces(ts []profiles.Trace) []byte {
	out := make([]byte, 0, traceSize*len(ts))
	for _, t := range ts {
		for shift := 56; shift >= 0; shift -= 8 {
			out = append(out, byte(t.Order>>shift))
		}
		out = append(out, t.Content[:]...)
	}
	return out
}

func unpackTraces(b []byte) (out []profiles.Trace) {
	for chunk := range slices.Chunk(b, traceSize) {
		if len(chunk) < traceSize {
			break
		}
		var t profiles.Trace
		for _, c := range chunk[:8] {
			t.Order = t.Order<<8 | int64(c)
		}
		copy(t.Content[:], chunk[8:])
		out = append(out, t)
	}
	return out
}
