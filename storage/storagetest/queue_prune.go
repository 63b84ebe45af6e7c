package storagetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

const day = 24 * time.Hour

// history makes n commands that have ended, one an hour.
func (w *world) history(e mdm.Enrollment, n int, change ...func(*queue.Entry)) []mdm.CommandID {
	w.t.Helper()
	var out []mdm.CommandID
	for range n {
		x := w.queued(e, change...)
		w.fetch(e)
		require.Equal(w.t, queue.FilingNew, w.file(e, x.ID, func(r *queue.Report) { r.Body = []byte("result") }).Filing)
		out = append(out, x.ID)
		w.pass(time.Hour)
	}
	return out
}

func (w *world) pruneDone(before time.Time, limit int) int {
	w.t.Helper()
	return in(w, func(ctx context.Context, tx mdm.Tx) (int, error) {
		return w.s.Queue().PruneDone(ctx, tx, before, limit)
	})
}

// pruneChannels prunes until it is through, and returns how many left.
func (w *world) pruneChannels(keep, limit int) (all int) {
	w.t.Helper()
	for after := mdm.EnrollmentKey(0); ; {
		var n int
		w.do(func(ctx context.Context, tx mdm.Tx) (err error) {
			n, after, err = w.s.Queue().PruneChannels(ctx, tx, keep, after, limit)
			return err
		})
		require.LessOrEqual(w.t, n, limit)
		if all += n; n < limit && after == 0 {
			return all
		}
	}
}

func (w *world) pruneContent(before time.Time, limit int) int {
	w.t.Helper()
	return in(w, func(ctx context.Context, tx mdm.Tx) (int, error) {
		return w.s.Queue().PruneContent(ctx, tx, before, w.now, limit)
	})
}

// known reports whether a command is there still.
func (w *world) known(id mdm.CommandID) bool {
	_, err := w.s.Queue().Get(w.ctx, w.tenant, id)
	if err != nil {
		require.ErrorIs(w.t, err, mdm.CodeNotFound)
	}
	return err == nil
}

// kept reports whether a content is there still.
func (w *world) kept(h mdm.Hash) bool {
	_, err := w.s.Queue().Content(w.ctx, w.tenant, h)
	if err != nil {
		require.ErrorIs(w.t, err, mdm.CodeNotFound)
	}
	return err == nil
}

