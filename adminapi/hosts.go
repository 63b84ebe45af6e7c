package adminapi

import (
	"errors"
	"strings"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

const maxName = 255 // bytes of the application's own key for a host

func hostRoutes() []route {
	platforms, states := enumOf[mdm.Platform](), enumOf[mdm.HostState]()
	return []route{
		{
			method: get, path: "/hosts", id: "listHosts", summary: "List hosts with where their profiles stand, in the order in which they came to be known",
			query: append(pageParams(),
				param{name: "platform", about: "Only this platform.", shape: &schema{Type: "string", Enum: platforms}},
				param{name: "state", about: "Only this state.", shape: &schema{Type: "string", Enum: states}},
				param{name: "team", about: "Only this team; empty: those of no team.", shape: &schema{Type: "string"}},
				param{name: "search", about: "Part of name, serial number or model, in any case.", shape: &schema{Type: "string", MaxLength: maxName}},
				param{name: "deleted", about: "Deleted ones as well.", shape: &schema{Type: "boolean"}},
			),
			out: hostList{}, status: 200, codes: []mdm.Code{mdm.CodeNotFound}, answer: hostList{Items: []keelson.HostSummary{exampleHostSummary()}},
			do: (*call).listHosts,
		},
		{
			method: get, path: "/hosts/{host}", id: "getHost", summary: "Get a host with its profiles and enrollments, right up to date",
			out: keelson.HostDetail{}, status: 200, answer: exampleHostDetail(), do: (*call).getHost,
		},
		{
			method: put, path: "/hosts/by-external/{external}", id: "ensureHost",
			summary: "Make a host before it enrolls, or update it, by the application's own key",
			in:      hostWrite{}, out: keelson.Host{}, status: 200, codes: []mdm.Code{mdm.CodeConflict},
			example: hostWrite{Platform: mdm.MacOS, Serial: "C02EXAMPLE01", Name: "Ada's Mac"}, answer: exampleHost(), do: (*call).ensureHost,
		},
		{
			method: patch, path: "/hosts/{host}", id: "setHostTeam", summary: "Move a host to a team; what both teams have alike stays untouched",
			in: hostTeam{}, status: 204, example: hostTeam{Team: exampleTeam}, do: (*call).setHostTeam,
		},
		{
			method: post, path: "/hosts/{host}/unenroll", id: "unenrollHost",
			summary: "End a host's enrollment on our side; the device is turned away when it next asks", status: 204, do: (*call).unenrollHost,
		},
		{
			method: del, path: "/hosts/{host}", id: "deleteHost", summary: "Delete a host, and end its enrollment", status: 204, do: (*call).deleteHost,
		},
		{
			method: get, path: "/hosts/{host}/profiles/{profile}/explain", id: "explainProfile",
			summary: "Why a host has a profile or not, and what happens next",
			out:     keelson.Explanation{}, status: 200, answer: exampleExplanation(), do: (*call).explain,
		},
	}
}

func (c *call) listHosts() (reply, error) {
	after, err := parseCursor(hostCursor, c.query.Get("cursor"))
	if err != nil {
		return reply{}, err
	}
	f := keelson.HostFilter{
		Platform: mdm.Platform(c.query.Get("platform")), State: mdm.HostState(c.query.Get("state")),
		Search: c.query.Get("search"), Deleted: c.query.Get("deleted") == "true",
	}
	f.Deleted = f.Deleted || f.State == mdm.HostDeleted
	if c.query.Has("team") {
		f.Team = ptr(mdm.TeamID(c.query.Get("team")))
	}
	limit := c.whole("limit", defaultLimit)
	hosts, err := c.tenant.Hosts().List(c.r.Context(), f, keelson.Page{After: mdm.HostID(after), Limit: limit + 1})
	if goneHost(err) {
		return reply{}, badCursor()
	}
	if err != nil {
		return reply{}, err
	}
	var out hostList
	out.Items, out.Next = page(hosts, limit, hostCursor, func(h keelson.HostSummary) string { return string(h.ID) })
	return reply{body: out}, nil
}

// goneHost reports whether the host that a cursor points at is what is missing.
func goneHost(err error) bool {
	var e *mdm.Error
	return errors.As(err, &e) && e.Code == mdm.CodeNotFound && e.Field == "after"
}

func (c *call) host() (mdm.HostID, error) {
	id, err := c.id("host")
	return mdm.HostID(id), err
}

func (c *call) getHost() (reply, error) {
	id, err := c.host()
	if err != nil {
		return reply{}, err
	}
	h, err := c.tenant.Hosts().Get(c.r.Context(), id)
	return reply{body: h}, err
}

func (c *call) ensureHost() (reply, error) {
	x := c.r.PathValue("external")
	if !isText(x, maxName) || strings.TrimSpace(x) != x {
		return reply{}, mdm.Errorf(mdm.CodeInvalid, "external", "the application's own key has 1 to %d bytes of UTF-8, without control characters and without space around it", maxName)
	}
	var in hostWrite
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	facts := mdm.HostFacts{
		Platform: in.Platform, Serial: in.Serial, HardwareID: in.HardwareID, Name: in.Name, Model: in.Model, OSVersion: in.OSVersion,
	}
	h, err := c.tenant.Hosts().Ensure(c.r.Context(), mdm.ExternalID(x), facts, in.Team)
	return reply{body: h}, err
}

func (c *call) setHostTeam() (reply, error) {
	id, err := c.host()
	if err != nil {
		return reply{}, err
	}
	var in hostTeam
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	return reply{}, c.tenant.Hosts().SetTeam(c.r.Context(), id, in.Team)
}

func (c *call) unenrollHost() (reply, error) {
	id, err := c.host()
	if err != nil {
		return reply{}, err
	}
	return reply{}, c.tenant.Hosts().Unenroll(c.r.Context(), id)
}

func (c *call) deleteHost() (reply, error) {
	id, err := c.host()
	if err != nil {
		return reply{}, err
	}
	return reply{}, c.tenant.Hosts().Delete(c.r.Context(), id)
}

func (c *call) explain() (reply, error) {
	id, err := c.host()
	if err != nil {
		return reply{}, err
	}
	p, err := c.profile()
	if err != nil {
		return reply{}, err
	}
	x, err := c.tenant.Hosts().Explain(c.r.Context(), id, p)
	return reply{body: x}, err
}
