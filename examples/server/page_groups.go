package main

import (
	"net/http"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

// groupsData are teams and labels.
type groupsData struct {
	Teams  []keelson.Team
	Labels []keelson.Label
}

func (d *dashboard) groups(w http.ResponseWriter, r *http.Request) (err error) {
	var data groupsData
	if data.Teams, err = d.mdm.Teams().List(r.Context()); err != nil {
		return err
	}
	if data.Labels, err = d.mdm.Labels().List(r.Context()); err != nil {
		return err
	}
	return d.render(w, r, http.StatusOK, "groups", view{"Teams and labels", "groups", &data})
}

func (d *dashboard) createTeam(w http.ResponseWriter, r *http.Request) error {
	_, err := d.mdm.Teams().Create(r.Context(), r.PostFormValue("name"))
	return backToGroups(w, r, err)
}

func (d *dashboard) deleteTeam(w http.ResponseWriter, r *http.Request) error {
	return backToGroups(w, r, d.mdm.Teams().Delete(r.Context(), mdm.TeamID(r.PathValue("team"))))
}

func (d *dashboard) createLabel(w http.ResponseWriter, r *http.Request) error {
	_, err := d.mdm.Labels().Create(r.Context(), r.PostFormValue("name"), keelson.Membership(r.PostFormValue("default")))
	return backToGroups(w, r, err)
}

func (d *dashboard) deleteLabel(w http.ResponseWriter, r *http.Request) error {
	return backToGroups(w, r, d.mdm.Labels().Delete(r.Context(), mdm.LabelID(r.PathValue("label"))))
}

func backToGroups(w http.ResponseWriter, r *http.Request, err error) error {
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/groups", http.StatusSeeOther)
	return nil
}
