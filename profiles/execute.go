package profiles

import (
	"context"
	"fmt"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// planHosts plans and executes hosts in the caller's unit of work. Again is set
// when it marked some of them itself.
func (g *Engine) planHosts(ctx context.Context, tx mdm.Tx, hosts []mdm.HostKey) (again bool, err error) {
	states, err := g.c.Store.Load(ctx, tx, hosts)
	if err != nil {
		return false, err
	}
	byTeam := make(map[mdm.TeamKey][]HostState)
	var teams []mdm.TeamKey
	for _, s := range states {
		if byTeam[s.Host.Team] == nil {
			teams = append(teams, s.Host.Team)
		}
		byTeam[s.Host.Team] = append(byTeam[s.Host.Team], s)
	}
	slices.Sort(teams)
	x := &execution{g: g, tx: tx}
	for _, team := range teams {
		defs, err := g.c.Store.Definitions(ctx, tx, team)
		if err != nil {
			return false, err
		}
		in, err := g.inputOf(ctx, tx.Tenant(), defs, byTeam[team], func(h mdm.Hash) ([]byte, error) { return x.content(ctx, h) })
		if err != nil {
			return false, err
		}
		x.docs = in.Documents
		for _, in.State = range byTeam[team] {
			p := Plan(in)
			if err := x.host(ctx, &p); err != nil {
				return false, fmt.Errorf("plan host %s: %w", in.State.Host.ID, err)
			}
		}
	}
	return x.again, nil
}

// execution writes plans within one unit of work.
type execution struct {
	g    *Engine
	tx   mdm.Tx
	docs map[mdm.Hash]*Document

	again    bool                // it marked a host that it planned
	contents map[mdm.Hash][]byte // what this unit has read
	size     int
}

// maxHeld bounds the bytes of content that one unit keeps, so that a page of
// hosts reads and opens each profile once.
const maxHeld = 32 << 20

func (x *execution) content(ctx context.Context, h mdm.Hash) ([]byte, error) {
	if b, ok := x.contents[h]; ok {
		return b, nil
	}
	b, err := x.g.contentTx(ctx, x.tx, h)
	if err != nil {
		return nil, err
	}
	if x.contents == nil || x.size+len(b) > maxHeld {
		x.contents, x.size = make(map[mdm.Hash][]byte), 0
	}
	x.contents[h] = b
	x.size += len(b)
	return b, nil
}

// host writes one plan: the compare-and-set, what waits in the queue, rows.
func (x *execution) host(ctx context.Context, p *HostPlan) error {
	g := x.g
	if !p.Due.IsZero() {
		if err := g.c.Store.MarkDue(ctx, x.tx, p.Host, p.Due); err != nil {
			return err
		}
	}
	if p.Empty() {
		return nil
	}
	if err := g.c.Store.RaisePlan(ctx, x.tx, p.Host, p.Was, p.Team, p.Version); err != nil {
		return err
	}
	var woken []mdm.EnrollmentKey
	for i := range p.Channels {
		sent, err := x.channel(ctx, &p.Channels[i])
		if err != nil {
			return err
		}
		if sent {
			woken = append(woken, p.Channels[i].Enrollment.Key)
		}
	}
	if len(woken) > 0 {
		t := x.tx.Tenant()
		x.tx.AfterCommit(func() { g.c.Wake(t, woken) })
	}
	return nil
}

// writes is what one channel's plan comes to.
type writes struct {
	drop     []RowKey
	put      []rowWrite
	commands []queue.Command
	unmade   []mdm.Result // of instructions that could not be made
}

// rowWrite is a row to store, with the places in commands, from 1, of its
// instruction and of the question about it; 0 is none.
type rowWrite struct {
	row      Row
	sent     int
	question int
}

// channel queues what a channel's steps call for and stores its rows. It reports
// whether there is something new to fetch.
func (x *execution) channel(ctx context.Context, c *ChannelPlan) (bool, error) {
	var w writes
	asks := make(map[Family][]int)
	for i := range c.Steps {
		s := &c.Steps[i]
		if err := x.step(ctx, c, s, &w); err != nil {
			return false, err
		}
		if s.Ask {
			asks[s.Row.Family] = append(asks[s.Row.Family], len(w.put)-1)
		}
	}
	for _, f := range []Family{AppleProfile, WindowsProfile} {
		if err := x.question(ctx, c, f, asks[f], &w); err != nil {
			return false, err
		}
	}
	return len(w.commands) > 0, x.store(ctx, &w)
}

func (x *execution) step(ctx context.Context, c *ChannelPlan, s *Step, w *writes) error {
	if s.Drop || s.Send || s.Recall {
		taken, left, err := x.g.c.Queue.EndRef(ctx, x.tx, c.Enrollment.Key, mdm.OwnerProfiles, int64(s.Row.Slot))
		if err != nil {
			return err
		}
		if taken > 0 && left == 0 {
			s.takenBack(x.docs)
		}
		if taken > 0 && s.Recall { // it may be that nothing has to be held any more
			if err := x.g.c.Store.MarkHost(ctx, x.tx, c.Enrollment.Host, LaneHost); err != nil {
				return err
			}
			x.again = true
		}
	}
	put := rowWrite{row: s.Row}
	if s.Send {
		cmd, ok, err := x.instruction(ctx, c, s)
		switch {
		case err != nil && mdm.Transient(err):
			return err
		case err != nil:
			put.row.Command = ""
			w.unmade = append(w.unmade, x.unmade(ctx, c, &put.row, err))
		case !ok:
			s.Drop = true
		default:
			w.commands = append(w.commands, cmd)
			put.sent = len(w.commands)
		}
	}
	if s.Drop {
		w.drop = append(w.drop, RowKey{Enrollment: s.Row.Enrollment, Slot: s.Row.Slot})
		return nil
	}
	w.put = append(w.put, put)
	return nil
}

func (x *execution) store(ctx context.Context, w *writes) error {
	g := x.g
	if len(w.commands) > 0 {
		entries, err := g.c.Queue.Enqueue(ctx, x.tx, w.commands)
		if err != nil {
			return err
		}
		for i := range w.put {
			p := &w.put[i]
			if p.sent > 0 {
				p.row.Command = entries[p.sent-1].ID
			}
			if p.question > 0 {
				p.row.AskedSeq = entries[p.question-1].Seq
			}
		}
	}
	if len(w.drop) > 0 {
		if err := g.c.Store.DeleteRows(ctx, x.tx, w.drop); err != nil {
			return err
		}
	}
	rows := make([]Row, len(w.put))
	for i := range w.put {
		rows[i] = w.put[i].row
	}
	if err := g.c.Store.PutRows(ctx, x.tx, rows); err != nil {
		return err
	}
	for _, r := range w.unmade {
		if err := g.c.Store.Acknowledge(ctx, x.tx, r); err != nil {
			return err
		}
		x.again = true
	}
	return nil
}
