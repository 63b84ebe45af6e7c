package profiles

import (
	"context"

	"github.com/keelson-mdm/keelson/mdm"
)

// Counts are hosts by status.
type Counts map[Status]int

// CountsOf returns, for each profile of a team, how many hosts stand where,
// those included that are losing it. It reads the team's hosts in pages, and is
// right at once after a change.
func (g *Engine) CountsOf(ctx context.Context, t mdm.TenantID, team mdm.TeamKey) (map[mdm.ProfileKey]Counts, error) {
	ps, err := g.c.Store.Profiles(ctx, t, &team)
	if err != nil {
		return nil, err
	}
	defs := &Definitions{Team: team, Profiles: ps}
	out := make(map[mdm.ProfileKey]Counts, len(ps))
	for i := range ps {
		out[ps[i].Key] = Counts{}
	}
	for after := mdm.HostKey(0); ; {
		states, err := g.c.Store.LoadTeam(ctx, t, team, after, g.c.Page)
		if err != nil {
			return nil, err
		}
		docs, err := g.documents(t, defs, states, func(h mdm.Hash) ([]byte, error) { return g.content(ctx, t, h) })
		if err != nil {
			return nil, err
		}
		for i := range states {
			after = states[i].Host.Key
			in := Input{State: states[i], Definitions: defs, Documents: docs, Now: g.c.Clock.Now()}
			for _, it := range view(&in).Items {
				if it.Profile.Key != 0 {
					out[it.Profile.Key][it.Status]++
				}
			}
		}
		if len(states) < g.c.Page {
			return out, nil
		}
	}
}
