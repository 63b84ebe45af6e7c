package keelson

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// Profile is a definition as administrators see it.
type Profile struct {
	ID         mdm.ProfileID   `json:"id"`
	Name       string          `json:"name"`
	Identifier string          `json:"identifier"`
	Family     profiles.Family `json:"family"`
	Team       mdm.TeamID      `json:"team,omitempty"`
	Scope      Scope           `json:"scope"`
	Revision   mdm.Revision    `json:"revision"` // counts contents
	Edit       mdm.Edit        `json:"edit"`     // counts every change
	Size       int             `json:"size"`
	SHA256     string          `json:"sha256"`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
	Actor      mdm.Actor       `json:"actor,omitzero"`
	// Counts are hosts by status; filled in by List and Get.
	Counts map[profiles.Status]int `json:"counts,omitempty"`
	// Warnings are for the person who uploads; filled in by Create and Update.
	Warnings []string `json:"warnings,omitempty"`
}

// ProfileUpload is a profile as an administrator writes it.
type ProfileUpload struct {
	Name       string          `json:"name"`                 // empty takes the content's own
	Identifier string          `json:"identifier,omitempty"` // of a Windows profile; empty is made from the name
	Family     profiles.Family `json:"family,omitempty"`     // empty is told from the content
	Team       mdm.TeamID      `json:"team,omitempty"`       // empty is no team
	Scope      Scope           `json:"scope"`
	Content    []byte          `json:"content"` // delivered byte for byte
}

// ProfileChange is what an update alters; nil stays.
type ProfileChange struct {
	Name    *string `json:"name,omitempty"`
	Scope   *Scope  `json:"scope,omitempty"`
	Content []byte  `json:"content,omitempty"`
	// Was refuses the update with [mdm.CodePrecondition] unless the profile
	// still has one of these edits; empty does not ask.
	Was []mdm.Edit `json:"-"`
}

// Profiles is the API of configuration profiles.
type Profiles struct{ t *Tenant }

// Create checks and stores a profile. Hosts that it reaches are planned within
// seconds, however many there are.
func (a *Profiles) Create(ctx context.Context, u ProfileUpload) (Profile, error) {
	if err := a.t.may(ctx, "profiles.write", u.Name); err != nil {
		return Profile{}, err
	}
	team, err := a.t.teamKey(ctx, u.Team)
	if err != nil {
		return Profile{}, err
	}
	scope, err := a.t.scopeKeys(ctx, u.Scope)
	if err != nil {
		return Profile{}, err
	}
	if u.Family == "" {
		if u.Family, err = familyOf(u.Content); err != nil {
			return Profile{}, err
		}
	}
	p, warnings, err := a.t.m.profiles.Create(ctx, a.t.id, profiles.Upload{
		Name: u.Name, Identifier: u.Identifier, Family: u.Family, Team: team, Scope: scope,
		Content: u.Content, Actor: mdm.ActorFrom(ctx),
	})
	if err != nil {
		return Profile{}, err
	}
	return a.one(ctx, p, warnings)
}

// Update alters a profile. New content is delivered to every host that has the
// old one; a new name is told to nobody.
func (a *Profiles) Update(ctx context.Context, id mdm.ProfileID, ch ProfileChange) (Profile, error) {
	if err := a.t.may(ctx, "profiles.write", string(id)); err != nil {
		return Profile{}, err
	}
	in := profiles.Change{Name: ch.Name, Content: ch.Content, Was: ch.Was, Actor: mdm.ActorFrom(ctx)}
	if ch.Scope != nil {
		s, err := a.t.scopeKeys(ctx, *ch.Scope)
		if err != nil {
			return Profile{}, err
		}
		in.Scope = &s
	}
	p, warnings, err := a.t.m.profiles.Update(ctx, a.t.id, id, in)
	if err != nil {
		return Profile{}, err
	}
	return a.one(ctx, p, warnings)
}

// Delete deletes a definition; hosts that carry it lose it. When edits are named,
// it is refused with [mdm.CodePrecondition] unless the profile still has one of
// them.
func (a *Profiles) Delete(ctx context.Context, id mdm.ProfileID, was ...mdm.Edit) error {
	if err := a.t.may(ctx, "profiles.write", string(id)); err != nil {
		return err
	}
	return a.t.m.profiles.Delete(ctx, a.t.id, id, profiles.Deletion{Was: was, Actor: mdm.ActorFrom(ctx)})
}

