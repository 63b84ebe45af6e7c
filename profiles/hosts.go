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
	var page HostPage
	seen := 0
	err = g.walkSlot(ctx, t, p, after, func(v *HostView) bool {
		it := v.of(p.Key)
		switch {
		case it == nil, s != "" && it.Status != s:
		case len(page.Hosts) == limit:
			page.Next = page.Hosts[limit-1].Host
			return false
		default:
			page.Hosts = append(page.Hosts, HostItem{v.Host, *it})
		}
		if seen++; seen == maxPages*g.c.Page {
			page.Next = v.Host
			return false
		}
		return true
	})
	if err == nil {
		err = g.tellHeld(ctx, t, p.Key, page.Hosts)
	}
	if err != nil {
		return HostPage{}, err
	}
	return page, nil
}

// tellHeld looks at removals once more, and at all that their hosts carry: the
// plan may hold them.
func (g *Engine) tellHeld(ctx context.Context, t mdm.TenantID, k mdm.ProfileKey, hosts []HostItem) error {
	var keys []mdm.HostKey
	for i := range hosts {
		if it := &hosts[i].Item; !it.wanted && it.Row.Op == Install {
			keys = append(keys, hosts[i].Host.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	views, err := g.Hosts(ctx, t, keys)
	if err != nil {
		return err
	}
	for i := range hosts {
		v := views[hosts[i].Host.Key]
		if it := v.of(k); it != nil && it.Status == hosts[i].Item.Status { // else something happened meanwhile
			hosts[i].Item = *it
		}
	}
	return nil
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
		in, err := g.input(ctx, t, defs[team], states)
		if err != nil {
			return nil, err
		}
		for _, in.State = range states {
			out[in.State.Host.Key] = view(&in)
		}
	}
	return out, nil
}
