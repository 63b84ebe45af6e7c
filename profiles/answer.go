package profiles

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// askAgain is the pause before a question that failed is asked again.
const askAgain = 10 * time.Minute

// Enrolled plans a host in the unit of work that enrolled it, so that its first
// commands commit with its enrollment. Rows of the earlier life are dropped.
func (g *Engine) Enrolled(ctx context.Context, tx mdm.Tx, e mdm.Enrollment) error {
	if err := g.c.Store.DropRows(ctx, tx, e.Key); err != nil {
		return err
	}
	if err := g.planHosts(ctx, tx, []mdm.HostKey{e.Host}); err != nil {
		return err
	}
	// A definition may commit beside this unit after its walk passed here.
	if err := g.c.Store.MarkDue(ctx, tx, e.Host, g.c.Clock.Now().Add(secondLook)); err != nil {
		return err
	}
	tx.AfterCommit(g.kick)
	return nil
}

// secondLook closes the race between an enrollment and a definition's walk.
const secondLook = 30 * time.Second

// Ended forgets what a channel carried.
func (g *Engine) Ended(ctx context.Context, tx mdm.Tx, e mdm.Enrollment) error {
	return g.c.Store.DropRows(ctx, tx, e.Key)
}

// Result takes the outcome of one of the engine's commands as evidence. What is
// late changes nothing.
func (g *Engine) Result(ctx context.Context, tx mdm.Tx, r mdm.Result) error {
	if r.Late() {
		return nil
	}
	tx.AfterCommit(g.kick)
	if r.Ref.Key != 0 {
		return g.c.Store.Acknowledge(ctx, tx, r)
	}
	if r.Outcome.OK() {
		return nil // its answer comes as an observation
	}
	if err := g.c.Store.ForgetAsked(ctx, tx, r.Enrollment, r.Seq); err != nil {
		return err
	}
	return g.c.Store.MarkDue(ctx, tx, r.Host, g.c.Clock.Now().Add(askAgain))
}

// Observed takes what a channel showed as evidence: for each row whose current
// instruction was acknowledged before the question was queued.
func (g *Engine) Observed(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, o *mdm.Observation) error {
	rows, err := g.c.Store.RowsOf(ctx, tx, e.Key)
	if err != nil {
		return err
	}
	var seen []SeenRow
	for i := range rows {
		r := &rows[i]
		if r.Asked != r.Order || r.Ack != r.Order || r.AskedSeq > o.Asked || r.AskedSeq == 0 {
			continue
		}
		format := g.c.Formats[r.Family]
		if format == nil {
			continue
		}
		var doc *Document
		if r.Op == Install {
			doc, err = g.document(tx.Tenant(), r.Family, r.Content, func(h mdm.Hash) ([]byte, error) { return g.contentTx(ctx, tx, h) })
			if err != nil {
				return err
			}
		}
		if level, missing, ok := format.Judge(r.Identifier, doc, o); ok {
			seen = append(seen, SeenRow{
				RowKey:   RowKey{Enrollment: r.Enrollment, Slot: r.Slot, Order: r.Order},
				Evidence: level, Missing: missing,
			})
		}
	}
	if len(seen) == 0 {
		return nil
	}
	tx.AfterCommit(g.kick)
	return g.c.Store.RecordSeen(ctx, tx, e.Host, seen, g.c.Clock.Now())
}
