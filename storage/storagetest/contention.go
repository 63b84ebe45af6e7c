package storagetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// stubborn runs f until it fails no more for a transient reason, and returns any
// other error.
func stubborn(f func() error) error {
	for {
		if err := f(); !mdm.Transient(err) {
			return err
		}
	}
}

// together runs workers at once and returns their errors.
func together(workers ...func() error) []error {
	errs := make([]error, len(workers))
	var wg sync.WaitGroup
	for i, f := range workers {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errs
}

// contention sets many goroutines on one store.
func contention() []test {
	return []test{
		{"a storm", "no lost command, exactly one outcome each, no command handed out after it was ended, no error other than retryable ones", func(t *testing.T, w *world) {
			s := &storm{world: w, left: map[mdm.CommandID]bool{}, ended: map[mdm.CommandID]int{}, canceled: map[mdm.CommandID]bool{}}
			for range 4 {
				s.channels = append(s.channels, w.enroll())
			}
			const commands = 60
			var workers []func() error
			for i := range 2 {
				workers = append(workers, func() error { return s.enqueuer(i, commands/2) }, func() error { return s.canceler(commands) })
			}
			for i := range 8 { // two connections a device
				workers = append(workers, func() error { return s.device(s.channels[i%4], commands) })
			}
			for _, err := range together(workers...) {
				require.NoError(t, err)
			}
			for _, e := range s.channels { // what the storm left over
				require.NoError(t, s.drain(e))
			}
			require.Len(t, s.queued, commands)
			for _, id := range s.queued {
				d := w.get(id)
				require.Equal(t, 1, s.ended[id], "exactly one end of %s (%s)", id, d.Outcome)
				require.Equal(t, s.canceled[id], d.Outcome == mdm.OutcomeCanceled)
				require.False(t, s.canceled[id] && s.left[id], "%s was canceled and left", id)
				require.Equal(t, s.left[id], d.Sent > 0)
			}
		}},
		{"hosts are claimed by one", "another replica claims others", claimStorm},
		{"events are claimed by one", "hides them from other claimers until the lease ends", eventStorm},
		{"one of two binds", "of several certificates of an intent for one device, the one that authenticates first wins; a certificate issued to device A cannot check in as B", func(t *testing.T, w *world) {
			c := w.issued(w.intent())
			won := make([]bool, 8)
			var workers []func() error
			for i := range won {
				workers = append(workers, func() error {
					return stubborn(func() (err error) { won[i], err = w.bind(c, mdm.AppleNatural(fmt.Sprint(i))); return err })
				})
			}
			first := 0
			for i, err := range together(workers...) {
				if won[i] {
					first++
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, mdm.CodeIdentity)
				}
			}
			require.Equal(t, 1, first)
		}},
		{"no more than the quota", "UseIntent counts one device in", func(t *testing.T, w *world) {
			i := w.intent(func(i *identity.Intent) { i.Quota = 3 })
			use := func() error {
				return stubborn(func() error {
					return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Identity().UseIntent(ctx, tx, i.ID) })
				})
			}
			in := 0
			for _, err := range together(use, use, use, use, use, use, use, use) {
				if err == nil {
					in++
				} else {
					require.ErrorIs(t, err, mdm.CodeChallenge)
				}
			}
			require.Equal(t, 3, in)
		}},
		{"one signature", "FinishIssue: when another did that first, it returns that row", func(t *testing.T, w *world) {
			ask := w.blank(w.intent())
			answers := make([]mdm.Hash, 8)
			var workers []func() error
			for i := range answers {
				mine := w.finished(ask)
				workers = append(workers, func() error {
					if err := stubborn(func() error { _, err := w.reserve(ask, 1); return err }); err != nil {
						return err
					}
					return stubborn(func() error {
						return w.try(func(ctx context.Context, tx mdm.Tx) error {
							c, err := w.s.Identity().FinishIssue(ctx, tx, mine)
							answers[i] = c.Hash
							return err
						})
					})
				})
			}
			for _, err := range together(workers...) {
				require.NoError(t, err)
			}
			for _, h := range answers {
				require.Equal(t, answers[0], h)
			}
		}},
		{"one command for a key", "of two units that insert a key at the same time, one does; of many requests with one key, one is queued", keyStorm},
		{"one plan", "RaisePlan is the compare-and-set that every plan passes before it writes", func(t *testing.T, w *world) {
			h := w.host()
			raise := func() error { // a replica that plans on what it read before
				return stubbornUnless(mdm.CodeConflict, func() error { return w.raisePlan(h.Key, 0, 0, 0) })
			}
			won := 0
			for _, err := range together(raise, raise, raise, raise, raise, raise) {
				if err == nil {
					won++
				} else {
					require.ErrorIs(t, err, mdm.CodeConflict)
				}
			}
			require.Equal(t, 1, won)
			require.Equal(t, int64(1), w.load(h.Key)[0].PlanRevision)
		}},
		{"one of many edits", "PutProfile and DeleteProfile are compare-and-set on the edit", editStorm},
		{"no edit is lost", "PutProfile is a compare-and-set on the edit: what is added to what was read stands on it", raiseStorm},
		{"readers beside writers", "All are safe for concurrent use", func(t *testing.T, w *world) {
			a := build(w)
			write := func() error {
				for range 20 {
					if err := stubborn(func() error {
						return w.try(func(ctx context.Context, tx mdm.Tx) error {
							return w.s.Profiles().SetMember(ctx, tx, a.label.Key, a.host.Key, profiles.Yes)
						})
					}); err != nil {
						return err
					}
				}
				return nil
			}
			read := func() error {
				for range 20 {
					if err := stubborn(func() error { return second(w.s.Profiles().LoadHost(w.ctx, w.tenant, a.host.Key)) }); err != nil {
						return err
					}
					if err := stubborn(func() error { return second(w.s.Lifecycle().Hosts(w.ctx, w.tenant, lifecycle.HostFilter{}, 0, 10)) }); err != nil {
						return err
					}
				}
				return nil
			}
			for _, err := range together(write, read, write, read, read) {
				require.NoError(t, err)
			}
		}},
	}
}

