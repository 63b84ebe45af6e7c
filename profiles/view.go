package profiles

import (
	"cmp"
	"context"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
)

// Item is one (host, profile) as people see it.
type Item struct {
	// Profile is the definition that wants the slot filled or, when nothing
	// does, the one whose removal is under way; zero when that is gone.
	Profile    Profile
	Identifier string
	Status     Status
	Reason     Reason
	Detail     string // what the device said, or what an observation lacked
	// Evidence and Command are of the current instruction; empty while it is
	// not what is wanted.
	Evidence Evidence
	Command  mdm.CommandID
	Row      *Row // nil before the first plan

	wanted bool
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
	order := statuses()
	if slices.Index(order, a) >= slices.Index(order, b) {
		return a
	}
	return b
}

// statuses are all of them, from best to worst.
func statuses() []Status {
	return []Status{Verified, Unprovable, Verifying, Removing, Pending, RemovalFailed, Failed}
}

// Host returns the view of one host, right up to date: a change that has not
// been planned yet shows as pending.
func (g *Engine) Host(ctx context.Context, t mdm.TenantID, h mdm.HostKey) (HostView, error) {
	in, err := g.load(ctx, t, h)
	if err != nil {
		return HostView{}, err
	}
	return view(&in), nil
}

// load reads what a plan of one host depends on.
func (g *Engine) load(ctx context.Context, t mdm.TenantID, h mdm.HostKey) (Input, error) {
	s, err := g.c.Store.LoadHost(ctx, t, h)
	if err != nil {
		return Input{}, err
	}
	team := s.Host.Team
	ps, err := g.c.Store.Profiles(ctx, t, &team)
	if err != nil {
		return Input{}, err
	}
	in, err := g.input(ctx, t, &Definitions{Team: team, Profiles: ps}, []HostState{s})
	in.State = s
	return in, err
}

// input is what plans of hosts of a team depend on, but for the host's state.
func (g *Engine) input(ctx context.Context, t mdm.TenantID, defs *Definitions, states []HostState) (Input, error) {
	return g.inputOf(ctx, t, defs, states, func(h mdm.Hash) ([]byte, error) { return g.content(ctx, t, h) })
}

// inputOf is input with contents that read brings.
func (g *Engine) inputOf(ctx context.Context, t mdm.TenantID, defs *Definitions, states []HostState, read func(mdm.Hash) ([]byte, error)) (Input, error) {
	docs, err := g.documents(ctx, t, defs, states, read)
	if err != nil {
		return Input{}, err
	}
	return Input{Definitions: defs, Documents: docs, Contests: Contests(defs.Profiles, docs, g.c.Formats), Now: g.c.Clock.Now()}, nil
}

// view derives a host's items from the same desired set that plans use.
func view(in *Input) HostView {
	v := HostView{Host: in.State.Host}
	var rows []Row
	enrolled := false
	for i := range in.State.Channels {
		if ch := &in.State.Channels[i]; ch.Enrollment.Channel == mdm.DeviceChannel {
			enrolled = true
			rows = append(rows, ch.Rows...)
		}
	}
	waiting := false
	for _, s := range slots(in, rows) {
		if s.row == nil && s.want == nil {
			continue
		}
		it := item(in, &s)
		if !enrolled && it.Reason != ReasonLost {
			it.Reason = ReasonNotEnrolled
		}
		waiting = waiting || !it.wanted && s.row.Op == Install
		v.Status = Worst(v.Status, it.Status)
		v.Items = append(v.Items, it)
	}
	if waiting {
		markHeld(in, v.Items)
	}
	slices.SortFunc(v.Items, func(a, b Item) int { return cmp.Compare(a.Identifier, b.Identifier) })
	return v
}

// markHeld gives the removals that the plan holds back their reason.
func markHeld(in *Input, items []Item) {
	planned := make(map[SlotKey]bool)
	p := Plan(*in)
	for _, ch := range p.Channels {
		for _, s := range ch.Steps {
			planned[s.Row.Slot] = s.Send || s.Drop
		}
	}
	for i := range items {
		if it := &items[i]; !it.wanted && it.Row.Op == Install && it.Reason != ReasonLost && !planned[it.Row.Slot] {
			it.Reason = ReasonHeld
		}
	}
}

func item(in *Input, s *slot) Item {
	r, w := s.row, s.want
	it := Item{Row: r, wanted: w != nil}
	hash := mdm.Hash{}
	switch {
	case w != nil:
		it.Profile, it.Identifier, hash = *w, w.Identifier, w.Content
	default:
		it.Identifier, hash = r.Identifier, r.Content
		for i := range in.Definitions.Profiles {
			// Only of its own slot: one whose identifier changed is wanted elsewhere.
			if p := &in.Definitions.Profiles[i]; p.Key == r.Profile && p.Slot == r.Slot {
				it.Profile = *p
			}
		}
	}
	doc := in.Documents[hash]
	if w == nil {
		doc = cmp.Or(lost(r, in.Documents), doc)
	}
	it.Status, it.Reason = Classify(r, w, doc)
	if it.Reason == ReasonLost {
		it.Detail = doc.Unreadable
		return it
	}
	if r == nil || it.Reason == ReasonNotPlanned {
		return it
	}
	it.Command = r.Command
	if r.Ack == r.Order && r.AckOutcome.OK() {
		it.Evidence = Accepted
	}
	if r.Seen == r.Order {
		it.Evidence = max(it.Evidence, r.Evidence)
		it.Detail = r.Missing
	}
	switch {
	case it.Reason == ReasonOverridden:
		it.Evidence, it.Detail = Accepted, r.Overridden
	case r.Ack == r.Order && !r.AckOutcome.OK():
		it.Detail = r.AckDetail
	}
	return it
}
