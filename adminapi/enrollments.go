package adminapi

import (
	"time"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

func enrollmentRoutes() []route {
	return []route{
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
