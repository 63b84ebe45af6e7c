package adminapi

import (
	"bytes"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// Media types of uploads and downloads.
const (
	mediaApple = "application/x-apple-aspen-config"
	mediaXML   = "application/xml"
	mediaForm  = "multipart/form-data"
)

func profileRoutes() []route {
	raw := []string{mediaApple, mediaXML, mediaForm}
	return []route{
		{
			method: get, path: "/profiles", id: "listProfiles", summary: "List profiles with their counts, right at once after a change",
			query: []param{{name: "team", about: "Only this team; empty: those of no team.", shape: &schema{Type: "string"}}},
			out:   profileList{}, status: 200, codes: []mdm.Code{mdm.CodeNotFound},
			answer: profileList{Items: []keelson.Profile{exampleProfile()}}, do: (*call).listProfiles,
		},
		{
			method: post, path: "/profiles", id: "createProfile", summary: "Upload a profile",
			query: uploadParams(), in: profileWrite{}, raw: raw, out: keelson.Profile{}, status: 201, etag: true, located: true,
			codes: []mdm.Code{mdm.CodeNotFound, mdm.CodeConflict}, example: exampleUpload(), answer: exampleProfile(),
			do: (*call).createProfile,
		},
		{
			method: get, path: "/profiles/{profile}", id: "getProfile", summary: "Get a profile with its counts",
			out: keelson.Profile{}, status: 200, etag: true, answer: exampleProfile(), do: (*call).getProfile,
		},
		{
			method: get, path: "/profiles/{profile}/hosts", id: "listProfileHosts",
			summary: "List the hosts that should carry a profile, carry it or are losing it, in the order in which they came to be known",
			query: append(pageParams(),
				param{name: "status", about: "Only this status.", shape: &schema{Type: "string", Enum: enumOf[profiles.Status]()}},
			),
			out: profileHostList{}, status: 200, answer: profileHostList{Items: []keelson.ProfileHost{{Host: exampleHost(), On: exampleHostProfile()}}},
			do: (*call).listProfileHosts,
		},
		{
			method: patch, path: "/profiles/{profile}", id: "updateProfile", summary: "Change a profile's name, scope or content",
			header: []string{headerIfMatch}, in: profileChange{}, out: keelson.Profile{}, status: 200, etag: true, codes: []mdm.Code{mdm.CodeConflict},
			example: profileChange{Name: ptr("Dock, larger")}, answer: exampleProfile(), do: (*call).updateProfile,
		},
		{
			method: put, path: "/profiles/{profile}/content", id: "replaceProfileContent", summary: "Upload new content of a profile",
			header: []string{headerIfMatch}, in: profileContent{}, raw: raw, out: keelson.Profile{}, status: 200, etag: true,
			codes: []mdm.Code{mdm.CodeConflict}, example: profileContent{Content: exampleUpload().Content}, answer: exampleProfile(),
			do: (*call).replaceContent,
		},
		{
			method: get, path: "/profiles/{profile}/content", id: "getProfileContent",
			summary: "The content, byte for byte as it was uploaded", media: []string{mediaApple, mediaXML}, status: 200, do: (*call).getContent,
		},
		{
			method: del, path: "/profiles/{profile}", id: "deleteProfile", summary: "Delete a profile; hosts that carry it lose it",
			header: []string{headerIfMatch}, status: 204, do: (*call).deleteProfile,
		},
	}
}

func (c *call) profile() (mdm.ProfileID, error) {
	id, err := c.id("profile")
	return mdm.ProfileID(id), err
}

func (c *call) listProfiles() (reply, error) {
	var team *mdm.TeamID
	if c.query.Has("team") {
		team = ptr(mdm.TeamID(c.query.Get("team")))
	}
	ps, err := c.tenant.Profiles().List(c.r.Context(), team)
	if ps == nil {
		ps = []keelson.Profile{}
	}
	return reply{body: profileList{ps}}, err
}

func (c *call) createProfile() (reply, error) {
	in, err := c.upload()
	if err != nil {
		return reply{}, err
	}
	p, err := c.tenant.Profiles().Create(c.r.Context(), keelson.ProfileUpload{
		Name: in.Name, Identifier: in.Identifier, Family: in.Family, Team: in.Team, Scope: in.Scope, Content: in.Content,
	})
	return reply{body: p, edit: p.Edit, location: "/profiles/" + string(p.ID)}, err
}

func (c *call) getProfile() (reply, error) {
	id, err := c.profile()
	if err != nil {
		return reply{}, err
	}
	p, err := c.tenant.Profiles().Get(c.r.Context(), id)
	return reply{body: p, edit: p.Edit}, err
}

func (c *call) listProfileHosts() (reply, error) {
	id, err := c.profile()
	if err != nil {
		return reply{}, err
	}
	after, err := parseCursor(carrierCursor, c.query.Get("cursor"))
	if err != nil {
		return reply{}, err
	}
	page := keelson.Page{After: mdm.HostID(after), Limit: c.whole("limit", defaultLimit)}
	hosts, err := c.tenant.Profiles().Hosts(c.r.Context(), id, profiles.Status(c.query.Get("status")), page)
	if goneHost(err) {
		return reply{}, badCursor()
	}
	out := profileHostList{Items: hosts.Items}
	if hosts.Next != "" {
		out.Next = cursor(carrierCursor, string(hosts.Next))
	}
	return reply{body: out}, err
}

func (c *call) updateProfile() (reply, error) {
	id, err := c.profile()
	if err != nil {
		return reply{}, err
	}
	var in profileChange
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	return c.change(id, keelson.ProfileChange{Name: in.Name, Scope: in.Scope, Content: in.Content})
}

func (c *call) replaceContent() (reply, error) {
	id, err := c.profile()
	if err != nil {
		return reply{}, err
	}
	content, err := c.content()
	if err != nil {
		return reply{}, err
	}
	return c.change(id, keelson.ProfileChange{Content: content})
}

// change updates a profile if it has one of the edits that the caller names.
func (c *call) change(id mdm.ProfileID, ch keelson.ProfileChange) (reply, error) {
	var err error
	if ch.Was, err = c.ifMatch(); err != nil {
		return reply{}, err
	}
	p, err := c.tenant.Profiles().Update(c.r.Context(), id, ch)
	return reply{body: p, edit: p.Edit}, matched(err)
}

func (c *call) getContent() (reply, error) {
	id, err := c.profile()
	if err != nil {
		return reply{}, err
	}
	b, err := c.tenant.Profiles().Content(c.r.Context(), id)
	if apple(b) {
		return reply{data: b, media: mediaApple, file: string(id) + ".mobileconfig"}, err
	}
	return reply{data: b, media: mediaXML, file: string(id) + ".xml"}, err
}

// apple reports whether stored content is of Apple's family: a property list, or
// a signed one.
func apple(content []byte) bool {
	head := bytes.TrimSpace(content[:min(len(content), 512)])
	return bytes.HasPrefix(head, []byte("bplist")) || bytes.HasPrefix(head, []byte{0x30}) || bytes.Contains(head, []byte("<plist"))
}

func (c *call) deleteProfile() (reply, error) {
	id, err := c.profile()
	if err != nil {
		return reply{}, err
	}
	was, err := c.ifMatch()
	if err != nil {
		return reply{}, err
	}
	return reply{}, matched(c.tenant.Profiles().Delete(c.r.Context(), id, was...))
}

// familyOf is the family that a media type names; empty when it names none.
func familyOf(media string) profiles.Family {
	if media == mediaApple {
		return profiles.AppleProfile
	}
	return ""
}
