package lifecycle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
)

var errHook = errors.New("the application is down")

// events appends events, each of a channel and told apart by its command.
func (w *world) events(list ...string) {
	w.t.Helper()
	require.NoError(w.t, w.do(func(ctx context.Context, tx mdm.Tx) error {
		for _, name := range list {
			var key mdm.EnrollmentKey
			if name[0] != '-' {
				key = mdm.EnrollmentKey(name[0])
			}
			if err := w.Report(ctx, tx, mdm.Event{Kind: mdm.EventCommandEnded, Key: key, Command: mdm.CommandID(name)}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// named lists events as [world.events] named them.
func named(es []mdm.Event) (out []string) {
	for _, e := range es {
		out = append(out, string(e.Command))
	}
	return out
}

// failing makes the hook fail for these events.
func (w *world) failing(list ...string) {
	w.hooks.mu.Lock()
	defer w.hooks.mu.Unlock()
	w.hooks.fail = func(_ context.Context, e mdm.Event) error {
		for _, name := range list {
			if string(e.Command) == name {
				return errHook
			}
		}
		return nil
	}
}

func TestDeliverInOrder(t *testing.T) {
	w := newWorld(t, nil)
	w.events("a1", "b1", "a2", "-1", "a3", "b2", "-2")
	w.failing("a1", "-1")
	require.ElementsMatch(t, []string{"a1", "b1", "-1", "b2", "-2"}, named(w.deliver()))
	require.Empty(t, w.deliver(), "the failed ones pause, and what is behind them waits")
	w.failing("a2")
	w.clock.add(time.Second)
	require.ElementsMatch(t, []string{"a1", "a2", "-1"}, named(w.deliver()))
	w.failing()
	w.clock.add(time.Second)
	require.Equal(t, []string{"a2", "a3"}, named(w.deliver()))
	w.clock.add(24 * time.Hour)
	require.Empty(t, w.deliver())
}

func TestRetryPauseGrows(t *testing.T) {
	w := newWorld(t, nil)
	w.events("a1")
	w.failing("a1")
	first := w.deliver()
	for _, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600} {
		w.clock.add(pause*time.Second - time.Microsecond)
		require.Empty(t, w.deliver(), "before %d seconds", pause)
		w.clock.add(time.Microsecond)
		require.Equal(t, first, w.deliver(), "the very same event, with the same id, after %d seconds", pause)
	}
}

func TestDeliverCounts(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 20 { // several batches
		w.events(fmt.Sprintf("%c1", 'a'+i))
	}
	w.failing("b1", "d1")
	n, err := w.Deliver(w.ctx, tenant)
	require.NoError(t, err)
	require.Equal(t, 18, n)
	require.Len(t, w.hooks.take(), 20)
}

func TestHookPanics(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(c *lifecycle.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	w.events("a1", "b1")
	w.hooks.fail = func(_ context.Context, e mdm.Event) error {
		if e.Command == "a1" {
			panic("hunter2")
		}
		return nil
	}
	require.Len(t, w.deliver(), 2)
	require.Contains(t, log.String(), "outbox_test.go", "the log says where")
	require.NotContains(t, log.String(), "hunter2", "and not what: it may be a secret")
	w.hooks.fail = nil
	w.clock.add(time.Second)
	require.Equal(t, []string{"a1"}, named(w.deliver()))
}

func TestHookTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.events("a1", "b1")
		w.hooks.fail = func(ctx context.Context, e mdm.Event) error {
			if e.Command == "b1" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		begin := time.Now()
		require.Len(t, w.deliver(), 2)
		require.Equal(t, 5*time.Second, time.Since(begin))
		w.hooks.fail = nil
		w.clock.add(time.Second)
		require.Equal(t, []string{"a1"}, named(w.deliver()))
	})
}

// A delivery that could not be noted is done again: at least once.
func TestDeliveredAtLeastOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.events("a1", "a2")
	lost := mdm.Errorf(mdm.CodeUnavailable, "", "injected")
	writes := 0
	w.fault = func(string) error {
		if writes++; writes > 2 { // the claim and its commit pass
			return lost
		}
		return nil
	}
	_, err := w.Deliver(w.ctx, tenant)
	require.ErrorIs(t, err, lost)
	w.fault = nil
	first := w.hooks.take()
	require.Equal(t, []string{"a1"}, named(first))

	require.Empty(t, w.deliver(), "it is leased to whoever died")
	w.clock.add(time.Minute)
	again := w.deliver()
	require.Equal(t, []string{"a1", "a2"}, named(again))
	require.Equal(t, first[0], again[0], "the idempotency key is the same")
}

// What cannot be put off is leased, and comes again.
func TestRetryCannotBeNoted(t *testing.T) {
	w := newWorld(t, nil)
	w.events("a1")
	w.failing("a1")
	lost := mdm.Errorf(mdm.CodeUnavailable, "", "injected")
	writes := 0
	w.fault = func(string) error {
		if writes++; writes > 2 {
			return lost
		}
		return nil
	}
	_, err := w.Deliver(w.ctx, tenant)
	require.ErrorIs(t, err, lost)
	w.fault = nil
	w.failing()
	w.hooks.take()
	w.clock.add(time.Minute)
	require.Equal(t, []string{"a1"}, named(w.deliver()))
}

// A hook that takes no notice of its deadline costs its batch the lease: what was
// not begun is left to whoever claims it next.
func TestLeaseEnds(t *testing.T) {
	w := newWorld(t, nil)
	w.events("a1", "b1", "c1")
	w.hooks.fail = func(_ context.Context, e mdm.Event) error {
		if e.Command == "a1" {
			w.clock.add(time.Minute)
		}
		return nil
	}
	n, err := w.Deliver(w.ctx, tenant)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"a1"}, named(w.hooks.take()))
	require.Equal(t, []string{"b1", "c1"}, named(w.deliver()), "claimed anew, each once")
}

// Hooks that fail for many channels keep nothing from the others.
func TestFailuresStandInNobodysWay(t *testing.T) {
	w := newWorld(t, nil)
	var failing []string
	for i := range 20 { // more than two batches
		failing = append(failing, fmt.Sprintf("%c1", 'A'+i))
	}
	w.events(append(failing, "z1")...)
	w.failing(failing...)
	n, err := w.Deliver(w.ctx, tenant)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Contains(t, named(w.hooks.take()), "z1")
}

// A hook that is slower than the pause after its failure is not tried for ever.
func TestDeliverEnds(t *testing.T) {
	w := newWorld(t, nil)
	w.events("a1", "b1")
	w.hooks.fail = func(context.Context, mdm.Event) error {
		w.clock.add(2 * time.Second)
		return errHook
	}
	require.Len(t, w.deliver(), 2, "once each; the next time is another delivery's")
}

func TestDeliverStopsWithItsContext(t *testing.T) {
	w := newWorld(t, nil)
	w.events("a1", "b1", "c1")
	ctx, cancel := context.WithCancel(w.ctx)
	w.hooks.fail = func(context.Context, mdm.Event) error { cancel(); return nil }
	n, err := w.Deliver(ctx, tenant)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"a1"}, named(w.hooks.take()))
	w.hooks.fail = nil
	w.clock.add(time.Minute)
	require.Equal(t, []string{"b1", "c1"}, named(w.deliver()), "nothing is lost, and what was done is not done again")

	w.events("d1")
	ctx, cancel = context.WithCancel(w.ctx)
	w.hooks.fail = func(ctx context.Context, _ mdm.Event) error { cancel(); return ctx.Err() }
	_, err = w.Deliver(ctx, tenant)
	require.ErrorIs(t, err, context.Canceled)
	w.hooks.take()
	w.hooks.fail = nil
	w.clock.add(time.Minute)
	batch, err := w.store.Lifecycle().ClaimEvents(w.ctx, tenant, w.clock.Now(), time.Second, 8)
	require.NoError(t, err)
	require.Len(t, batch, 1)
	require.Zero(t, batch[0].Tries, "our own end is no failure of the hook's")
}

