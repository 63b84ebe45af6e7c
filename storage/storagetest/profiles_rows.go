package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// row is what a plan decides of a profile on a channel: instruction 4.
func (w *world) row(e mdm.Enrollment, p profiles.Profile, change ...func(*profiles.Row)) profiles.Row {
	r := profiles.Row{
		Enrollment: e.Key, Slot: p.Slot, Identifier: p.Identifier, Family: p.Family, Op: profiles.Install,
		Profile: p.Key, Revision: p.Revision, Content: p.Content, Order: 4, Since: w.now, Command: mdm.CommandID(w.uuid()),
		Traces: []profiles.Trace{{Order: 4, Content: p.Content}},
	}
	for _, f := range change {
		f(&r)
	}
	return r
}

func (w *world) putRows(rows ...profiles.Row) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().PutRows(ctx, tx, rows) })
}

func (w *world) rowsOf(k mdm.EnrollmentKey) []profiles.Row {
	w.t.Helper()
	return in(w, func(ctx context.Context, tx mdm.Tx) ([]profiles.Row, error) { return w.s.Profiles().RowsOf(ctx, tx, k) })
}

// oneRow reads the only row of a channel.
func (w *world) oneRow(k mdm.EnrollmentKey) profiles.Row {
	w.t.Helper()
	rows := w.rowsOf(k)
	require.Len(w.t, rows, 1)
	return rows[0]
}

// answer is the result of row r's command on channel e.
func (w *world) answer(e mdm.Enrollment, r profiles.Row, o mdm.Outcome) mdm.Result {
	return mdm.Result{
		Command: r.Command, Enrollment: e.Key, Life: e.ID, Host: e.Host, HostID: e.HostID, Generation: e.Generation, Current: e.Generation,
		Owner: mdm.OwnerProfiles, Ref: mdm.Ref{Key: int64(r.Slot), Order: r.Order}, Outcome: o, Code: "12", Detail: "said so", At: w.now,
	}
}

func (w *world) acknowledge(r mdm.Result) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().Acknowledge(ctx, tx, r) })
}

func (w *world) recordSeen(h mdm.HostKey, seen ...profiles.SeenRow) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().RecordSeen(ctx, tx, h, seen, w.now) })
}

func seenRow(r profiles.Row, e profiles.Evidence, missing string) profiles.SeenRow {
	return profiles.SeenRow{
		RowKey: profiles.RowKey{Enrollment: r.Enrollment, Slot: r.Slot, Order: r.Order}, Evidence: e, Missing: missing,
	}
}

