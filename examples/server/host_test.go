package main

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

// TestHostActions does to hosts of the demonstration what a person can do.
func TestHostActions(t *testing.T) {
	s := startDemo(t)
	hosts := s.fleet(8)
	head := s.login()
	mac := "/hosts/" + string(hosts["DEMOMAC001"].ID)
	detail := func(serial string) (d keelson.HostDetail) {
		s.api("/hosts/"+string(hosts[serial].ID), &d)
		return d
	}
	does := func(path string, form url.Values) {
		t.Helper()
		status, body := s.post(path, head, form)
		require.Equal(t, http.StatusSeeOther, status, "%s", body)
	}

	does(mac+"/ask", nil)
	answered := regexp.MustCompile(`(?s)DeviceInformation.{0,300}Acknowledged`)
	wait(t, "an answer", func() bool {
		_, body := s.get(mac, head)
		return answered.Match(body)
	})

	// In another team, the profiles go; back again, they come back.
	does("/teams", url.Values{"name": {"Lab"}})
	team := regexp.MustCompile(`/teams/([^/]+)/delete`).FindSubmatch(mustGet(t, s, "/groups", head))
	require.NotNil(t, team)
	does(mac+"/team", url.Values{"team": {string(team[1])}})
	wait(t, "the profiles to go", func() bool { return len(detail("DEMOMAC001").Profiles) == 0 })
	require.Contains(t, string(mustGet(t, s, mac, head)), "6 profiles do not reach this host")
	does(mac+"/team", url.Values{"team": {""}})
	s.fleet(8)

	// A label is set, and one that does not exist is not.
	does("/labels", url.Values{"name": {"Beta"}, "default": {"no"}})
	label := regexp.MustCompile(`/labels/([^/]+)/delete`).FindSubmatch(mustGet(t, s, "/groups", head))
	require.NotNil(t, label)
	does(mac+"/label", url.Values{"label": {string(label[1])}, "value": {"yes"}})
	status, body := s.post(mac+"/label", head, url.Values{"label": {"nothing"}, "value": {"yes"}})
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, string(body), "no such label")
	does("/labels/"+string(label[1])+"/delete", nil)
	does("/teams/"+string(team[1])+"/delete", nil)

	// A command says which profile it is about, and that it is deleted.
	list := mustGet(t, s, mac, head)
	installs := regexp.MustCompile(`Install <a href="(/profiles/[0-9a-f-]{36})">Staff Wi-Fi</a>`).FindSubmatch(list)
	require.NotNil(t, installs, "%s", list)
	does(string(installs[1])+"/delete", nil)
	removes := regexp.MustCompile(`(?s)Remove a deleted profile<div class="faint code">com.example.wifi</div>.{0,300}Acknowledged`)
	wait(t, "the removal", func() bool { return removes.Match(mustGet(t, s, mac, head)) })
	require.Contains(t, string(mustGet(t, s, mac, head)), "Install a deleted profile")

	// A host that was unenrolled stays in the list and says so.
	does("/hosts/"+string(hosts["DEMOIPH001"].ID)+"/unenroll", nil)
	require.Equal(t, mdm.HostUnenrolled, detail("DEMOIPH001").State)
	require.Contains(t, string(mustGet(t, s, "/hosts?q=DEMOIPH", head)), "Unenrolled")
	require.Contains(t, string(mustGet(t, s, "/hosts/"+string(hosts["DEMOIPH001"].ID), head)), "Unenrolled")
	require.Contains(t, string(mustGet(t, s, "/hosts?q=nobody", head)), "No host is like that.")
	status, _ = s.get("/hosts/nobody", head)
	require.Equal(t, http.StatusNotFound, status)
}