// Without anybody to listen nothing is written, which a later listener would get.
func TestNoHooks(t *testing.T) {
	w := newWorld(t, func(c *lifecycle.Config) { c.Hooks = nil })
	a := mac("A", w.life("ada"))
	w.enroll(a)
	w.delete(w.enrollment(a.Natural).Host)
	w.events("a1")
	n, err := w.Deliver(w.ctx, tenant)
	require.NoError(t, err)
	require.Zero(t, n)
	listener, err := lifecycle.New(lifecycle.Config{
		Store: w.store.Lifecycle(), Transactor: w.store, Clock: w.clock, Rand: bytes.NewReader(nil), Hooks: w.hooks,
	})
	require.NoError(t, err)
	_, err = listener.Deliver(w.ctx, tenant)
	require.NoError(t, err)
	require.Empty(t, w.hooks.take())

	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	require.ErrorIs(t, w.Run(ctx), context.Canceled)
}

// Any number of replicas deliver together: each event once, and in order.
func TestReplicas(t *testing.T) {
	w := newWorld(t, nil)
	const channels, each = 5, 8
	for n := range each {
		for c := range channels {
			w.events(fmt.Sprintf("%c%d", 'a'+c, n))
		}
	}
	var wg sync.WaitGroup
	total := make([]int, 4)
	for i := range total {
		wg.Go(func() {
			// One replica leaves when nothing is due for it, though others still
			// deliver what is before it: come back until everything is done.
			for sum := 0; sum < channels*each; {
				n, err := w.Deliver(w.ctx, tenant)
				if err != nil {
					return
				}
				total[i] += n
				w.hooks.mu.Lock()
				sum = len(w.hooks.events)
				w.hooks.mu.Unlock()
			}
		})
	}
	wg.Wait()
	last := make(map[byte]byte)
	for _, name := range named(w.hooks.take()) {
		require.Greater(t, name[1], last[name[0]], "%s came twice or out of order", name)
		last[name[0]] = name[1]
	}
	require.Len(t, last, channels)
}

