package profiles

import (
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
	Contests  []Contest // of the definitions, see [Contests]
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

// Step is what is to be done about one row. Row is as it shall be stored. At
// most one of Drop, Send and Recall is set; with none of them, only the row
// changes.
type Step struct {
	Row  Row
	Drop bool // delete the row; what waits in the queue for it ends
	Send bool // queue the row's instruction; an earlier one ends
	// Recall ends what waits in the queue for the row and queues nothing: it is
	// not wanted any more, but what may be on the device has to stay for now.
	Recall bool
	Left   Leftovers
	Ask    bool // the row is to be observed

	open int64 // the order before this one, when it was not answered
}

// Budgets of retries.
const (
	maxTries  = 3
	maxMisses = 3
	maxPause  = 24 * time.Hour
)

// backoff is the pause before the n-th retry (from 0).
func backoff(n int) time.Duration {
	return min(30*time.Second<<min(2*n, 16), maxPause)
}

// Plan computes what brings a host from what its rows say to what its
// definitions want. It is pure: same input, same plan, and the input is left as
// it is; applying a plan leads to a state for which the plan is empty until
// something else changes, or a recall shows that something had not left.
func Plan(in Input) HostPlan {
	p := HostPlan{
		Host: in.State.Host.Key, Was: in.State.PlanRevision,
		Team: in.Definitions.Team, Version: in.Definitions.Version,
	}
	for i := range in.State.Channels {
		ch := &in.State.Channels[i]
		if ch.Enrollment.Channel != mdm.DeviceChannel {
			continue
		}
		if c := planChannel(&in, ch, &p); len(c.Steps) > 0 {
			p.Channels = append(p.Channels, c)
		}
	}
	return p
}

// channel is the working state of planning one channel.
type channel struct {
	in         *Input
	plan       *HostPlan
	enrollment mdm.EnrollmentKey
	slots      []slot           // in key order
	owned      map[string]owner // made by own, when it is first needed
	freed      map[string]bool  // nodes that a step of this plan gives up
	duels      []duel           // by winner
}

func planChannel(in *Input, ch *ChannelState, p *HostPlan) ChannelPlan {
	c := &channel{in: in, plan: p, enrollment: ch.Enrollment.Key, slots: slots(in, ch.Rows)}
	c.freeze()
	c.hold()
	c.compete()
	for i := range c.slots {
		switch s := &c.slots[i]; {
		case s.want != nil && s.frozen:
		case s.want != nil:
			s.step = c.install(s)
		case s.held:
			s.step = recall(s.row)
		default:
			s.step = c.remove(s)
		}
	}
	c.rewrite()
	c.giveWay()
	c.prevail()
	out := ChannelPlan{Enrollment: ch.Enrollment}
	for i := range c.slots {
		c.slots[i].takeOver()
		if s := c.slots[i].step; s != nil {
			out.Steps = append(out.Steps, *s)
			out.Ask = out.Ask || s.Ask
		}
	}
	return out
}

// due makes the host be planned again at t.
func (c *channel) due(t time.Time) {
	if c.plan.Due.IsZero() || t.Before(c.plan.Due) {
		c.plan.Due = t
	}
}

// instruct gives r a new instruction.
func (c *channel) instruct(r *Row, op Op) *Step {
	s := &Step{Send: true, Left: c.leftover(r, op)}
	if r.Ack != r.Order {
		s.open = r.Order
	}
	r.Op, r.Order, r.Since, r.RetryAt = op, c.plan.Was+1, c.in.Now, time.Time{}
	if op == Install {
		r.Traces = append(r.Traces[:len(r.Traces):len(r.Traces)], Trace{Order: r.Order, Content: r.Content})
	}
	s.Row = *r
	return s
}
