package inmem

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

type profilesRoom struct{ s *Store }

// fold is a name without case, as names are compared.
func fold(name string) string { return strings.ToLower(name) }

func (r profilesRoom) PutTeam(ctx context.Context, x mdm.Tx, v *profiles.Team) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	for k, o := range t.teams.m {
		if k != v.Key && fold(o.Name) == fold(v.Name) {
			return mdm.Errorf(mdm.CodeConflict, "name", "another team has this name")
		}
	}
	w := *v
	if w.Key == 0 {
		w.Key = mdm.TeamKey(next(&t.s.lastKey))
	} else {
		old, ok := t.teams.get(w.Key)
		if !ok {
			return notFound("team")
		}
		w.ID, w.Version = old.ID, old.Version // a version is raised, never put
	}
	if err := t.teams.put(t, "team", w.Key, w); err != nil {
		return err
	}
	v.Key = w.Key
	return nil
}

func (r profilesRoom) DeleteTeam(ctx context.Context, x mdm.Tx, k mdm.TeamKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if _, ok := t.teams.get(k); !ok {
		return notFound("team")
	}
	for _, p := range t.profiles.m {
		if p.Team == k {
			return mdm.Errorf(mdm.CodeConflict, "team", "the team has profiles: delete them first")
		}
	}
	for _, hk := range t.hosts.keys() {
		if h, _ := t.hosts.get(hk); h.Team == k {
			h.Team = 0
			if err := t.hosts.put(t, "host", hk, h); err != nil {
				return err
			}
			if err := t.markHost(hk, profiles.LaneHost); err != nil {
				return err
			}
		}
	}
	return t.teams.del(t, "team", k)
}

func (r profilesRoom) PutLabel(ctx context.Context, x mdm.Tx, v *profiles.Label) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	for k, o := range t.labels.m {
		if k != v.Key && fold(o.Name) == fold(v.Name) {
			return mdm.Errorf(mdm.CodeConflict, "name", "another label has this name")
		}
	}
	w := *v
	if w.Key == 0 {
		w.Key = mdm.LabelKey(next(&t.s.lastKey))
	} else {
		old, ok := t.labels.get(w.Key)
		if !ok {
			return notFound("label")
		}
		w.ID = old.ID
	}
	if err := t.labels.put(t, "label", w.Key, w); err != nil {
		return err
	}
	v.Key = w.Key
	return nil
}

func (r profilesRoom) DeleteLabel(ctx context.Context, x mdm.Tx, k mdm.LabelKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if _, ok := t.labels.get(k); !ok {
		return notFound("label")
	}
	for _, mk := range t.members.keys() {
		if strings.HasPrefix(mk, itoa(int64(k))+"/") {
			if err := t.members.del(t, "member", mk); err != nil {
				return err
			}
		}
	}
	return t.labels.del(t, "label", k)
}

func cloneProfile(p profiles.Profile) profiles.Profile {
	s := &p.Scope
	s.IncludeAll, s.IncludeAny = clone(s.IncludeAll), clone(s.IncludeAny)
	s.ExcludeAny, s.Platforms = clone(s.ExcludeAny), clone(s.Platforms)
	return p
}

