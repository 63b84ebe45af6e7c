package storagetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// resultOf is what the owner of x is told when it ends on channel e.
func resultOf(w *world, e mdm.Enrollment, x queue.Entry, o mdm.Outcome) mdm.Result {
	return mdm.Result{
		Command: x.ID, Seq: x.Seq, Enrollment: e.Key, Life: e.ID, Host: e.Host, HostID: e.HostID, Platform: e.Platform,
		Generation: x.Generation, Current: e.Generation, Owner: x.Owner, Ref: x.Ref, Kind: x.Kind, Actor: x.Actor,
		Outcome: o, At: w.now,
	}
}

func about(o mdm.Owner, key int64) func(*queue.Entry) {
	return func(x *queue.Entry) { x.Owner, x.Ref = o, mdm.Ref{Key: key, Order: 3} }
}

// queueReport holds File on entries that wait.
func queueReport() []test {
	return []test{
		{"words that are no text", "Detail", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e)
			f := w.file(e, x.ID, func(r *queue.Report) {
				r.Outcome, r.Code, r.Detail = mdm.OutcomeError, "a\x00b", "not UTF-8: \xff\xfe, and a zero: \x00"
			})
			require.Equal(t, queue.FilingNew, f.Filing, "a device that sends garbage has answered all the same")
			require.Equal(t, mdm.OutcomeError, w.get(x.ID).Outcome)
			require.Contains(t, w.get(x.ID).Detail, "and a zero: ")
		}},
		{"an answer", "File ends … the reported entry of enrollment e, moving an ended one to the history", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e, about(mdm.OwnerProfiles, 5))
			w.fetch(e)
			w.pass(time.Second)
			f := w.file(e, x.ID, func(r *queue.Report) {
				r.Outcome, r.Code, r.Detail, r.Body = mdm.OutcomeError, "12021", "no such thing", []byte("answer")
			})
			require.Equal(t, queue.FilingNew, f.Filing)
			want := resultOf(w, e, x, mdm.OutcomeError)
			want.Code, want.Detail = "12021", "no such thing"
			require.Equal(t, want, f.Result)
			require.Empty(t, w.fetch(e))
			d := w.get(x.ID)
			require.Equal(t, mdm.OutcomeError, d.Outcome)
			require.Equal(t, "12021", d.Code)
			require.Equal(t, "no such thing", d.Detail)
			require.Equal(t, []byte("answer"), d.Body)
			require.Equal(t, w.now, d.EndedAt)
			require.Equal(t, 1, d.Sent)
			require.Nil(t, d.Late)
		}},
		{"no body", "Body … kept with the history when not nil", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e)
			w.file(e, x.ID)
			require.Nil(t, w.get(x.ID).Body)
		}},
		{"the first answer wins", "the first answer wins; FilingRepeated: the device had answered before. Nothing changed", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e)
			w.file(e, x.ID)
			before := w.dump()
			w.pass(time.Second)
			for _, o := range []mdm.Outcome{mdm.OutcomeAcknowledged, mdm.OutcomeError} {
				f := w.file(e, x.ID, func(r *queue.Report) { r.Outcome, r.Body = o, []byte("other") })
				require.Equal(t, queue.Filed{Filing: queue.FilingRepeated}, f)
			}
			require.Equal(t, queue.FilingRepeated, w.file(e, x.ID, notNow).Filing)
			require.Equal(t, before, w.dump())
		}},
		{"not now", "FilingNotNow: the entry was waiting and is held", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e)
			w.fetch(e)
			w.pass(time.Second)
			require.Equal(t, queue.Filed{Filing: queue.FilingNotNow}, w.file(e, x.ID, notNow))
			d := w.get(x.ID)
			require.Empty(t, d.Outcome)
			require.Equal(t, w.now, d.Held)
			w.pass(time.Second)
			w.file(e, x.ID, notNow)
			require.Equal(t, w.now, w.get(x.ID).Held, "Held is of the last NotNow")
			require.Equal(t, queue.FilingNew, w.file(e, x.ID).Filing)
		}},
		{"another channel's command", "FilingForeign: no such command on this channel. Nothing changed", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			waiting, ended := w.queued(e), w.queued(e)
			w.file(e, ended.ID)
			before := w.dump()
			for _, id := range []mdm.CommandID{waiting.ID, ended.ID, mdm.CommandID(w.uuid()), ""} {
				require.Equal(t, queue.Filed{Filing: queue.FilingForeign}, w.file(other, id))
				require.Equal(t, queue.FilingForeign, w.file(other, id, notNow).Filing)
			}
			require.Equal(t, before, w.dump())
		}},
		{"an answer of an earlier life", "Generation under which the command was queued; Current of the enrollment now", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e)
			e.ID, e.Generation = mdm.EnrollmentID(w.uuid()), e.Generation+1
			f := w.file(e, x.ID)
			require.Equal(t, queue.FilingNew, f.Filing)
			require.True(t, f.Result.Late())
			require.Equal(t, x.Generation, f.Result.Generation)
			require.Equal(t, e.Generation, f.Result.Current)
			require.Equal(t, e.ID, f.Result.Life)
		}},
		{"an answer after the time is over", "an answer counts until the entry has ended", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e, func(x *queue.Entry) { x.Expires = w.now.Add(time.Second) })
			w.fetch(e)
			w.pass(time.Minute)
			require.Equal(t, queue.FilingNew, w.file(e, x.ID).Filing)
			require.Equal(t, mdm.OutcomeAcknowledged, w.get(x.ID).Outcome)
		}},
	}
}