// queuePrune holds queue.Pruner.
func queuePrune() []test {
	return []test{
		{"the old history", "PruneDone deletes up to limit entries that had ended before that time, the oldest first", func(t *testing.T, w *world) {
			e := w.enroll()
			old := w.history(e, 3)
			cut := w.now
			young := w.history(e, 2)
			waiting := w.queued(e, func(x *queue.Entry) { x.Queued = start.Add(-day) })
			require.Equal(t, 2, w.pruneDone(cut, 2))
			for i, there := range []bool{false, false, true} {
				require.Equal(t, there, w.known(old[i]))
			}
			require.Equal(t, 1, w.pruneDone(cut, 2))
			before := w.dump()
			require.Zero(t, w.pruneDone(cut, 2))
			require.Equal(t, before, w.dump(), "a second time changes nothing")
			for _, id := range append(young, waiting.ID) {
				require.True(t, w.known(id))
			}
			require.Len(t, w.list(e, 0, 10), 3)
			require.Equal(t, ids(waiting), w.fetch(e))
		}},
		{"what has left never was", "a report on one is foreign, its idempotency key is free", func(t *testing.T, w *world) {
			e := w.enroll()
			x := w.history(e, 1, idempotent("key"))[0]
			require.Equal(t, 1, w.pruneDone(w.now, 10))
			require.Equal(t, queue.FilingForeign, w.file(e, x).Filing)
			_, err := w.first(e, "key")
			require.ErrorIs(t, err, mdm.CodeNotFound)
			again := w.queued(e, idempotent("key"))
			require.Equal(t, ids(again), w.fetch(e))
		}},
		{"so many a channel", "PruneChannels leaves each enrollment its newest keep entries that have ended", func(t *testing.T, w *world) {
			var channels []mdm.Enrollment
			var all [][]mdm.CommandID
			for n := range 7 {
				e := w.enroll()
				channels, all = append(channels, e), append(all, w.history(e, n))
				w.queued(e)
			}
			require.Equal(t, 0+0+0+1+2+3+4, w.pruneChannels(2, 3))
			for i, e := range channels {
				for j, id := range all[i] {
					require.Equal(t, j >= len(all[i])-2, w.known(id), "%d of %d", j, len(all[i]))
				}
				require.Len(t, w.list(e, 0, 100), min(i, 2)+1)
				require.Len(t, w.fetch(e), 1, "what waits stays")
			}
			before := w.dump()
			require.Zero(t, w.pruneChannels(2, 3))
			require.Equal(t, before, w.dump())
		}},
		{"content that nothing needs", "deletes those that no entry, waiting or ended, no profile, no profile's row and no trace of one needs", func(t *testing.T, w *world) {
			e := w.enroll()
			put := func(s string) mdm.Hash { return w.content(s) }
			with := func(h mdm.Hash) func(*queue.Entry) { return func(x *queue.Entry) { x.Hash = h } }
			unused, fresh, waits, ended := put("unused"), put("fresh"), put("waits"), put("ended")
			defined, carried, traced, second := put("defined"), put("carried"), put("traced"), put("second")
			w.history(e, 1, with(ended))
			w.queued(e, with(waits))
			w.profile(0, func(p *profiles.Profile) { p.Content = defined })
			w.putRows(w.row(e, w.profile(0), func(r *profiles.Row) {
				r.Content = carried
				r.Traces = []profiles.Trace{{Order: 1, Content: traced}, {Order: 2, Content: second}}
			}))
			w.pass(30 * day)
			put("fresh")
			w.pass(7 * day)
			cut := w.now.Add(-8 * day)
			looked := 0
			for n := 3; n == 3; looked += n {
				n = w.pruneContent(cut, 3)
			}
			require.Equal(t, 8, looked, "the old ones, and that of other entries")
			require.False(t, w.kept(unused))
			for _, h := range []mdm.Hash{fresh, waits, ended, defined, carried, traced, second} {
				require.True(t, w.kept(h))
			}
			require.Zero(t, w.pruneContent(cut, 3), "the others are in use now")
			w.pass(10 * day)
			w.pruneDone(w.now, 10)
			w.pruneContent(w.now.Add(-8*day), 20)
			require.False(t, w.kept(ended), "its last entry has left")
			require.True(t, w.kept(waits))
		}},
		{"content that is put again", "a hash that is there already is left alone, and known to be in use now", func(t *testing.T, w *world) {
			h := w.content("again")
			w.pass(30 * day)
			require.Equal(t, h, w.content("again"))
			require.Zero(t, w.pruneContent(w.now.Add(-day), 10))
			require.True(t, w.kept(h))
			w.pass(30 * day)
			require.Equal(t, 1, w.pruneContent(w.now.Add(-day), 10))
			require.False(t, w.kept(h))
			require.Equal(t, h, w.content("again"))
			require.True(t, w.kept(h))
		}},
		{"content that is put while it is pruned", "Whoever needs content puts it first: no command loses its content", contentStorm},
		{"beside reports and planners", "it takes no lock that delivery or planning waits for: no lost command", pruneStorm},
	}
}

