package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/sqlstore"
)

// TestJoinOnServers: what an application writes with its own commits with it.
func TestJoinOnServers(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		f := s.fleet(t, 1)
		host := f.channels[0].Host
		for _, c := range []struct {
			end  func(*sql.Tx) error
			left int
		}{{(*sql.Tx).Rollback, 0}, {(*sql.Tx).Commit, 1}} {
			tx, err := f.s.DB().Begin()
			require.NoError(t, err)
			require.NoError(t, f.s.Join(f.ctx, tx, mdm.DefaultTenant, func(ctx context.Context, x mdm.Tx) error {
				if err := f.s.Queue().PutContent(ctx, x, mdm.Hash{7}, []byte("content"), f.now); err != nil {
					return err
				}
				if err := f.s.Queue().Insert(ctx, x, f.entries(1)); err != nil {
					return err
				}
				return f.s.Profiles().MarkHost(ctx, x, host, profiles.LaneHost)
			}))
			require.Empty(t, f.poll(0).Handouts, "nothing leaves before the application commits")
			require.NoError(t, c.end(tx))
			require.Len(t, f.poll(0).Handouts, c.left)
			n, err := f.s.Profiles().Backlog(f.ctx, mdm.DefaultTenant)
			require.NoError(t, err)
			require.Equal(t, c.left, n)
		}
	})
}

// TestBusy: who finds no connection free in time is told to come back.
func TestBusy(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		db := s.Open(t, s.fresh(t))
		st, err := sqlstore.Open(context.Background(), db, s.dialect, &sqlstore.Options{Connections: 2, Wait: 20 * time.Millisecond})
		require.NoError(t, err)
		t.Cleanup(func() { _ = st.Close() })
		ctx := context.Background()
		require.NoError(t, st.Lifecycle().PutTenant(ctx, mdm.DefaultTenant))
		hold, held := make(chan struct{}), make(chan struct{}, 2)
		var wg sync.WaitGroup
		let := sync.OnceFunc(func() { close(hold); wg.Wait() })
		t.Cleanup(let) // before the store is closed
		for range 2 {
			wg.Go(func() {
				_ = st.InTx(ctx, mdm.DefaultTenant, func(context.Context, mdm.Tx) error {
					held <- struct{}{}
					<-hold
					return nil
				})
			})
		}
		<-held
		<-held
		require.LessOrEqual(t, db.Stats().InUse, 2)
		_, err = st.Lifecycle().Host(ctx, mdm.DefaultTenant, "nobody")
		require.ErrorIs(t, err, mdm.CodeBusy)
		require.True(t, mdm.Transient(err))
		var e *mdm.Error
		require.ErrorAs(t, err, &e)
		require.Positive(t, e.RetryAfter)
		require.Contains(t, []int{429, 503}, e.Code.Answer().Device)
		ended, end := context.WithCancel(ctx)
		end()
		_, err = st.Lifecycle().Host(ended, mdm.DefaultTenant, "nobody")
		require.ErrorIs(t, err, mdm.CodeUnavailable)
		let()
		_, err = st.Lifecycle().Host(ctx, mdm.DefaultTenant, "nobody")
		require.ErrorIs(t, err, mdm.CodeNotFound, "and then served")
	})
}

// cut ends every connection of a database but the one that asks.
func (s server) cut(t *testing.T, db *sql.DB) {
	t.Helper()
	if s.dialect == sqlstore.PostgreSQL {
		_, err := db.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		require.NoError(t, err)
		return
	}
	for _, row := range table(t, db, "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()") {
		_, err := db.Exec("KILL " + row["id"])
		if err != nil { // it has gone by itself
			require.ErrorContains(t, err, "1094")
		}
	}
}

