package main

import (
	"context"
	"net/http"
	"net/url"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// pageHosts is how many hosts a page shows.
const pageHosts = 50

// hostRow is a host in a list.
type hostRow struct {
	keelson.HostSummary
	TeamName string
}

// hostsData is a page of hosts.
type hostsData struct {
	Search   string
	Platform mdm.Platform
	All      []mdm.Platform
	Hosts    []hostRow
	Next     string // address of the next page; empty when there is none
}

func (d *dashboard) hosts(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	data := hostsData{
		Search: q.Get("q"), Platform: mdm.Platform(q.Get("platform")),
		All: []mdm.Platform{mdm.MacOS, mdm.IOS, mdm.IPadOS, mdm.Windows},
	}
	if data.Platform != "" && !data.Platform.Valid() {
		data.Platform = ""
	}
	f := keelson.HostFilter{Search: data.Search, Platform: data.Platform}
	rows, more, err := d.hostRows(r.Context(), f, keelson.Page{After: mdm.HostID(q.Get("after")), Limit: pageHosts})
	if err != nil {
		return err
	}
	data.Hosts = rows
	if more {
		next := url.Values{"after": {string(rows[len(rows)-1].ID)}}
		if data.Search != "" {
			next.Set("q", data.Search)
		}
		if data.Platform != "" {
			next.Set("platform", string(data.Platform))
		}
		data.Next = "/hosts?" + next.Encode()
	}
	return d.render(w, r, http.StatusOK, "hosts", view{"Hosts", "hosts", &data})
}

// hostRows lists hosts with where their profiles stand, and whether there are
// more.
func (d *dashboard) hostRows(ctx context.Context, f keelson.HostFilter, p keelson.Page) ([]hostRow, bool, error) {
	limit := p.Limit
	p.Limit++
	hs, err := d.mdm.Hosts().List(ctx, f, p)
	if err != nil {
		return nil, false, err
	}
	more := len(hs) > limit
	teams, err := d.teamNames(ctx)
	if err != nil {
		return nil, false, err
	}
	rows := make([]hostRow, min(len(hs), limit))
	for i := range rows {
		rows[i] = hostRow{hs[i], teams[hs[i].Team]}
	}
	return rows, more, nil
}

func countProfiles(ps []keelson.HostProfile) map[profiles.Status]int {
	counts := make(map[profiles.Status]int)
	for _, p := range ps {
		counts[p.Status]++
	}
	return counts
}

// teamNames are the names of teams; that of "no team" is empty.
func (d *dashboard) teamNames(ctx context.Context) (map[mdm.TeamID]string, error) {
	teams, err := d.mdm.Teams().List(ctx)
	names := make(map[mdm.TeamID]string, len(teams))
	for _, t := range teams {
		names[t.ID] = t.Name
	}
	return names, err
}