// contentStorm has units use old contents, several each and in no order, while
// others prune them.
func contentStorm(t *testing.T, w *world) {
	e := w.enroll()
	const contents, rounds = 8, 12
	all := make([]mdm.Hash, contents)
	for i := range all {
		all[i] = mdm.Hash(sha256.Sum256(fmt.Append(nil, i)))
	}
	var over, round atomic.Int64
	var open sync.RWMutex                                                                  // days do not go by while a unit of work is open
	clock := func() time.Time { return start.Add(time.Duration(round.Load()) * 10 * day) } // each round finds everything old
	user := func(worker int) func() error {
		return func() error {
			defer over.Add(1)
			for r := range rounds {
				if worker == 0 {
					open.Lock()
					round.Store(int64(r))
					open.Unlock()
				}
				open.RLock()
				now := clock()
				x := queue.Entry{Command: queue.Command{
					ID: mdm.CommandID(fmt.Sprintf("%08x-0000-7000-8000-%012x", worker, r)), Enrollment: e.Key, Generation: e.Generation,
					Owner: mdm.OwnerApplication, Kind: mdm.KindRawApple, Lane: queue.LaneNormal, Redelivery: mdm.Repeatable,
				}, Queued: now}
				err := stubborn(func() error {
					return w.try(func(ctx context.Context, tx mdm.Tx) error {
						for i := range 3 {
							x.Hash = all[(r*3+worker*(i+1)+i)%contents]
							if err := w.s.Queue().PutContent(ctx, tx, x.Hash, []byte("content"), now); err != nil {
								return err
							}
						}
						return w.s.Queue().Insert(ctx, tx, []queue.Entry{x})
					})
				})
				open.RUnlock()
				if err != nil {
					return fmt.Errorf("use: %w", err)
				}
				if err := stubborn(func() error { // so that its content is of no use again
					return w.try(func(ctx context.Context, tx mdm.Tx) error {
						_, err := w.s.Queue().File(ctx, tx, e, queue.Report{Command: x.ID, Now: now, Outcome: mdm.OutcomeAcknowledged})
						return err
					})
				}); err != nil {
					return fmt.Errorf("report: %w", err)
				}
				d, err := w.s.Queue().Get(w.ctx, w.tenant, x.ID)
				if err != nil {
					return fmt.Errorf("read: %w", err)
				}
				if _, err := w.s.Queue().Content(w.ctx, w.tenant, d.Hash); err != nil {
					return fmt.Errorf("the content of a command is gone: %w", err)
				}
			}
			return nil
		}
	}
	const users = 4
	pruner := func() error {
		for over.Load() < users {
			now := clock()
			if err := stubborn(func() error {
				return w.try(func(ctx context.Context, tx mdm.Tx) error {
					return second(w.s.Queue().PruneContent(ctx, tx, now.Add(-2*day), now, 5))
				})
			}); err != nil {
				return fmt.Errorf("prune: %w", err)
			}
		}
		return nil
	}
	for _, err := range together(user(0), user(1), user(2), user(3), pruner, pruner) {
		require.NoError(t, err)
	}
	d := w.list(e, 0, 1000)
	require.Len(t, d, users*rounds)
	for _, x := range d {
		require.True(t, w.kept(x.Hash))
	}
}

// pruneStorm prunes the history while devices report and planners plan.
func pruneStorm(t *testing.T, w *world) {
	s := &storm{world: w, left: map[mdm.CommandID]bool{}, ended: map[mdm.CommandID]int{}, canceled: map[mdm.CommandID]bool{}}
	for range 4 {
		e := w.enroll()
		s.channels = append(s.channels, e)
		w.history(e, 10)
	}
	old := w.now
	w.pass(day)
	const commands = 60
	var over atomic.Bool
	prune := func() error {
		for !over.Load() {
			after := mdm.EnrollmentKey(0)
			if err := stubborn(func() error {
				return w.try(func(ctx context.Context, tx mdm.Tx) (err error) {
					if _, err := w.s.Queue().PruneDone(ctx, tx, old, 3); err != nil {
						return err
					}
					if _, after, err = w.s.Queue().PruneChannels(ctx, tx, commands, after, 2); err != nil {
						return err
					}
					return second(w.s.Queue().PruneContent(ctx, tx, w.now, w.now, 4))
				})
			}); err != nil {
				return err
			}
		}
		return nil
	}
	plan := func() error {
		for range 20 {
			for _, e := range s.channels {
				if err := stubborn(func() error {
					return w.try(func(ctx context.Context, tx mdm.Tx) error {
						_, _, err := w.s.Queue().EndRef(ctx, tx, e.Key, mdm.OwnerProfiles, 1, w.now)
						return err
					})
				}); err != nil {
					return err
				}
			}
		}
		return nil
	}
	var workers []func() error
	for i := range 2 {
		workers = append(workers, func() error { return s.enqueuer(i, commands/2) })
	}
	for i := range 4 {
		workers = append(workers, func() error { return s.device(s.channels[i], commands) })
	}
	pruned := make(chan []error)
	go func() { pruned <- together(prune, prune) }()
	for _, err := range together(append(workers, plan)...) {
		require.NoError(t, err)
	}
	for _, e := range s.channels {
		require.NoError(t, s.drain(e))
	}
	over.Store(true)
	for _, err := range <-pruned {
		require.NoError(t, err)
	}
	for w.pruneDone(old, 10) > 0 {
	}
	for _, id := range s.queued {
		require.Equal(t, 1, s.ended[id])
		require.Equal(t, mdm.OutcomeAcknowledged, w.get(id).Outcome)
	}
	left := 0
	for _, e := range s.channels {
		left += len(w.list(e, 0, 100))
	}
	require.Equal(t, commands, left, "the old ones have left")
}