// profilesRows holds what plans write.
func profilesRows() []test {
	full := func(w *world) func(*profiles.Row) {
		return func(r *profiles.Row) {
			r.Op, r.Blurred, r.Overridden, r.Asked, r.AskedSeq, r.Tries, r.Misses = profiles.Remove, true, "overridden by another", 4, 77, 2, 1
			r.RetryAt = w.now.Add(time.Minute)
			r.Traces = []profiles.Trace{{Order: 1 << 40, Content: w.hash()}, {Order: 4, Content: w.hash()}}
		}
	}
	return []test{
		{"inserted and updated", "PutRows inserts and updates what the plan decides of rows", func(t *testing.T, w *world) {
			e, p := w.enroll(), w.profile(0)
			r := w.row(e, p, full(w))
			w.putRows(r)
			require.Equal(t, []profiles.Row{r}, w.rowsOf(e.Key))
			next := w.row(e, p, func(r *profiles.Row) {
				r.Profile, r.Revision, r.Content, r.Order, r.Since, r.Traces = 99, 9, w.hash(), 5, w.now.Add(time.Hour), nil
			})
			w.putRows(next)
			require.Equal(t, []profiles.Row{next}, w.rowsOf(e.Key))
			w.putRows()
		}},
		{"never what the device said", "and never what the device answered or showed: an acknowledgement that commits beside a plan is not lost", func(t *testing.T, w *world) {
			e, p := w.enroll(), w.profile(0)
			r := w.row(e, p)
			w.putRows(r)
			w.acknowledge(w.answer(e, r, mdm.OutcomeAcknowledged))
			w.recordSeen(e.Host, seenRow(r, profiles.VersionMatched, "something"))
			said := w.oneRow(e.Key)
			require.Equal(t, int64(4), said.Ack)
			require.Equal(t, int64(4), said.Seen)
			stale := r // planned before the device answered
			stale.Order, stale.Tries = 5, 1
			stale.Ack, stale.AckOutcome, stale.AckCode, stale.AckDetail, stale.AckAt = 3, mdm.OutcomeError, "9", "stale", w.now.Add(time.Hour)
			stale.Seen, stale.Evidence, stale.SeenAt, stale.Missing = 3, profiles.Effective, w.now.Add(time.Hour), "stale"
			w.putRows(stale)
			said.Order, said.Tries = 5, 1
			require.Equal(t, said, w.oneRow(e.Key))
		}},
		{"a new row has no evidence", "What the device answered; written by Acknowledge only. What was observed; written by RecordSeen only", func(t *testing.T, w *world) {
			e, p := w.enroll(), w.profile(0)
			r := w.row(e, p)
			invented := r
			invented.Ack, invented.AckOutcome, invented.AckCode, invented.AckDetail, invented.AckAt = 4, mdm.OutcomeAcknowledged, "1", "x", w.now
			invented.Seen, invented.Evidence, invented.SeenAt, invented.Missing = 4, profiles.Effective, w.now, "x"
			w.putRows(invented)
			require.Equal(t, r, w.oneRow(e.Key))
		}},
		{"the slot's name is joined", "Identifier: the slot's name; read-only, joined", func(t *testing.T, w *world) {
			e, p := w.enroll(), w.profile(0)
			w.putRows(w.row(e, p, func(r *profiles.Row) { r.Identifier = "com.example.other" }))
			require.Equal(t, p.Identifier, w.oneRow(e.Key).Identifier)
		}},
		{"deleted", "DeleteRows deletes", func(t *testing.T, w *world) {
			e, other, p, q := w.enroll(), w.enroll(), w.profile(0), w.profile(0)
			w.putRows(w.row(e, p), w.row(e, q), w.row(other, p))
			key := profiles.RowKey{Enrollment: e.Key, Slot: p.Slot, Order: 99} // Order … ignored elsewhere
			for range 2 {
				w.do(func(ctx context.Context, tx mdm.Tx) error {
					return w.s.Profiles().DeleteRows(ctx, tx, []profiles.RowKey{key})
				})
			}
			require.Equal(t, q.Slot, w.oneRow(e.Key).Slot)
			require.Len(t, w.rowsOf(other.Key), 1)
			w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().DeleteRows(ctx, tx, nil) })
		}},
		{"a deleted row leaves no evidence behind", "DeleteRows deletes", func(t *testing.T, w *world) {
			e, p := w.enroll(), w.profile(0)
			r := w.row(e, p)
			w.putRows(r)
			w.acknowledge(w.answer(e, r, mdm.OutcomeAcknowledged))
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				return w.s.Profiles().DeleteRows(ctx, tx, []profiles.RowKey{{Enrollment: e.Key, Slot: p.Slot}})
			})
			w.putRows(r)
			require.Equal(t, r, w.oneRow(e.Key))
		}},
		{"dropped", "DropRows deletes every row of a channel", func(t *testing.T, w *world) {
			e, other, p, q := w.enroll(), w.enroll(), w.profile(0), w.profile(0)
			w.putRows(w.row(e, p), w.row(e, q), w.row(other, p))
			for range 2 {
				w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().DropRows(ctx, tx, e.Key) })
			}
			require.Empty(t, w.rowsOf(e.Key))
			require.Len(t, w.rowsOf(other.Key), 1)
		}},
		{"in slot order", "RowsOf returns the rows of one channel. Rows of one channel are in slot order", func(t *testing.T, w *world) {
			e := w.enroll()
			a, b, c := w.row(e, w.profile(0)), w.row(e, w.profile(0)), w.row(e, w.profile(0))
			w.putRows(c, a, b)
			require.Equal(t, []profiles.Row{a, b, c}, w.rowsOf(e.Key))
			require.Empty(t, w.rowsOf(e.Key+1000))
		}},
	}
}