// TestCutConnections: a unit whose connection is cut fails whole and transiently,
// and the next one goes on.
func TestCutConnections(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		f := s.fleet(t, 1)
		admin := s.Open(t, f.dsn)
		before := s.dump(t, admin)
		err := f.s.InTx(f.ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
			if err := f.s.Profiles().MarkTeam(ctx, tx, 0); err != nil {
				return err
			}
			s.cut(t, admin)
			return f.s.Profiles().MarkTeam(ctx, tx, 0)
		})
		require.ErrorIs(t, err, mdm.CodeUnavailable)
		require.True(t, mdm.Transient(err))
		require.Equal(t, before, s.dump(t, admin))
		err = f.s.InTx(f.ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
			defer s.cut(t, admin)
			return f.s.Profiles().MarkTeam(ctx, tx, 0)
		})
		require.ErrorIs(t, err, mdm.CodeUnavailable, "at the commit")
		require.Equal(t, before, s.dump(t, admin))
		s.cut(t, admin)
		require.Eventually(t, func() bool {
			_, err := f.s.Queue().Poll(f.ctx, mdm.DefaultTenant, queue.Poll{Caller: queue.Caller{Natural: f.channels[0].Natural, Pin: f.channels[0].Pin}})
			require.True(t, err == nil || mdm.Transient(err), "%v", err)
			return err == nil
		}, 10*time.Second, time.Millisecond, "the pool forgets what was cut")
		f.do(func(ctx context.Context, tx mdm.Tx) error { return f.s.Profiles().MarkTeam(ctx, tx, 0) })
		require.NotEqual(t, before, s.dump(t, admin))
	})
}

// TestDeadlock: two units that wait for each other both succeed, one of them at
// the second try.
func TestDeadlock(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		f := s.fleet(t, 2)
		var tries [2]int
		var meet sync.WaitGroup
		meet.Add(2)
		unit := func(i int) error {
			return f.s.InTx(f.ctx, mdm.DefaultTenant, func(ctx context.Context, tx mdm.Tx) error {
				tries[i]++
				first, second := i, 1-i
				if tries[i] > 1 {
					first, second = 0, 1
				}
				if _, err := f.s.Identity().EnrollmentTx(ctx, tx, f.channels[first].Natural); err != nil {
					return err
				}
				if tries[i] == 1 { // both hold one and want the other
					meet.Done()
					meet.Wait()
				}
				if _, err := f.s.Identity().EnrollmentTx(ctx, tx, f.channels[second].Natural); err != nil {
					return err
				}
				return f.s.Profiles().MarkTeam(ctx, tx, mdm.TeamKey(i))
			})
		}
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = unit(i) })
		}
		wg.Wait()
		require.NoError(t, errs[0])
		require.NoError(t, errs[1])
		require.GreaterOrEqual(t, tries[0]+tries[1], 3, "at least one of them began again")
		require.EqualValues(t, tries[0]+tries[1]-2, f.s.Stats().Again, "counted")
		var walks int
		require.NoError(t, f.s.DB().QueryRow("SELECT count(*) FROM keelson_walk").Scan(&walks))
		require.Equal(t, 2, walks, "each did its work once")
	})
}

