package keelson_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage"
)

// movable is a clock that tests set.
type movable struct {
	mu sync.Mutex
	at time.Time
}

func (c *movable) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *movable) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// past is a store with one channel, whose commands have ended.
type past struct {
	t     *testing.T
	store storage.Store
	clock mdm.Clock
	e     mdm.Enrollment
	made  int
}

func newPast(t *testing.T, store storage.Store, clock mdm.Clock) *past {
	p := &past{t: t, store: store, clock: clock}
	require.NoError(t, store.Lifecycle().PutTenant(context.Background(), mdm.DefaultTenant))
	p.do(func(ctx context.Context, tx mdm.Tx) error {
		h := mdm.Host{ID: "host", Platform: mdm.MacOS, State: mdm.HostEnrolled, CreatedAt: clock.Now()}
		if err := store.Lifecycle().PutHost(ctx, tx, &h); err != nil {
			return err
		}
		p.e = mdm.Enrollment{ID: "life", Natural: "apple:UDID", Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel,
			Host: h.Key, HostID: h.ID, Platform: h.Platform, Generation: 1, State: mdm.EnrollmentEnrolled, Pin: mdm.Hash{1}, EnrolledAt: clock.Now()}
		return store.Lifecycle().PutEnrollment(ctx, tx, &p.e)
	})
	return p
}

func (p *past) do(fn func(ctx context.Context, tx mdm.Tx) error) {
	p.t.Helper()
	require.NoError(p.t, p.store.InTx(context.Background(), mdm.DefaultTenant, fn))
}

// ended makes n commands, each with a content of its own, that have ended.
func (p *past) ended(n int) {
	p.t.Helper()
	now := p.clock.Now()
	p.do(func(ctx context.Context, tx mdm.Tx) error {
		for range n {
			p.made++
			x := queue.Entry{Command: queue.Command{
				ID: mdm.CommandID(fmt.Sprint("command-", p.made)), Enrollment: p.e.Key, Generation: 1, Owner: mdm.OwnerApplication,
				Kind: mdm.KindProfileList, Lane: queue.LaneNormal, Redelivery: mdm.Repeatable,
			}, Hash: mdm.Hash{byte(p.made), byte(p.made >> 8), 1}, Queued: now}
			if err := p.store.Queue().PutContent(ctx, tx, x.Hash, []byte("content"), now); err != nil {
				return err
			}
			if err := p.store.Queue().Insert(ctx, tx, []queue.Entry{x}); err != nil {
				return err
			}
			if _, err := p.store.Queue().File(ctx, tx, p.e, queue.Report{Command: x.ID, Now: now, Outcome: mdm.OutcomeAcknowledged}); err != nil {
				return err
			}
		}
		return nil
	})
}

// left counts the commands that are there, and contents says of how many of them
// the content is.
func (p *past) left() (commands, contents int) {
	p.t.Helper()
	all, err := p.store.Queue().List(context.Background(), mdm.DefaultTenant, p.e.Key, 0, 1<<20)
	require.NoError(p.t, err)
	for i := range p.made {
		if _, err := p.store.Queue().Content(context.Background(), mdm.DefaultTenant, mdm.Hash{byte(i + 1), byte((i + 1) >> 8), 1}); err == nil {
			contents++
		}
	}
	return len(all), contents
}

func (p *past) requireLeft(commands, contents int) {
	p.t.Helper()
	a, b := p.left()
	require.Equal(p.t, []int{commands, contents}, []int{a, b}, "commands and contents")
}

// on makes an MDM over the store.
func (p *past) on(r keelson.Retention) *keelson.MDM {
	p.t.Helper()
	m, err := keelson.New(keelson.Config{URL: "https://mdm.example.com", Store: p.store, CA: testCA(p.t), Keyring: keyring, Clock: p.clock, Retention: r})
	require.NoError(p.t, err)
	return m
}

const aDay = 24 * time.Hour

