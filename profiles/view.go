package profiles

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Item is one (host, profile) as people see it.
type Item struct {
	Profile    Profile // zero when the definition is gone and the slot is being emptied
	Identifier string
	Status     Status
	Reason     Reason
	Detail     string // what the device said, or what an observation lacked
	Evidence   Evidence
	Command    mdm.CommandID // of the current instruction; empty before one is queued
	Row        *Row          // nil before the first plan
}

// HostView is everything that one host should carry, carries, or is losing.
type HostView struct {
	Host  mdm.Host
	Items []Item // by identifier
	// Status is the worst of the items: failed, removal_failed, pending,
	// removing, verifying, accepted_not_verifiable, verified; empty when there
	// is no item.
	Status Status
}

// Worst returns the worse of two statuses, in the order that people watch for.
func Worst(a, b Status) Status {
	order := []Status{"", Verified, Unprovable, Verifying, Removing, Pending, RemovalFailed, Failed}
	if slices.Index(order, a) >= slices.Index(order, b) {
		return a
	}
	return b
}

// Host returns the view of one host, right up to date: a change that has not
// been planned yet shows as pending.
func (g *Engine) Host(ctx context.Context, t mdm.TenantID, h mdm.HostKey) (HostView, error) {
	s, defs, docs, err := g.load(ctx, t, h)
	if err != nil {
		return HostView{}, err
	}
	return view(&s, defs, docs), nil
}

func (g *Engine) load(ctx context.Context, t mdm.TenantID, h mdm.HostKey) (HostState, *Definitions, map[mdm.Hash]*Document, error) {
	s, err := g.c.Store.LoadHost(ctx, t, h)
	if err != nil {
		return HostState{}, nil, nil, err
	}
	team := s.Host.Team
	ps, err := g.c.Store.Profiles(ctx, t, &team)
	if err != nil {
		return HostState{}, nil, nil, err
	}
	defs := &Definitions{Team: team, Profiles: ps}
	docs, err := g.documents(t, defs, []HostState{s}, func(h mdm.Hash) ([]byte, error) { return g.content(ctx, t, h) })
	return s, defs, docs, err
}

// view derives a host's items from the same desired set that plans use.
func view(s *HostState, defs *Definitions, docs map[mdm.Hash]*Document) HostView {
	v := HostView{Host: s.Host}
	in := Input{State: *s, Definitions: defs, Documents: docs, Now: time.Time{}}
	rows := make(map[SlotKey]*Row)
	for _, ch := range s.Channels {
		for i := range ch.Rows {
			rows[ch.Rows[i].Slot] = &ch.Rows[i]
		}
	}
	want := desire(&in, rows)
	for slot, w := range want {
		it := item(rows[slot], w, docs[w.Content])
		if len(s.Channels) == 0 {
			it.Reason = ReasonNotEnrolled
		}
		v.Items = append(v.Items, it)
	}
	for slot, r := range rows {
		if want[slot] == nil {
			v.Items = append(v.Items, item(r, nil, docs[r.Content]))
		}
	}
	slices.SortFunc(v.Items, func(a, b Item) int { return cmp.Compare(a.Identifier, b.Identifier) })
	for i := range v.Items {
		v.Status = Worst(v.Status, v.Items[i].Status)
	}
	return v
}

func item(r *Row, w *Profile, doc *Document) Item {
	it := Item{Row: r}
	it.Status, it.Reason = Classify(r, w, doc)
	if w != nil {
		it.Profile, it.Identifier = *w, w.Identifier
	}
	if r == nil {
		return it
	}
	it.Identifier, it.Command = r.Identifier, r.Command
	if r.Ack == r.Order && r.AckOutcome.OK() {
		it.Evidence = Accepted
	}
	if r.Seen == r.Order {
		it.Evidence = max(it.Evidence, r.Evidence)
		it.Detail = r.Missing
	}
	if r.Ack == r.Order && !r.AckOutcome.OK() {
		it.Detail = r.AckDetail
	}
	return it
}

// Counts are hosts by status.
type Counts map[Status]int

// CountsOf returns, for each profile of a team, how many hosts stand where. It
// reads the team's hosts in pages, and is right at once after a change.
func (g *Engine) CountsOf(ctx context.Context, t mdm.TenantID, team mdm.TeamKey) (map[mdm.ProfileKey]Counts, error) {
	ps, err := g.c.Store.Profiles(ctx, t, &team)
	if err != nil {
		return nil, err
	}
	defs := &Definitions{Team: team, Profiles: ps}
	out := make(map[mdm.ProfileKey]Counts, len(ps))
	for i := range ps {
		out[ps[i].Key] = Counts{}
	}
	for after := mdm.HostKey(0); ; {
		states, err := g.c.Store.LoadTeam(ctx, t, team, after, g.c.Page)
		if err != nil {
			return nil, err
		}
		docs, err := g.documents(t, defs, states, func(h mdm.Hash) ([]byte, error) { return g.content(ctx, t, h) })
		if err != nil {
			return nil, err
		}
		for i := range states {
			after = states[i].Host.Key
			for _, it := range view(&states[i], defs, docs).Items {
				if it.Profile.Key != 0 {
					out[it.Profile.Key][it.Status]++
				}
			}
		}
		if len(states) < g.c.Page {
			return out, nil
		}
	}
}
