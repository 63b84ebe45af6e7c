package storagetest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

// fault fails the n-th write. The zero fault fails none and counts.
type fault struct {
	seen int          // writes so far
	at   int          // the write that fails; 0 fails none
	fail func() error // called instead of that write
}

func (f *fault) hook(string) error {
	f.seen++
	if f.seen == f.at {
		return f.fail()
	}
	return nil
}

// arm makes the n-th write from now on fail; 0 disarms.
func (f *fault) arm(n int, fail func() error) { f.seen, f.at, f.fail = 0, n, fail }

var errInjected = errors.New("the database failed, as it was told to")

// scenario is a unit of work that is to fail whole at each of its writes.
type scenario struct {
	name  string
	setup func(w *world) func() error // what the unit finds, and the unit
}

// faults runs every scenario, failing it at every write in three ways.
func faults() []test {
	const holds = "a process killed between any two writes … loses no command and no secret: a unit of work fails whole"
	out := []test{{"a failure that is ignored", "a unit of work fails whole, whatever its caller makes of the error", func(t *testing.T, w *world) {
		f := &fault{}
		w = newWorld(t, w.h, f.hook)
		before := w.dump()
		f.arm(2, func() error { return errInjected })
		require.ErrorIs(t, w.try(func(ctx context.Context, tx mdm.Tx) error {
			for _, k := range []mdm.Hash{{1}, {2}, {3}} {
				_ = w.s.Queue().PutContent(ctx, tx, k, []byte("content"), w.now)
			}
			return nil
		}), errInjected)
		require.Equal(t, before, w.dump())
	}}}
	for _, s := range scenarios() {
		out = append(out, test{s.name + ", a write fails", holds, func(t *testing.T, w *world) {
			failEverywhere(t, w.h, s, func() error { return errInjected }, func(t *testing.T, unit func() error) {
				require.ErrorIs(t, unit(), errInjected)
			})
		}}, test{s.name + ", the process dies", holds, func(t *testing.T, w *world) {
			failEverywhere(t, w.h, s, func() error { panic(errInjected) }, func(t *testing.T, unit func() error) {
				require.PanicsWithValue(t, errInjected, func() { _ = unit() })
			})
		}}, test{s.name + ", the caller goes away", "a unit of work is done or not done", func(t *testing.T, w *world) {
			leaveEverywhere(t, w.h, s)
		}})
	}
	return out
}

// failEverywhere fails the scenario's unit at its first write, at its second,
// and so on to its commit, on a new store each time.
func failEverywhere(t *testing.T, h Harness, s scenario, fail func() error, run func(t *testing.T, unit func() error)) {
	writes := writesOf(t, h, s)
	require.GreaterOrEqual(t, writes, 2, "a unit that writes, and commits")
	for n := 1; n <= writes; n += faultStride {
		f := &fault{}
		w := newWorld(t, h, f.hook)
		unit := s.setup(w)
		before := w.dump()
		f.arm(n, fail)
		run(t, unit)
		require.Equal(t, n, f.seen, "nothing is written after the failure")
		require.Equal(t, before, w.dump(), "after a failure at write %d of %d everything is as before", n, writes)
		f.arm(0, nil)
		require.NoError(t, unit(), "the same unit succeeds then")
		require.NotEqual(t, before, w.dump(), "and does something")
	}
}

// writesOf counts the writes of a scenario's unit that does not fail.
func writesOf(t *testing.T, h Harness, s scenario) int {
	f := &fault{}
	unit := s.setup(newWorld(t, h, f.hook))
	f.arm(0, nil)
	require.NoError(t, unit())
	return f.seen
}

// leaveEverywhere ends the unit's context at each of its writes: the unit then
// either commits whole or rolls back whole.
func leaveEverywhere(t *testing.T, h Harness, s scenario) {
	writes := writesOf(t, h, s)
	for n := 1; n <= writes; n += faultStride {
		f := &fault{}
		w := newWorld(t, h, f.hook)
		unit := s.setup(w)
		before := w.dump()
		ctx, leave := context.WithCancel(w.ctx)
		w.ctx = ctx
		f.arm(n, func() error { leave(); return nil })
		err := unit()
		if err == nil {
			require.NotEqual(t, before, w.dump())
			continue
		}
		require.True(t, mdm.Transient(err) || errors.Is(err, context.Canceled), "%v", err)
		require.Equal(t, before, w.dump())
		w.ctx = context.WithoutCancel(ctx)
		require.NoError(t, unit())
	}
}
