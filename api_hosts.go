package keelson

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// Host is a host as administrators see it.
type Host struct {
	ID         mdm.HostID     `json:"id"`
	ExternalID mdm.ExternalID `json:"external_id,omitempty"`
	Platform   mdm.Platform   `json:"platform"`
	Serial     string         `json:"serial,omitempty"`
	HardwareID string         `json:"hardware_id,omitempty"`
	Name       string         `json:"name,omitempty"`
	Model      string         `json:"model,omitempty"`
	OSVersion  string         `json:"os_version,omitempty"`
	Team       mdm.TeamID     `json:"team,omitempty"`
	State      mdm.HostState  `json:"state"`
	CreatedAt  time.Time      `json:"created_at"`
	LastSeenAt time.Time      `json:"last_seen_at,omitzero"`
}

// HostProfile is one profile on one host.
type HostProfile struct {
	Profile    mdm.ProfileID     `json:"profile,omitempty"` // empty when its definition is gone
	Name       string            `json:"name"`
	Identifier string            `json:"identifier"`
	Status     profiles.Status   `json:"status"`
	Reason     profiles.Reason   `json:"reason"`
	Detail     string            `json:"detail,omitempty"`
	Evidence   profiles.Evidence `json:"evidence"`
	Revision   mdm.Revision      `json:"revision,omitempty"`
	Command    mdm.CommandID     `json:"command,omitempty"`
	Since      time.Time         `json:"since,omitzero"`
}

// HostDetail is a host with what it carries.
type HostDetail struct {
	Host
	Status      profiles.Status  `json:"status"` // the worst of Profiles
	Profiles    []HostProfile    `json:"profiles"`
	Enrollments []HostEnrollment `json:"enrollments"`
}

// HostSummary is a host in a list, with where its profiles stand.
type HostSummary struct {
	Host
	Status profiles.Status         `json:"status"`           // the worst of its profiles; empty without any
	Counts map[profiles.Status]int `json:"counts,omitempty"` // its profiles by status
}

// HostEnrollment is one channel of a host.
type HostEnrollment struct {
	ID         mdm.EnrollmentID    `json:"id"`
	Protocol   mdm.Protocol        `json:"protocol"`
	Channel    mdm.Channel         `json:"channel"`
	State      mdm.EnrollmentState `json:"state"`
	Generation mdm.Generation      `json:"generation"`
	EnrolledAt time.Time           `json:"enrolled_at,omitzero"`
	EndedAt    time.Time           `json:"ended_at,omitzero"`
}

// HostFilter narrows a list; zero values do not.
type HostFilter struct {
	Platform mdm.Platform
	State    mdm.HostState
	Team     *mdm.TeamID
	Search   string
	Deleted  bool
}

// Page is where a list goes on.
type Page struct {
	// After is the last host of the page before; empty begins. An unknown one is
	// a [mdm.CodeNotFound] error with the field "after".
	After mdm.HostID
	Limit int // 0 means 100; at most 1,000
}

// Hosts is the API of hosts.
type Hosts struct{ t *Tenant }

// List lists hosts in the order in which they came to be known, with where their
// profiles stand, which is right at once after a change. It asks the store a
// fixed number of times, however many hosts a page has.
func (a *Hosts) List(ctx context.Context, f HostFilter, p Page) ([]HostSummary, error) {
	if err := a.t.may(ctx, "hosts.read", ""); err != nil {
		return nil, err
	}
	in := lifecycle.HostFilter{Platform: f.Platform, State: f.State, Search: f.Search, Deleted: f.Deleted}
	if f.Team != nil {
		k, err := a.t.teamKey(ctx, *f.Team)
		if err != nil {
			return nil, err
		}
		in.Team = &k
	}
	after, limit, err := a.t.page(ctx, p)
	if err != nil {
		return nil, err
	}
	hs, err := a.t.m.lifecycle.Hosts(ctx, a.t.id, in, after, limit)
	if err != nil {
		return nil, err
	}
	keys := make([]mdm.HostKey, len(hs))
	for i, h := range hs {
		keys[i] = h.Key
	}
	views, err := a.t.m.profiles.Hosts(ctx, a.t.id, keys)
	if err != nil {
		return nil, err
	}
	names, err := a.t.names(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]HostSummary, len(hs))
	for i, h := range hs {
		v := views[h.Key] // none of a deleted host
		out[i] = HostSummary{names.host(h), v.Status, v.Counts()}
	}
	return out, nil
}

