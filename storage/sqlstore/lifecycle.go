package sqlstore

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
)

type lifecycleRoom struct{ s *Store }

const hostColumns = `h.id, h.uid, coalesce(h.external_id, ''), h.platform, h.serial, h.hardware_id, h.name, h.model,
	h.os_version, h.team, h.state, h.created_at, coalesce((SELECT at FROM keelson_seen WHERE host = h.id), 0)`

type hostRow struct {
	mdm.Host
	created, seen int64
}

func (h *hostRow) targets() []any {
	return []any{&h.Key, &h.ID, &h.ExternalID, &h.Platform, &h.Serial, &h.HardwareID, &h.Name, &h.Model,
		&h.OSVersion, &h.Team, &h.State, &h.created, &h.seen}
}

func (h *hostRow) host() mdm.Host {
	h.CreatedAt, h.LastSeenAt = mdm.FromMicros(h.created), mdm.FromMicros(h.seen)
	return h.Host
}

const enrollmentColumns = `e.id, e.uid, e.natural_key, e.protocol, e.channel, e.parent, e.host, e.host_uid, e.platform, e.generation, e.state,
	e.pin, e.next_uid, e.next_generation, e.next_pin, e.next_person, e.enrolled_at, e.ended_at`

type enrollmentRow struct {
	mdm.Enrollment
	pin, next       []byte
	enrolled, ended int64
}

func (e *enrollmentRow) targets() []any {
	return []any{&e.Key, &e.ID, &e.Natural, &e.Protocol, &e.Channel, &e.Parent, &e.Host, &e.HostID, &e.Platform, &e.Generation, &e.State,
		&e.pin, &e.Next.ID, &e.Next.Generation, &e.next, &e.Next.Person, &e.enrolled, &e.ended}
}

func (e *enrollmentRow) enrollment() mdm.Enrollment {
	copy(e.Pin[:], e.pin)
	copy(e.Next.Pin[:], e.next)
	e.EnrolledAt, e.EndedAt = mdm.FromMicros(e.enrolled), mdm.FromMicros(e.ended)
	return e.Enrollment
}

// hashArg is a hash as a column: NULL when it is zero.
func hashArg(h mdm.Hash) any {
	if h.IsZero() {
		return nil
	}
	return h[:]
}

// byTenant begins the condition by which hosts are selected.
const byTenant = `h.tenant = ? AND `

// hosts reads hosts; the first argument of where is the tenant.
func (t *tx) hosts(ctx context.Context, where string, args ...any) (out []mdm.Host, err error) {
	err = t.each(ctx, "hosts", `SELECT `+hostColumns+` FROM keelson_host h WHERE `+where,
		append([]any{t.id}, args...), func(rows *sql.Rows) error {
			var row hostRow
			if err := rows.Scan(row.targets()...); err != nil {
				return err
			}
			out = append(out, row.host())
			return nil
		})
	return out, err
}

func (t *tx) host(ctx context.Context, where string, args ...any) (mdm.Host, error) {
	hs, err := t.hosts(ctx, where, args...)
	if err != nil {
		return mdm.Host{}, err
	}
	if len(hs) == 0 {
		return mdm.Host{}, failure("host", sql.ErrNoRows)
	}
	return hs[0], nil
}

func (t *tx) enrollments(ctx context.Context, where string, args ...any) (out []mdm.Enrollment, err error) {
	err = t.each(ctx, "enrollments", `SELECT `+enrollmentColumns+` FROM keelson_enrollment e WHERE e.tenant = ? AND `+where, append([]any{t.id}, args...), func(rows *sql.Rows) error {
		var row enrollmentRow
		if err := rows.Scan(row.targets()...); err != nil {
			return err
		}
		out = append(out, row.enrollment())
		return nil
	})
	return out, err
}

func (t *tx) enrollment(ctx context.Context, where string, args ...any) (mdm.Enrollment, error) {
	es, err := t.enrollments(ctx, where, args...)
	if err != nil {
		return mdm.Enrollment{}, err
	}
	if len(es) == 0 {
		return mdm.Enrollment{}, failure("enrollment", sql.ErrNoRows)
	}
	return es[0], nil
}

