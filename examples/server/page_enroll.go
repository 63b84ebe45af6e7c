package main

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

// enrollData is what a person needs to enroll a device.
type enrollData struct {
	URL       string
	Apple     bool // Apple devices can enroll
	Push      bool // and are woken
	User      string
	Demo      bool // the password was made up
	Authority bool // devices have to trust our own authority
	Teams     []keelson.Team
	Link      *keelson.Link // just made; shown once
	Devices   int
	Wrong     string
}

func (d *dashboard) enrollPage(w http.ResponseWriter, r *http.Request) error {
	return d.enrollForm(w, r, http.StatusOK, &enrollData{})
}

func (d *dashboard) enrollForm(w http.ResponseWriter, r *http.Request, status int, data *enrollData) (err error) {
	data.URL, data.User = d.s.url, d.s.people.user
	data.Apple, data.Push = d.s.push.topic != "", d.s.push.pusher != nil
	data.Demo = d.s.o.user == ""
	data.Authority = len(d.s.identity.anchors) > 0
	if data.Teams, err = d.mdm.Teams().List(r.Context()); err != nil {
		return err
	}
	return d.render(w, r, status, "enroll", view{"Enroll", "enroll", data})
}

// makeLink makes a link and shows it at once: its secret is kept nowhere.
func (d *dashboard) makeLink(w http.ResponseWriter, r *http.Request) error {
	devices, err := strconv.Atoi(r.PostFormValue("devices"))
	if err != nil || devices < 1 {
		return d.enrollForm(w, r, http.StatusBadRequest, &enrollData{Wrong: "A link lets in at least one device."})
	}
	days, err := strconv.Atoi(r.PostFormValue("days"))
	if err != nil || days < 1 || days > 365 {
		return d.enrollForm(w, r, http.StatusBadRequest, &enrollData{Wrong: "A link lives for 1 to 365 days."})
	}
	link, err := d.mdm.Enrollments().Link(r.Context(), keelson.LinkRequest{
		Platform: mdm.Platform(r.PostFormValue("platform")),
		Serials:  strings.FieldsFunc(r.PostFormValue("serials"), func(c rune) bool { return c == ',' || c == ' ' || c == '\n' || c == '\r' }),
		Team:     mdm.TeamID(r.PostFormValue("team")),
		Quota:    devices,
		Lifetime: time.Duration(days) * 24 * time.Hour,
	})
	if err != nil {
		status, text := explain(err)
		if status >= 500 {
			return err
		}
		return d.enrollForm(w, r, status, &enrollData{Wrong: text})
	}
	return d.enrollForm(w, r, http.StatusOK, &enrollData{Link: &link, Devices: devices})
}
