package storagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
)

// lifecycleEnrollments holds channels.
func lifecycleEnrollments() []test {
	put := func(w *world, e *mdm.Enrollment) error {
		return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Lifecycle().PutEnrollment(ctx, tx, e) })
	}
	byKey := func(w *world, k mdm.EnrollmentKey) mdm.Enrollment {
		w.t.Helper()
		return in(w, func(ctx context.Context, tx mdm.Tx) (mdm.Enrollment, error) {
			return w.s.Lifecycle().EnrollmentByKey(ctx, tx, k)
		})
	}
	return []test{
		{"inserted", "PutEnrollment inserts when e.Key is zero, setting the key", func(t *testing.T, w *world) {
			e := w.enroll(func(e *mdm.Enrollment) {
				e.Next = mdm.NextLife{ID: mdm.EnrollmentID(w.uuid()), Generation: 99, Pin: w.hash(), Person: "ann"}
				e.EndedAt = w.now.Add(time.Second)
			})
			require.NotZero(t, e.Key)
			require.Equal(t, e, byKey(w, e.Key))
			require.Equal(t, e, in(w, func(ctx context.Context, tx mdm.Tx) (mdm.Enrollment, error) {
				return w.s.Lifecycle().EnrollmentTx(ctx, tx, e.Natural)
			}))
		}},
		{"not found", "Getters return a CodeNotFound error when there is no row", func(t *testing.T, w *world) {
			e := w.enroll()
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				require.ErrorIs(t, second(w.s.Lifecycle().EnrollmentTx(ctx, tx, "apple:nobody")), mdm.CodeNotFound)
				require.ErrorIs(t, second(w.s.Lifecycle().EnrollmentByKey(ctx, tx, e.Key+1000)), mdm.CodeNotFound)
				return nil
			})
			e.Key += 1000
			require.ErrorIs(t, put(w, &e), mdm.CodeNotFound)
		}},
		{"updated", "and updates otherwise", func(t *testing.T, w *world) {
			e, h := w.enroll(), w.host(func(h *mdm.Host) { h.Platform = mdm.IOS })
			next := e
			next.ID, next.Generation, next.State = mdm.EnrollmentID(w.uuid()), e.Generation+5, mdm.EnrollmentEnded
			next.Pin, next.Next = mdm.Hash{}, mdm.NextLife{ID: "x", Generation: 1, Pin: w.hash(), Person: "p"}
			next.EnrolledAt, next.EndedAt = w.now.Add(time.Minute), w.now.Add(time.Hour)
			next.Host, next.HostID, next.Platform = h.Key, h.ID, h.Platform
			require.NoError(t, put(w, &next))
			require.Equal(t, next, byKey(w, e.Key))
			require.NoError(t, put(w, &e))
			require.Equal(t, e, byKey(w, e.Key), "and back, with nothing left over")
		}},
		{"its host's name and platform are joined", "HostID and Platform of the host, as it is now", func(t *testing.T, w *world) {
			e := w.enroll()
			h := w.hostOf(e.Host)
			h.Platform = mdm.IPadOS
			require.NoError(t, w.putHost(&h))
			require.Equal(t, mdm.IPadOS, byKey(w, e.Key).Platform)
			require.Equal(t, h.ID, byKey(w, e.Key).HostID)
		}},
		{"one for each natural key", "The natural key is unique in the tenant", func(t *testing.T, w *world) {
			e := w.enroll()
			before := w.dump()
			same := e
			same.Key, same.ID = 0, mdm.EnrollmentID(w.uuid())
			require.ErrorIs(t, put(w, &same), mdm.CodeConflict)
			require.Zero(t, same.Key)
			require.Equal(t, before, w.dump())
			other := over(t, w.h, w.s, "beta")
			mine := other.enroll(func(x *mdm.Enrollment) { x.Natural = e.Natural })
			require.NotEqual(t, e.Key, mine.Key)
		}},
		{"of a host", "EnrollmentsOf returns the channels of a host, ended ones included, in key order", func(t *testing.T, w *world) {
			h, other := w.host(), w.host()
			device := w.enrollOn(h)
			theirs := w.enrollOn(other)
			user := w.enrollOn(h, func(e *mdm.Enrollment) { e.Channel, e.Parent, e.Pin = mdm.UserChannel, device.Key, mdm.Hash{} })
			ended := w.enrollOn(h, func(e *mdm.Enrollment) { e.State = mdm.EnrollmentEnded })
			want := []mdm.Enrollment{device, user, ended}
			require.Equal(t, want, got[[]mdm.Enrollment](w)(w.s.Lifecycle().Enrollments(w.ctx, w.tenant, h.Key)))
			require.Equal(t, want, in(w, func(ctx context.Context, tx mdm.Tx) ([]mdm.Enrollment, error) {
				return w.s.Lifecycle().EnrollmentsOf(ctx, tx, h.Key)
			}))
			require.Equal(t, []mdm.Enrollment{theirs}, got[[]mdm.Enrollment](w)(w.s.Lifecycle().Enrollments(w.ctx, w.tenant, other.Key)))
			require.Empty(t, got[[]mdm.Enrollment](w)(w.s.Lifecycle().Enrollments(w.ctx, w.tenant, h.Key+1000)))
		}},
	}
}