// Get returns one profile, with its counts.
func (a *Profiles) Get(ctx context.Context, id mdm.ProfileID) (Profile, error) {
	if err := a.t.may(ctx, "profiles.read", string(id)); err != nil {
		return Profile{}, err
	}
	p, err := a.t.m.profiles.Profile(ctx, a.t.id, id)
	if err != nil {
		return Profile{}, err
	}
	out, err := a.one(ctx, p, nil)
	if err != nil {
		return Profile{}, err
	}
	out.Counts, err = a.t.m.profiles.CountOf(ctx, a.t.id, p)
	return out, err
}

// Content returns a profile's bytes as they were uploaded.
func (a *Profiles) Content(ctx context.Context, id mdm.ProfileID) ([]byte, error) {
	if err := a.t.may(ctx, "profiles.content", string(id)); err != nil {
		return nil, err
	}
	return a.t.m.profiles.Content(ctx, a.t.id, id)
}

// List lists profiles with their counts: of every team, or of one ("" is no
// team). Counts are right at once after a change: what has not been planned yet
// shows as pending.
func (a *Profiles) List(ctx context.Context, team *mdm.TeamID) ([]Profile, error) {
	if err := a.t.may(ctx, "profiles.read", ""); err != nil {
		return nil, err
	}
	var key *mdm.TeamKey
	if team != nil {
		k, err := a.t.teamKey(ctx, *team)
		if err != nil {
			return nil, err
		}
		key = &k
	}
	ps, err := a.t.m.profiles.Profiles(ctx, a.t.id, key)
	if err != nil {
		return nil, err
	}
	names, err := a.names(ctx)
	if err != nil {
		return nil, err
	}
	counts := make(map[mdm.TeamKey]map[mdm.ProfileKey]profiles.Counts)
	out := make([]Profile, len(ps))
	for i, p := range ps {
		if counts[p.Team] == nil {
			if counts[p.Team], err = a.t.m.profiles.CountsOf(ctx, a.t.id, p.Team); err != nil {
				return nil, err
			}
		}
		out[i] = names.profile(p)
		out[i].Counts = counts[p.Team][p.Key]
	}
	return out, nil
}

func (a *Profiles) one(ctx context.Context, p profiles.Profile, warnings []string) (Profile, error) {
	names, err := a.names(ctx)
	if err != nil {
		return Profile{}, err
	}
	out := names.profile(p)
	out.Warnings = warnings
	return out, nil
}

// publicNames translates keys to public ids.
type publicNames struct {
	teams  map[mdm.TeamKey]mdm.TeamID
	labels map[mdm.LabelKey]mdm.LabelID
}

func (a *Profiles) names(ctx context.Context) (publicNames, error) { return a.t.names(ctx) }

func (t *Tenant) names(ctx context.Context) (publicNames, error) {
	n := publicNames{map[mdm.TeamKey]mdm.TeamID{}, map[mdm.LabelKey]mdm.LabelID{}}
	teams, err := t.m.profiles.Teams(ctx, t.id)
	if err != nil {
		return n, err
	}
	labels, err := t.m.profiles.Labels(ctx, t.id)
	for _, v := range teams {
		n.teams[v.Key] = v.ID
	}
	for _, v := range labels {
		n.labels[v.Key] = v.ID
	}
	return n, err
}

func (n publicNames) ids(keys []mdm.LabelKey) []mdm.LabelID {
	var out []mdm.LabelID
	for _, k := range keys {
		out = append(out, n.labels[k])
	}
	return out
}

func (n publicNames) profile(p profiles.Profile) Profile {
	return Profile{
		ID: p.ID, Name: p.Name, Identifier: p.Identifier, Family: p.Family, Team: n.teams[p.Team],
		Scope: Scope{
			IncludeAll: n.ids(p.Scope.IncludeAll), IncludeAny: n.ids(p.Scope.IncludeAny),
			ExcludeAny: n.ids(p.Scope.ExcludeAny), Platforms: p.Scope.Platforms,
		},
		Revision: p.Revision, Edit: p.Edit, Size: p.Size, SHA256: p.Content.String(),
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, Actor: p.Actor,
	}
}
