package storagetest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

func idempotent(k string) func(*queue.Entry) { return func(x *queue.Entry) { x.Idempotency = k } }

// known is what First found.
type known struct {
	queue.Entry
	sealed string
}

func (w *world) first(e mdm.Enrollment, key string) (k known, err error) {
	err = w.try(func(ctx context.Context, tx mdm.Tx) error {
		x, sealed, err := w.s.Queue().First(ctx, tx, e.Key, key)
		k = known{x, string(sealed)}
		return err
	})
	return k, err
}

// requireUsed checks that a key was refused.
func requireUsed(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, mdm.CodeConflict)
	requireField(t, "idempotency", err)
}

// queueIdempotency holds idempotency keys.
func queueIdempotency() []test {
	const first = "First returns the entry, waiting or ended, on which an idempotency key stands, with its sealed content"
	const once = "An idempotency key that stands on an entry of the enrollment, waiting, ended or before it in entries, is a CodeConflict error with the field idempotency"
	try := func(w *world, entries ...queue.Entry) error {
		return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Queue().Insert(ctx, tx, entries) })
	}
	return []test{
		{"the first is found", first, func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			a := w.queued(e, idempotent("k"), func(x *queue.Entry) {
				x.Hash, x.Redelivery, x.Lane, x.Resource = w.content("the first's content"), mdm.Frozen, 7, "r"
			})
			b, c := w.queued(e, idempotent("l")), w.queued(other, idempotent("k"))
			w.queued(e)
			require.Equal(t, known{a, "the first's content"}, got[known](w)(w.first(e, "k")))
			require.Equal(t, b.ID, got[known](w)(w.first(e, "l")).ID)
			require.Equal(t, c.ID, got[known](w)(w.first(other, "k")).ID)
			for _, key := range []string{"", "K", "k ", "m"} {
				_, err := w.first(e, key)
				require.ErrorIs(t, err, mdm.CodeNotFound, "%q", key)
			}
			_, err := w.first(mdm.Enrollment{Key: other.Key + 1000}, "k")
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
		{"the first is found after its end", first, func(t *testing.T, w *world) {
			e := w.enroll()
			a := w.queued(e, idempotent("k"))
			w.fetch(e)
			w.file(e, a.ID)
			x := got[known](w)(w.first(e, "k"))
			require.Equal(t, w.get(a.ID).Entry, x.Entry)
			require.Equal(t, "content", x.sealed)
			b := w.queued(e, idempotent("l"))
			w.cancel(b.ID)
			require.Equal(t, b.ID, got[known](w)(w.first(e, "l")).ID)
		}},
		{"the first is found in its own unit", "It sees what the unit has inserted", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.entry(e, idempotent("k"))
			h := w.hash()
			x.Hash = h
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				q, batch := w.s.Queue(), []queue.Entry{x}
				require.NoError(t, q.PutContent(ctx, tx, h, []byte("just now"), w.now))
				require.NoError(t, q.Insert(ctx, tx, batch))
				found, sealed, err := q.First(ctx, tx, e.Key, "k")
				require.Equal(t, batch[0], found)
				require.Equal(t, "just now", string(sealed))
				return err
			})
		}},
		{"a key is used once", once, func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			waiting, ended, free := w.queued(e, idempotent("waiting"), supersede("s")), w.queued(e, idempotent("ended")), w.queued(e)
			w.file(e, ended.ID)
			before := w.dump()
			for _, key := range []string{"waiting", "ended"} {
				requireUsed(t, try(w, w.entry(e), w.entry(e, idempotent(key), supersede("s"))))
				require.Equal(t, before, w.dump(), "nothing is queued, and nothing superseded")
			}
			requireUsed(t, try(w, w.entry(e, idempotent("new")), w.entry(e, idempotent("new"))))
			require.Equal(t, before, w.dump())
			require.NoError(t, try(w, w.entry(e, idempotent("new")), w.entry(other, idempotent("new")), w.entry(other, idempotent("waiting")), w.entry(e), w.entry(e)))
			require.Equal(t, ids(waiting, free), w.fetch(e)[:2])
		}},
		{"the same request", "Repeated: requests are the same when all is that decides what the device is told, and when", repeats},
	}
}

// realQueue is a queue over the store, as applications have it.
func (w *world) realQueue() *queue.Queue {
	w.t.Helper()
	box, err := mdm.NewBox(mdm.LocalKeyring{Current: "k", Keys: map[string][]byte{"k": make([]byte, 32)}}, rand.Reader)
	require.NoError(w.t, err)
	q, err := queue.New(queue.Config{Store: w.s.Queue(), Box: box, Clock: clock{w}, Rand: rand.Reader})
	require.NoError(w.t, err)
	return q
}

type clock struct{ w *world }

func (c clock) Now() time.Time { return c.w.now }

// repeats asks for the same, and for something else, with one key.
func repeats(t *testing.T, w *world) {
	q := w.realQueue()
	e := w.enroll()
	enqueue := func(cs ...queue.Command) (out []queue.Entry, err error) {
		err = w.try(func(ctx context.Context, tx mdm.Tx) error { out, err = q.Enqueue(ctx, tx, cs); return err })
		return out, err
	}
	for _, class := range []mdm.Redelivery{mdm.Repeatable, mdm.Frozen, mdm.Once} {
		c := queue.Command{
			Enrollment: e.Key, Generation: e.Generation, Owner: mdm.OwnerApplication, Kind: mdm.KindRawApple, Content: []byte("123456"),
			Redelivery: class, Idempotency: "key of " + string(class), Expires: w.now.Add(time.Hour + 999*time.Nanosecond), Resource: "r",
		}
		first, err := enqueue(c)
		require.NoError(t, err)
		before := w.dump()
		again, err := enqueue(c, c)
		require.NoError(t, err)
		require.Equal(t, []mdm.CommandID{first[0].ID, first[0].ID}, []mdm.CommandID{again[0].ID, again[1].ID})
		require.Equal(t, before, w.dump())
		c.Content = []byte("654321")
		_, err = enqueue(c)
		require.ErrorIs(t, err, mdm.CodeKeyReused)
		require.Equal(t, before, w.dump())
	}
}

// keyStorm has many ask with one key at the same time: half of them for one
// thing, half for another.
func keyStorm(t *testing.T, w *world) {
	q := w.realQueue()
	e := w.enroll()
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		queued := make([]mdm.CommandID, 8)
		var workers []func() error
		for i := range queued {
			c := queue.Command{
				Enrollment: e.Key, Generation: e.Generation, Owner: mdm.OwnerApplication, Kind: mdm.KindRawApple,
				Content: []byte{byte(i % 2)}, Idempotency: key,
			}
			workers = append(workers, func() error {
				return stubborn(func() error {
					return w.try(func(ctx context.Context, tx mdm.Tx) error {
						x, err := q.Enqueue(ctx, tx, []queue.Command{c})
						if err == nil {
							queued[i] = x[0].ID
						}
						return err
					})
				})
			})
		}
		errs := together(workers...)
		first := got[known](w)(w.first(e, key))
		won := -1
		for i, err := range errs {
			if err == nil {
				require.Equal(t, first.ID, queued[i])
				won = i % 2
			} else {
				require.ErrorIs(t, err, mdm.CodeKeyReused)
			}
		}
		for i, err := range errs {
			require.Equal(t, i%2 == won, err == nil, "all who asked for the same have it, and nobody else")
		}
	}
	require.Len(t, w.list(e, 0, 100), 5)
}