func TestReportRollsBack(t *testing.T) {
	w := newWorld(t, nil)
	require.ErrorIs(t, w.do(func(ctx context.Context, tx mdm.Tx) error {
		require.NoError(t, w.Report(ctx, tx, mdm.Event{Kind: mdm.EventCommandEnded}))
		return errHook
	}), errHook)
	require.Empty(t, w.deliver(), "what was not committed did not happen")
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, func(c *lifecycle.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		require.NoError(t, w.store.Lifecycle().PutTenant(w.ctx, "other"))
		ctx, cancel := context.WithCancel(w.ctx)
		ended := make(chan error, 1)
		w.events("a1")
		go func() { ended <- w.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, []string{"a1"}, named(w.hooks.take()), "what an earlier process left")

		w.events("a2")
		synctest.Wait()
		require.Equal(t, []string{"a2"}, named(w.hooks.take()), "at once after the commit")

		require.NoError(t, w.store.InTx(w.ctx, "other", func(ctx context.Context, tx mdm.Tx) error {
			return w.Report(ctx, tx, mdm.Event{Kind: mdm.EventCommandEnded, Command: "o1"})
		}))
		synctest.Wait()
		require.Equal(t, []string{"o1"}, named(w.hooks.take()), "of every tenant")

		w.failing("a3")
		w.events("a3")
		synctest.Wait()
		w.failing()
		w.clock.add(time.Second)
		time.Sleep(5 * time.Second) // of virtual time: the tick
		synctest.Wait()
		require.Equal(t, []string{"a3", "a3"}, named(w.hooks.take()))

		w.fault = func(string) error { return errHook }
		w.Wake()
		synctest.Wait()
		w.fault = nil
		require.Contains(t, log.String(), "events were not delivered")

		running := make(chan struct{})
		w.hooks.fail = func(ctx context.Context, _ mdm.Event) error {
			close(running)
			<-ctx.Done()
			return ctx.Err()
		}
		w.events("a4")
		<-running
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		for range 10 {
			w.Wake() // of nobody, and never blocking
		}
	})
}

