package inmem

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// markHost marks a host of this tenant; there is nothing to plan of others.
func (t *tx) markHost(h mdm.HostKey, l profiles.Lane) error {
	if _, ok := t.hosts.get(h); !ok {
		return nil
	}
	return t.dirty.put(t, "mark", next(&t.s.lastKey), dirtyMark{h, l})
}

func (t *tx) markDue(h mdm.HostKey, at time.Time) error {
	at = stored(at)
	if _, ok := t.hosts.get(h); !ok {
		return nil
	}
	if old, ok := t.dues.get(h); ok && !at.Before(old) {
		return nil
	}
	return t.dues.put(t, "mark", h, at)
}

func (r profilesRoom) MarkHost(ctx context.Context, x mdm.Tx, h mdm.HostKey, l profiles.Lane) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.markHost(h, l)
}

func (r profilesRoom) MarkTeam(ctx context.Context, x mdm.Tx, k mdm.TeamKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.walks.put(t, "mark", next(&t.s.lastKey), walkMark{team: k})
}

func (r profilesRoom) MarkDue(ctx context.Context, x mdm.Tx, h mdm.HostKey, at time.Time) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.markDue(h, at)
}

func (r profilesRoom) Claim(ctx context.Context, x mdm.Tx, now time.Time, limit int) ([]mdm.HostKey, bool, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, false, err
	}
	chosen := make(map[mdm.HostKey]bool)
	ids := t.dirty.keys()
	slices.SortStableFunc(ids, func(a, b int64) int { return cmp.Compare(t.dirty.m[a].lane, t.dirty.m[b].lane) })
	for _, id := range ids {
		m, _ := t.dirty.get(id)
		if !chosen[m.host] && len(chosen) == limit {
			continue
		}
		chosen[m.host] = true
		if err := t.dirty.del(t, "mark", id); err != nil {
			return nil, false, err
		}
	}
	due := t.dues.keys()
	slices.SortStableFunc(due, func(a, b mdm.HostKey) int { return t.dues.m[a].Compare(t.dues.m[b]) })
	for _, h := range due {
		at, _ := t.dues.get(h)
		if at.After(now) || !chosen[h] && len(chosen) == limit {
			continue
		}
		chosen[h] = true
		if err := t.dues.del(t, "mark", h); err != nil {
			return nil, false, err
		}
	}
	if err := t.claimWalks(chosen, limit); err != nil {
		return nil, false, err
	}
	more := len(t.dirty.m) > 0 || len(t.walks.m) > 0
	for _, at := range t.dues.m {
		more = more || !at.After(now)
	}
	return slices.Sorted(maps.Keys(chosen)), more, nil
}

// claimWalks takes the next page of the oldest walk.
func (t *tx) claimWalks(chosen map[mdm.HostKey]bool, limit int) error {
	for _, id := range t.walks.keys() {
		w, _ := t.walks.get(id)
		done := true
		for _, k := range t.hosts.keys() {
			h, _ := t.hosts.get(k)
			if k <= w.cursor || h.Team != w.team || h.State == mdm.HostDeleted {
				continue
			}
			if !chosen[k] && len(chosen) >= limit {
				done = false
				break
			}
			chosen[k] = true
			w.cursor = k
		}
		if !done {
			return t.walks.put(t, "mark", id, w)
		}
		if err := t.walks.del(t, "mark", id); err != nil {
			return err
		}
	}
	return nil
}

func (r profilesRoom) NextDue(ctx context.Context, tenant mdm.TenantID) (at time.Time, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, d := range t.dues.m {
			if at.IsZero() || d.Before(at) {
				at = d
			}
		}
		return nil
	})
	return at, err
}

func (r profilesRoom) Backlog(ctx context.Context, tenant mdm.TenantID) (n int, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		hosts := make(map[mdm.HostKey]bool)
		for _, m := range t.dirty.m {
			hosts[m.host] = true
		}
		for _, w := range t.walks.m {
			for k, h := range t.hosts.m {
				if h.Team == w.team && k > w.cursor && h.State != mdm.HostDeleted {
					hosts[k] = true
				}
			}
		}
		n = len(hosts)
		return nil
	})
	return n, err
}