func (r profilesRoom) PutProfile(ctx context.Context, x mdm.Tx, v *profiles.Profile) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if _, ok := t.teams.get(v.Team); !ok && v.Team != 0 {
		return mdm.Errorf(mdm.CodeInvalid, "team", "no such team")
	}
	for k, o := range t.profiles.m {
		switch {
		case k == v.Key || o.Team != v.Team:
		case o.Identifier == v.Identifier:
			return mdm.Errorf(mdm.CodeConflict, "identifier", "another profile of the team has this identifier")
		case fold(o.Name) == fold(v.Name):
			return mdm.Errorf(mdm.CodeConflict, "name", "another profile of the team has this name")
		}
	}
	w := cloneProfile(*v)
	w.CreatedAt, w.UpdatedAt = stored(w.CreatedAt), stored(w.UpdatedAt)
	if w.Key == 0 {
		w.Key, w.Edit = mdm.ProfileKey(next(&t.s.lastKey)), 1
	} else {
		old, err := t.edited(w.Key, w.Edit)
		if err != nil {
			return err
		}
		w.Edit++
		w.ID, w.Family, w.CreatedAt = old.ID, old.Family, old.CreatedAt
	}
	slot, ok := t.slots.get(w.Identifier)
	if !ok {
		slot = profiles.SlotKey(next(&t.s.lastKey))
		if err := t.slots.put(t, "slot", w.Identifier, slot); err != nil {
			return err
		}
	}
	w.Slot = slot
	if err := t.profiles.put(t, "profile", w.Key, w); err != nil {
		return err
	}
	v.Key, v.Slot, v.Edit = w.Key, w.Slot, w.Edit
	return nil
}

// edited returns the profile that has the edit.
func (t *tx) edited(k mdm.ProfileKey, was mdm.Edit) (profiles.Profile, error) {
	p, ok := t.profiles.get(k)
	switch {
	case !ok:
		return p, notFound("profile")
	case p.Edit != was:
		return p, mdm.Errorf(mdm.CodeConflict, "edit", "the profile was changed meanwhile")
	}
	return p, nil
}

func (r profilesRoom) DeleteProfile(ctx context.Context, x mdm.Tx, k mdm.ProfileKey, was mdm.Edit) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if _, err := t.edited(k, was); err != nil {
		return err
	}
	return t.profiles.del(t, "profile", k)
}

func (r profilesRoom) Teams(ctx context.Context, tenant mdm.TenantID) (out []profiles.Team, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error {
		for _, k := range t.teams.keys() {
			v, _ := t.teams.get(k)
			out = append(out, v)
		}
		return nil
	})
	return out, err
}

// slotName is the inverse of slots; empty when there is no such slot.
func (t *tx) slotName(k profiles.SlotKey) string {
	for name, slot := range t.slots.m {
		if slot == k {
			return name
		}
	}
	return ""
}

func (t *tx) labelList() (out []profiles.Label) {
	for _, k := range t.labels.keys() {
		v, _ := t.labels.get(k)
		out = append(out, v)
	}
	return out
}

func (r profilesRoom) Labels(ctx context.Context, tenant mdm.TenantID) (out []profiles.Label, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { out = t.labelList(); return nil })
	return out, err
}

func (r profilesRoom) LabelsTx(ctx context.Context, x mdm.Tx) ([]profiles.Label, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	return t.labelList(), nil
}

func (t *tx) profile(id mdm.ProfileID) (profiles.Profile, error) {
	for _, p := range t.profiles.m {
		if p.ID == id {
			return cloneProfile(p), nil
		}
	}
	return profiles.Profile{}, notFound("profile")
}

func (t *tx) profileList(team *mdm.TeamKey) (out []profiles.Profile) {
	for _, k := range t.profiles.keys() {
		if p, _ := t.profiles.get(k); team == nil || p.Team == *team {
			out = append(out, cloneProfile(p))
		}
	}
	return out
}

func (r profilesRoom) Profile(ctx context.Context, tenant mdm.TenantID, id mdm.ProfileID) (p profiles.Profile, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { p, err = t.profile(id); return err })
	return p, err
}

func (r profilesRoom) ProfileTx(ctx context.Context, x mdm.Tx, id mdm.ProfileID) (profiles.Profile, error) {
	t, err := r.s.join(x)
	if err != nil {
		return profiles.Profile{}, err
	}
	return t.profile(id)
}

func (r profilesRoom) Profiles(ctx context.Context, tenant mdm.TenantID, team *mdm.TeamKey) (out []profiles.Profile, err error) {
	err = r.s.read(ctx, tenant, func(t *tx) error { out = t.profileList(team); return nil })
	return out, err
}

func (r profilesRoom) ProfilesTx(ctx context.Context, x mdm.Tx) ([]profiles.Profile, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	return t.profileList(nil), nil
}

