package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

type profilesRoom struct{ s *Store }

// defining holds the tenant's definitions: administrators change them one after
// the other, so that what one of them has read is still so when it writes.
func (t *tx) defining(ctx context.Context) error {
	return t.hold(ctx, "the tenant", `SELECT id FROM keelson_tenant WHERE id = ?`, t.id)
}

// fold is a name without case, as unique keys compare it.
func fold(name string) string { return strings.ToLower(name) }

func (r profilesRoom) PutTeam(ctx context.Context, x mdm.Tx, v *profiles.Team) error {
	t, err := r.s.join(x)
	if err == nil {
		err = t.defining(ctx)
	}
	if err != nil {
		return err
	}
	const taken = "another team has this name"
	if v.Key == 0 {
		id, err := t.insert(ctx, "team", "id", `INSERT INTO keelson_team (tenant, uid, name, folded, version) VALUES (?, ?, ?, ?, ?)`,
			t.id, v.ID, v.Name, fold(v.Name), v.Version)
		if err != nil {
			return takenAs(err, "name", taken)
		}
		v.Key = mdm.TeamKey(id)
		return nil
	}
	n, err := t.guarded(ctx, "team", `UPDATE keelson_team SET name = ?, folded = ? WHERE tenant = ? AND id = ?`, v.Name, fold(v.Name), t.id, v.Key)
	return takenAs(t.touched(ctx, n, err, "team", "keelson_team", "id", v.Key), "name", taken)
}

func (r profilesRoom) DeleteTeam(ctx context.Context, x mdm.Tx, k mdm.TeamKey) error {
	t, err := r.s.join(x)
	if err == nil {
		err = t.defining(ctx)
	}
	if err != nil {
		return err
	}
	var used bool
	if err := t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_profile WHERE tenant = ? AND team = ?)`, t.id, k).Scan(&used); err != nil {
		return failure("read profiles", err)
	}
	if used {
		return mdm.Errorf(mdm.CodeConflict, "team", "the team has profiles: delete them first")
	}
	n, err := t.exec(ctx, "team", `DELETE FROM keelson_team WHERE tenant = ? AND id = ?`, t.id, k)
	if err := t.touched(ctx, n, err, "team", "keelson_team", "id", k); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "mark", `INSERT INTO keelson_dirty (tenant, host, lane) SELECT tenant, id, ? FROM keelson_host WHERE tenant = ? AND team = ?`,
		profiles.LaneHost, t.id, k); err != nil {
		return err
	}
	_, err = t.exec(ctx, "host", `UPDATE keelson_host SET team = 0 WHERE tenant = ? AND team = ?`, t.id, k)
	return err
}

func (r profilesRoom) PutLabel(ctx context.Context, x mdm.Tx, v *profiles.Label) error {
	t, err := r.s.join(x)
	if err == nil {
		err = t.defining(ctx)
	}
	if err != nil {
		return err
	}
	const taken = "another label has this name"
	if v.Key == 0 {
		id, err := t.insert(ctx, "label", "id", `INSERT INTO keelson_label (tenant, uid, name, folded, default_value) VALUES (?, ?, ?, ?, ?)`,
			t.id, v.ID, v.Name, fold(v.Name), v.Default)
		if err != nil {
			return takenAs(err, "name", taken)
		}
		v.Key = mdm.LabelKey(id)
		return nil
	}
	n, err := t.guarded(ctx, "label", `UPDATE keelson_label SET name = ?, folded = ?, default_value = ? WHERE tenant = ? AND id = ?`,
		v.Name, fold(v.Name), v.Default, t.id, v.Key)
	return takenAs(t.touched(ctx, n, err, "label", "keelson_label", "id", v.Key), "name", taken)
}

func (r profilesRoom) DeleteLabel(ctx context.Context, x mdm.Tx, k mdm.LabelKey) error {
	t, err := r.s.join(x)
	if err == nil {
		err = t.defining(ctx)
	}
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, "label", `DELETE FROM keelson_label WHERE tenant = ? AND id = ?`, t.id, k)
	if err := t.touched(ctx, n, err, "label", "keelson_label", "id", k); err != nil {
		return err
	}
	_, err = t.exec(ctx, "member", `DELETE FROM keelson_member`+t.d.by("keelson_member_label")+` WHERE tenant = ? AND label = ?`, t.id, k)
	return err
}

// scope is a profile's scope as its column keeps it.
type scope struct {
	IncludeAll []mdm.LabelKey `json:"include_all,omitempty"`
	IncludeAny []mdm.LabelKey `json:"include_any,omitempty"`
	ExcludeAny []mdm.LabelKey `json:"exclude_any,omitempty"`
	Platforms  []mdm.Platform `json:"platforms,omitempty"`
}

func (t *tx) slot(ctx context.Context, name string) (id int64, err error) {
	if _, err := t.exec(ctx, "slot", `INSERT INTO keelson_slot (tenant, name) VALUES (?, ?)`+t.d.upsert("name"), t.id, name); err != nil {
		return 0, err
	}
	err = t.q.QueryRowContext(ctx, `SELECT id FROM keelson_slot WHERE tenant = ? AND name = ?`, t.id, name).Scan(&id)
	return id, failure("slot", err)
}

func (r profilesRoom) PutProfile(ctx context.Context, x mdm.Tx, v *profiles.Profile) error {
	t, err := r.s.join(x)
	if err == nil {
		err = t.defining(ctx)
	}
	if err != nil {
		return err
	}
	if err := t.free(ctx, v); err != nil {
		return err
	}
	slot, err := t.slot(ctx, v.Identifier)
	if err != nil {
		return err
	}
	sc, err := json.Marshal(scope(v.Scope))
	if err != nil {
		return err
	}
	args := []any{v.Team, slot, v.Name, fold(v.Name), string(sc), v.Revision, v.Content[:], v.Size, mdm.Micros(v.UpdatedAt), actorColumn{&v.Actor}}
	if v.Key == 0 {
		id, err := t.insert(ctx, "profile", "id", `INSERT INTO keelson_profile (team, slot, name, folded, scope, revision, content, size, updated_at, actor,
			tenant, uid, family, created_at, edit) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)`,
			append(args, t.id, v.ID, v.Family, mdm.Micros(v.CreatedAt))...)
		if err != nil {
			return err
		}
		v.Key, v.Slot, v.Edit = mdm.ProfileKey(id), profiles.SlotKey(slot), 1
		return nil
	}
	n, err := t.exec(ctx, "profile", `UPDATE keelson_profile SET team = ?, slot = ?, name = ?, folded = ?, scope = ?, revision = ?, content = ?,
		size = ?, updated_at = ?, actor = ?, edit = edit + 1 WHERE tenant = ? AND id = ? AND edit = ?`, append(args, t.id, v.Key, v.Edit)...)
	if err := t.edited(ctx, n, err, v.Key); err != nil {
		return err
	}
	v.Slot, v.Edit = profiles.SlotKey(slot), v.Edit+1
	return nil
}

// edited tells why a write of a profile touched nothing: there is no such
// profile, or it has another edit.
func (t *tx) edited(ctx context.Context, n int64, err error, k mdm.ProfileKey) error {
	if err != nil || n > 0 {
		return err
	}
	var is bool
	err = t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_profile WHERE tenant = ? AND id = ?)`, t.id, k).Scan(&is)
	switch {
	case err != nil:
		return failure("read a profile", err)
	case !is:
		return failure("profile", sql.ErrNoRows)
	}
	return mdm.Errorf(mdm.CodeConflict, "edit", "the profile was changed meanwhile")
}

