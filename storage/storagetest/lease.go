package storagetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage"
)

// brief is a lease's time in tests: a server's clock is the real one.
const brief = 300 * time.Millisecond

// acquire asks for a lease.
func (w *world) acquire(owner string, ttl time.Duration) (storage.Lease, bool) {
	w.t.Helper()
	l, ok, err := w.s.Leases().Acquire(w.ctx, "job", owner, ttl, w.now)
	require.NoError(w.t, err)
	return l, ok
}

// holds asks, in a unit of work, whether a lease is held.
func (w *world) holds(l storage.Lease) error {
	return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Leases().Holds(ctx, tx, l, w.now) })
}

// outlast lets a lease's time pass, on both clocks.
func (w *world) outlast(ttl time.Duration) {
	time.Sleep(ttl + ttl/10)
	w.pass(ttl + ttl/10)
}

// leases holds storage.Leases.
func leases() []test {
	return []test{
		{"one holder", "ok is not set while another holds it", func(t *testing.T, w *world) {
			l, ok := w.acquire("a", time.Hour)
			require.True(t, ok)
			require.Equal(t, storage.Lease{Name: "job", Owner: "a", Epoch: 1}, l)
			_, ok = w.acquire("b", time.Hour)
			require.False(t, ok)
			require.NoError(t, w.holds(l))
			require.ErrorIs(t, w.holds(storage.Lease{Name: "job", Owner: "b", Epoch: 1}), mdm.CodePrecondition)
			other, ok, err := w.s.Leases().Acquire(w.ctx, "another job", "b", time.Hour, w.now)
			require.NoError(t, err)
			require.True(t, ok, "leases of other names are others")
			require.NoError(t, w.holds(other))
		}},
		{"prolonged", "Acquire takes the lease for an owner, or prolongs it; the same epoch, later end", func(t *testing.T, w *world) {
			l, _ := w.acquire("a", brief)
			again, ok := w.acquire("a", time.Hour)
			require.True(t, ok)
			require.Equal(t, l, again)
			w.outlast(brief)
			require.NoError(t, w.holds(l))
			_, ok = w.acquire("b", time.Hour)
			require.False(t, ok)
		}},
		{"taken over", "a stale holder's write is refused", func(t *testing.T, w *world) {
			old, _ := w.acquire("a", brief)
			w.outlast(brief)
			require.ErrorIs(t, w.holds(old), mdm.CodePrecondition, "its time is over, though nobody has taken it")
			l, ok := w.acquire("b", time.Hour)
			require.True(t, ok)
			require.Equal(t, old.Epoch+1, l.Epoch)
			require.NoError(t, w.holds(l))
			before := w.dump()
			require.ErrorIs(t, w.try(func(ctx context.Context, tx mdm.Tx) error {
				require.NoError(t, writeABit(ctx, tx, w))
				return w.s.Leases().Holds(ctx, tx, old, w.now)
			}), mdm.CodePrecondition)
			require.Equal(t, before, w.dump())
		}},
		{"its own successor", "no two times of one holder have the same epoch", func(t *testing.T, w *world) {
			old, _ := w.acquire("a", brief)
			w.outlast(brief)
			l, ok := w.acquire("a", time.Hour)
			require.True(t, ok)
			require.Greater(t, l.Epoch, old.Epoch)
			require.ErrorIs(t, w.holds(old), mdm.CodePrecondition)
		}},
		{"given up", "Release gives a lease up before its end; what is held no more is left alone", func(t *testing.T, w *world) {
			old, _ := w.acquire("a", time.Hour)
			require.NoError(t, w.s.Leases().Release(w.ctx, old))
			require.ErrorIs(t, w.holds(old), mdm.CodePrecondition)
			l, ok := w.acquire("b", time.Hour)
			require.True(t, ok)
			require.Greater(t, l.Epoch, old.Epoch)
			require.NoError(t, w.s.Leases().Release(w.ctx, old))
			require.NoError(t, w.holds(l))
		}},
		{"a lease that never was", "it has ended or changed hands", func(t *testing.T, w *world) {
			require.ErrorIs(t, w.holds(storage.Lease{Name: "job", Owner: "a", Epoch: 1}), mdm.CodePrecondition)
			require.NoError(t, w.s.Leases().Release(w.ctx, storage.Lease{Name: "job", Owner: "a", Epoch: 1}))
		}},
		{"contended", "two holders never at once; the lease stays as it is until that unit ends", func(t *testing.T, w *world) {
			var inside, worked, clashes atomic.Int64
			var workers []func() error
			stop := time.Now().Add(2 * time.Second)
			for i := range 6 {
				workers = append(workers, func() error {
					for time.Now().Before(stop) {
						now := start.Add(time.Since(stop)) // this store's clock, where it has no server's
						var l storage.Lease
						var ok bool
						if err := stubborn(func() (err error) {
							l, ok, err = w.s.Leases().Acquire(w.ctx, "job", fmt.Sprint(i), 20*time.Millisecond, now)
							return err
						}); err != nil {
							return err
						}
						if !ok {
							continue
						}
						err := stubborn(func() error {
							return w.try(func(ctx context.Context, tx mdm.Tx) error {
								if err := w.s.Leases().Holds(ctx, tx, l, start.Add(time.Since(stop))); err != nil {
									return err
								}
								if inside.Add(1) > 1 {
									clashes.Add(1)
								}
								time.Sleep(time.Duration(5+7*i) * time.Millisecond) // some outlast it
								inside.Add(-1)
								return nil
							})
						})
						if err == nil {
							worked.Add(1)
						} else if mdm.CodeOf(err) != mdm.CodePrecondition {
							return err
						}
					}
					return nil
				})
			}
			for _, err := range together(workers...) {
				require.NoError(t, err)
			}
			require.Zero(t, clashes.Load())
			require.Positive(t, worked.Load())
		}},
	}
}