// page is where a page of hosts begins and how many it has. That the host is
// gone is a [mdm.CodeNotFound] error of "after".
func (t *Tenant) page(ctx context.Context, p Page) (after mdm.HostKey, limit int, err error) {
	if p.Limit < 0 || p.Limit > 1000 {
		return 0, 0, mdm.Errorf(mdm.CodeInvalid, "limit", "a page has 1 to 1000 hosts")
	}
	if p.After != "" {
		h, err := t.m.lifecycle.Host(ctx, t.id, p.After)
		var e *mdm.Error
		if errors.As(err, &e) && e.Code == mdm.CodeNotFound && e.Field == "" { // the host, and not the tenant
			err = mdm.WrapError(mdm.CodeNotFound, "after", "no such host", err)
		}
		if err != nil {
			return 0, 0, err
		}
		after = h.Key
	}
	return after, cmp.Or(p.Limit, 100), nil
}

func (n publicNames) host(h mdm.Host) Host {
	return Host{
		ID: h.ID, ExternalID: h.ExternalID, Platform: h.Platform, Serial: h.Serial, HardwareID: h.HardwareID,
		Name: h.Name, Model: h.Model, OSVersion: h.OSVersion, Team: n.teams[h.Team], State: h.State,
		CreatedAt: h.CreatedAt, LastSeenAt: h.LastSeenAt,
	}
}

// Get returns a host with its profiles, right up to date.
func (a *Hosts) Get(ctx context.Context, id mdm.HostID) (HostDetail, error) {
	if err := a.t.may(ctx, "hosts.read", string(id)); err != nil {
		return HostDetail{}, err
	}
	h, err := a.t.m.lifecycle.Host(ctx, a.t.id, id)
	if err != nil {
		return HostDetail{}, err
	}
	names, err := a.t.names(ctx)
	if err != nil {
		return HostDetail{}, err
	}
	d := HostDetail{Host: names.host(h), Profiles: []HostProfile{}, Enrollments: []HostEnrollment{}}
	es, err := a.t.m.lifecycle.Enrollments(ctx, a.t.id, h.Key)
	if err != nil {
		return HostDetail{}, err
	}
	for _, e := range es {
		d.Enrollments = append(d.Enrollments, HostEnrollment{e.ID, e.Protocol, e.Channel, e.State, e.Generation, e.EnrolledAt, e.EndedAt})
	}
	if h.State == mdm.HostDeleted {
		return d, nil
	}
	v, err := a.t.m.profiles.Host(ctx, a.t.id, h.Key)
	if err != nil {
		return HostDetail{}, err
	}
	d.Status = v.Status
	for _, it := range v.Items {
		d.Profiles = append(d.Profiles, hostProfile(it))
	}
	return d, nil
}

func hostProfile(it profiles.Item) HostProfile {
	p := HostProfile{
		Profile: it.Profile.ID, Name: it.Profile.Name, Identifier: it.Identifier, Status: it.Status, Reason: it.Reason,
		Detail: it.Detail, Evidence: it.Evidence, Revision: it.Profile.Revision, Command: it.Command,
	}
	if p.Name == "" {
		p.Name = it.Identifier
	}
	if it.Row != nil {
		p.Since = it.Row.Since
	}
	return p
}

// Ensure makes a host before it enrolls, or updates it, by the application's
// own key.
func (a *Hosts) Ensure(ctx context.Context, x mdm.ExternalID, f mdm.HostFacts, team mdm.TeamID) (Host, error) {
	if err := a.t.may(ctx, "hosts.write", string(x)); err != nil {
		return Host{}, err
	}
	if x == "" {
		return Host{}, mdm.Errorf(mdm.CodeInvalid, "external_id", "the application's own key is required")
	}
	k, err := a.t.teamKey(ctx, team)
	if err != nil {
		return Host{}, err
	}
	var h mdm.Host
	err = a.t.m.c.Store.InTx(ctx, a.t.id, func(ctx context.Context, tx mdm.Tx) error {
		h, err = a.t.m.lifecycle.Ensure(ctx, tx, x, f, k)
		return err
	})
	if err != nil {
		return Host{}, err
	}
	names, err := a.t.names(ctx)
	return names.host(h), err
}