func (r lifecycleRoom) PutHost(ctx context.Context, x mdm.Tx, h *mdm.Host) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	external := sql.NullString{String: string(h.ExternalID), Valid: h.ExternalID != ""}
	if h.Key == 0 {
		id, err := t.insert(ctx, "host", "id", `INSERT INTO keelson_host
			(tenant, uid, external_id, platform, serial, hardware_id, name, model, os_version, team, state, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			t.id, h.ID, external, h.Platform, h.Serial, h.HardwareID, h.Name, h.Model, h.OSVersion, h.Team, h.State, mdm.Micros(h.CreatedAt))
		if err != nil {
			return takenAs(err, "external_id", "another host has this external id")
		}
		h.Key = mdm.HostKey(id)
		_, err = t.exec(ctx, "plan", `INSERT INTO keelson_plan (tenant, host, revision) VALUES (?, ?, 0)`, t.id, id)
		return err
	}
	n, err := t.guarded(ctx, "host", `UPDATE keelson_host SET external_id = ?, platform = ?, serial = ?, hardware_id = ?, name = ?, model = ?,
		os_version = ?, state = ? WHERE tenant = ? AND id = ?`,
		external, h.Platform, h.Serial, h.HardwareID, h.Name, h.Model, h.OSVersion, h.State, t.id, h.Key)
	err = t.touched(ctx, n, err, "host", "keelson_host", "id", h.Key)
	if err == nil { // its channels have a copy
		_, err = t.exec(ctx, "enrollment", `UPDATE keelson_enrollment SET platform = ? WHERE tenant = ? AND host = ? AND platform <> ?`,
			h.Platform, t.id, h.Key, h.Platform)
	}
	return takenAs(err, "external_id", "another host has this external id")
}

// takenAs names the field of a unique key that is taken.
func takenAs(err error, field, message string) error {
	if mdm.CodeOf(err) != mdm.CodeConflict {
		return err
	}
	return &mdm.Error{Code: mdm.CodeConflict, Field: field, Message: message, Err: err}
}

func (r lifecycleRoom) HostTx(ctx context.Context, x mdm.Tx, k mdm.HostKey) (mdm.Host, error) {
	t, err := r.s.join(x)
	if err != nil {
		return mdm.Host{}, err
	}
	return t.held(ctx, k)
}

// held reads a host and holds it until the unit ends. Whoever holds a host and
// its channels takes the channels first, as check-ins do.
func (t *tx) held(ctx context.Context, k mdm.HostKey) (mdm.Host, error) {
	if t.d.lock != "" {
		channels, err := t.numbers(ctx, `SELECT id FROM keelson_enrollment WHERE tenant = ? AND host = ? ORDER BY id`, t.id, k)
		if err == nil {
			_, err = t.holdKeys(ctx, "keelson_enrollment", "id", channels, t.d.lock, "")
		}
		if err != nil {
			return mdm.Host{}, err
		}
	}
	return t.host(ctx, byTenant+`h.id = ?`+t.d.lock, k)
}

func (r lifecycleRoom) HostByExternalTx(ctx context.Context, x mdm.Tx, id mdm.ExternalID) (mdm.Host, error) {
	t, err := r.s.join(x)
	if err != nil {
		return mdm.Host{}, err
	}
	h, err := t.host(ctx, byTenant+`h.external_id = ?`, id)
	if err != nil || t.d.lock == "" {
		return h, err
	}
	return t.held(ctx, h.Key)
}

func (r lifecycleRoom) FindHosts(ctx context.Context, x mdm.Tx, hardwareID, serial string) ([]mdm.Host, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	keys, err := t.keys(ctx, `SELECT id FROM keelson_host WHERE tenant = ? AND hardware_id = ? AND hardware_id <> '' AND state <> 'deleted'
		UNION SELECT id FROM keelson_host WHERE tenant = ? AND serial = ? AND serial <> '' AND state <> 'deleted' ORDER BY 1`,
		t.id, hardwareID, t.id, serial)
	if err != nil {
		return nil, err
	}
	var out []mdm.Host
	for _, k := range keys {
		switch h, err := t.held(ctx, k); {
		case err != nil:
			return nil, err
		case h.State != mdm.HostDeleted:
			out = append(out, h)
		}
	}
	return out, nil
}

func (r lifecycleRoom) PutEnrollment(ctx context.Context, x mdm.Tx, e *mdm.Enrollment) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	args := []any{e.ID, e.Host, e.Host, e.Host, e.Generation, e.State, hashArg(e.Pin), e.Next.ID, e.Next.Generation, hashArg(e.Next.Pin), e.Next.Person,
		mdm.Micros(e.EnrolledAt), mdm.Micros(e.EndedAt)}
	if e.Key == 0 {
		id, err := t.insert(ctx, "enrollment", "id", `INSERT INTO keelson_enrollment
			(uid, host, host_uid, platform, generation, state, pin, next_uid, next_generation, next_pin, next_person, enrolled_at, ended_at,
			 tenant, natural_key, protocol, channel, parent) VALUES
			(?, ?, coalesce((SELECT uid FROM keelson_host WHERE id = ?), ''), coalesce((SELECT platform FROM keelson_host WHERE id = ?), ''),
			 ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			append(args, t.id, e.Natural, e.Protocol, e.Channel, e.Parent)...)
		if err != nil {
			return takenAs(err, "natural", "this channel has an enrollment")
		}
		e.Key = mdm.EnrollmentKey(id)
		return nil
	}
	n, err := t.exec(ctx, "enrollment", `UPDATE keelson_enrollment SET uid = ?, host = ?,
		host_uid = coalesce((SELECT uid FROM keelson_host WHERE id = ?), ''), platform = coalesce((SELECT platform FROM keelson_host WHERE id = ?), ''),
		generation = ?, state = ?, pin = ?, next_uid = ?, next_generation = ?, next_pin = ?, next_person = ?, enrolled_at = ?, ended_at = ? WHERE tenant = ? AND id = ?`,
		append(args, t.id, e.Key)...)
	return t.touched(ctx, n, err, "enrollment", "keelson_enrollment", "id", e.Key)
}

