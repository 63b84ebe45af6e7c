package keelson

import (
	"cmp"
	"context"
	"time"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

// LinkSummary is an enrollment link in a list. Its secret is kept nowhere.
type LinkSummary struct {
	ID       mdm.IntentID         `json:"id"`
	State    identity.IntentState `json:"state"`
	Kind     identity.Kind        `json:"kind"`
	Way      identity.Way         `json:"way"`
	Platform mdm.Platform         `json:"platform,omitempty"` // empty lets in any that Apple makes
	// SerialCount and HardwareIDCount are how many the link names; it lets in any
	// device when it names none.
	SerialCount     int        `json:"serial_count,omitempty"`
	HardwareIDCount int        `json:"hardware_id_count,omitempty"`
	Person          string     `json:"person,omitempty"`
	Team            mdm.TeamID `json:"team,omitempty"` // of new hosts
	Quota           int        `json:"quota"`          // how many devices it lets in
	Used            int        `json:"used"`           // how many have come
	CreatedAt       time.Time  `json:"created_at"`
	ExpiresAt       time.Time  `json:"expires_at"`
	Actor           mdm.Actor  `json:"actor,omitzero"` // who made it, and why
}

// LinkFilter chooses links; the zero value chooses open ones.
type LinkFilter struct {
	State  identity.IntentState // only this state
	Closed bool                 // without a State: withdrawn, used up and expired ones as well
}

// List lists enrollment links, the newest first; after is the last one of the
// page before, empty to begin. A limit of 0 means 100; at most 1,000.
func (a *Enrollments) List(ctx context.Context, f LinkFilter, after mdm.IntentID, limit int) ([]LinkSummary, error) {
	if err := a.t.may(ctx, "enrollments.read", ""); err != nil {
		return nil, err
	}
	if limit < 0 || limit > 1000 {
		return nil, mdm.Errorf(mdm.CodeInvalid, "limit", "a page has 1 to 1000 links")
	}
	if f.State == "" && !f.Closed {
		f.State = identity.IntentOpen
	}
	is, err := a.t.m.identity.Intents(ctx, a.t.id, f.State, after, cmp.Or(limit, 100))
	if err != nil {
		return nil, err
	}
	names, err := a.t.names(ctx)
	if err != nil {
		return nil, err
	}
	now := a.t.m.c.Clock.Now()
	out := make([]LinkSummary, len(is))
	for n := range is {
		i := &is[n]
		out[n] = LinkSummary{
			ID: i.ID, State: cmp.Or(f.State, i.State(now)), Kind: i.Kind, Way: i.Way, Platform: i.Platform,
			SerialCount: len(i.Serials), HardwareIDCount: len(i.HardwareIDs), Person: i.Person, Team: names.teams[i.Team],
			Quota: max(i.Quota, 1), Used: i.Used, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt, Actor: i.Actor,
		}
	}
	return out, nil
}
