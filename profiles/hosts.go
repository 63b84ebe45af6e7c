package profiles

import (
	"context"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
)

// HostItem is a profile on one host.
type HostItem struct {
	Host mdm.Host
	Item Item
}

// HostPage is a part of the hosts of a profile.
type HostPage struct {
	Hosts []HostItem // in key order
	// Next is the host behind which the list goes on, itself in it or not; its
	// key is zero at the end.
	Next mdm.Host
}

// maxPages bounds how many pages of hosts one [Engine.HostsOf] looks at.
const maxPages = 100

// HostsOf lists the hosts of a profile's team that should carry it, carry it or
// are losing it, with keys above after: those that [Engine.CountsOf] counts, all
// of them or those of one status. It is right at once after a change.
//
// As a status is derived and not stored, it looks at hosts one after the other,
// and at a bounded number of them: a page may have fewer hosts than limit, or
// none, though there are more; see [HostPage].
func (g *Engine) HostsOf(ctx context.Context, t mdm.TenantID, id mdm.ProfileID, s Status, after mdm.HostKey, limit int) (HostPage, error) {
	if s != "" && !slices.Contains(statuses(), s) {
		return HostPage{}, mdm.Errorf(mdm.CodeInvalid, "status", "unknown status %.40q", s)
	}
	p, err := g.c.Store.Profile(ctx, t, id)
	if err != nil {
		return HostPage{}, err
	}
	ps, err := g.c.Store.Profiles(ctx, t, &p.Team)
	if err != nil {
		return HostPage{}, err
	}
	var page HostPage
	seen := 0
	err = g.walk(ctx, t, &Definitions{Team: p.Team, Profiles: ps}, after, func(v *HostView) bool {
		at := slices.IndexFunc(v.Items, func(it Item) bool { return it.Profile.Key == p.Key && (s == "" || it.Status == s) })
		switch {
		case at >= 0 && len(page.Hosts) == limit:
			page.Next = page.Hosts[limit-1].Host
			return false
		case at >= 0:
			page.Hosts = append(page.Hosts, HostItem{v.Host, v.Items[at]})
		}
		if seen++; seen == maxPages*g.c.Page {
			page.Next = v.Host
			return false
		}
		return true
	})
	if err != nil {
		return HostPage{}, err
	}
	return page, nil
}

// Hosts is [Engine.Host] for several, by key; hosts that are deleted or unknown
// are left out. What it reads is a fixed number of times the store, however many
// hosts there are, and the contents that this process has not met before.
func (g *Engine) Hosts(ctx context.Context, t mdm.TenantID, hosts []mdm.HostKey) (map[mdm.HostKey]HostView, error) {
	states, err := g.c.Store.LoadHosts(ctx, t, hosts)
	if err != nil || len(states) == 0 {
		return nil, err
	}
	byTeam := make(map[mdm.TeamKey][]HostState)
	for _, s := range states {
		byTeam[s.Host.Team] = append(byTeam[s.Host.Team], s)
	}
	only := &states[0].Host.Team
	if len(byTeam) > 1 {
		only = nil
	}
	ps, err := g.c.Store.Profiles(ctx, t, only)
	if err != nil {
		return nil, err
	}
	defs := make(map[mdm.TeamKey]*Definitions, len(byTeam))
	for team := range byTeam {
		defs[team] = &Definitions{Team: team}
	}
	for _, p := range ps {
		if d := defs[p.Team]; d != nil {
			d.Profiles = append(d.Profiles, p)
		}
	}
	out := make(map[mdm.HostKey]HostView, len(states))
	for team, states := range byTeam {
		docs, err := g.documents(t, defs[team], states, func(h mdm.Hash) ([]byte, error) { return g.content(ctx, t, h) })
		if err != nil {
			return nil, err
		}
		for i := range states {
			out[states[i].Host.Key] = view(&Input{State: states[i], Definitions: defs[team], Documents: docs, Now: g.c.Clock.Now()})
		}
	}
	return out, nil
}
