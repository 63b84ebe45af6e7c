package profiles

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Input is everything that a plan depends on.
type Input struct {
	State       HostState
	Definitions *Definitions // of the host's team
	// Documents holds every content that a definition or a row's traces name.
	// A content that is missing is taken to own nothing.
	Documents map[mdm.Hash]*Document
	Now       time.Time
}

// HostPlan is what is to be done for one host. An empty plan means that the
// host is steady.
type HostPlan struct {
	Host     mdm.HostKey
	Was      int64 // the plan revision that it was made from
	Team     mdm.TeamKey
	Version  int64 // of the team
	Channels []ChannelPlan
	// Due is when to plan again though nothing changed; zero means never.
	Due time.Time
}

// Empty reports whether there is nothing to write.
func (p *HostPlan) Empty() bool { return len(p.Channels) == 0 }

// ChannelPlan is what is to be done on one enrollment channel.
type ChannelPlan struct {
	Enrollment mdm.Enrollment
	Steps      []Step // in slot order
	Ask        bool   // observe the rows that have a step with Ask set
}

// Step is what is to be done about one row. Row is as it shall be stored.
type Step struct {
	Row  Row
	Drop bool // delete the row; what waits in the queue for it ends
	Send bool // queue the row's instruction; an earlier one ends
	Left Leftovers
	Ask  bool // the row is to be observed

	open int64 // the order before this one, when it was not answered
}

// Budgets of retries.
const (
	maxTries  = 3
	maxMisses = 3
)

// backoff is the pause before the n-th retry (from 0).
func backoff(n int) time.Duration {
	return min(30*time.Second<<min(2*n, 16), 24*time.Hour)
}

// Plan computes what brings a host from what its rows say to what its
// definitions want. It is pure: same input, same plan; and applying a plan
// leads to a state for which the plan is empty until something else changes.
func Plan(in Input) HostPlan {
	p := HostPlan{
		Host: in.State.Host.Key, Was: in.State.PlanRevision,
		Team: in.Definitions.Team, Version: in.Definitions.Version,
	}
	for _, ch := range in.State.Channels {
		if ch.Enrollment.Channel != mdm.DeviceChannel {
			continue
		}
		c := planChannel(&in, &ch, &p)
		if len(c.Steps) > 0 {
			p.Channels = append(p.Channels, c)
		}
	}
	return p
}

// desire is the desired set of one channel: by slot, the profile that fills it.
// An unknown membership keeps what the row says.
func desire(in *Input, rows map[SlotKey]*Row) map[SlotKey]*Profile {
	host := &in.State.Host
	want := make(map[SlotKey]*Profile)
	members := memberships(&in.State)
	for i := range in.Definitions.Profiles {
		p := &in.Definitions.Profiles[i]
		if !p.Family.Covers(host.Platform) {
			continue
		}
		switch p.Scope.Reaches(host.Platform, members) {
		case Yes:
			want[p.Slot] = p
		case Unknown:
			if r := rows[p.Slot]; r != nil && r.Op == Install && r.Profile == p.Key {
				want[p.Slot] = p
			}
		}
	}
	return want
}

// memberships is what is recorded, over each label's default.
func memberships(s *HostState) map[mdm.LabelKey]Tri {
	m := make(map[mdm.LabelKey]Tri, len(s.Labels))
	for l, v := range s.Labels {
		m[l] = v
	}
	for l, v := range s.Members {
		m[l] = v
	}
	return m
}

// channel is the working state of planning one channel.
type channel struct {
	in    *Input
	plan  *HostPlan
	rows  map[SlotKey]*Row
	want  map[SlotKey]*Profile
	owned map[string]Node // nodes of desired documents, by key
	freed map[string]bool // nodes that a step of this plan gives up
	steps map[SlotKey]*Step
}

func planChannel(in *Input, ch *ChannelState, p *HostPlan) ChannelPlan {
	c := &channel{
		in: in, plan: p, rows: map[SlotKey]*Row{}, owned: map[string]Node{},
		freed: map[string]bool{}, steps: map[SlotKey]*Step{},
	}
	for i := range ch.Rows {
		c.rows[ch.Rows[i].Slot] = &ch.Rows[i]
	}
	c.want = desire(in, c.rows)
	for _, w := range c.want {
		for _, n := range c.nodes(w.Content) {
			c.owned[n.Key] = n
		}
	}
	for slot, w := range c.want {
		c.install(ch.Enrollment.Key, slot, w)
	}
	for slot, r := range c.rows {
		if c.want[slot] == nil {
			c.remove(r)
		}
	}
	c.rewrite()
	out := ChannelPlan{Enrollment: ch.Enrollment}
	for _, s := range c.steps {
		out.Steps = append(out.Steps, *s)
		out.Ask = out.Ask || s.Ask
	}
	slices.SortFunc(out.Steps, func(a, b Step) int { return cmp.Compare(a.Row.Slot, b.Row.Slot) })
	return out
}

func (c *channel) nodes(h mdm.Hash) []Node {
	if d := c.in.Documents[h]; d != nil {
		return d.Nodes
	}
	return nil
}

// due makes the host be planned again at t.
func (c *channel) due(t time.Time) {
	if c.plan.Due.IsZero() || t.Before(c.plan.Due) {
		c.plan.Due = t
	}
}

// leftover returns, in key order, the nodes of traces that the content keep does
// not name and no desired profile owns, and what is to be kept meanwhile.
func (c *channel) leftover(traces []Trace, keep []Node) Leftovers {
	drop := make(map[string]Node)
	for _, t := range traces {
		for _, n := range c.nodes(t.Content) {
			if slices.ContainsFunc(keep, func(k Node) bool { return k.Key == n.Key }) {
				continue
			}
			c.freed[n.Key] = true
			if _, ok := c.owned[n.Key]; !ok {
				drop[n.Key] = n
			}
		}
	}
	if len(drop) == 0 {
		return Leftovers{}
	}
	return Leftovers{Drop: inOrder(drop), Keep: inOrder(c.owned)}
}

func inOrder(m map[string]Node) []Node {
	out := make([]Node, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

// instruct gives r a new instruction.
func (c *channel) instruct(r Row, op Op, left Leftovers) *Step {
	before := r.Order
	if r.Ack == r.Order {
		before = 0
	}
	r.Op, r.Order, r.Since, r.RetryAt = op, c.plan.Was+1, c.in.Now, time.Time{}
	if op == Install {
		r.Traces = append(slices.Clone(r.Traces), Trace{Order: r.Order, Content: r.Content})
	}
	return &Step{Row: r, Send: true, Left: left, open: before}
}
