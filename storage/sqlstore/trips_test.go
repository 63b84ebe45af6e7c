package sqlstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/internal/dbtest"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

// fleet is some enrolled hosts on a store whose round trips are counted.
type fleet struct {
	t        *testing.T
	ctx      context.Context
	s        *sqlstore.Store
	wire     *dbtest.Wire
	channels []mdm.Enrollment
	now      time.Time
	made     int
	dsn      string
}

func (s server) fleet(t *testing.T, hosts int) *fleet {
	t.Helper()
	dsn := s.fresh(t)
	db, wire := s.Watch(t, dsn)
	db.SetMaxIdleConns(4)
	f := &fleet{dsn: dsn, t: t, ctx: context.Background(), s: s.open(t, db, nil), wire: wire, now: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)}
	require.NoError(t, f.s.Lifecycle().PutTenant(f.ctx, mdm.DefaultTenant))
	for i := range hosts {
		f.do(func(ctx context.Context, tx mdm.Tx) error { return f.enroll(ctx, tx, i) })
	}
	return f
}

func (f *fleet) do(fn func(ctx context.Context, tx mdm.Tx) error) {
	f.t.Helper()
	require.NoError(f.t, f.s.InTx(f.ctx, mdm.DefaultTenant, fn))
}

func (f *fleet) enroll(ctx context.Context, tx mdm.Tx, i int) error {
	h := mdm.Host{ID: mdm.HostID(fmt.Sprintf("host-%d", i)), Platform: mdm.MacOS, State: mdm.HostEnrolled, CreatedAt: f.now}
	if err := f.s.Lifecycle().PutHost(ctx, tx, &h); err != nil {
		return err
	}
	e := mdm.Enrollment{
		ID: mdm.EnrollmentID(fmt.Sprintf("life-%d", i)), Natural: mdm.AppleNatural(fmt.Sprintf("UDID-%d", i)), Protocol: mdm.AppleProtocol,
		Channel: mdm.DeviceChannel, Host: h.Key, HostID: h.ID, Platform: h.Platform,
		Generation: 1, State: mdm.EnrollmentEnrolled, Pin: mdm.Hash{1, byte(i), byte(i >> 8)}, EnrolledAt: f.now,
	}
	if err := f.s.Lifecycle().PutEnrollment(ctx, tx, &e); err != nil {
		return err
	}
	f.channels = append(f.channels, e)
	return nil
}

// entries makes one command for each of n channels.
func (f *fleet) entries(n int, change ...func(*queue.Entry)) []queue.Entry {
	out := make([]queue.Entry, n)
	for i := range out {
		f.made++
		e := f.channels[i%len(f.channels)]
		out[i] = queue.Entry{Command: queue.Command{
			ID: mdm.CommandID(fmt.Sprintf("command-%d", f.made)), Enrollment: e.Key, Generation: 1, Owner: mdm.OwnerApplication,
			Kind: mdm.KindProfileList, Lane: queue.LaneNormal, Redelivery: mdm.Repeatable,
		}, Hash: mdm.Hash{7}, Queued: f.now}
		for _, c := range change {
			c(&out[i])
		}
	}
	return out
}

func (f *fleet) insert(entries []queue.Entry) {
	f.t.Helper()
	f.do(func(ctx context.Context, tx mdm.Tx) error {
		if err := f.s.Queue().PutContent(ctx, tx, mdm.Hash{7}, []byte("content"), f.now); err != nil {
			return err
		}
		return f.s.Queue().Insert(ctx, tx, entries)
	})
}

func (f *fleet) poll(i int) queue.Answer {
	f.t.Helper()
	e := f.channels[i]
	a, err := f.s.Queue().Poll(f.ctx, mdm.DefaultTenant, queue.Poll{Caller: queue.Caller{Natural: e.Natural, Pin: e.Pin}, Now: f.now})
	require.NoError(f.t, err)
	require.Equal(f.t, queue.StandingGood, a.Standing)
	return a
}

// trips counts the round trips of something that is done often: what it needs to
// have prepared has been.
func (f *fleet) trips(do func()) int {
	f.t.Helper()
	for range 6 {
		do()
	}
	least := int64(1 << 62) // a driver may look after a connection in between
	for range 3 {
		before := f.wire.Trips()
		do()
		least = min(least, f.wire.Trips()-before)
	}
	return int(least)
}

// TestRoundTrips counts what each of the store's frequent uses costs on the wire.
func TestRoundTrips(t *testing.T) {
	for _, c := range []struct {
		server
		begin, commit int // of a unit of work
		handOut       int // a poll by which something leaves
	}{{postgres, 1, 1, 1}, {mysql, 2, 1, 2}} {
		t.Run(string(c.dialect), func(t *testing.T) {
			f := c.fleet(t, 20)
			unit := c.begin + c.commit
			idle := f.trips(func() { require.Empty(t, f.poll(0).Handouts) })
			require.Equal(t, 1, idle, "an idle poll")

			f.insert(f.entries(20))
			require.Equal(t, c.handOut, f.trips(func() { require.Len(t, f.poll(1).Handouts, 1) }), "a poll that hands out")

			one := f.trips(func() { f.insert(f.entries(1)) })
			many := f.trips(func() { f.insert(f.entries(500)) })
			t.Logf("enqueue 1: %d, 500: %d trips", one, many)
			require.LessOrEqual(t, one, unit+4)

			keys := make([]mdm.HostKey, len(f.channels))
			for i, e := range f.channels {
				keys[i] = e.Host
			}
			require.LessOrEqual(t, f.trips(func() {
				f.do(func(ctx context.Context, tx mdm.Tx) error {
					for _, k := range keys {
						if err := f.s.Profiles().MarkHost(ctx, tx, k, profiles.LaneHost); err != nil {
							return err
						}
					}
					return nil
				})
			}), unit+len(keys), "a mark is a statement")
		})
	}
}
