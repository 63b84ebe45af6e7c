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
