package adminapi

import (
	"time"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

// The bodies of requests. A tag `api:"…"` says what is required and bounded.

type hostWrite struct {
	Platform   mdm.Platform `json:"platform,omitempty"`
	Serial     string       `json:"serial,omitempty" api:"max=255"`
	HardwareID string       `json:"hardware_id,omitempty" api:"max=255"`
	Name       string       `json:"name,omitempty" api:"max=255"`
	Model      string       `json:"model,omitempty" api:"max=255"`
	OSVersion  string       `json:"os_version,omitempty" api:"max=255"`
	Team       mdm.TeamID   `json:"team,omitempty"`
}

type hostTeam struct {
	Team mdm.TeamID `json:"team" api:"required"`
}

type commandWrite struct {
	Kind       string         `json:"kind" api:"required,min=1,max=64"`
	Content    []byte         `json:"content,omitempty"`
	Urgent     bool           `json:"urgent,omitempty"`
	NotBefore  time.Time      `json:"not_before,omitzero"`
	Expires    time.Time      `json:"expires,omitzero"`
	Redelivery mdm.Redelivery `json:"redelivery,omitempty"`
	Resource   string         `json:"resource,omitempty" api:"max=255"`
	Supersede  string         `json:"supersede,omitempty" api:"max=255"`
}

type profileWrite struct {
	Name       string          `json:"name,omitempty" api:"max=255"`
	Identifier string          `json:"identifier,omitempty" api:"max=255"`
	Family     profiles.Family `json:"family,omitempty"`
	Team       mdm.TeamID      `json:"team,omitempty"`
	Scope      keelson.Scope   `json:"scope,omitzero"`
	Content    []byte          `json:"content" api:"required"`
}

type profileChange struct {
	_       struct{}       `api:"min=1"`
	Name    *string        `json:"name,omitempty" api:"min=1,max=255"`
	Scope   *keelson.Scope `json:"scope,omitempty"`
	Content []byte         `json:"content,omitempty"`
}

type profileContent struct {
	Content []byte `json:"content" api:"required"`
}

type teamWrite struct {
	Name string `json:"name" api:"required,min=1,max=255"`
}

type labelWrite struct {
	Name    string             `json:"name" api:"required,min=1,max=255"`
	Default keelson.Membership `json:"default,omitempty"`
}

type labelMember struct {
	Membership keelson.Membership `json:"membership" api:"required"`
}

type linkWrite struct {
	Platform    mdm.Platform `json:"platform,omitempty"`
	Serials     []string     `json:"serials,omitempty" api:"max=10000"`
	HardwareIDs []string     `json:"hardware_ids,omitempty" api:"max=10000"`
	Person      string       `json:"person,omitempty" api:"max=255"`
	Team        mdm.TeamID   `json:"team,omitempty"`
	Quota       int          `json:"quota,omitempty" api:"min=1,max=10000"`
	Lifetime    int64        `json:"lifetime_seconds,omitempty" api:"min=1,max=31622400"`
}

// The bodies of answers that the Go API does not have.

type hostList struct {
	Items []keelson.HostSummary `json:"items"`
	Next  string                `json:"next,omitempty"`
}

type commandList struct {
	Items []keelson.Command `json:"items"`
	Next  string            `json:"next,omitempty"`
}

type profileList struct {
	Items []keelson.Profile `json:"items"`
}

type profileHostList struct {
	Items []keelson.ProfileHost `json:"items"`
	Next  string                `json:"next,omitempty"`
}

type linkList struct {
	Items []keelson.LinkSummary `json:"items"`
	Next  string                `json:"next,omitempty"`
}

type teamList struct {
	Items []keelson.Team `json:"items"`
}

type labelList struct {
	Items []keelson.Label `json:"items"`
}

type commandQueued struct {
	ID mdm.CommandID `json:"id"`
}

type commandCanceled struct {
	Answer queue.CancelAnswer `json:"answer"`
}

type summary struct {
	Hosts    hostTotals    `json:"hosts"`
	Profiles profileTotals `json:"profiles"`
}

type hostTotals struct {
	Total      int                                    `json:"total"`
	ByPlatform map[mdm.Platform]map[mdm.HostState]int `json:"by_platform"`
}

type profileTotals struct {
	Total    int                     `json:"total"`
	ByStatus map[profiles.Status]int `json:"by_status"`
}
