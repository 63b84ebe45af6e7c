package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// profileRow is a profile in a list.
type profileRow struct {
	keelson.Profile
	TeamName string
	Bar      bar
}

func (d *dashboard) profiles(w http.ResponseWriter, r *http.Request) error {
	rows, err := d.profileRows(r.Context())
	if err != nil {
		return err
	}
	return d.render(w, r, http.StatusOK, "profiles", view{"Profiles", "profiles", rows})
}

func (d *dashboard) profileRows(ctx context.Context) ([]profileRow, error) {
	ps, err := d.mdm.Profiles().List(ctx, nil)
	if err != nil {
		return nil, err
	}
	teams, err := d.teamNames(ctx)
	rows := make([]profileRow, len(ps))
	for i, p := range ps {
		rows[i] = profileRow{p, teams[p.Team], newBar(p.Counts)}
	}
	return rows, err
}

// profileData is one profile and a page of its hosts.
type profileData struct {
	profileRow
	LabelNames map[mdm.LabelID]string
	Status     profiles.Status // only the hosts of this one; empty shows all
	Hosts      []keelson.ProfileHost
	Next       string // address of the next page; empty when there is none
}

func (d *dashboard) profile(w http.ResponseWriter, r *http.Request) error {
	p, err := d.mdm.Profiles().Get(r.Context(), mdm.ProfileID(r.PathValue("profile")))
	if err != nil {
		return err
	}
	data, err := d.profileData(r.Context(), p, r.URL.Query())
	if err != nil {
		return err
	}
	return d.render(w, r, http.StatusOK, "profile", view{p.Name, "profiles", data})
}

func (d *dashboard) profileData(ctx context.Context, p keelson.Profile, q url.Values) (*profileData, error) {
	teams, err := d.teamNames(ctx)
	if err != nil {
		return nil, err
	}
	labels, err := d.mdm.Labels().List(ctx)
	if err != nil {
		return nil, err
	}
	data := &profileData{profileRow: profileRow{p, teams[p.Team], newBar(p.Counts)}, LabelNames: make(map[mdm.LabelID]string)}
	for _, l := range labels {
		data.LabelNames[l.ID] = l.Name
	}
	if s := profiles.Status(q.Get("status")); slices.Contains(statuses(), s) {
		data.Status = s
	}
	page, err := d.mdm.Profiles().Hosts(ctx, p.ID, data.Status, keelson.Page{After: mdm.HostID(q.Get("after")), Limit: pageHosts})
	if err != nil {
		return nil, err
	}
	data.Hosts = page.Items
	if page.Next != "" {
		next := url.Values{"after": {string(page.Next)}}
		if data.Status != "" {
			next.Set("status", string(data.Status))
		}
		data.Next = "/profiles/" + string(p.ID) + "?" + next.Encode()
	}
	return data, nil
}

// Statuses are those that people choose from: those that hosts have, and the one
// that is chosen.
func (p *profileData) Statuses() []profiles.Status {
	var out []profiles.Status
	for _, s := range statuses() {
		if p.Counts[s] > 0 || s == p.Status {
			out = append(out, s)
		}
	}
	return out
}

func (d *dashboard) replace(w http.ResponseWriter, r *http.Request) error {
	id := mdm.ProfileID(r.PathValue("profile"))
	content, err := formFile(r)
	if err != nil {
		return err
	}
	p, err := d.mdm.Profiles().Update(r.Context(), id, keelson.ProfileChange{Content: content})
	if err != nil {
		return err
	}
	return d.uploaded(w, r, p)
}

func (d *dashboard) deleteProfile(w http.ResponseWriter, r *http.Request) error {
	if err := d.mdm.Profiles().Delete(r.Context(), mdm.ProfileID(r.PathValue("profile"))); err != nil {
		return err
	}
	http.Redirect(w, r, "/profiles", http.StatusSeeOther)
	return nil
}

// Platforms are those that a profile reaches, for people.
func (p profileRow) Platforms() []mdm.Platform {
	if len(p.Scope.Platforms) > 0 {
		return p.Scope.Platforms
	}
	if p.Family == profiles.WindowsProfile {
		return []mdm.Platform{mdm.Windows}
	}
	return []mdm.Platform{mdm.MacOS, mdm.IOS, mdm.IPadOS, mdm.TVOS}
}
