package main

import (
	"context"
	"net/http"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// overviewHosts is how many hosts the overview shows.
const overviewHosts = 12

// overviewData is the fleet at a glance.
type overviewData struct {
	Enrolled, Known int // hosts
	Platforms       []platformTotal
	All             bar // every profile on every host
	Profiles        []profileRow
	Hosts           []hostRow
	Findings        []keelson.Finding // what keeps devices away; empty when nothing does
}

// platformTotal counts the hosts of one platform.
type platformTotal struct {
	Platform        mdm.Platform
	Enrolled, Known int
}

func (d *dashboard) overview(w http.ResponseWriter, r *http.Request) error {
	data, err := d.fleet(r.Context())
	if err != nil {
		return err
	}
	if !isLive(r) {
		data.Findings = d.mdm.Doctor(r.Context())
	}
	return d.render(w, r, http.StatusOK, "overview", view{"Overview", "overview", data})
}

func (d *dashboard) fleet(ctx context.Context) (*overviewData, error) {
	counts, err := d.mdm.Hosts().Counts(ctx)
	if err != nil {
		return nil, err
	}
	var data overviewData
	for _, p := range []mdm.Platform{mdm.MacOS, mdm.IOS, mdm.IPadOS, mdm.TVOS, mdm.Windows, ""} {
		t := platformTotal{Platform: p, Enrolled: counts[p][mdm.HostEnrolled]}
		for state, n := range counts[p] {
			if state != mdm.HostDeleted {
				t.Known += n
			}
		}
		data.Enrolled += t.Enrolled
		data.Known += t.Known
		if t.Known > 0 {
			data.Platforms = append(data.Platforms, t)
		}
	}
	if data.Profiles, err = d.profileRows(ctx); err != nil {
		return nil, err
	}
	all := make(map[profiles.Status]int)
	for _, p := range data.Profiles {
		for s, n := range p.Counts {
			all[s] += n
		}
	}
	data.All = newBar(all)
	data.Hosts, _, err = d.hostRows(ctx, keelson.HostFilter{}, keelson.Page{Limit: overviewHosts})
	return &data, err
}