// profilesEvidence holds what devices answer and show.
func profilesEvidence() []test {
	return []test{
		{"an answer", "Acknowledge is the evidence of a report: … and a host mark. It does not raise PlanRevision", func(t *testing.T, w *world) {
			e, p := w.enroll(), w.profile(0)
			r := w.row(e, p)
			w.putRows(r)
			w.pass(time.Second)
			w.acknowledge(w.answer(e, r, mdm.OutcomeError))
			r.Ack, r.AckOutcome, r.AckCode, r.AckDetail, r.AckAt = 4, mdm.OutcomeError, "12", "said so", w.now
			require.Equal(t, r, w.oneRow(e.Key))
			require.Zero(t, w.load(e.Host)[0].PlanRevision)
			require.Equal(t, []mdm.HostKey{e.Host}, w.claimAll())
		}},
		{"late answers", "a compare-and-set on the enrollment's generation and the row's Order. No match means late, and is no error", func(t *testing.T, w *world) {
			e, p := w.enroll(), w.profile(0)
			r := w.row(e, p)
			w.putRows(r)
			before := w.dump()
			for name, change := range map[string]func(*mdm.Result){
				"of an earlier instruction":    func(x *mdm.Result) { x.Ref.Order-- },
				"of a later instruction":       func(x *mdm.Result) { x.Ref.Order++ },
				"of an earlier life":           func(x *mdm.Result) { x.Generation-- },
				"of a life to come":            func(x *mdm.Result) { x.Generation++ },
				"about another slot":           func(x *mdm.Result) { x.Ref.Key += 1000 },
				"from a channel that is not":   func(x *mdm.Result) { x.Enrollment += 1000 },
				"from a channel without a row": func(x *mdm.Result) { x.Enrollment = w.enroll().Key },
			} {
				x := w.answer(e, r, mdm.OutcomeAcknowledged)
				change(&x)
				w.acknowledge(x)
				require.Equal(t, r, w.oneRow(e.Key), name)
				require.Empty(t, w.claimAll(), name)
			}
			require.Subset(t, w.dump(), before)
		}},
		{"the first answer stands", "exactly one outcome is recorded", func(t *testing.T, w *world) {
			e, p := w.enroll(), w.profile(0)
			r := w.row(e, p)
			w.putRows(r)
			w.acknowledge(w.answer(e, r, mdm.OutcomeAcknowledged))
			require.Len(t, w.claimAll(), 1)
			before := w.dump()
			w.acknowledge(w.answer(e, r, mdm.OutcomeError))
			require.Equal(t, before, w.dump())
		}},
		{"the next instruction is answered anew", "What arrives late … changes no row", func(t *testing.T, w *world) {
			e, p := w.enroll(), w.profile(0)
			r := w.row(e, p)
			w.putRows(r)
			w.acknowledge(w.answer(e, r, mdm.OutcomeError))
			old := w.answer(e, r, mdm.OutcomeAcknowledged)
			r.Order = 6
			w.putRows(r)
			w.acknowledge(old)
			require.Equal(t, mdm.OutcomeError, w.oneRow(e.Key).AckOutcome)
			w.acknowledge(w.answer(e, r, mdm.OutcomeAcknowledged))
			require.Equal(t, int64(6), w.oneRow(e.Key).Ack)
			require.Equal(t, mdm.OutcomeAcknowledged, w.oneRow(e.Key).AckOutcome)
		}},
		{"an observation", "RecordSeen stores what an observation proved, … and marks the host", func(t *testing.T, w *world) {
			e, p, q := w.enroll(), w.profile(0), w.profile(0)
			a, b := w.row(e, p), w.row(e, q)
			w.putRows(a, b)
			w.pass(time.Second)
			w.recordSeen(e.Host, seenRow(a, profiles.ContentMatched, ""), seenRow(b, profiles.NoEvidence, "all of it"))
			a.Seen, a.Evidence, a.SeenAt = 4, profiles.ContentMatched, w.now
			b.Seen, b.SeenAt, b.Missing = 4, w.now, "all of it"
			require.Equal(t, []profiles.Row{a, b}, w.rowsOf(e.Key))
			require.Equal(t, []mdm.HostKey{e.Host}, w.claimAll())
			w.pass(time.Second)
			w.recordSeen(e.Host, seenRow(b, profiles.Effective, ""))
			b.Evidence, b.SeenAt, b.Missing = profiles.Effective, w.now, ""
			require.Equal(t, []profiles.Row{a, b}, w.rowsOf(e.Key), "a newer observation replaces an older one")
		}},
		{"a late observation", "each guarded by the row's Order (a row with another order is left alone)", func(t *testing.T, w *world) {
			e, p := w.enroll(), w.profile(0)
			r := w.row(e, p)
			w.putRows(r)
			for _, order := range []int64{0, 3, 5} {
				old := r
				old.Order = order
				w.recordSeen(e.Host, seenRow(old, profiles.Effective, ""))
			}
			gone := r
			gone.Slot += 1000
			w.recordSeen(e.Host, seenRow(gone, profiles.Effective, ""))
			require.Equal(t, []profiles.Row{r}, w.rowsOf(e.Key))
		}},
		{"a question that failed", "ForgetAsked makes the rows of a channel about which the question with that sequence was queued unasked", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			p, q, s := w.profile(0), w.profile(0), w.profile(0)
			asked := func(seq int64) func(*profiles.Row) {
				return func(r *profiles.Row) { r.Asked, r.AskedSeq = 4, seq }
			}
			never := w.row(e, s)
			a, b, theirs := w.row(e, p, asked(70)), w.row(e, q, asked(71)), w.row(other, p, asked(70))
			w.putRows(a, b, never, theirs)
			forget := func(seq int64) {
				w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().ForgetAsked(ctx, tx, e.Key, seq) })
			}
			before := w.dump()
			forget(0)
			forget(72)
			require.Equal(t, before, w.dump())
			forget(70)
			a.Asked, a.AskedSeq = 0, 0
			require.Equal(t, []profiles.Row{a, b, never}, w.rowsOf(e.Key))
			require.Equal(t, []profiles.Row{theirs}, w.rowsOf(other.Key))
		}},
	}
}