// TestEventGolden: the envelope and what stands in it are part of the API.
func TestEventGolden(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 11, 12, 345678900, time.FixedZone("CET", 3600))
	w := newWorld(t, nil)
	ended, err := lifecycle.CommandEnded(mdm.Result{
		Command: "0193-command", Seq: 5, Enrollment: 3, Life: "0193-life", Host: 2, HostID: "0193-host", Generation: 4, Current: 4,
		Owner: mdm.OwnerApplication, Kind: "DeviceLock", Outcome: mdm.OutcomeError, Code: "MCMDMErrorDomain/12021",
		Detail: "not told here", At: at, Body: "nor this", Actor: mdm.Actor{Kind: "user", Name: "bob", Reason: "lost"},
	}, admin)
	require.NoError(t, err)
	late, err := lifecycle.CommandEnded(mdm.Result{Kind: "DeviceLock", Outcome: mdm.OutcomeAcknowledged, Generation: 4, Current: 5, At: at}, mdm.Actor{})
	require.NoError(t, err)
	full := mdm.Event{
		Kind: mdm.EventProfileChanged, At: at, Host: "0193-host", ExternalID: "laptop-7", Enrollment: "0193-life", Generation: 4,
		Command: "0193-command", Actor: mdm.Actor{Kind: "user", Name: "ada", Reason: "why"}, Data: json.RawMessage(`{"a":1}`), Key: 3,
	}
	host := mdm.Event{At: at, Host: "0193-host", ExternalID: "laptop-7", Enrollment: "0193-life", Generation: 4}
	require.NoError(t, w.do(func(ctx context.Context, tx mdm.Tx) error {
		for i, e := range []mdm.Event{host, host, host, host, ended, late, full} {
			if i < 4 {
				e.Kind = []mdm.EventKind{mdm.EventEnrolled, mdm.EventRenewed, mdm.EventUnenrolled, mdm.EventHostDeleted}[i]
			}
			e.ID = mdm.EventID(fmt.Sprintf("0193-event-%d", i))
			if err := w.Report(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	}))
	w.clock.add(10 * 365 * 24 * time.Hour)
	var out bytes.Buffer
	for _, e := range w.deliver() {
		line, err := json.Marshal(e)
		require.NoError(t, err)
		out.Write(append(line, '\n'))
		var back mdm.Event
		require.NoError(t, json.Unmarshal(line, &back))
		e.Key = 0
		require.Equal(t, e, back)
	}
	golden(t, "events.jsonl", out.String())
}

func TestReportFillsIn(t *testing.T) {
	w := newWorld(t, nil)
	require.NoError(t, w.do(func(ctx context.Context, tx mdm.Tx) error {
		return w.Report(ctx, tx, mdm.Event{Kind: mdm.EventCommandEnded, Version: 9, Tenant: "forged"})
	}))
	e := w.deliver()[0]
	require.True(t, mdm.IsUUID(string(e.ID)))
	require.Equal(t, w.clock.Now(), e.At)
	require.Equal(t, tenant, e.Tenant)
	require.Equal(t, mdm.EventVersion, e.Version)
	require.NotZero(t, e.Seq)

	broken := newWorld(t, func(c *lifecycle.Config) { c.Rand = bytes.NewReader(nil) })
	require.Error(t, broken.do(func(ctx context.Context, tx mdm.Tx) error {
		return broken.Report(ctx, tx, mdm.Event{Kind: mdm.EventCommandEnded})
	}))
}
