package keelson

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

// Enrollments is the API of enrollment links.
type Enrollments struct{ t *Tenant }

// LinkRequest says whom a link lets in. The zero value is one device, any, within
// seven days.
type LinkRequest struct {
	Platform    mdm.Platform  `json:"platform,omitempty"`
	Serials     []string      `json:"serials,omitempty"`
	HardwareIDs []string      `json:"hardware_ids,omitempty"`
	Person      string        `json:"person,omitempty"`
	Team        mdm.TeamID    `json:"team,omitempty"`     // of hosts that are new; a known one stays in its team
	Quota       int           `json:"quota,omitempty"`    // 0 means 1
	Lifetime    time.Duration `json:"lifetime,omitempty"` // 0 means 7 days
}

// Link lets devices in.
type Link struct {
	ID mdm.IntentID `json:"id"`
	// URL is where an Apple device downloads its enrollment profile. It holds
	// the link's secret and cannot be had again.
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Link makes an enrollment link for Apple devices.
func (a *Enrollments) Link(ctx context.Context, r LinkRequest) (Link, error) {
	if err := a.t.may(ctx, "enrollments.write", ""); err != nil {
		return Link{}, err
	}
	if a.t.m.apple == nil {
		return Link{}, mdm.Errorf(mdm.CodeUnsupported, "", "Apple devices cannot enroll: the configuration has no push topic")
	}
	if r.Platform == mdm.Windows {
		return Link{}, mdm.Errorf(mdm.CodeInvalid, "platform", "Windows PCs enroll with a user name and a password, at %s", a.t.m.c.URL)
	}
	team, err := a.t.teamKey(ctx, r.Team)
	if err != nil {
		return Link{}, err
	}
	i, secret, err := a.t.m.identity.CreateIntent(ctx, a.t.id, identity.IntentRequest{
		Platform: r.Platform, Serials: r.Serials, HardwareIDs: r.HardwareIDs, Person: r.Person, Team: team,
		Quota: r.Quota, Lifetime: r.Lifetime, Actor: mdm.ActorFrom(ctx),
	})
	if err != nil {
		return Link{}, err
	}
	return Link{ID: i.ID, URL: a.t.m.c.URL + base + string(a.t.id) + "/apple/enroll/" + secret, ExpiresAt: i.ExpiresAt}, nil
}

// Revoke closes a link. Devices that enrolled by it stay.
func (a *Enrollments) Revoke(ctx context.Context, id mdm.IntentID) error {
	if err := a.t.may(ctx, "enrollments.write", string(id)); err != nil {
		return err
	}
	return a.t.m.identity.RevokeIntent(ctx, a.t.id, id, mdm.ActorFrom(ctx))
}