func (t *tx) load(k mdm.HostKey) (profiles.HostState, bool) {
	h, ok := t.hosts.get(k)
	if !ok || h.State == mdm.HostDeleted {
		return profiles.HostState{}, false
	}
	s := profiles.HostState{Host: h, Members: map[mdm.LabelKey]profiles.Tri{}, Labels: map[mdm.LabelKey]profiles.Tri{}}
	s.PlanRevision, _ = t.plans.get(k)
	for lk, l := range t.labels.m {
		s.Labels[lk] = l.Default
		if v, ok := t.members.get(memberKey(lk, k)); ok {
			s.Members[lk] = v
		}
	}
	for _, e := range t.enrollmentsOf(k) {
		if e.State == mdm.EnrollmentEnrolled {
			s.Channels = append(s.Channels, profiles.ChannelState{Enrollment: e, Rows: t.rowList(e.Key)})
		}
	}
	return s, true
}

func (t *tx) rowList(e mdm.EnrollmentKey) (out []profiles.Row) {
	m, _ := t.rows.get(e)
	for _, slot := range slices.Sorted(maps.Keys(m)) {
		row := m[slot]
		row.Identifier = t.slotName(slot)
		if row.Identifier == "" {
			continue
		}
		row.Traces = clone(row.Traces)
		out = append(out, row)
	}
	return out
}

func (t *tx) loadAll(hosts []mdm.HostKey) (out []profiles.HostState) {
	for _, k := range slices.Compact(slices.Sorted(slices.Values(hosts))) {
		if s, ok := t.load(k); ok {
			out = append(out, s)
		}
	}
	return out
}

func (r profilesRoom) Load(ctx context.Context, x mdm.Tx, hosts []mdm.HostKey) ([]profiles.HostState, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	return t.loadAll(hosts), nil
}

func (r profilesRoom) LoadHosts(ctx context.Context, tenant mdm.TenantID, hosts []mdm.HostKey) (out []profiles.HostState, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { out = t.loadAll(hosts); return nil })
	return out, err
}

func (r profilesRoom) LoadTeam(ctx context.Context, tenant mdm.TenantID, team mdm.TeamKey, after mdm.HostKey, limit int) (out []profiles.HostState, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, k := range t.hosts.keys() {
			if h, _ := t.hosts.get(k); k <= after || h.Team != team || len(out) == limit {
				continue
			}
			if s, ok := t.load(k); ok {
				out = append(out, s)
			}
		}
		return nil
	})
	return out, err
}

func (r profilesRoom) LoadHost(ctx context.Context, tenant mdm.TenantID, h mdm.HostKey) (s profiles.HostState, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		var ok bool
		if s, ok = t.load(h); !ok {
			return notFound("host")
		}
		return nil
	})
	return s, err
}

func (r profilesRoom) LoadSlot(ctx context.Context, tenant mdm.TenantID, team mdm.TeamKey, slot profiles.SlotKey, after mdm.HostKey, limit int) ([]profiles.HostState, error) {
	out, err := r.LoadTeam(ctx, tenant, team, after, limit)
	for i := range out {
		for j := range out[i].Channels {
			ch := &out[i].Channels[j]
			ch.Rows = clone(slices.DeleteFunc(ch.Rows, func(row profiles.Row) bool { return row.Slot != slot }))
		}
	}
	return out, err
}

func (r profilesRoom) LoadChannel(ctx context.Context, tenant mdm.TenantID, k mdm.EnrollmentKey) (team mdm.TeamKey, rows []profiles.Row, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		e, ok := t.enrollments.get(k)
		if !ok {
			return notFound("enrollment")
		}
		h, _ := t.hosts.get(e.Host)
		team, rows = h.Team, t.rowList(k)
		return nil
	})
	return team, rows, err
}

func (r profilesRoom) RaisePlan(ctx context.Context, x mdm.Tx, h mdm.HostKey, was int64, team mdm.TeamKey, version int64) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	host, known := t.hosts.get(h)
	v, err := t.teamVersion(team)
	if mdm.CodeOf(err) == mdm.CodeNotFound {
		v = -1
	}
	if have, _ := t.plans.get(h); !known || have != was || host.Team != team || v != version {
		return mdm.Errorf(mdm.CodeConflict, "", "the host was planned meanwhile")
	}
	return t.plans.put(t, "plan", h, was+1)
}