// event appends an event about a channel (0 stands alone) and returns it as it
// is to come back, without its Seq.
func (w *world) event(k mdm.EnrollmentKey) mdm.Event {
	w.t.Helper()
	e := mdm.Event{
		Version: mdm.EventVersion, ID: mdm.EventID(w.uuid()), Tenant: w.tenant, Kind: mdm.EventCommandEnded, At: w.now,
		Host: mdm.HostID(w.uuid()), ExternalID: "x", Enrollment: mdm.EnrollmentID(w.uuid()), Generation: 4,
		Command: mdm.CommandID(w.uuid()), Actor: mdm.Actor{Kind: "user", Name: "ann", Reason: "asked"},
		Data: json.RawMessage(`{"n":1}`), Key: k,
	}
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Lifecycle().Append(ctx, tx, e) })
	return e
}

// claim claims events with a lease of one minute.
func (w *world) claim(limit int) []lifecycle.OutboxEvent {
	w.t.Helper()
	return got[[]lifecycle.OutboxEvent](w)(w.s.Lifecycle().ClaimEvents(w.ctx, w.tenant, w.now, time.Minute, limit))
}

// lifecycleOutbox holds the outbox.
func lifecycleOutbox() []test {
	idsOf := func(es []lifecycle.OutboxEvent) (out []mdm.EventID) {
		for _, e := range es {
			out = append(out, e.ID)
		}
		return out
	}
	claimed := func(w *world, limit int) []mdm.EventID { w.t.Helper(); return idsOf(w.claim(limit)) }
	done := func(w *world, seq int64) {
		w.t.Helper()
		require.NoError(w.t, w.s.Lifecycle().EventDone(w.ctx, w.tenant, seq))
	}
	return []test{
		{"comes back whole", "Append adds an event to the outbox, drawing Seq from a rising sequence", func(t *testing.T, w *world) {
			require.Empty(t, w.claim(10))
			want := []mdm.Event{w.event(0), w.event(0), w.event(0)}
			es := w.claim(10)
			require.Len(t, es, 3)
			last := int64(0)
			for i, e := range es {
				require.Greater(t, e.Seq, last)
				last = e.Seq
				want[i].Seq = e.Seq
				require.Equal(t, lifecycle.OutboxEvent{Event: want[i]}, e)
			}
		}},
		{"without data", "Data is an object whose fields belong to the kind", func(t *testing.T, w *world) {
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				return w.s.Lifecycle().Append(ctx, tx, mdm.Event{Version: mdm.EventVersion, ID: "bare", Kind: mdm.EventEnrolled, At: w.now})
			})
			es := w.claim(10)
			require.Len(t, es, 1)
			require.Equal(t, mdm.Event{
				Version: mdm.EventVersion, ID: "bare", Kind: mdm.EventEnrolled, At: w.now, Tenant: w.tenant, Seq: es[0].Seq,
			}, es[0].Event)
		}},
		{"one of an enrollment at a time", "at most one an enrollment (the oldest undelivered; events without enrollment each stand alone)", func(t *testing.T, w *world) {
			a1, b1, a2, free1, b2, free2 := w.event(1), w.event(2), w.event(1), w.event(0), w.event(2), w.event(0)
			first := w.claim(10)
			require.Equal(t, []mdm.EventID{a1.ID, b1.ID, free1.ID, free2.ID}, idsOf(first))
			require.Empty(t, w.claim(10), "hidden while leased, and those behind wait")
			done(w, first[0].Seq)
			require.Equal(t, []mdm.EventID{a2.ID}, claimed(w, 10))
			done(w, first[1].Seq)
			require.Equal(t, []mdm.EventID{b2.ID}, claimed(w, 10))
		}},
		{"no more than asked for", "ClaimEvents takes up to limit events", func(t *testing.T, w *world) {
			a, b, c := w.event(0), w.event(0), w.event(0)
			require.Equal(t, []mdm.EventID{a.ID, b.ID}, claimed(w, 2))
			require.Equal(t, []mdm.EventID{c.ID}, claimed(w, 2))
		}},
		{"the lease ends", "hides them from other claimers until the lease ends", func(t *testing.T, w *world) {
			a, b := w.event(1), w.event(1)
			require.Equal(t, []mdm.EventID{a.ID}, claimed(w, 10))
			w.pass(time.Minute - time.Microsecond)
			require.Empty(t, claimed(w, 10))
			w.pass(time.Microsecond)
			es := w.claim(10)
			require.Equal(t, []mdm.EventID{a.ID}, idsOf(es), "again, and before what comes after it")
			require.Zero(t, es[0].Tries)
			done(w, es[0].Seq)
			require.Equal(t, []mdm.EventID{b.ID}, claimed(w, 10))
		}},
		{"retry", "EventRetry makes it due again at the given time and counts the try", func(t *testing.T, w *world) {
			a := w.event(1)
			w.event(1)
			for n := range 3 {
				es := w.claim(10)
				require.Equal(t, []mdm.EventID{a.ID}, idsOf(es), fmt.Sprint(n))
				require.Equal(t, n, es[0].Tries)
				require.NoError(t, w.s.Lifecycle().EventRetry(w.ctx, w.tenant, es[0].Seq, w.now.Add(time.Hour)))
				w.pass(time.Hour - time.Microsecond)
				require.Empty(t, w.claim(10), "later events of its enrollment wait for it")
				w.pass(time.Microsecond)
			}
		}},
		{"done", "EventDone deletes a delivered event", func(t *testing.T, w *world) {
			before := w.dump()
			w.event(0)
			es := w.claim(10)
			done(w, es[0].Seq)
			require.Equal(t, before, w.dump())
			done(w, es[0].Seq) // by another replica, after its lease had ended
			require.NoError(t, w.s.Lifecycle().EventRetry(w.ctx, w.tenant, es[0].Seq, w.now))
			require.Equal(t, before, w.dump())
		}},
		{"an event of tomorrow", "ClaimEvents takes … events that are due", func(t *testing.T, w *world) {
			now := w.now
			w.now = now.Add(time.Hour)
			w.event(1)
			w.now = now
			late := w.event(1)
			require.Empty(t, w.claim(10), "order from sequences and never from time")
			w.pass(time.Hour)
			es := w.claim(10)
			require.Len(t, es, 1)
			require.NotEqual(t, late.ID, es[0].ID)
		}},
	}
}