// free checks what a profile's keys need, so that a refusal names the field.
func (t *tx) free(ctx context.Context, v *profiles.Profile) error {
	var team, slot, name bool
	err := t.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keelson_team WHERE tenant = ? AND id = ?),
		EXISTS (SELECT 1 FROM keelson_profile p JOIN keelson_slot s ON s.id = p.slot WHERE p.tenant = ? AND p.team = ? AND p.id <> ? AND s.name = ?),
		EXISTS (SELECT 1 FROM keelson_profile p WHERE p.tenant = ? AND p.team = ? AND p.id <> ? AND p.folded = ?)`,
		t.id, v.Team, t.id, v.Team, v.Key, v.Identifier, t.id, v.Team, v.Key, fold(v.Name)).Scan(&team, &slot, &name)
	switch {
	case err != nil:
		return failure("read profiles", err)
	case !team && v.Team != 0:
		return mdm.Errorf(mdm.CodeInvalid, "team", "no such team")
	case slot:
		return mdm.Errorf(mdm.CodeConflict, "identifier", "another profile of the team has this identifier")
	case name:
		return mdm.Errorf(mdm.CodeConflict, "name", "another profile of the team has this name")
	}
	return nil
}

func (r profilesRoom) DeleteProfile(ctx context.Context, x mdm.Tx, k mdm.ProfileKey, was mdm.Edit) error {
	t, err := r.s.join(x)
	if err == nil {
		err = t.defining(ctx)
	}
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, "profile", `DELETE FROM keelson_profile WHERE tenant = ? AND id = ? AND edit = ?`, t.id, k, was)
	return t.edited(ctx, n, err, k)
}

func (r profilesRoom) Teams(ctx context.Context, tenant mdm.TenantID) (out []profiles.Team, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		return t.each(ctx, "teams", `SELECT id, uid, name, version FROM keelson_team WHERE tenant = ? ORDER BY id`, []any{t.id}, func(rows *sql.Rows) error {
			var v profiles.Team
			if err := rows.Scan(&v.Key, &v.ID, &v.Name, &v.Version); err != nil {
				return err
			}
			out = append(out, v)
			return nil
		})
	})
	return out, err
}

func (t *tx) labels(ctx context.Context) (out []profiles.Label, err error) {
	err = t.each(ctx, "labels", `SELECT id, uid, name, default_value FROM keelson_label WHERE tenant = ? ORDER BY id`, []any{t.id}, func(rows *sql.Rows) error {
		var v profiles.Label
		if err := rows.Scan(&v.Key, &v.ID, &v.Name, &v.Default); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	})
	return out, err
}

func (r profilesRoom) Labels(ctx context.Context, tenant mdm.TenantID) (out []profiles.Label, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { out, err = t.labels(ctx); return err })
	return out, err
}

func (r profilesRoom) LabelsTx(ctx context.Context, x mdm.Tx) ([]profiles.Label, error) {
	t, err := r.s.join(x)
	if err == nil {
		err = t.defining(ctx)
	}
	if err != nil {
		return nil, err
	}
	return t.labels(ctx)
}

func (t *tx) profiles(ctx context.Context, where string, args ...any) (out []profiles.Profile, err error) {
	err = t.each(ctx, "profiles", `SELECT p.id, p.uid, p.team, p.family, p.slot, s.name, p.name, p.scope, p.revision, p.edit, p.content, p.size,
		p.created_at, p.updated_at, p.actor FROM keelson_profile p JOIN keelson_slot s ON s.id = p.slot WHERE p.tenant = ? AND `+where+` ORDER BY p.id`,
		append([]any{t.id}, args...), func(rows *sql.Rows) error {
			var p profiles.Profile
			var sc string
			var content []byte
			var created, updated int64
			if err := rows.Scan(&p.Key, &p.ID, &p.Team, &p.Family, &p.Slot, &p.Identifier, &p.Name, &sc, &p.Revision, &p.Edit, &content, &p.Size,
				&created, &updated, actorColumn{&p.Actor}); err != nil {
				return err
			}
			var v scope
			if err := json.Unmarshal([]byte(sc), &v); err != nil {
				return err
			}
			p.Scope = profiles.Scope(v)
			copy(p.Content[:], content)
			p.CreatedAt, p.UpdatedAt = mdm.FromMicros(created), mdm.FromMicros(updated)
			out = append(out, p)
			return nil
		})
	return out, err
}

func (t *tx) profile(ctx context.Context, id mdm.ProfileID) (profiles.Profile, error) {
	ps, err := t.profiles(ctx, `p.uid = ?`, id)
	if err != nil {
		return profiles.Profile{}, err
	}
	if len(ps) == 0 {
		return profiles.Profile{}, failure("profile", sql.ErrNoRows)
	}
	return ps[0], nil
}

func (r profilesRoom) Profile(ctx context.Context, tenant mdm.TenantID, id mdm.ProfileID) (p profiles.Profile, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { p, err = t.profile(ctx, id); return err })
	return p, err
}

func (r profilesRoom) ProfileTx(ctx context.Context, x mdm.Tx, id mdm.ProfileID) (profiles.Profile, error) {
	t, err := r.s.join(x)
	if err == nil {
		err = t.defining(ctx)
	}
	if err != nil {
		return profiles.Profile{}, err
	}
	return t.profile(ctx, id)
}

func (r profilesRoom) Profiles(ctx context.Context, tenant mdm.TenantID, team *mdm.TeamKey) (out []profiles.Profile, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		if team == nil {
			out, err = t.profiles(ctx, `true`)
		} else {
			out, err = t.profiles(ctx, `p.team = ?`, *team)
		}
		return err
	})
	return out, err
}

func (r profilesRoom) ProfilesTx(ctx context.Context, x mdm.Tx) ([]profiles.Profile, error) {
	t, err := r.s.join(x)
	if err == nil {
		err = t.defining(ctx)
	}
	if err != nil {
		return nil, err
	}
	return t.profiles(ctx, `true`)
}

func (r profilesRoom) RaiseTeam(ctx context.Context, x mdm.Tx, k mdm.TeamKey) (int64, error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	query, args := `UPDATE keelson_team SET version = version + 1 WHERE tenant = ? AND id = ?`, []any{t.id, k}
	if k == 0 {
		query, args = `UPDATE keelson_tenant SET no_team_version = no_team_version + 1 WHERE id = ?`, []any{t.id}
	}
	n, err := t.exec(ctx, "team", query, args...)
	if err == nil && n == 0 {
		err = failure("team", sql.ErrNoRows)
	}
	if err != nil {
		return 0, err
	}
	return t.teamVersion(ctx, k)
}

func (t *tx) teamVersion(ctx context.Context, k mdm.TeamKey) (v int64, err error) {
	if k == 0 {
		err = t.q.QueryRowContext(ctx, `SELECT no_team_version FROM keelson_tenant WHERE id = ?`, t.id).Scan(&v)
	} else {
		err = t.q.QueryRowContext(ctx, `SELECT version FROM keelson_team WHERE tenant = ? AND id = ?`, t.id, k).Scan(&v)
	}
	return v, failure("team", err)
}

func (r profilesRoom) TeamVersion(ctx context.Context, x mdm.Tx, k mdm.TeamKey) (int64, error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	return t.teamVersion(ctx, k)
}

func (r profilesRoom) Definitions(ctx context.Context, x mdm.Tx, k mdm.TeamKey) (*profiles.Definitions, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	v, err := t.teamVersion(ctx, k)
	if err != nil {
		return nil, err
	}
	ps, err := t.profiles(ctx, `p.team = ?`, k)
	if err != nil {
		return nil, err
	}
	return &profiles.Definitions{Team: k, Version: v, Profiles: ps}, nil
}

func (r profilesRoom) SetMember(ctx context.Context, x mdm.Tx, l mdm.LabelKey, h mdm.HostKey, v profiles.Tri) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if _, err := t.host(ctx, byTenant+`h.id = ?`, h); err != nil {
		return err
	}
	n, err := t.exec(ctx, "member", `INSERT INTO keelson_member (tenant, host, label, value)
		SELECT tenant, ?, id, ? FROM keelson_label WHERE tenant = ? AND id = ?`+t.d.upsert("tenant, host, label", "value"), h, v, t.id, l)
	return t.touched(ctx, n, err, "label", "keelson_label", "id", l)
}

func (r profilesRoom) Members(ctx context.Context, tenant mdm.TenantID, l mdm.LabelKey, after mdm.HostKey, limit int) (map[mdm.HostKey]profiles.Tri, error) {
	out := make(map[mdm.HostKey]profiles.Tri)
	err := r.s.read(ctx, tenant, func(t *tx) error {
		return t.each(ctx, "members", `SELECT host, value FROM keelson_member WHERE tenant = ? AND label = ? AND host > ? ORDER BY host LIMIT ?`,
			[]any{t.id, l, after, limit}, func(rows *sql.Rows) error {
				var h mdm.HostKey
				var v profiles.Tri
				if err := rows.Scan(&h, &v); err != nil {
					return err
				}
				out[h] = v
				return nil
			})
	})
	return out, err
}

func (r profilesRoom) SetHostTeam(ctx context.Context, x mdm.Tx, h mdm.HostKey, k mdm.TeamKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if err := t.hold(ctx, "the team", `SELECT id FROM keelson_team WHERE tenant = ? AND id = ?`, t.id, k); err != nil {
		return err
	}
	if _, err := t.teamVersion(ctx, k); err != nil {
		return err
	}
	n, err := t.exec(ctx, "host", `UPDATE keelson_host SET team = ? WHERE tenant = ? AND id = ?`, k, t.id, h)
	return t.touched(ctx, n, err, "host", "keelson_host", "id", h)
}

func (r profilesRoom) PutContent(ctx context.Context, x mdm.Tx, h mdm.Hash, sealed []byte, now time.Time) error {
	return queueRoom(r).PutContent(ctx, x, h, sealed, now)
}

func (r profilesRoom) MendContent(ctx context.Context, x mdm.Tx, h mdm.Hash, sealed []byte) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "content", `UPDATE keelson_content SET sealed = ? WHERE tenant = ? AND sha = ?`, nonNil(sealed), t.id, h[:])
	return err
}

func (r profilesRoom) Content(ctx context.Context, t mdm.TenantID, h mdm.Hash) ([]byte, error) {
	return queueRoom(r).Content(ctx, t, h)
}

func (r profilesRoom) ContentTx(ctx context.Context, x mdm.Tx, h mdm.Hash) ([]byte, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	return t.content(ctx, h)
}
