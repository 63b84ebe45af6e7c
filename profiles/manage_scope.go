package profiles

import (
	"context"
	"slices"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// CreateTeam stores a new team, in a unit of its own.
func (g *Engine) CreateTeam(ctx context.Context, t mdm.TenantID, name string) (Team, error) {
	if err := checkName("name", name); err != nil {
		return Team{}, err
	}
	id, err := mdm.NewUUID(g.c.Clock.Now(), g.c.Rand)
	if err != nil {
		return Team{}, err
	}
	var team Team
	err = g.unit(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		team = Team{ID: mdm.TeamID(id), Name: name} // anew in each run
		return g.c.Store.PutTeam(ctx, tx, &team)
	})
	if err != nil {
		return Team{}, err
	}
	return team, nil
}

// DeleteTeam deletes a team that has no profiles; its hosts come to no team.
func (g *Engine) DeleteTeam(ctx context.Context, t mdm.TenantID, k mdm.TeamKey) error {
	return g.unit(ctx, t, func(ctx context.Context, tx mdm.Tx) error { return g.c.Store.DeleteTeam(ctx, tx, k) })
}

// Teams lists the teams, without "no team".
func (g *Engine) Teams(ctx context.Context, t mdm.TenantID) ([]Team, error) {
	return g.c.Store.Teams(ctx, t)
}

// CreateLabel stores a new label, in a unit of its own. Hosts that are never
// spoken of have membership def.
func (g *Engine) CreateLabel(ctx context.Context, t mdm.TenantID, name string, def Tri) (Label, error) {
	if err := checkName("name", name); err != nil {
		return Label{}, err
	}
	if !def.valid() {
		return Label{}, mdm.Errorf(mdm.CodeInvalid, "default", "a membership is no, yes or unknown")
	}
	id, err := mdm.NewUUID(g.c.Clock.Now(), g.c.Rand)
	if err != nil {
		return Label{}, err
	}
	var l Label
	err = g.unit(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		l = Label{ID: mdm.LabelID(id), Name: name, Default: def} // anew in each run
		return g.c.Store.PutLabel(ctx, tx, &l)
	})
	if err != nil {
		return Label{}, err
	}
	return l, nil
}

// DeleteLabel deletes a label that no profile's scope names.
func (g *Engine) DeleteLabel(ctx context.Context, t mdm.TenantID, k mdm.LabelKey) error {
	return g.unit(ctx, t, func(ctx context.Context, tx mdm.Tx) error {
		ps, err := g.c.Store.ProfilesTx(ctx, tx)
		if err != nil {
			return err
		}
		var users []string
		for i := range ps {
			s := &ps[i].Scope
			if slices.Contains(s.IncludeAll, k) || slices.Contains(s.IncludeAny, k) || slices.Contains(s.ExcludeAny, k) {
				users = append(users, ps[i].Name)
			}
		}
		if len(users) > 0 {
			return mdm.Errorf(mdm.CodeConflict, "label", "these profiles are scoped by it: %s", strings.Join(users, ", "))
		}
		return g.c.Store.DeleteLabel(ctx, tx, k)
	})
}

// Labels lists the labels.
func (g *Engine) Labels(ctx context.Context, t mdm.TenantID) ([]Label, error) {
	return g.c.Store.Labels(ctx, t)
}

// SetMember records whether a host has a label, in a unit of its own.
func (g *Engine) SetMember(ctx context.Context, t mdm.TenantID, l mdm.LabelKey, h mdm.HostKey, v Tri) error {
	return g.unit(ctx, t, func(ctx context.Context, tx mdm.Tx) error { return g.SetMemberTx(ctx, tx, l, h, v) })
}

// SetMemberTx is [Engine.SetMember] in the caller's unit of work.
func (g *Engine) SetMemberTx(ctx context.Context, tx mdm.Tx, l mdm.LabelKey, h mdm.HostKey, v Tri) error {
	if !v.valid() {
		return mdm.Errorf(mdm.CodeInvalid, "value", "a membership is no, yes or unknown")
	}
	if err := g.c.Store.SetMember(ctx, tx, l, h, v); err != nil {
		return err
	}
	return g.c.Store.MarkHost(ctx, tx, h, LaneHost)
}

// Members lists the hosts for which a membership in the label was recorded.
func (g *Engine) Members(ctx context.Context, t mdm.TenantID, l mdm.LabelKey, after mdm.HostKey, limit int) (map[mdm.HostKey]Tri, error) {
	return g.c.Store.Members(ctx, t, l, after, limit)
}

// SetHostTeam moves a host to a team (0 is no team), in a unit of its own.
func (g *Engine) SetHostTeam(ctx context.Context, t mdm.TenantID, h mdm.HostKey, k mdm.TeamKey) error {
	return g.unit(ctx, t, func(ctx context.Context, tx mdm.Tx) error { return g.SetHostTeamTx(ctx, tx, h, k) })
}

// SetHostTeamTx is [Engine.SetHostTeam] in the caller's unit of work.
func (g *Engine) SetHostTeamTx(ctx context.Context, tx mdm.Tx, h mdm.HostKey, k mdm.TeamKey) error {
	if err := g.c.Store.SetHostTeam(ctx, tx, h, k); err != nil {
		return err
	}
	if err := g.c.Store.MarkDue(ctx, tx, h, g.c.Clock.Now().Add(secondLook)); err != nil {
		return err
	}
	return g.c.Store.MarkHost(ctx, tx, h, LaneHost)
}

// Backlog counts the hosts that are waiting to be planned.
func (g *Engine) Backlog(ctx context.Context, t mdm.TenantID) (int, error) {
	return g.c.Store.Backlog(ctx, t)
}
