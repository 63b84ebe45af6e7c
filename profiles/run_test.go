package profiles_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

// bubbleClock is the time of a synctest bubble.
type bubbleClock struct{}

func (bubbleClock) Now() time.Time { return time.Now() }

// Run plans at once what this process marked, soon what another one did, and in
// time what is due, and ends with its context.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *profiles.Config) { c.Clock = bubbleClock{} })
		d := w.enroll(mac, 0)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- w.engine.Run(ctx) }()
		synctest.Wait()

		w.upload(0, "a", "uuid 1")
		synctest.Wait()
		require.Equal(t, "pending/queued", d.status("a"), "at once")

		other, err := profiles.New(w.config)
		require.NoError(t, err)
		_, _, err = other.Create(ctx, tenant, upload(0, "b", "uuid 2"))
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, "pending/not_planned", d.status("b"))
		time.Sleep(3 * time.Second) // of the bubble: no time passes
		synctest.Wait()
		require.Equal(t, "pending/queued", d.status("b"), "within seconds")

		d.refuse = func(h *queue.Handout) mdm.Outcome { return mdm.OutcomeError }
		d.poll()
		synctest.Wait()
		require.Equal(t, "pending/retry_later", d.status("a"))
		d.refuse = nil
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, "pending/queued", d.status("a"), "in time")

		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// What no mark tells of is found by the sweep.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *profiles.Config) { c.Clock = bubbleClock{} })
		k := w.team("x")
		d, e := w.enroll(mac, 0), w.enroll(mac, k)
		w.upload(0, "a", "uuid 1")
		w.upload(k, "a", "uuid 2")
		require.NoError(t, w.unit(func(ctx context.Context, tx mdm.Tx) error {
			for more := true; more; {
				var err error
				if _, more, err = w.store.Profiles().Claim(ctx, tx, time.Now(), 100); err != nil {
					return err
				}
			}
			return nil
		}))
		time.Sleep(profiles.SecondLook)
		require.NoError(t, w.unit(func(ctx context.Context, tx mdm.Tx) error {
			_, _, err := w.store.Profiles().Claim(ctx, tx, time.Now(), 100)
			return err
		}))
		w.reconcile()
		require.Equal(t, "pending/not_planned", d.status("a"), "the marks are lost")

		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- w.engine.Run(ctx) }()
		time.Sleep(profiles.SweepEvery + time.Minute)
		synctest.Wait()
		require.Equal(t, "pending/queued", d.status("a"))
		require.Equal(t, "pending/queued", e.status("a"))
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// Run goes on after what fails, and says so.
func TestRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Bool
		fail.Store(true)
		w := newWorld(t, func(c *profiles.Config) {
			tenants := c.Tenants
			c.Clock = bubbleClock{}
			c.Tenants = func(ctx context.Context) ([]mdm.TenantID, error) {
				if fail.Load() {
					return nil, errors.New("the database is away")
				}
				return tenants(ctx)
			}
		})
		d := w.enroll(mac, 0)
		w.upload(0, "a", "uuid 1")
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- w.engine.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, "pending/not_planned", d.status("a"))
		fail.Store(false)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.Equal(t, "pending/queued", d.status("a"))
		cancel()
		<-ended
	})
}

// Any number of replicas plan together, each host once.
func TestReplicas(t *testing.T) {
	w := newWorld(t, func(c *profiles.Config) {
		c.Page, c.Wake = 3, nil
	})
	var ds []*device
	for range 20 {
		ds = append(ds, w.enroll(mac, 0))
	}
	w.upload(0, "a", "uuid 1")
	w.upload(0, "b", "uuid 2")
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		g, err := profiles.New(w.config)
		require.NoError(t, err)
		wg.Go(func() { _, errs[i] = g.ReconcileAll(w.ctx, tenant) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	w.settle(ds...)
	for _, d := range ds {
		require.Equal(t, []string{"install a", "install b", "list"}, d.said())
	}
}