// queueLate holds File on entries that ended without the device.
func queueLate() []test {
	// end ends one entry of e without the device.
	ends := []struct {
		name    string
		outcome mdm.Outcome
		sent    bool
		end     func(w *world, e mdm.Enrollment, x queue.Entry)
	}{
		{"canceled", mdm.OutcomeCanceled, false, func(w *world, _ mdm.Enrollment, x queue.Entry) { w.cancel(x.ID) }},
		{"superseded", mdm.OutcomeSuperseded, false, func(w *world, e mdm.Enrollment, _ queue.Entry) { w.queued(e, supersede("s")) }},
		{"superseded by its owner", mdm.OutcomeSuperseded, true, func(w *world, e mdm.Enrollment, _ queue.Entry) { w.endRef(e, mdm.OwnerProfiles, 5) }},
		{"of an earlier life", mdm.OutcomeCanceled, true, func(w *world, e mdm.Enrollment, _ queue.Entry) { w.endBefore(e, e.Generation+1) }},
		{"expired", mdm.OutcomeExpired, false, func(w *world, _ mdm.Enrollment, _ queue.Entry) { w.pass(time.Hour); w.expire(10) }},
		{"unknown", mdm.OutcomeUnknown, true, func(w *world, _ mdm.Enrollment, _ queue.Entry) { w.pass(time.Hour); w.expire(10) }},
	}
	var out []test
	for _, c := range ends {
		out = append(out, test{c.name, "FilingLate: the entry had ended without the device, and the answer has been added to its history", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e, about(mdm.OwnerProfiles, 5), supersede("s"), func(x *queue.Entry) { x.Expires = w.now.Add(time.Hour) })
			if c.sent {
				w.fetch(e)
			}
			c.end(w, e, x)
			ended := w.get(x.ID)
			require.Equal(t, c.outcome, ended.Outcome)

			require.Equal(t, queue.FilingRepeated, w.file(e, x.ID, notNow).Filing, "a NotNow to what has ended says nothing")
			require.Equal(t, ended, w.get(x.ID))

			w.pass(time.Second)
			f := w.file(e, x.ID, func(r *queue.Report) {
				r.Outcome, r.Code, r.Detail, r.Body = mdm.OutcomeError, "1", "because", []byte("answer")
			})
			require.Equal(t, queue.FilingLate, f.Filing)
			want := resultOf(w, e, x, mdm.OutcomeError)
			want.Code, want.Detail = "1", "because"
			require.Equal(t, want, f.Result)
			late := ended
			late.Body, late.Late = []byte("answer"), &queue.LateAnswer{Outcome: mdm.OutcomeError, Code: "1", Detail: "because", At: w.now}
			require.Equal(t, late, w.get(x.ID), "the outcome stays the first one")

			w.pass(time.Second)
			require.Equal(t, queue.Filed{Filing: queue.FilingRepeated}, w.file(e, x.ID))
			require.Equal(t, late, w.get(x.ID))
		}})
	}
	return out
}
