package profiles

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Enrolled plans a host in the unit of work that enrolled it, so that its first
// commands commit with its enrollment. Rows of the earlier life are dropped.
func (g *Engine) Enrolled(ctx context.Context, tx mdm.Tx, e mdm.Enrollment) error {
	if err := g.c.Store.DropRows(ctx, tx, e.Key); err != nil {
		return err
	}
	if _, err := g.planHosts(ctx, tx, []mdm.HostKey{e.Host}); err != nil {
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
// late changes nothing. The answer to a question comes as an observation, see
// [Engine.Observed]; a question that failed is asked again later.
func (g *Engine) Result(ctx context.Context, tx mdm.Tx, r mdm.Result) error {
	if r.Late() {
		return nil
	}
	tx.AfterCommit(g.kick)
	if r.Ref.Key != 0 {
		return g.c.Store.Acknowledge(ctx, tx, r)
	}
	// Nodes that cannot be read fail a question and are an answer as well.
	if o, ok := r.Body.(mdm.Observation); r.Outcome.OK() || ok && len(o.Items) > 0 {
		return nil
	}
	return g.askAgain(ctx, tx, r.Enrollment, r.Host, r.Seq)
}

// askAgain is the pause before a question that brought nothing is asked again.
// It grows with the time for which nothing was brought, up to a day.
const askAgain = 10 * time.Minute

// askAgain forgets the question with that sequence, and those that it took the
// place of, for every row that waits for an answer.
func (g *Engine) askAgain(ctx context.Context, tx mdm.Tx, e mdm.EnrollmentKey, h mdm.HostKey, seq int64) error {
	rows, err := g.c.Store.RowsOf(ctx, tx, e)
	if err != nil {
		return err
	}
	now := g.c.Clock.Now()
	pause := askAgain
	forgotten := make(map[int64]bool)
	for i := range rows {
		r := &rows[i]
		if !r.awaits(seq, r.Family == AppleProfile) {
			continue
		}
		pause = max(pause, min(now.Sub(r.AckAt), maxPause))
		if forgotten[r.AskedSeq] {
			continue
		}
		forgotten[r.AskedSeq] = true
		if err := g.c.Store.ForgetAsked(ctx, tx, e, r.AskedSeq); err != nil {
			return err
		}
	}
	if len(forgotten) == 0 {
		return nil
	}
	return g.c.Store.MarkDue(ctx, tx, h, now.Add(pause))
}

// awaits reports whether the row waits for the answer to a question that the one
// with that sequence stands for: itself, or, where each asks about everything,
// any before it.
func (r *Row) awaits(seq int64, everything bool) bool {
	return r.asked(seq, everything) && r.Seen != r.Order
}

// asked reports whether the answer to the question with that sequence tells of
// the row's current instruction: it was acknowledged before the question was
// queued.
func (r *Row) asked(seq int64, everything bool) bool {
	return r.Asked == r.Order && r.Ack == r.Order && r.AskedSeq != 0 &&
		(r.AskedSeq == seq || everything && r.AskedSeq < seq)
}

// Observed takes what a channel showed as evidence: for each row whose current
// instruction was acknowledged before the question was queued. An observation
// that is not complete tells only of the rows that its question was about.
func (g *Engine) Observed(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, o *mdm.Observation) error {
	rows, err := g.c.Store.RowsOf(ctx, tx, e.Key)
	if err != nil {
		return err
	}
	var seen []SeenRow
	silent := false
	for i := range rows {
		r := &rows[i]
		format := g.c.Formats[r.Family]
		if format == nil || !r.asked(o.Asked, o.Complete) {
			continue
		}
		var doc *Document
		if r.Op == Install {
			doc, err = g.document(ctx, tx.Tenant(), r.Family, r.Content, func(h mdm.Hash) ([]byte, error) { return g.contentTx(ctx, tx, h) })
			if err != nil {
				return err
			}
			if doc.Unreadable != "" {
				silent = silent || r.Seen != r.Order
				continue
			}
		}
		level, missing, ok := format.Judge(r.Identifier, doc, o)
		if !ok {
			silent = silent || r.Seen != r.Order
			continue
		}
		seen = append(seen, SeenRow{
			RowKey:   RowKey{Enrollment: r.Enrollment, Slot: r.Slot, Order: r.Order},
			Evidence: level, Missing: missing,
		})
	}
	tx.AfterCommit(g.kick)
	if len(seen) > 0 {
		if err := g.c.Store.RecordSeen(ctx, tx, e.Host, seen, g.c.Clock.Now()); err != nil {
			return err
		}
	}
	if !silent {
		return nil
	}
	return g.askAgain(ctx, tx, e.Key, e.Host, o.Asked)
}