// changeRows replaces a channel's rows by a changed copy.
func (t *tx) changeRows(e mdm.EnrollmentKey, change func(map[profiles.SlotKey]profiles.Row)) error {
	old, _ := t.rows.get(e)
	m := maps.Clone(old)
	if m == nil {
		m = make(map[profiles.SlotKey]profiles.Row)
	}
	change(m)
	return t.rows.put(t, "row", e, m)
}

func (r profilesRoom) PutRows(ctx context.Context, x mdm.Tx, rows []profiles.Row) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	for _, row := range rows {
		row.Traces = clone(row.Traces)
		row.Since, row.RetryAt = stored(row.Since), stored(row.RetryAt)
		err := t.changeRows(row.Enrollment, func(m map[profiles.SlotKey]profiles.Row) {
			old := m[row.Slot] // what the device answered and showed stays
			row.Ack, row.AckOutcome, row.AckCode, row.AckDetail, row.AckAt = old.Ack, old.AckOutcome, old.AckCode, old.AckDetail, old.AckAt
			row.Seen, row.Evidence, row.SeenAt, row.Missing = old.Seen, old.Evidence, old.SeenAt, old.Missing
			m[row.Slot] = row
		})
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
		if m, _ := t.rows.get(k.Enrollment); m[k.Slot].Slot == 0 {
			continue
		}
		if err := t.changeRows(k.Enrollment, func(m map[profiles.SlotKey]profiles.Row) { delete(m, k.Slot) }); err != nil {
			return err
		}
	}
	return nil
}

func (r profilesRoom) RowsOf(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey) ([]profiles.Row, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	return t.rowList(e), nil
}

func (r profilesRoom) DropRows(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.rows.del(t, "row", e)
}

func (r profilesRoom) Acknowledge(ctx context.Context, x mdm.Tx, res mdm.Result) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	return t.acknowledge(res)
}

func (t *tx) acknowledge(res mdm.Result) error {
	e, _ := t.enrollments.get(res.Enrollment)
	m, _ := t.rows.get(res.Enrollment)
	row, ok := m[profiles.SlotKey(res.Ref.Key)]
	if !ok || e.Generation != res.Generation || row.Order != res.Ref.Order || row.Ack >= res.Ref.Order {
		return nil
	}
	row.Ack, row.AckOutcome, row.AckCode, row.AckDetail, row.AckAt = res.Ref.Order, res.Outcome, res.Code, res.Detail, stored(res.At)
	if err := t.changeRows(res.Enrollment, func(m map[profiles.SlotKey]profiles.Row) { m[row.Slot] = row }); err != nil {
		return err
	}
	return t.markHost(e.Host, profiles.LaneAnswer)
}

func (r profilesRoom) ForgetAsked(ctx context.Context, x mdm.Tx, e mdm.EnrollmentKey, seq int64) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if rows := t.rowList(e); seq == 0 || !slices.ContainsFunc(rows, func(r profiles.Row) bool { return r.AskedSeq == seq }) {
		return nil
	}
	return t.changeRows(e, func(m map[profiles.SlotKey]profiles.Row) {
		for slot, row := range m {
			if row.AskedSeq == seq {
				row.Asked, row.AskedSeq = 0, 0
				m[slot] = row
			}
		}
	})
}

func (r profilesRoom) RecordSeen(ctx context.Context, x mdm.Tx, h mdm.HostKey, seen []profiles.SeenRow, now time.Time) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	for _, s := range seen {
		if m, _ := t.rows.get(s.Enrollment); m[s.Slot].Slot == 0 || m[s.Slot].Order != s.Order {
			continue
		}
		err := t.changeRows(s.Enrollment, func(m map[profiles.SlotKey]profiles.Row) {
			row := m[s.Slot]
			row.Seen, row.Evidence, row.Missing, row.SeenAt = s.Order, s.Evidence, s.Missing, stored(now)
			m[s.Slot] = row
		})
		if err != nil {
			return err
		}
	}
	return t.markHost(h, profiles.LaneAnswer)
}
