package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

func supersede(k string) func(*queue.Entry) { return func(x *queue.Entry) { x.Supersede = k } }

// queueInsert holds what Insert does beside queueing.
func queueInsert() []test {
	const super = "Waiting entries with the same supersede key that have not left end as superseded"
	return []test{
		{"supersede", super, func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			a, b, c := w.queued(e, supersede("s")), w.queued(e, supersede("t")), w.queued(e)
			d := w.queued(other, supersede("s"))
			w.pass(time.Minute)
			x := w.queued(e, supersede("s"))
			require.Equal(t, ids(b, c, x), w.fetch(e))
			require.Equal(t, ids(d), w.fetch(other))
			done := w.get(a.ID)
			require.Equal(t, mdm.OutcomeSuperseded, done.Outcome)
			require.Equal(t, w.now, done.EndedAt)
		}},
		{"what has left is not superseded", super, func(t *testing.T, w *world) {
			e := w.enroll()
			a := w.queued(e, supersede("s"))
			w.fetch(e)
			b := w.queued(e, supersede("s"))
			require.Empty(t, w.get(a.ID).Outcome)
			require.Equal(t, ids(a, b), w.fetch(e))
			c := w.queued(e, supersede("s"))
			require.Equal(t, ids(a, b, c), w.fetch(e))
		}},
		{"superseding within a batch", super, func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.enqueue(w.entry(e, supersede("s")), w.entry(e, supersede("s")))
			require.Equal(t, ids(x[1]), w.fetch(e))
		}},
		{"an id that is taken", "a command id names one queued command", func(t *testing.T, w *world) {
			e := w.enroll()
			waiting, ended := w.queued(e), w.queued(e)
			w.file(e, ended.ID)
			for _, taken := range []queue.Entry{waiting, ended} {
				before := w.dump()
				x := w.entry(e, func(x *queue.Entry) { x.ID = taken.ID })
				err := w.try(func(ctx context.Context, tx mdm.Tx) error {
					return w.s.Queue().Insert(ctx, tx, []queue.Entry{x})
				})
				require.ErrorIs(t, err, mdm.CodeConflict)
				require.Equal(t, before, w.dump())
			}
		}},
		{"for nobody", "Rows of another tenant do not exist; what is queued for no channel could never end", func(t *testing.T, w *world) {
			e := w.enroll()
			e.Key += 1000
			x := []queue.Entry{w.entry(e)}
			require.ErrorIs(t, w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Queue().Insert(ctx, tx, x) }), mdm.CodeNotFound)
		}},
		{"without content", "Content is nil; Hash names it: an entry without content could never leave", func(t *testing.T, w *world) {
			x := []queue.Entry{w.entry(w.enroll(), func(x *queue.Entry) { x.Hash = w.hash() })}
			require.ErrorIs(t, w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Queue().Insert(ctx, tx, x) }), mdm.CodeNotFound)
		}},
		{"content once", "a hash that is there already is left alone", func(t *testing.T, w *world) {
			h := w.hash()
			for _, sealed := range []string{"first", "second"} {
				w.do(func(ctx context.Context, tx mdm.Tx) error {
					return w.s.Queue().PutContent(ctx, tx, h, []byte(sealed), w.now)
				})
			}
			require.Equal(t, "first", string(got[[]byte](w)(w.s.Queue().Content(w.ctx, w.tenant, h))))
			require.Equal(t, "first", string(got[[]byte](w)(w.s.Profiles().Content(w.ctx, w.tenant, h))), "both rooms read one table")
			_, err := w.s.Queue().Content(w.ctx, w.tenant, w.hash())
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
		{"kept as given", "Entry is a queued command as stores keep it", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.queued(e, func(x *queue.Entry) {
				x.Owner, x.Kind, x.Ref = mdm.OwnerProfiles, mdm.KindInstallProfile, mdm.Ref{Key: 1 << 40, Order: 7}
				x.Lane, x.Redelivery, x.Resource, x.Supersede, x.Idempotency = -3, mdm.Once, "r", "s", "i"
				x.Actor = mdm.Actor{Kind: "user", Name: "ann", Reason: "“asked”"}
				x.NotBefore, x.Expires = w.now.Add(time.Second), w.now.Add(time.Hour)
			})
			require.Equal(t, queue.Done{Entry: x}, w.get(x.ID))
		}},
	}
}