func TestRetention(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		clock := &movable{at: time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)}
		p := newPast(t, open(nil), clock)
		p.ended(450) // more than two steps
		clock.pass(80 * aDay)
		p.ended(5)
		m := p.on(keelson.Retention{})
		require.NoError(t, m.Prune(t.Context()))
		p.requireLeft(455, 455)
		clock.pass(11 * aDay)
		require.NoError(t, m.Prune(t.Context()))
		p.requireLeft(5, 5)
		clock.pass(1000 * aDay)
		require.NoError(t, m.Prune(t.Context()))
		p.requireLeft(0, 0)
	})
}

// A number of commands is kept of each channel, however young they are; negative
// fields keep for ever.
func TestRetentionByNumber(t *testing.T) {
	clock := &movable{at: time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)}
	p := newPast(t, newInmem(), clock)
	p.ended(1200)
	require.NoError(t, p.on(keelson.Retention{PerChannel: -1}).Prune(t.Context()))
	p.requireLeft(1200, 1200)
	clock.pass(time.Hour)
	require.NoError(t, p.on(keelson.Retention{}).Prune(t.Context()))
	p.requireLeft(1000, 1200)
	clock.pass(8 * aDay)
	require.NoError(t, p.on(keelson.Retention{PerChannel: 10}).Prune(t.Context()))
	p.requireLeft(10, 10)
	clock.pass(1000 * aDay)
	require.NoError(t, p.on(keelson.Retention{Commands: -1}).Prune(t.Context()))
	p.requireLeft(10, 10)
}

// One instance prunes; another takes over when it is gone.
func TestRetentionHasOneHolder(t *testing.T) {
	clock := &movable{at: time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)}
	p := newPast(t, newInmem(), clock)
	a, b := p.on(keelson.Retention{}), p.on(keelson.Retention{})
	p.ended(1)
	clock.pass(91 * aDay)
	require.NoError(t, a.Prune(t.Context()))
	require.ErrorIs(t, b.Prune(t.Context()), mdm.CodeBusy)
	p.requireLeft(0, 0)
	p.ended(1)
	clock.pass(100 * time.Second)
	require.NoError(t, a.Prune(t.Context()), "prolonged")
	clock.pass(100 * time.Second)
	require.ErrorIs(t, b.Prune(t.Context()), mdm.CodeBusy)
	clock.pass(91 * aDay)
	require.NoError(t, b.Prune(t.Context()), "it is over")
	p.requireLeft(0, 0)
	require.ErrorIs(t, a.Prune(t.Context()), mdm.CodeBusy)
}

// A holder that slept through the end of its lease deletes nothing.
func TestRetentionOfAStaleHolder(t *testing.T) {
	clock := &movable{at: time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)}
	p := newPast(t, newInmem(), clock)
	slow := &sleepy{Clock: clock}
	b := p.on(keelson.Retention{})
	fast := p.clock
	p.clock = slow
	a := p.on(keelson.Retention{})
	p.clock = fast
	p.ended(1)
	clock.pass(98 * aDay)
	require.NoError(t, a.Prune(t.Context()))
	p.requireLeft(0, 0)
	p.ended(1)
	slow.stop() // its clock stands, and it believes that it holds the lease
	clock.pass(98 * aDay)
	require.NoError(t, b.Prune(t.Context()))
	p.ended(1)
	require.ErrorIs(t, a.Prune(t.Context()), mdm.CodeBusy)
	p.requireLeft(1, 1)
}

// sleepy is a clock that may stand.
type sleepy struct {
	mdm.Clock
	at time.Time
}

func (s *sleepy) stop() { s.at = s.Clock.Now() }

func (s *sleepy) Now() time.Time {
	if s.at.IsZero() {
		return s.Clock.Now()
	}
	return s.at
}

// Run prunes by itself.
func TestRunPrunes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPast(t, newInmem(), mdm.SystemClock{})
		p.ended(450)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		m := p.on(keelson.Retention{Commands: 5 * time.Minute})
		go func() { ended <- m.Run(ctx) }()
		time.Sleep(4 * time.Minute)
		p.requireLeft(450, 450)
		time.Sleep(3 * time.Minute)
		p.requireLeft(0, 450)
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.NoError(t, p.on(keelson.Retention{}).Prune(t.Context()), "who goes gives the lease up")
	})
}