// TestNoDeadlocks: deliverers, planners, administrators and who expires commands
// beside each other never wait in a circle.
func TestNoDeadlocks(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		const hosts, rounds = 24, 40
		f := s.fleet(t, hosts)
		stubborn := func(do func() error) error {
			for {
				if err := do(); !mdm.Transient(err) {
					return err
				}
			}
		}
		inTx := func(fn func(ctx context.Context, tx mdm.Tx) error) error {
			return stubborn(func() error { return f.s.InTx(f.ctx, mdm.DefaultTenant, fn) })
		}
		require.NoError(t, inTx(func(ctx context.Context, tx mdm.Tx) error {
			return f.s.Queue().PutContent(ctx, tx, mdm.Hash{7}, []byte("content"), f.now)
		}))
		var mu sync.Mutex
		made := 0
		name := func() mdm.CommandID {
			mu.Lock()
			defer mu.Unlock()
			made++
			return mdm.CommandID(fmt.Sprintf("storm-%d", made))
		}
		planner := func() error {
			for range rounds {
				if err := inTx(func(ctx context.Context, tx mdm.Tx) error {
					claimed, _, err := f.s.Profiles().Claim(ctx, tx, f.now, hosts/2)
					if err != nil || len(claimed) == 0 {
						return err
					}
					states, err := f.s.Profiles().Load(ctx, tx, claimed)
					if err != nil {
						return err
					}
					for _, st := range states {
						if err := f.s.Profiles().RaisePlan(ctx, tx, st.Host.Key, st.PlanRevision, 0, 0); err != nil {
							return err
						}
						e := st.Channels[0].Enrollment
						if _, _, err := f.s.Queue().EndRef(ctx, tx, e.Key, mdm.OwnerProfiles, 1, f.now); err != nil {
							return err
						}
						x := queue.Entry{Command: queue.Command{ID: name(), Enrollment: e.Key, Generation: 1, Owner: mdm.OwnerProfiles,
							Kind: mdm.KindInstallProfile, Ref: mdm.Ref{Key: 1, Order: st.PlanRevision + 1}, Redelivery: mdm.Repeatable,
							Resource: "slot", Expires: f.now.Add(time.Hour)}, Hash: mdm.Hash{7}, Queued: f.now}
						if err := f.s.Queue().Insert(ctx, tx, []queue.Entry{x}); err != nil {
							return err
						}
						row := profiles.Row{Enrollment: e.Key, Slot: 1, Family: profiles.AppleProfile, Op: profiles.Install, Order: st.PlanRevision + 1}
						if err := f.s.Profiles().PutRows(ctx, tx, []profiles.Row{row}); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		}
		device := func(from int) func() error {
			return func() error {
				for n := range rounds * 2 {
					e := f.channels[(from+n)%hosts]
					p := queue.Poll{Caller: queue.Caller{Natural: e.Natural, Pin: e.Pin}, Now: f.now}
					var a queue.Answer
					if err := stubborn(func() (err error) { a, err = f.s.Queue().Poll(f.ctx, mdm.DefaultTenant, p); return err }); err != nil {
						return err
					}
					for _, h := range a.Handouts {
						if err := inTx(func(ctx context.Context, tx mdm.Tx) error {
							e, err := f.s.Identity().EnrollmentTx(ctx, tx, e.Natural)
							if err != nil {
								return err
							}
							filed, err := f.s.Queue().File(ctx, tx, e, queue.Report{Command: h.ID, Now: f.now, Outcome: mdm.OutcomeAcknowledged})
							if err != nil || !filed.Told() {
								return err
							}
							if err := f.s.Profiles().Acknowledge(ctx, tx, filed.Result); err != nil {
								return err
							}
							_, err = f.s.Queue().Next(ctx, tx, e, p)
							return err
						}); err != nil {
							return err
						}
					}
				}
				return nil
			}
		}
		checkIns := func() error {
			for n := range rounds {
				if err := inTx(func(ctx context.Context, tx mdm.Tx) error {
					e, err := f.s.Lifecycle().EnrollmentTx(ctx, tx, f.channels[n%hosts].Natural)
					if err != nil {
						return err
					}
					h, err := f.s.Lifecycle().HostTx(ctx, tx, e.Host)
					if err != nil {
						return err
					}
					h.Name = fmt.Sprint("Mac ", n)
					if err := f.s.Lifecycle().PutHost(ctx, tx, &h); err != nil {
						return err
					}
					return f.s.Profiles().MarkHost(ctx, tx, h.Key, profiles.LaneEnroll)
				}); err != nil {
					return err
				}
			}
			return nil
		}
		leaver := func() error { // as who deletes a host begins
			for n := range rounds {
				if err := inTx(func(ctx context.Context, tx mdm.Tx) error {
					h, err := f.s.Lifecycle().HostTx(ctx, tx, f.channels[n%hosts].Host)
					if err != nil {
						return err
					}
					_, err = f.s.Lifecycle().EnrollmentsOf(ctx, tx, h.Key)
					return err
				}); err != nil {
					return err
				}
			}
			return nil
		}
		expirer := func() error {
			for range rounds {
				if err := inTx(func(ctx context.Context, tx mdm.Tx) error {
					ended, err := f.s.Queue().Expire(ctx, tx, f.now.Add(2*time.Hour), 5)
					for _, r := range ended {
						if err := f.s.Profiles().Acknowledge(ctx, tx, r); err != nil {
							return err
						}
					}
					return err
				}); err != nil {
					return err
				}
			}
			return nil
		}
		administrator := func() error {
			for range rounds {
				if err := inTx(func(ctx context.Context, tx mdm.Tx) error {
					if _, err := f.s.Profiles().ProfilesTx(ctx, tx); err != nil {
						return err
					}
					return f.s.Profiles().MarkTeam(ctx, tx, 0)
				}); err != nil {
					return err
				}
			}
			return nil
		}
		workers := []func() error{planner, planner, planner, device(0), device(8), device(16), checkIns, checkIns, leaver, leaver, expirer, administrator}
		errs := make([]error, len(workers))
		var wg sync.WaitGroup
		for i, w := range workers {
			wg.Go(func() { errs[i] = w() })
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		require.Zero(t, f.s.Stats().Again, "nobody waits for each other")
		require.Greater(t, made, hosts)
	})
}