func (r lifecycleRoom) EnrollmentTx(ctx context.Context, x mdm.Tx, n mdm.Natural) (mdm.Enrollment, error) {
	t, err := r.s.join(x)
	if err != nil {
		return mdm.Enrollment{}, err
	}
	return t.enrollment(ctx, `e.natural_key = ?`+t.d.lock, n)
}

func (r lifecycleRoom) EnrollmentByKey(ctx context.Context, x mdm.Tx, k mdm.EnrollmentKey) (mdm.Enrollment, error) {
	t, err := r.s.join(x)
	if err != nil {
		return mdm.Enrollment{}, err
	}
	return t.enrollment(ctx, `e.id = ?`+t.d.lock, k)
}

func (r lifecycleRoom) EnrollmentsOf(ctx context.Context, x mdm.Tx, k mdm.HostKey) ([]mdm.Enrollment, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	es, err := t.enrollments(ctx, `e.host = ? ORDER BY e.id`+inline(t.d), k)
	if err != nil || t.d.keyed == "" || len(es) == 0 {
		return es, err
	}
	keys := make([]int64, len(es))
	for i := range es {
		keys[i] = int64(es[i].Key)
	}
	if _, err := t.holdKeys(ctx, "keelson_enrollment", "id", keys, t.d.lock, ""); err != nil {
		return nil, err
	}
	return t.enrollments(ctx, `e.host = ? ORDER BY e.id`, k)
}

func (r lifecycleRoom) SetPerson(ctx context.Context, x mdm.Tx, k mdm.HostKey, person string) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "host", `UPDATE keelson_host SET person = ? WHERE tenant = ? AND id = ?`, person, t.id, k)
	return err
}

func (r lifecycleRoom) PersonOf(ctx context.Context, x mdm.Tx, k mdm.HostKey) (p string, err error) {
	t, err := r.s.join(x)
	if err != nil {
		return "", err
	}
	err = t.q.QueryRowContext(ctx, `SELECT person FROM keelson_host WHERE tenant = ? AND id = ?`, t.id, k).Scan(&p)
	if err != nil && mdm.CodeOf(failure("host", err)) == mdm.CodeNotFound {
		return "", nil
	}
	return p, failure("host", err)
}

