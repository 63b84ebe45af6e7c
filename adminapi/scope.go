package adminapi

import (
	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

func teamRoutes() []route {
	return []route{
		{
			method: get, path: "/teams", id: "listTeams", summary: "List the teams", out: teamList{}, status: 200,
			answer: teamList{Items: []keelson.Team{{ID: exampleTeam, Name: "Design"}}}, do: (*call).listTeams,
		},
		{
			method: post, path: "/teams", id: "createTeam", summary: "Make a team", in: teamWrite{}, out: keelson.Team{}, status: 201,
			codes: []mdm.Code{mdm.CodeConflict}, example: teamWrite{Name: "Design"}, answer: keelson.Team{ID: exampleTeam, Name: "Design"},
			do: (*call).createTeam,
		},
		{
			method: del, path: "/teams/{team}", id: "deleteTeam", summary: "Delete a team without profiles; its hosts come to no team",
			status: 204, codes: []mdm.Code{mdm.CodeConflict}, do: (*call).deleteTeam,
		},
	}
}

func (c *call) listTeams() (reply, error) {
	ts, err := c.tenant.Teams().List(c.r.Context())
	return reply{body: teamList{ts}}, err
}

func (c *call) createTeam() (reply, error) {
	var in teamWrite
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	t, err := c.tenant.Teams().Create(c.r.Context(), in.Name)
	return reply{body: t}, err
}

func (c *call) deleteTeam() (reply, error) {
	id, err := c.id("team")
	if err != nil {
		return reply{}, err
	}
	return reply{}, c.tenant.Teams().Delete(c.r.Context(), mdm.TeamID(id))
}

func labelRoutes() []route {
	laptops := keelson.Label{ID: exampleLabel, Name: "Laptops", Default: keelson.No}
	return []route{
		{
			method: get, path: "/labels", id: "listLabels", summary: "List the labels", out: labelList{}, status: 200,
			answer: labelList{Items: []keelson.Label{laptops}}, do: (*call).listLabels,
		},
		{
			method: post, path: "/labels", id: "createLabel", summary: "Make a label", in: labelWrite{}, out: keelson.Label{}, status: 201,
			codes: []mdm.Code{mdm.CodeConflict}, example: labelWrite{Name: "Laptops"}, answer: laptops, do: (*call).createLabel,
		},
		{
			method: del, path: "/labels/{label}", id: "deleteLabel", summary: "Delete a label that no profile is scoped by",
			status: 204, codes: []mdm.Code{mdm.CodeConflict}, do: (*call).deleteLabel,
		},
		{
			method: put, path: "/labels/{label}/hosts/{host}", id: "setLabel", summary: "Say whether a host has a label",
			in: labelMember{}, status: 204, example: labelMember{keelson.Yes}, do: (*call).setLabel,
		},
	}
}

func (c *call) listLabels() (reply, error) {
	ls, err := c.tenant.Labels().List(c.r.Context())
	return reply{body: labelList{ls}}, err
}

func (c *call) createLabel() (reply, error) {
	var in labelWrite
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	l, err := c.tenant.Labels().Create(c.r.Context(), in.Name, in.Default)
	return reply{body: l}, err
}

func (c *call) label() (mdm.LabelID, error) {
	id, err := c.id("label")
	return mdm.LabelID(id), err
}

func (c *call) deleteLabel() (reply, error) {
	id, err := c.label()
	if err != nil {
		return reply{}, err
	}
	return reply{}, c.tenant.Labels().Delete(c.r.Context(), id)
}

func (c *call) setLabel() (reply, error) {
	id, err := c.label()
	if err != nil {
		return reply{}, err
	}
	h, err := c.host()
	if err != nil {
		return reply{}, err
	}
	var in labelMember
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	return reply{}, c.tenant.Labels().Set(c.r.Context(), id, h, in.Membership)
}
