package main

import (
	"context"
	"net/http"
	"net/url"
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

	Links  []linkRow
	Closed bool   // links are shown by which nobody can come any more, too
	Next   string // address of the next page of links; empty when there is none
}

// pageLinks is how many links a page shows.
const pageLinks = 20

// linkRow is a link in the list.
type linkRow struct {
	keelson.LinkSummary
	TeamName string
}

// Limited is how many devices the link names; it lets in others when it is 0.
func (l linkRow) Limited() int { return max(l.SerialCount, l.HardwareIDCount) }

func (d *dashboard) enrollPage(w http.ResponseWriter, r *http.Request) error {
	return d.enrollForm(w, r, http.StatusOK, &enrollData{Closed: r.URL.Query().Get("closed") != ""})
}

func (d *dashboard) enrollForm(w http.ResponseWriter, r *http.Request, status int, data *enrollData) (err error) {
	data.URL, data.User = d.s.url, d.s.people.user
	data.Apple, data.Push = d.s.push.topic != "", d.s.push.pusher != nil
	data.Demo = d.s.o.user == ""
	data.Authority = len(d.s.identity.anchors) > 0
	if data.Teams, err = d.mdm.Teams().List(r.Context()); err != nil {
		return err
	}
	if err := d.linkRows(r.Context(), data, mdm.IntentID(r.URL.Query().Get("after"))); err != nil {
		return err
	}
	return d.render(w, r, status, "enroll", view{"Enroll", "enroll", data})
}

// linkRows lists a page of links.
func (d *dashboard) linkRows(ctx context.Context, data *enrollData, after mdm.IntentID) error {
	links, err := d.mdm.Enrollments().List(ctx, keelson.LinkFilter{Closed: data.Closed}, after, pageLinks+1)
	if err != nil {
		return err
	}
	if len(links) > pageLinks {
		links = links[:pageLinks]
		next := url.Values{"after": {string(links[pageLinks-1].ID)}}
		if data.Closed {
			next.Set("closed", "1")
		}
		data.Next = "/enroll?" + next.Encode()
	}
	teams := make(map[mdm.TeamID]string, len(data.Teams))
	for _, t := range data.Teams {
		teams[t.ID] = t.Name
	}
	for _, l := range links {
		data.Links = append(data.Links, linkRow{l, teams[l.Team]})
	}
	return nil
}

// withdraw closes a link.
func (d *dashboard) withdraw(w http.ResponseWriter, r *http.Request) error {
	if err := d.mdm.Enrollments().Revoke(r.Context(), mdm.IntentID(r.PathValue("link"))); err != nil {
		return err
	}
	to := "/enroll"
	if r.URL.Query().Get("closed") != "" {
		to += "?closed=1"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
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
