package profiles

import (
	"context"
	"fmt"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// planHosts plans and executes hosts in the caller's unit of work.
func (g *Engine) planHosts(ctx context.Context, tx mdm.Tx, hosts []mdm.HostKey) error {
	states, err := g.c.Store.Load(ctx, tx, hosts)
	if err != nil {
		return err
	}
	byTeam := make(map[mdm.TeamKey][]HostState)
	for _, s := range states {
		byTeam[s.Host.Team] = append(byTeam[s.Host.Team], s)
	}
	teams := make([]mdm.TeamKey, 0, len(byTeam))
	for k := range byTeam {
		teams = append(teams, k)
	}
	slices.Sort(teams)
	for _, team := range teams {
		defs, err := g.c.Store.Definitions(ctx, tx, team)
		if err != nil {
			return err
		}
		docs, err := g.documents(tx.Tenant(), defs, byTeam[team], func(h mdm.Hash) ([]byte, error) { return g.contentTx(ctx, tx, h) })
		if err != nil {
			return err
		}
		for _, s := range byTeam[team] {
			p := Plan(Input{State: s, Definitions: defs, Documents: docs, Now: g.c.Clock.Now()})
			if err := g.execute(ctx, tx, &p, docs); err != nil {
				return fmt.Errorf("plan host %s: %w", s.Host.ID, err)
			}
		}
	}
	return nil
}

// execute writes one plan: the compare-and-set, what waits in the queue, rows.
func (g *Engine) execute(ctx context.Context, tx mdm.Tx, p *HostPlan, docs map[mdm.Hash]*Document) error {
	if !p.Due.IsZero() {
		if err := g.c.Store.MarkDue(ctx, tx, p.Host, p.Due); err != nil {
			return err
		}
	}
	if p.Empty() {
		return nil
	}
	if err := g.c.Store.RaisePlan(ctx, tx, p.Host, p.Was, p.Team, p.Version); err != nil {
		return err
	}
	var woken []mdm.EnrollmentKey
	for i := range p.Channels {
		sent, err := g.executeChannel(ctx, tx, &p.Channels[i], docs)
		if err != nil {
			return err
		}
		if sent {
			woken = append(woken, p.Channels[i].Enrollment.Key)
		}
	}
	if len(woken) > 0 {
		t := tx.Tenant()
		tx.AfterCommit(func() { g.c.Wake(t, woken) })
	}
	return nil
}

// executeChannel queues what a channel's steps call for and stores its rows. It
// reports whether there is something new to fetch.
func (g *Engine) executeChannel(ctx context.Context, tx mdm.Tx, c *ChannelPlan, docs map[mdm.Hash]*Document) (bool, error) {
	var drop []RowKey
	var put []Row
	var commands []queue.Command
	sends, questions := make(map[int]int), make(map[int]int) // index in put -> in commands
	asks := make(map[Family][]int)
	for i := range c.Steps {
		s := &c.Steps[i]
		if s.Drop || s.Send {
			taken, left, err := g.c.Queue.EndRef(ctx, tx, c.Enrollment.Key, mdm.OwnerProfiles, int64(s.Row.Slot))
			if err != nil {
				return false, err
			}
			if taken > 0 && left == 0 {
				s.forget()
			}
		}
		if s.Drop {
			drop = append(drop, RowKey{Enrollment: s.Row.Enrollment, Slot: s.Row.Slot})
			continue
		}
		if s.Send {
			cmd, ok, err := g.instruction(ctx, tx, c, s, docs)
			if err != nil {
				return false, err
			}
			if !ok {
				drop = append(drop, RowKey{Enrollment: s.Row.Enrollment, Slot: s.Row.Slot})
				continue
			}
			sends[len(put)] = len(commands)
			commands = append(commands, cmd)
		}
		if s.Ask {
			asks[s.Row.Family] = append(asks[s.Row.Family], len(put))
		}
		put = append(put, s.Row)
	}
	for _, f := range []Family{AppleProfile, WindowsProfile} {
		if rows := asks[f]; len(rows) > 0 {
			cmd, ok, err := g.question(c, f, put, rows, docs)
			if err != nil {
				return false, err
			}
			if !ok {
				continue
			}
			for _, i := range rows {
				questions[i] = len(commands)
			}
			commands = append(commands, cmd)
		}
	}
	entries, err := g.c.Queue.Enqueue(ctx, tx, commands)
	if err != nil {
		return false, err
	}
	for i, n := range sends {
		put[i].Command = entries[n].ID
	}
	for i, n := range questions {
		put[i].AskedSeq = entries[n].Seq
	}
	if err := g.c.Store.DeleteRows(ctx, tx, drop); err != nil {
		return false, err
	}
	return len(entries) > 0, g.c.Store.PutRows(ctx, tx, put)
}

// forget takes out of a step's row what was taken back before it left: a first
// install that no device saw needs no removal.
func (s *Step) forget() {
	if s.Drop || s.open == 0 {
		return
	}
	s.Row.Traces = slices.DeleteFunc(slices.Clone(s.Row.Traces), func(t Trace) bool { return t.Order == s.open })
	if s.Row.Op == Remove && len(s.Row.Traces) == 0 {
		s.Drop = true
	}
}

// instruction makes the command of a step; false means that nothing needs to be
// sent and the row can go.
func (g *Engine) instruction(ctx context.Context, tx mdm.Tx, c *ChannelPlan, s *Step, docs map[mdm.Hash]*Document) (queue.Command, bool, error) {
	format := g.c.Formats[s.Row.Family]
	if format == nil {
		return queue.Command{}, false, mdm.Errorf(mdm.CodeUnsupported, "family", "this server does not manage %s profiles", s.Row.Family)
	}
	var in Instruction
	ok := true
	if s.Row.Op == Install {
		content, err := g.contentTx(ctx, tx, s.Row.Content)
		if err != nil {
			return queue.Command{}, false, err
		}
		if in, err = format.Install(docs[s.Row.Content], content, s.Left); err != nil {
			return queue.Command{}, false, err
		}
	} else {
		var err error
		if in, ok, err = format.Remove(s.Row.Identifier, s.Left); err != nil || !ok {
			return queue.Command{}, false, err
		}
	}
	return queue.Command{
		Enrollment: c.Enrollment.Key, Generation: c.Enrollment.Generation,
		Owner: mdm.OwnerProfiles, Ref: mdm.Ref{Key: int64(s.Row.Slot), Order: s.Row.Order},
		Kind: in.Kind, Content: in.Content, Lane: queue.LaneNormal,
		Resource: "profile/" + s.Row.Identifier,
	}, true, nil
}

// question makes the command that observes rows.
func (g *Engine) question(c *ChannelPlan, f Family, put []Row, rows []int, docs map[mdm.Hash]*Document) (queue.Command, bool, error) {
	format := g.c.Formats[f]
	if format == nil {
		return queue.Command{}, false, nil
	}
	var about []*Document
	for _, i := range rows {
		if d := docs[put[i].Content]; d != nil {
			about = append(about, d)
		}
	}
	in, ok, err := format.Observe(about)
	if err != nil || !ok {
		return queue.Command{}, false, err
	}
	return queue.Command{
		Enrollment: c.Enrollment.Key, Generation: c.Enrollment.Generation,
		Owner: mdm.OwnerProfiles, Kind: in.Kind, Content: in.Content, Lane: queue.LaneObserve,
		Resource: observeResource, Supersede: observeSupersede(f),
	}, true, nil
}

const observeResource = "profiles/observe"

// observeSupersede lets a newer Apple question replace one that has not left:
// a ProfileList asks about everything. Windows questions name their nodes.
func observeSupersede(f Family) string {
	if f == AppleProfile {
		return observeResource
	}
	return ""
}
