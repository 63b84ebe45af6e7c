package main

import (
	"context"
	"net/http"
	"slices"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

const (
	hostCommands = 25 // that a host's page shows
	hostExplains = 60 // profiles that it explains
)

// hostData is one host with everything that is known of it.
type hostData struct {
	keelson.HostDetail
	Bar      bar
	Carried  []explained // profiles that it should carry, carries, or is losing
	Others   []explained // profiles that do not reach it
	Commands []keelson.Command
	Teams    []keelson.Team
	Labels   []keelson.Label
}

// explained is a profile on a host, and why.
type explained struct {
	keelson.HostProfile
	Why  []keelson.Clause
	Next string
}

func (d *dashboard) host(w http.ResponseWriter, r *http.Request) error {
	data, err := d.hostData(r.Context(), mdm.HostID(r.PathValue("host")))
	if err != nil {
		return err
	}
	title := data.Name
	if title == "" {
		title = data.Serial
	}
	return d.render(w, r, http.StatusOK, "host", view{title, "hosts", data})
}

func (d *dashboard) hostData(ctx context.Context, id mdm.HostID) (*hostData, error) {
	h, err := d.mdm.Hosts().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	data := hostData{HostDetail: h, Bar: newBar(countProfiles(h.Profiles))}
	if err := d.explainHost(ctx, &data); err != nil {
		return nil, err
	}
	if data.Commands, err = d.mdm.Commands().List(ctx, id, "", hostCommands); err != nil {
		return nil, err
	}
	if data.Teams, err = d.mdm.Teams().List(ctx); err != nil {
		return nil, err
	}
	data.Labels, err = d.mdm.Labels().List(ctx)
	return &data, err
}

// explainHost says of every profile why the host has it, or has it not.
func (d *dashboard) explainHost(ctx context.Context, data *hostData) error {
	for _, p := range data.Profiles {
		x := explained{HostProfile: p}
		if p.Profile != "" && len(data.Carried) < hostExplains {
			why, err := d.mdm.Hosts().Explain(ctx, data.ID, p.Profile)
			if err != nil && mdm.CodeOf(err) != mdm.CodeNotFound { // deleted meanwhile
				return err
			}
			x.Why, x.Next = why.Why, why.Next
		}
		data.Carried = append(data.Carried, x)
	}
	all, err := d.mdm.Profiles().List(ctx, nil)
	if err != nil {
		return err
	}
	for _, p := range all {
		carried := slices.ContainsFunc(data.Profiles, func(h keelson.HostProfile) bool { return h.Profile == p.ID })
		if carried || len(data.Others) == hostExplains {
			continue
		}
		why, err := d.mdm.Hosts().Explain(ctx, data.ID, p.ID)
		if mdm.CodeOf(err) == mdm.CodeNotFound {
			continue
		}
		if err != nil {
			return err
		}
		x := explained{HostProfile: keelson.HostProfile{Profile: p.ID, Name: p.Name, Identifier: p.Identifier}, Next: why.Next}
		for _, c := range why.Why { // what keeps it away is enough
			if c.Result != keelson.Yes {
				x.Why = append(x.Why, c)
			}
		}
		data.Others = append(data.Others, x)
	}
	return nil
}

func (d *dashboard) setTeam(w http.ResponseWriter, r *http.Request) error {
	id := mdm.HostID(r.PathValue("host"))
	if err := d.mdm.Hosts().SetTeam(r.Context(), id, mdm.TeamID(r.PostFormValue("team"))); err != nil {
		return err
	}
	return backToHost(w, r, id)
}

func (d *dashboard) setLabel(w http.ResponseWriter, r *http.Request) error {
	id := mdm.HostID(r.PathValue("host"))
	value := keelson.Membership(r.PostFormValue("value"))
	if err := d.mdm.Labels().Set(r.Context(), mdm.LabelID(r.PostFormValue("label")), id, value); err != nil {
		return err
	}
	return backToHost(w, r, id)
}

// askHost asks an Apple device about itself: a command to try things out with.
func (d *dashboard) askHost(w http.ResponseWriter, r *http.Request) error {
	id := mdm.HostID(r.PathValue("host"))
	_, err := d.mdm.Commands().Send(r.Context(), id, keelson.CommandRequest{
		Kind: mdm.KindDeviceInformation, Content: []byte("DeviceName\nOSVersion\nModelName\nSerialNumber"),
	})
	if err != nil {
		return err
	}
	return backToHost(w, r, id)
}

func (d *dashboard) unenroll(w http.ResponseWriter, r *http.Request) error {
	id := mdm.HostID(r.PathValue("host"))
	if err := d.mdm.Hosts().Unenroll(r.Context(), id); err != nil {
		return err
	}
	return backToHost(w, r, id)
}

func backToHost(w http.ResponseWriter, r *http.Request, id mdm.HostID) error {
	http.Redirect(w, r, "/hosts/"+string(id), http.StatusSeeOther)
	return nil
}
