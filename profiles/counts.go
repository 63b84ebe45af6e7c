package profiles

import (
	"context"

	"github.com/keelson-mdm/keelson/mdm"
)

// Counts are hosts of a profile, or profiles of a host, by status.
type Counts map[Status]int

// Counts returns how many of a host's profiles stand where.
func (v *HostView) Counts() Counts {
	c := make(Counts)
	for i := range v.Items {
		c[v.Items[i].Status]++
	}
	return c
}

// CountsOf returns, for each profile of a team, how many hosts stand where,
// those included that are losing it. It reads the team's hosts in pages, and is
// right at once after a change.
func (g *Engine) CountsOf(ctx context.Context, t mdm.TenantID, team mdm.TeamKey) (map[mdm.ProfileKey]Counts, error) {
	ps, err := g.c.Store.Profiles(ctx, t, &team)
	if err != nil {
		return nil, err
	}
	out := make(map[mdm.ProfileKey]Counts, len(ps))
	for i := range ps {
		out[ps[i].Key] = Counts{}
	}
	err = g.walk(ctx, t, &Definitions{Team: team, Profiles: ps}, 0, func(v *HostView) bool {
		for _, it := range v.Items {
			if it.Profile.Key != 0 {
				out[it.Profile.Key][it.Status]++
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// CountOf is [Engine.CountsOf] for one profile, of which alone it reads.
func (g *Engine) CountOf(ctx context.Context, t mdm.TenantID, p Profile) (Counts, error) {
	c := Counts{}
	err := g.walkSlot(ctx, t, p, 0, func(v *HostView) bool {
		if it := v.of(p.Key); it != nil {
			c[it.Status]++
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// of returns the item of a profile; nil when the host has none.
func (v *HostView) of(k mdm.ProfileKey) *Item {
	for i := range v.Items {
		if v.Items[i].Profile.Key == k {
			return &v.Items[i]
		}
	}
	return nil
}

// walk derives the views of a team's hosts with keys above after, in key order
// and page by page, until visit has seen enough.
func (g *Engine) walk(ctx context.Context, t mdm.TenantID, defs *Definitions, after mdm.HostKey, visit func(*HostView) bool) error {
	return g.pages(ctx, t, defs, after, visit, func(after mdm.HostKey) ([]HostState, error) {
		return g.c.Store.LoadTeam(ctx, t, defs.Team, after, g.c.Page)
	})
}

// walkSlot is walk with views of one profile's slot and nothing else: where it
// stands does not depend on other slots, but whether its removal is held does,
// which these views do not say.
func (g *Engine) walkSlot(ctx context.Context, t mdm.TenantID, p Profile, after mdm.HostKey, visit func(*HostView) bool) error {
	defs := &Definitions{Team: p.Team, Profiles: []Profile{p}}
	return g.pages(ctx, t, defs, after, visit, func(after mdm.HostKey) ([]HostState, error) {
		return g.c.Store.LoadSlot(ctx, t, p.Team, p.Slot, after, g.c.Page)
	})
}

func (g *Engine) pages(ctx context.Context, t mdm.TenantID, defs *Definitions, after mdm.HostKey, visit func(*HostView) bool, load func(mdm.HostKey) ([]HostState, error)) error {
	for {
		states, err := load(after)
		if err != nil {
			return err
		}
		in, err := g.input(ctx, t, defs, states)
		if err != nil {
			return err
		}
		for i := range states {
			after, in.State = states[i].Host.Key, states[i]
			v := view(&in)
			if !visit(&v) {
				return nil
			}
		}
		if len(states) < g.c.Page {
			return nil
		}
	}
}