func stubbornUnless(code mdm.Code, f func() error) error {
	for {
		if err := f(); !mdm.Transient(err) || mdm.CodeOf(err) == code {
			return err
		}
	}
}

// claimStorm has replicas claim hosts while others mark them.
func claimStorm(t *testing.T, w *world) {
	const hosts = 40
	keys := make([]mdm.HostKey, hosts)
	for i := range keys {
		keys[i] = w.host().Key
	}
	w.markTeam(0)
	var mu sync.Mutex
	planned := make(map[mdm.HostKey]int)
	planner := func() error {
		for {
			var claimed []mdm.HostKey
			var more bool
			err := stubborn(func() error {
				return w.try(func(ctx context.Context, tx mdm.Tx) (err error) {
					claimed, more, err = w.s.Profiles().Claim(ctx, tx, w.now, 3)
					return err
				})
			})
			if err != nil {
				return err
			}
			mu.Lock()
			for _, k := range claimed {
				planned[k]++
			}
			mu.Unlock()
			if !more {
				return nil
			}
		}
	}
	for _, err := range together(planner, planner, planner, planner) {
		require.NoError(t, err)
	}
	for _, k := range keys {
		require.Equal(t, 1, planned[k], "a walk visits each host once, whoever walks")
	}
	marker := func() error {
		for _, k := range keys {
			if err := stubborn(func() error {
				return w.try(func(ctx context.Context, tx mdm.Tx) error {
					return w.s.Profiles().MarkHost(ctx, tx, k, profiles.LaneAnswer)
				})
			}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, err := range together(marker, planner, planner, planner) {
		require.NoError(t, err)
	}
	require.NoError(t, planner(), "what was marked after the planners had gone")
	for _, k := range keys {
		require.Equal(t, 2, planned[k], "a mark is claimed once")
	}
	require.Zero(t, w.backlog())
}

// eventStorm has replicas deliver events.
func eventStorm(t *testing.T, w *world) {
	const events = 40
	for i := range events {
		w.event(mdm.EnrollmentKey(i % 4)) // a quarter stands alone
	}
	var mu sync.Mutex
	delivered := make(map[int64]int)
	last := make(map[mdm.EnrollmentKey]int64)
	deliver := func() error {
		for {
			mu.Lock()
			over := len(delivered) == events
			mu.Unlock()
			if over {
				return nil
			}
			var es []lifecycle.OutboxEvent
			if err := stubborn(func() (err error) {
				es, err = w.s.Lifecycle().ClaimEvents(w.ctx, w.tenant, w.now, time.Hour, 2)
				return err
			}); err != nil {
				return err
			}
			for _, e := range es {
				mu.Lock()
				delivered[e.Seq]++
				disorder := e.Key != 0 && e.Seq < last[e.Key]
				last[e.Key] = e.Seq
				mu.Unlock()
				if disorder {
					return fmt.Errorf("event %d came after a later one of its enrollment", e.Seq)
				}
				if err := stubborn(func() error { return w.s.Lifecycle().EventDone(w.ctx, w.tenant, e.Seq) }); err != nil {
					return err
				}
			}
		}
	}
	for _, err := range together(deliver, deliver, deliver, deliver) {
		require.NoError(t, err)
	}
	for seq, n := range delivered {
		require.Equal(t, 1, n, "event %d", seq)
	}
}
