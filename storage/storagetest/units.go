package storagetest

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

var errOurs = errors.New("the unit's own error")

// units holds mdm.Transactor and mdm.Tx.
func units() []test {
	return []test{
		{"commits", "InTx runs fn in a unit of work and commits it when fn returns nil", func(t *testing.T, w *world) {
			h := w.host()
			require.Equal(t, h.Serial, got[mdm.Host](w)(w.s.Lifecycle().Host(w.ctx, w.tenant, h.ID)).Serial)
		}},
		{"names its tenant", "Tenant is the tenant whose rows this unit can reach", func(t *testing.T, w *world) {
			w.do(func(_ context.Context, tx mdm.Tx) error {
				require.Equal(t, w.tenant, tx.Tenant())
				return nil
			})
		}},
		{"an error rolls back", "any error rolls everything back and is returned", func(t *testing.T, w *world) {
			before := w.dump()
			require.ErrorIs(t, w.try(func(ctx context.Context, tx mdm.Tx) error {
				return errors.Join(writeABit(ctx, tx, w), errOurs)
			}), errOurs)
			require.Equal(t, before, w.dump())
			w.host() // and the store goes on
		}},
		{"a panic rolls back", "a process that dies in it has changed nothing, and the panic stays the caller's", func(t *testing.T, w *world) {
			before := w.dump()
			require.PanicsWithValue(t, "fn panics", func() {
				_ = w.try(func(ctx context.Context, tx mdm.Tx) error {
					require.NoError(t, writeABit(ctx, tx, w))
					panic("fn panics")
				})
			})
			require.Equal(t, before, w.dump())
			w.host()
		}},
		{"an abandoned goroutine rolls back", "a process that dies in it has changed nothing", func(t *testing.T, w *world) {
			before := w.dump()
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = w.try(func(ctx context.Context, tx mdm.Tx) error {
					_ = writeABit(ctx, tx, w)
					runtime.Goexit() // as a failing test does
					return nil
				})
			}()
			<-done
			require.Equal(t, before, w.dump())
			w.host()
		}},
		{"wakes after the commit, in order", "AfterCommit runs f once the unit has committed, in the order given", func(t *testing.T, w *world) {
			var woken []int
			h := mdm.Host{ID: mdm.HostID(w.uuid()), State: mdm.HostPending, CreatedAt: w.now}
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				tx.AfterCommit(func() {
					_, err := w.s.Lifecycle().Host(w.ctx, w.tenant, h.ID)
					require.NoError(t, err, "a wake sees what was committed")
					woken = append(woken, 1)
				})
				if err := w.s.Lifecycle().PutHost(ctx, tx, &h); err != nil {
					return err
				}
				tx.AfterCommit(func() { woken = append(woken, 2) })
				require.Empty(t, woken)
				return nil
			})
			require.Equal(t, []int{1, 2}, woken)
		}},
		{"no wake after a rollback", "f … never runs after a rollback", func(t *testing.T, w *world) {
			woken := false
			require.Error(t, w.try(func(_ context.Context, tx mdm.Tx) error {
				tx.AfterCommit(func() { woken = true })
				return errOurs
			}))
			require.False(t, woken)
		}},
		{"do not nest", "Units do not nest: calling InTx inside fn is an error", func(t *testing.T, w *world) {
			w.do(func(ctx context.Context, _ mdm.Tx) error {
				err := w.s.InTx(ctx, w.tenant, func(context.Context, mdm.Tx) error {
					require.Fail(t, "the inner unit ran")
					return nil
				})
				require.ErrorIs(t, err, mdm.CodeInternal)
				return nil
			})
		}},
		{"two stores are two", "Units do not nest, but those of another store are no part of it", func(t *testing.T, w *world) {
			other := newWorld(t, w.h, nil)
			w.do(func(ctx context.Context, _ mdm.Tx) error {
				other.ctx = ctx
				other.host()
				other.do(func(ctx context.Context, _ mdm.Tx) error {
					require.ErrorIs(t, w.s.InTx(ctx, w.tenant, func(context.Context, mdm.Tx) error { return nil }), mdm.CodeInternal)
					return nil
				})
				return nil
			})
		}},
		{"a context that has ended", "a request that ended before its unit of work began changes nothing", func(t *testing.T, w *world) {
			ctx, cancel := context.WithCancel(w.ctx)
			cancel()
			require.ErrorIs(t, w.s.InTx(ctx, w.tenant, func(context.Context, mdm.Tx) error {
				require.Fail(t, "fn ran")
				return nil
			}), context.Canceled)
		}},
		{"a tenant that does not exist", "Rows of another tenant do not exist", func(t *testing.T, w *world) {
			require.ErrorIs(t, w.s.InTx(w.ctx, "nobody", func(context.Context, mdm.Tx) error {
				require.Fail(t, "fn ran")
				return nil
			}), mdm.CodeNotFound)
		}},
		{"see their own writes", "Methods that take a Tx join that unit of work and see its writes", func(t *testing.T, w *world) {
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				h := mdm.Host{ID: mdm.HostID(w.uuid()), State: mdm.HostPending, CreatedAt: w.now}
				require.NoError(t, w.s.Lifecycle().PutHost(ctx, tx, &h))
				got, err := w.s.Lifecycle().HostTx(ctx, tx, h.Key)
				require.NoError(t, err)
				require.Equal(t, h, got)
				return nil
			})
		}},
		{"hide until they commit", "a read of its own sees what was committed", func(t *testing.T, w *world) {
			h := mdm.Host{ID: mdm.HostID(w.uuid()), State: mdm.HostPending, CreatedAt: w.now}
			read := make(chan error, 1)
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				require.NoError(t, w.s.Lifecycle().PutHost(ctx, tx, &h))
				go func() { // waits for the unit, or sees the state before it
					_, err := w.s.Lifecycle().Host(w.ctx, w.tenant, h.ID)
					read <- err
				}()
				return nil
			})
			if err := <-read; err != nil {
				require.ErrorIs(t, err, mdm.CodeNotFound)
			}
		}},
		{"times are microseconds UTC", "times as microseconds UTC from the Clock", func(t *testing.T, w *world) {
			zone := time.FixedZone("far away", 9*3600)
			odd := start.Add(789).In(zone) // nanoseconds that no store keeps
			h := w.host(func(h *mdm.Host) { h.CreatedAt = odd })
			require.Equal(t, start, got[mdm.Host](w)(w.s.Lifecycle().Host(w.ctx, w.tenant, h.ID)).CreatedAt)
			e := w.enrollOn(h, func(e *mdm.Enrollment) { e.EnrolledAt = odd })
			w.now = odd
			x := w.queued(e)
			require.Equal(t, start, w.get(x.ID).Queued)
			w.fetch(e)
			require.Equal(t, start, w.get(x.ID).SentAt)
			w.file(e, x.ID)
			require.Equal(t, start, w.get(x.ID).EndedAt)
			require.True(t, w.get(x.ID).NotBefore.IsZero(), "the zero time stays zero")
		}},
		{"bytes are the caller's own", "All are safe for concurrent use: neither side sees what the other does to its bytes", func(t *testing.T, w *world) {
			e := w.enroll()
			given := []byte("sealed")
			x := w.queued(e)
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				return all(
					func() error { return w.s.Queue().PutContent(ctx, tx, mdm.Hash{9}, given, w.now) },
					func() error { return w.s.Apple().PutToken(ctx, tx, apple.Token{Enrollment: e.Key, Sealed: given}) },
					func() error { return w.s.Apple().PutAside(ctx, tx, apple.Aside{Enrollment: e.Key, Sealed: given}) },
					func() error {
						return w.s.Apple().PutPush(ctx, tx, apple.Push{Enrollment: e.Key, Token: given, Magic: given})
					},
					func() error {
						return second(w.s.Queue().File(ctx, tx, e, queue.Report{Command: x.ID, Now: w.now, Outcome: mdm.OutcomeError, Body: given}))
					},
				)
			})
			copy(given, "broken")
			read := func() [][]byte {
				p := got[[]apple.Push](w)(w.s.Apple().Push(w.ctx, w.tenant, []mdm.EnrollmentKey{e.Key}))[0]
				return [][]byte{
					got[[]byte](w)(w.s.Queue().Content(w.ctx, w.tenant, mdm.Hash{9})),
					got[apple.Token](w)(w.s.Apple().Token(w.ctx, w.tenant, e.Key, "", 0)).Sealed,
					got[[]apple.Aside](w)(w.s.Apple().Aside(w.ctx, w.tenant, e.Key))[0].Sealed,
					p.Token, p.Magic, w.get(x.ID).Body,
				}
			}
			for range 2 {
				for i, b := range read() {
					require.Equal(t, "sealed", string(b), "%d", i)
					copy(b, "broken")
				}
			}
		}},
		{"keeps what was committed", "the database is the only state", func(t *testing.T, w *world) {
			if w.h.Reopen == nil {
				t.Skip("this backend forgets")
			}
			e := w.enroll()
			x := w.queued(e)
			before := w.dump()
			w.s = w.h.Reopen(t, w.s)
			require.Equal(t, before, w.dump())
			require.Equal(t, ids(x), w.fetch(e))
			require.Greater(t, w.queued(e).Seq, x.Seq, "sequences go on")
		}},
		{"ready", "Ready reports why the store cannot be used", func(t *testing.T, w *world) {
			require.NoError(t, w.s.Ready(w.ctx))
		}},
	}
}

// writeABit writes to several rooms.
func writeABit(ctx context.Context, tx mdm.Tx, w *world) error {
	h := mdm.Host{ID: mdm.HostID(w.uuid()), ExternalID: "ours", State: mdm.HostPending, CreatedAt: w.now}
	if err := w.s.Lifecycle().PutHost(ctx, tx, &h); err != nil {
		return err
	}
	if err := w.s.Queue().PutContent(ctx, tx, w.hash(), []byte("content"), w.now); err != nil {
		return err
	}
	if _, err := w.s.Profiles().RaiseTeam(ctx, tx, 0); err != nil {
		return err
	}
	return w.s.Lifecycle().Append(ctx, tx, mdm.Event{Version: mdm.EventVersion, ID: mdm.EventID(w.uuid()), Kind: mdm.EventEnrolled, At: w.now})
}
