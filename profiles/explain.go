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
	Why      []Clause  // one for each condition, in the order that they are judged
	Item     Item      // of the profile's slot; its Profile is another one when that fills the slot
	Next     string    // what happens next, for people
	NextAt   time.Time // zero when it waits for an event and not for a time
	NextStep Op        // what a plan made now would instruct; empty when nothing
}

// Clause is one condition of a profile's scope, and how it came out.
type Clause struct {
	// Condition is "team", "platform", "include_all", "include_any",
	// "exclude_any" (Yes means that it does not exclude), or "kept": an unknown
	// membership decides, so that the host keeps the profile (Yes) or goes on
	// without it (No).
	Condition string
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
	in, err := g.load(ctx, t, h)
	if err != nil {
		return Explanation{}, err
	}
	labels, err := g.c.Store.Labels(ctx, t)
	if err != nil {
		return Explanation{}, err
	}
	return explain(&in, &p, labels), nil
}

func explain(in *Input, p *Profile, labels []Label) Explanation {
	x := Explanation{
		Profile: *p, Host: in.State.Host, Why: clauses(p, &in.State, labels),
		Item: Item{Identifier: p.Identifier, Reason: ReasonNotDesired},
	}
	for _, it := range view(in).Items {
		if it.Identifier == p.Identifier {
			x.Item, x.Desired = it, it.wanted && it.Profile.Key == p.Key
		}
	}
	if eligible(p, &in.State) && p.Scope.reaches(in.State.Host.Platform, in.State.member) == Unknown {
		x.Why = append(x.Why, Clause{Condition: "kept", Result: tri(x.Desired)})
	}
	x.look(in)
	x.Next = next(&x)
	return x
}

// look takes from the plan what it does about the slot.
func (x *Explanation) look(in *Input) {
	if x.Item.Row != nil && x.Item.Reason == ReasonRetryLater {
		x.NextAt = x.Item.Row.RetryAt
	}
	p := Plan(*in)
	for _, ch := range p.Channels {
		for i := range ch.Steps {
			st := &ch.Steps[i]
			if st.Row.Slot != x.Profile.Slot || st.Row.Op == Install && st.Row.Profile != x.Profile.Key {
				continue
			}
			x.NextAt = st.Row.RetryAt
			if st.Send {
				x.NextStep = st.Row.Op
			}
		}
	}
}

func tri(b bool) Tri {
	if b {
		return Yes
	}
	return No
}

// eligible reports whether a host's team and platform are the profile's.
func eligible(p *Profile, s *HostState) bool {
	return p.Team == s.Host.Team && p.Family.Covers(s.Host.Platform)
}

func clauses(p *Profile, s *HostState, labels []Label) []Clause {
	name := func(k mdm.LabelKey) string {
		for _, l := range labels {
			if l.Key == k {
				return l.Name
			}
		}
		return ""
	}
	out := []Clause{
		{Condition: "team", Result: tri(p.Team == s.Host.Team)},
		{Condition: "platform", Result: tri(p.Family.Covers(s.Host.Platform) &&
			(len(p.Scope.Platforms) == 0 || slices.Contains(p.Scope.Platforms, s.Host.Platform)))},
	}
	for _, l := range p.Scope.IncludeAll {
		out = append(out, Clause{"include_all", l, name(l), s.member(l)})
	}
	for _, l := range p.Scope.IncludeAny {
		out = append(out, Clause{"include_any", l, name(l), s.member(l)})
	}
	for _, l := range p.Scope.ExcludeAny {
		out = append(out, Clause{"exclude_any", l, name(l), s.member(l).Not()})
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
		if x.NextAt.IsZero() {
			return "It is tried again within seconds."
		}
		return fmt.Sprintf("It is tried again after %s.", x.NextAt.UTC().Format(time.RFC3339))
	case ReasonUnobserved:
		return "The device is asked what it carries."
	case ReasonRefused:
		if x.Item.Status == RemovalFailed {
			return "The removal is tried again each day."
		}
		return "Nothing happens until the content changes."
	case ReasonMissing:
		return "Nothing happens until the content changes."
	case ReasonOverridden:
		return "Nothing happens until one of the two profiles changes: of those that set one thing to different values, the one that was made first prevails."
	case ReasonLost:
		if x.Item.Status == RemovalFailed {
			return "It stays on the device until what it set there can be read again, which is tried within the hour."
		}
		return "Nothing is sent, and what the device carries stays, until the content can be read again, which is tried within the hour, or is uploaded again."
	case ReasonHeld:
		return "It is removed once the device acknowledged what takes its place."
	case ReasonNotDesired:
		return "Nothing: the profile does not reach this host."
	default:
		return "Nothing: this is how it should be."
	}
}
