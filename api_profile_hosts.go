package keelson

import (
	"context"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// ProfileHost is a host, and one profile on it.
type ProfileHost struct {
	Host Host        `json:"host"`
	On   HostProfile `json:"on_host"`
}

// ProfileHosts is a page of the hosts of a profile.
type ProfileHosts struct {
	Items []ProfileHost
	// Next is [Page].After of the next page; empty at the end.
	Next mdm.HostID
}

// Hosts lists the hosts of the profile's team that should carry it, carry it or
// are losing it: those that [Profile].Counts counts, or those of one status. It
// is right at once after a change. Hosts come in the order in which they came to
// be known.
//
// One call looks at a bounded number of hosts, so that a page may be short, or
// empty, though there are more: it is Next that tells the end.
func (a *Profiles) Hosts(ctx context.Context, id mdm.ProfileID, s profiles.Status, p Page) (ProfileHosts, error) {
	if err := a.t.may(ctx, "profiles.read", string(id)); err != nil {
		return ProfileHosts{}, err
	}
	if err := a.t.may(ctx, "hosts.read", ""); err != nil {
		return ProfileHosts{}, err
	}
	after, limit, err := a.t.page(ctx, p)
	if err != nil {
		return ProfileHosts{}, err
	}
	page, err := a.t.m.profiles.HostsOf(ctx, a.t.id, id, s, after, limit)
	if err != nil {
		return ProfileHosts{}, err
	}
	names, err := a.t.names(ctx)
	if err != nil {
		return ProfileHosts{}, err
	}
	out := ProfileHosts{Items: make([]ProfileHost, len(page.Hosts)), Next: page.Next.ID}
	for i, h := range page.Hosts {
		out.Items[i] = ProfileHost{names.host(h.Host), hostProfile(h.Item)}
	}
	return out, nil
}