// SetTeam moves a host to a team; "" is no team. What both teams have alike
// stays on the host untouched.
func (a *Hosts) SetTeam(ctx context.Context, id mdm.HostID, team mdm.TeamID) error {
	if err := a.t.may(ctx, "hosts.write", string(id)); err != nil {
		return err
	}
	k, err := a.t.teamKey(ctx, team)
	if err != nil {
		return err
	}
	h, err := a.t.m.lifecycle.Host(ctx, a.t.id, id)
	if err != nil {
		return err
	}
	return a.t.m.profiles.SetHostTeam(ctx, a.t.id, h.Key, k)
}

// Unenroll ends a host's enrollment on our side: the device is turned away when
// it next asks.
func (a *Hosts) Unenroll(ctx context.Context, id mdm.HostID) error {
	return a.end(ctx, "hosts.unenroll", id, a.t.m.lifecycle.Unenroll)
}

// Delete makes a host a tombstone and ends its enrollment.
func (a *Hosts) Delete(ctx context.Context, id mdm.HostID) error {
	return a.end(ctx, "hosts.delete", id, a.t.m.lifecycle.Delete)
}

func (a *Hosts) end(ctx context.Context, action mdm.Action, id mdm.HostID, how func(context.Context, mdm.Tx, mdm.HostKey, mdm.Actor) ([]lifecycle.Transition, error)) error {
	if err := a.t.may(ctx, action, string(id)); err != nil {
		return err
	}
	h, err := a.t.m.lifecycle.Host(ctx, a.t.id, id)
	if err != nil {
		return err
	}
	who := mdm.ActorFrom(ctx)
	return a.t.m.c.Store.InTx(ctx, a.t.id, func(ctx context.Context, tx mdm.Tx) error {
		ts, err := how(ctx, tx, h.Key, who)
		if err != nil {
			return err
		}
		for _, t := range ts {
			if err := a.t.m.follow(ctx, tx, t, who); err != nil {
				return err
			}
		}
		return nil
	})
}

// Counts returns how many hosts there are by platform and state.
func (a *Hosts) Counts(ctx context.Context) (map[mdm.Platform]map[mdm.HostState]int, error) {
	if err := a.t.may(ctx, "hosts.read", ""); err != nil {
		return nil, err
	}
	return a.t.m.lifecycle.Counts(ctx, a.t.id)
}

// Explain says why a host has a profile or not, and what happens next.
func (a *Hosts) Explain(ctx context.Context, id mdm.HostID, p mdm.ProfileID) (Explanation, error) {
	if err := a.t.may(ctx, "hosts.read", string(id)); err != nil {
		return Explanation{}, err
	}
	h, err := a.t.m.lifecycle.Host(ctx, a.t.id, id)
	if err != nil {
		return Explanation{}, err
	}
	x, err := a.t.m.profiles.Explain(ctx, a.t.id, h.Key, p)
	if err != nil {
		return Explanation{}, err
	}
	out := Explanation{
		Host: id, Profile: p, Name: x.Profile.Name, Desired: x.Desired,
		On: hostProfile(x.Item), Next: x.Next, NextAt: x.NextAt, NextStep: x.NextStep,
	}
	for _, c := range x.Why {
		out.Why = append(out.Why, Clause{c.Condition, c.LabelName, Membership(c.Result.String())})
	}
	return out, nil
}

// Explanation says why a host has a profile or not.
type Explanation struct {
	Host     mdm.HostID    `json:"host"`
	Profile  mdm.ProfileID `json:"profile"`
	Name     string        `json:"name"`
	Desired  bool          `json:"desired"`
	Why      []Clause      `json:"why"`
	On       HostProfile   `json:"on_host"`
	Next     string        `json:"next"`
	NextAt   time.Time     `json:"next_at,omitzero"`
	NextStep profiles.Op   `json:"next_step,omitempty"`
}

// Clause is one condition and how it came out.
type Clause struct {
	Condition string     `json:"condition"`
	Label     string     `json:"label,omitempty"`
	Result    Membership `json:"result"`
}
