package main

import (
	"context"
	"net/http"

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

// profileData is one profile and the hosts that it reaches.
type profileData struct {
	profileRow
	LabelNames map[mdm.LabelID]string
	Hosts      []profileHost
	Next       mdm.HostID // where the next page begins; empty when there is none
}

// profileHost is a host that a profile reaches.
type profileHost struct {
	keelson.Host
	On keelson.HostProfile
}

func (d *dashboard) profile(w http.ResponseWriter, r *http.Request) error {
	p, err := d.mdm.Profiles().Get(r.Context(), mdm.ProfileID(r.PathValue("profile")))
	if err != nil {
		return err
	}
	data, err := d.profileData(r.Context(), p, mdm.HostID(r.URL.Query().Get("after")))
	if err != nil {
		return err
	}
	return d.render(w, r, http.StatusOK, "profile", view{p.Name, "profiles", data})
}

func (d *dashboard) profileData(ctx context.Context, p keelson.Profile, after mdm.HostID) (*profileData, error) {
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
	return data, d.reached(ctx, data, after)
}

// reached collects a page of hosts that have something to do with the profile.
// It looks at a bounded number of hosts, whether or not they have.
func (d *dashboard) reached(ctx context.Context, data *profileData, after mdm.HostID) error {
	for range 10 {
		hs, err := d.mdm.Hosts().List(ctx, keelson.HostFilter{Team: &data.Team}, keelson.Page{After: after, Limit: pageHosts})
		if err != nil {
			return err
		}
		for _, h := range hs {
			after = h.ID
			if data.Family.Covers(h.Platform) {
				detail, err := d.mdm.Hosts().Get(ctx, h.ID)
				if err != nil {
					return err
				}
				for _, on := range detail.Profiles {
					if on.Profile == data.ID {
						data.Hosts = append(data.Hosts, profileHost{h, on})
					}
				}
			}
			if len(data.Hosts) == pageHosts {
				data.Next = after
				return nil
			}
		}
		if len(hs) < pageHosts {
			return nil
		}
	}
	data.Next = after
	return nil
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
