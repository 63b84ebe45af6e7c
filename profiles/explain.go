package profiles

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Explanation says why a host has a profile or not, what its status rests on,
// and what happens next.
type Explanation struct {
	Profile  Profile
	Host     mdm.Host
	Desired  bool
	Why      []Clause // one for each condition, in the order that they are judged
	Item     Item
	Next     string    // what happens next, for people
	NextAt   time.Time // zero when it waits for an event and not for a time
	NextStep Op        // what a plan made now would instruct; empty when nothing
}

// Clause is one condition of a profile's scope, and how it came out.
type Clause struct {
	Condition string // "team", "platform", "include_all", "include_any", "exclude_any", "kept"
	Label     mdm.LabelKey
	LabelName string
	Result    Tri
}

// Explain explains one (host, profile). The plan that it looks at is the one
// that reconciliation would make now.
func (g *Engine) Explain(ctx context.Context, t mdm.TenantID, h mdm.HostKey, id mdm.ProfileID) (Explanation, error) {
	p, err := g.c.Store.Profile(ctx, t, id)
	if err != nil {
		return Explanation{}, err
	}
	s, defs, docs, err := g.load(ctx, t, h)
	if err != nil {
		return Explanation{}, err
	}
	labels, err := g.c.Store.Labels(ctx, t)
	if err != nil {
		return Explanation{}, err
	}
	x := Explanation{Profile: p, Host: s.Host, Why: clauses(&p, &s, labels)}
	v := view(&s, defs, docs)
	for _, it := range v.Items {
		if it.Profile.Key == p.Key {
			x.Desired, x.Item = true, it
		} else if !x.Desired && it.Identifier == p.Identifier {
			x.Item = it
		}
	}
	if x.Desired && slices.ContainsFunc(x.Why, func(c Clause) bool { return c.Result == Unknown }) {
		x.Why = append(x.Why, Clause{Condition: "kept", Result: Yes})
	}
	plan := Plan(Input{State: s, Definitions: defs, Documents: docs, Now: g.c.Clock.Now()})
	for _, ch := range plan.Channels {
		for _, st := range ch.Steps {
			if st.Row.Slot == p.Slot && st.Send {
				x.NextStep = st.Row.Op
			}
		}
	}
	if x.Item.Row != nil {
		x.NextAt = x.Item.Row.RetryAt
	}
	x.Next = next(&x)
	return x, nil
}

func clauses(p *Profile, s *HostState, labels []Label) []Clause {
	m := memberships(s)
	name := func(k mdm.LabelKey) string {
		for _, l := range labels {
			if l.Key == k {
				return l.Name
			}
		}
		return ""
	}
	tri := func(b bool) Tri {
		if b {
			return Yes
		}
		return No
	}
	out := []Clause{
		{Condition: "team", Result: tri(p.Team == s.Host.Team)},
		{Condition: "platform", Result: tri(p.Family.Covers(s.Host.Platform) &&
			(len(p.Scope.Platforms) == 0 || slices.Contains(p.Scope.Platforms, s.Host.Platform)))},
	}
	for _, l := range p.Scope.IncludeAll {
		out = append(out, Clause{"include_all", l, name(l), m[l]})
	}
	for _, l := range p.Scope.IncludeAny {
		out = append(out, Clause{"include_any", l, name(l), m[l]})
	}
	for _, l := range p.Scope.ExcludeAny {
		out = append(out, Clause{"exclude_any", l, name(l), m[l].Not()})
	}
	return out
}

// next says what happens next.
func next(x *Explanation) string {
	switch x.Item.Reason {
	case ReasonNotEnrolled:
		return "It is sent when the host enrolls."
	case ReasonNotPlanned:
		return "It is planned within seconds, and sent when the device next asks."
	case ReasonQueued:
		return "The command waits for the device to fetch and answer it."
	case ReasonRetryLater:
		return fmt.Sprintf("It is tried again after %s.", x.NextAt.UTC().Format(time.RFC3339))
	case ReasonUnobserved:
		return "The device is asked what it carries."
	case ReasonRefused, ReasonMissing:
		return "Nothing happens until the content changes."
	case ReasonHeld:
		return "It is removed once the device acknowledged what takes its place."
	default:
		return "Nothing: this is how it should be."
	}
}