func (r lifecycleRoom) Seen(ctx context.Context, tenant mdm.TenantID, at map[mdm.HostKey]time.Time) error {
	return r.s.unit(ctx, tenant, func(ctx context.Context, t *tx) error {
		for _, k := range slices.Sorted(maps.Keys(at)) {
			_, err := t.exec(ctx, "seen", `INSERT INTO keelson_seen (host, tenant, at)
				SELECT id, tenant, ? FROM keelson_host WHERE tenant = ? AND id = ?`+t.d.merge("keelson_seen", "host", "at", t.d.greater),
				mdm.Micros(at[k]), t.id, k)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (r lifecycleRoom) Host(ctx context.Context, tenant mdm.TenantID, id mdm.HostID) (h mdm.Host, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { h, err = t.host(ctx, byTenant+`h.uid = ?`, id); return err })
	return h, err
}

func (r lifecycleRoom) HostByKey(ctx context.Context, tenant mdm.TenantID, k mdm.HostKey) (h mdm.Host, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { h, err = t.host(ctx, byTenant+`h.id = ?`, k); return err })
	return h, err
}

func (r lifecycleRoom) HostByExternal(ctx context.Context, tenant mdm.TenantID, id mdm.ExternalID) (h mdm.Host, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { h, err = t.host(ctx, byTenant+`h.external_id = ?`, id); return err })
	return h, err
}

func (r lifecycleRoom) Hosts(ctx context.Context, tenant mdm.TenantID, f lifecycle.HostFilter, after mdm.HostKey, limit int) (out []mdm.Host, err error) {
	where := []string{byTenant + `h.id > ?`}
	args := []any{after}
	add := func(cond string, v ...any) { where, args = append(where, cond), append(args, v...) }
	if f.Platform != "" {
		add(`h.platform = ?`, f.Platform)
	}
	if f.State != "" {
		add(`h.state = ?`, f.State)
	}
	if f.Team != nil {
		add(`h.team = ?`, *f.Team)
	}
	if !f.Deleted {
		add(`h.state <> 'deleted'`)
	}
	if f.Search != "" && ascii(f.Search) {
		like := "%" + strings.NewReplacer(`!`, `!!`, `%`, `!%`, `_`, `!_`).Replace(strings.ToLower(f.Search)) + "%"
		add(`(`+r.s.d.lower("h.name")+` LIKE ? ESCAPE '!' OR `+r.s.d.lower("h.serial")+` LIKE ? ESCAPE '!' OR `+r.s.d.lower("h.model")+` LIKE ? ESCAPE '!')`, like, like, like)
	}
	page := func(after mdm.HostKey, limit int) (hs []mdm.Host, err error) {
		args[0] = after
		err = r.s.read(ctx, tenant, func(t *tx) error {
			hs, err = t.hosts(ctx, strings.Join(where, " AND ")+` ORDER BY h.id LIMIT ?`, append(args, limit)...)
			return err
		})
		return hs, err
	}
	if ascii(f.Search) {
		return page(after, limit)
	}
	// SQLite knows the case of ASCII letters only, so that others are compared here.
	const read = 500
	for len(out) < limit {
		hs, err := page(after, read)
		if err != nil {
			return nil, err
		}
		for _, h := range hs {
			if after = h.Key; len(out) < limit && (has(h.Name, f.Search) || has(h.Serial, f.Search) || has(h.Model, f.Search)) {
				out = append(out, h)
			}
		}
		if len(hs) < read {
			break
		}
	}
	return out, nil
}

// has reports whether s has part in it, without case.
func has(s, part string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(part)) }

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

func (r lifecycleRoom) Enrollments(ctx context.Context, tenant mdm.TenantID, k mdm.HostKey) (out []mdm.Enrollment, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { out, err = t.enrollments(ctx, `e.host = ? ORDER BY e.id`, k); return err })
	return out, err
}

func (r lifecycleRoom) CountHosts(ctx context.Context, tenant mdm.TenantID) (map[mdm.Platform]map[mdm.HostState]int, error) {
	out := make(map[mdm.Platform]map[mdm.HostState]int)
	err := r.s.read(ctx, tenant, func(t *tx) error {
		return t.each(ctx, "hosts", `SELECT platform, state, count(*) FROM keelson_host WHERE tenant = ? AND state <> 'deleted'
			GROUP BY platform, state`, []any{t.id}, func(rows *sql.Rows) error {
			var p mdm.Platform
			var s mdm.HostState
			var n int
			if err := rows.Scan(&p, &s, &n); err != nil {
				return err
			}
			if out[p] == nil {
				out[p] = make(map[mdm.HostState]int)
			}
			out[p][s] = n
			return nil
		})
	})
	return out, err
}

func (r lifecycleRoom) PutTenant(ctx context.Context, id mdm.TenantID) error {
	if err := id.Validate(); err != nil {
		return err
	}
	return r.s.commit(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "tenant", `INSERT INTO keelson_tenant (name) VALUES (?)`+t.d.upsert("name"), string(id))
		return err
	})
}

func (r lifecycleRoom) Tenants(ctx context.Context) (out []mdm.TenantID, err error) {
	if err := r.s.outside(ctx); err != nil {
		return nil, err
	}
	q, done, err := r.s.turns.read(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	t := &tx{s: r.s, d: r.s.d, q: q}
	err = t.each(ctx, "tenants", `SELECT name FROM keelson_tenant ORDER BY id`, nil, func(rows *sql.Rows) error {
		var id mdm.TenantID
		if err := rows.Scan(&id); err != nil {
			return err
		}
		out = append(out, id)
		return nil
	})
	return out, err
}