func (r profilesRoom) RaiseTeam(ctx context.Context, x mdm.Tx, k mdm.TeamKey) (int64, error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	if k == 0 {
		if err := t.write("team"); err != nil {
			return 0, err
		}
		st := t.state
		t.undo = append(t.undo, func() { st.noTeam-- })
		st.noTeam++
		return st.noTeam, nil
	}
	v, ok := t.teams.get(k)
	if !ok {
		return 0, notFound("team")
	}
	v.Version++
	return v.Version, t.teams.put(t, "team", k, v)
}

func (t *tx) teamVersion(k mdm.TeamKey) (int64, error) {
	if k == 0 {
		return t.noTeam, nil
	}
	v, ok := t.teams.get(k)
	if !ok {
		return 0, notFound("team")
	}
	return v.Version, nil
}

func (r profilesRoom) TeamVersion(ctx context.Context, x mdm.Tx, k mdm.TeamKey) (int64, error) {
	t, err := r.s.join(x)
	if err != nil {
		return 0, err
	}
	return t.teamVersion(k)
}

func (r profilesRoom) Definitions(ctx context.Context, x mdm.Tx, k mdm.TeamKey) (*profiles.Definitions, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	v, err := t.teamVersion(k)
	if err != nil {
		return nil, err
	}
	return &profiles.Definitions{Team: k, Version: v, Profiles: t.profileList(&k)}, nil
}

func memberKey(l mdm.LabelKey, h mdm.HostKey) string { return itoa(int64(l)) + "/" + itoa(int64(h)) }

func (r profilesRoom) SetMember(ctx context.Context, x mdm.Tx, l mdm.LabelKey, h mdm.HostKey, v profiles.Tri) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	if _, ok := t.labels.get(l); !ok {
		return notFound("label")
	}
	if _, ok := t.hosts.get(h); !ok {
		return notFound("host")
	}
	return t.members.put(t, "member", memberKey(l, h), v)
}

func (r profilesRoom) Members(ctx context.Context, tenant mdm.TenantID, l mdm.LabelKey, after mdm.HostKey, limit int) (map[mdm.HostKey]profiles.Tri, error) {
	out := make(map[mdm.HostKey]profiles.Tri)
	err := r.s.read(ctx, tenant, func(t *tx) error {
		for _, h := range t.hosts.keys() {
			if v, ok := t.members.get(memberKey(l, h)); ok && h > after && len(out) < limit {
				out[h] = v
			}
		}
		return nil
	})
	return out, err
}

func (r profilesRoom) SetHostTeam(ctx context.Context, x mdm.Tx, h mdm.HostKey, k mdm.TeamKey) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	v, ok := t.hosts.get(h)
	if !ok {
		return notFound("host")
	}
	if _, ok := t.teams.get(k); !ok && k != 0 {
		return notFound("team")
	}
	v.Team = k
	return t.hosts.put(t, "host", h, v)
}

func (r profilesRoom) PutContent(ctx context.Context, x mdm.Tx, h mdm.Hash, sealed []byte, now time.Time) error {
	return queueRoom(r).PutContent(ctx, x, h, sealed, now)
}

func (r profilesRoom) MendContent(ctx context.Context, x mdm.Tx, h mdm.Hash, sealed []byte) error {
	t, err := r.s.join(x)
	if err != nil {
		return err
	}
	row, ok := t.contents.get(h.String())
	if !ok {
		return nil
	}
	row.sealed = bytes.Clone(sealed)
	return t.contents.put(t, "content", h.String(), row)
}

func (r profilesRoom) Content(ctx context.Context, t mdm.TenantID, h mdm.Hash) ([]byte, error) {
	return queueRoom(r).Content(ctx, t, h)
}

func (r profilesRoom) ContentTx(ctx context.Context, x mdm.Tx, h mdm.Hash) ([]byte, error) {
	t, err := r.s.join(x)
	if err != nil {
		return nil, err
	}
	return t.content(h)
}
