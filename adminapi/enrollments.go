package adminapi

import (
	"time"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

func enrollmentRoutes() []route {
	return []route{
		{
			method: get, path: "/enrollments", id: "listEnrollments", summary: "List the enrollment links that are still open, the newest first",
			query: append(pageParams(),
				param{name: "state", about: "Only this state.", shape: &schema{Type: "string", Enum: enumOf[identity.IntentState]()}},
				param{name: "closed", about: "Withdrawn, used up and expired ones as well.", shape: &schema{Type: "boolean"}},
			),
			out: linkList{}, status: 200, answer: linkList{Items: []keelson.LinkSummary{exampleLinkSummary()}}, do: (*call).listEnrollments,
		},
		{
			method: post, path: "/enrollments", id: "createEnrollment", summary: "Make a link by which Apple devices enroll",
			in: linkWrite{}, out: keelson.Link{}, status: 201, codes: []mdm.Code{mdm.CodeNotFound},
			example: linkWrite{Quota: 20, Lifetime: 86_400}, answer: exampleLink(), do: (*call).createEnrollment,
		},
		{
			method: del, path: "/enrollments/{enrollment}", id: "revokeEnrollment",
			summary: "Close a link; devices that enrolled by it stay", status: 204, do: (*call).revokeEnrollment,
		},
	}
}

func (c *call) listEnrollments() (reply, error) {
	after, err := parseCursor(linkCursor, c.query.Get("cursor"))
	if err != nil {
		return reply{}, err
	}
	f := keelson.LinkFilter{State: identity.IntentState(c.query.Get("state")), Closed: c.query.Get("closed") == "true"}
	limit := c.whole("limit", defaultLimit)
	links, err := c.tenant.Enrollments().List(c.r.Context(), f, mdm.IntentID(after), limit+1)
	if err != nil {
		return reply{}, err
	}
	var out linkList
	out.Items, out.Next = page(links, limit, linkCursor, func(l keelson.LinkSummary) string { return string(l.ID) })
	return reply{body: out}, nil
}

func (c *call) createEnrollment() (reply, error) {
	var in linkWrite
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	l, err := c.tenant.Enrollments().Link(c.r.Context(), keelson.LinkRequest{
		Platform: in.Platform, Serials: in.Serials, HardwareIDs: in.HardwareIDs, Person: in.Person, Team: in.Team,
		Quota: in.Quota, Lifetime: time.Duration(in.Lifetime) * time.Second,
	})
	return reply{body: l}, err
}

func (c *call) revokeEnrollment() (reply, error) {
	id, err := c.id("enrollment")
	if err != nil {
		return reply{}, err
	}
	return reply{}, c.tenant.Enrollments().Revoke(c.r.Context(), mdm.IntentID(id))
}
