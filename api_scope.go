package keelson

import (
	"context"
	"fmt"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// Team is a scope for profiles. The zero TeamID is "no team", which always
// exists.
type Team struct {
	ID   mdm.TeamID `json:"id"`
	Name string     `json:"name"`
}

// Label is a named set of hosts, kept by hand.
type Label struct {
	ID   mdm.LabelID `json:"id"`
	Name string      `json:"name"`
	// Default is the membership of hosts that were never spoken of.
	Default Membership `json:"default"`
}

// Membership says whether a host has a label. Unknown changes nothing about
// what the host carries.
type Membership string

// The memberships. Empty means No.
const (
	No      Membership = "no"
	Yes     Membership = "yes"
	Unknown Membership = "unknown"
)

func (m Membership) tri() (profiles.Tri, error) {
	switch m {
	case No, "":
		return profiles.No, nil
	case Yes:
		return profiles.Yes, nil
	case Unknown:
		return profiles.Unknown, nil
	}
	return 0, mdm.Errorf(mdm.CodeInvalid, "membership", "a membership is no, yes or unknown")
}

// Scope says which hosts of the team a profile reaches. Empty lists do not
// narrow.
type Scope struct {
	IncludeAll []mdm.LabelID  `json:"include_all,omitempty"`
	IncludeAny []mdm.LabelID  `json:"include_any,omitempty"`
	ExcludeAny []mdm.LabelID  `json:"exclude_any,omitempty"`
	Platforms  []mdm.Platform `json:"platforms,omitempty"`
}

// Teams is the API of teams.
type Teams struct{ t *Tenant }

// Create makes a team.
func (a *Teams) Create(ctx context.Context, name string) (Team, error) {
	if err := a.t.may(ctx, "teams.write", name); err != nil {
		return Team{}, err
	}
	v, err := a.t.m.profiles.CreateTeam(ctx, a.t.id, name)
	return Team{v.ID, v.Name}, err
}

// Delete deletes a team without profiles; its hosts come to no team.
func (a *Teams) Delete(ctx context.Context, id mdm.TeamID) error {
	if err := a.t.may(ctx, "teams.write", string(id)); err != nil {
		return err
	}
	k, err := a.t.teamKey(ctx, id)
	if err != nil {
		return err
	}
	if k == 0 {
		return mdm.Errorf(mdm.CodeInvalid, "team", "no team cannot be deleted")
	}
	return a.t.m.profiles.DeleteTeam(ctx, a.t.id, k)
}

// List lists the teams, without "no team".
func (a *Teams) List(ctx context.Context) ([]Team, error) {
	if err := a.t.may(ctx, "teams.read", ""); err != nil {
		return nil, err
	}
	vs, err := a.t.m.profiles.Teams(ctx, a.t.id)
	out := make([]Team, len(vs))
	for i, v := range vs {
		out[i] = Team{v.ID, v.Name}
	}
	return out, err
}

// Labels is the API of labels.
type Labels struct{ t *Tenant }

// Create makes a label.
func (a *Labels) Create(ctx context.Context, name string, def Membership) (Label, error) {
	if err := a.t.may(ctx, "labels.write", name); err != nil {
		return Label{}, err
	}
	tri, err := def.tri()
	if err != nil {
		return Label{}, err
	}
	v, err := a.t.m.profiles.CreateLabel(ctx, a.t.id, name, tri)
	return label(v), err
}

func label(v profiles.Label) Label { return Label{v.ID, v.Name, Membership(v.Default.String())} }

// Delete deletes a label that no profile is scoped by.
func (a *Labels) Delete(ctx context.Context, id mdm.LabelID) error {
	if err := a.t.may(ctx, "labels.write", string(id)); err != nil {
		return err
	}
	k, err := a.t.labelKey(ctx, id)
	if err != nil {
		return err
	}
	return a.t.m.profiles.DeleteLabel(ctx, a.t.id, k)
}

// List lists the labels.
func (a *Labels) List(ctx context.Context) ([]Label, error) {
	if err := a.t.may(ctx, "labels.read", ""); err != nil {
		return nil, err
	}
	vs, err := a.t.m.profiles.Labels(ctx, a.t.id)
	out := make([]Label, len(vs))
	for i, v := range vs {
		out[i] = label(v)
	}
	return out, err
}

// Set records whether a host has a label.
func (a *Labels) Set(ctx context.Context, id mdm.LabelID, h mdm.HostID, v Membership) error {
	if err := a.t.may(ctx, "labels.write", string(id)); err != nil {
		return err
	}
	tri, err := v.tri()
	if err != nil {
		return err
	}
	k, err := a.t.labelKey(ctx, id)
	if err != nil {
		return err
	}
	host, err := a.t.m.lifecycle.Host(ctx, a.t.id, h)
	if err != nil {
		return err
	}
	return a.t.m.profiles.SetMember(ctx, a.t.id, k, host.Key, tri)
}

func (t *Tenant) teamKey(ctx context.Context, id mdm.TeamID) (mdm.TeamKey, error) {
	if id == "" {
		return 0, nil
	}
	vs, err := t.m.profiles.Teams(ctx, t.id)
	if err != nil {
		return 0, err
	}
	for _, v := range vs {
		if v.ID == id {
			return v.Key, nil
		}
	}
	return 0, mdm.Errorf(mdm.CodeNotFound, "team", "no such team")
}

func (t *Tenant) labelKey(ctx context.Context, id mdm.LabelID) (mdm.LabelKey, error) {
	ks, err := t.labelKeys(ctx, "label", []mdm.LabelID{id})
	if err != nil {
		return 0, err
	}
	return ks[0], nil
}

func (t *Tenant) labelKeys(ctx context.Context, field string, ids []mdm.LabelID) ([]mdm.LabelKey, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	vs, err := t.m.profiles.Labels(ctx, t.id)
	if err != nil {
		return nil, err
	}
	out := make([]mdm.LabelKey, len(ids))
	for i, id := range ids {
		n := slices.IndexFunc(vs, func(l profiles.Label) bool { return l.ID == id })
		if n < 0 {
			at := field
			if field != "label" {
				at = fmt.Sprintf("%s[%d]", field, i)
			}
			return nil, mdm.Errorf(mdm.CodeNotFound, at, "no such label")
		}
		out[i] = vs[n].Key
	}
	return out, nil
}

func (t *Tenant) scopeKeys(ctx context.Context, s Scope) (out profiles.Scope, err error) {
	if out.IncludeAll, err = t.labelKeys(ctx, "scope.include_all", s.IncludeAll); err != nil {
		return out, err
	}
	if out.IncludeAny, err = t.labelKeys(ctx, "scope.include_any", s.IncludeAny); err != nil {
		return out, err
	}
	if out.ExcludeAny, err = t.labelKeys(ctx, "scope.exclude_any", s.ExcludeAny); err != nil {
		return out, err
	}
	out.Platforms = s.Platforms
	return out, nil
}
