package storagetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows"
)

func (w *world) push(e mdm.Enrollment) apple.Push {
	w.t.Helper()
	p := apple.Push{
		Enrollment: e.Key, Natural: e.Natural, Topic: "com.apple.mgmt.External.1",
		Token: []byte(w.name("token")), Magic: []byte(w.name("magic")), At: w.now,
	}
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Apple().PutPush(ctx, tx, p) })
	return p
}

func (w *world) token(e mdm.Enrollment, kind apple.TokenKind, g mdm.Generation) apple.Token {
	w.t.Helper()
	k := apple.Token{Enrollment: e.Key, Kind: kind, Generation: g, Sealed: []byte(w.name("sealed")), At: w.now}
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Apple().PutToken(ctx, tx, k) })
	return k
}

func (w *world) aside(e mdm.Enrollment, why string) apple.Aside {
	w.t.Helper()
	a := apple.Aside{Enrollment: e.Key, Why: why, Sealed: []byte(w.name("bytes")), At: w.now}
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Apple().PutAside(ctx, tx, a) })
	return a
}

// appleRoom holds what Apple MDM keeps.
func appleRoom() []test {
	tokenOf := func(w *world, e mdm.Enrollment, kind apple.TokenKind, g mdm.Generation) (apple.Token, error) {
		return w.s.Apple().Token(w.ctx, w.tenant, e.Key, kind, g)
	}
	return []test{
		{"push", "PutPush records how to wake a channel. Push returns what is known for these channels, in any order; unknown ones are left out", func(t *testing.T, w *world) {
			a, b, none := w.enroll(), w.enroll(), w.enroll()
			w.push(a)
			pa, pb := w.push(a), w.push(b) // the second of a replaces the first
			all := got[[]apple.Push](w)(w.s.Apple().Push(w.ctx, w.tenant, []mdm.EnrollmentKey{none.Key, b.Key, a.Key, none.Key + 1000}))
			require.ElementsMatch(t, []apple.Push{pa, pb}, all)
			require.Empty(t, got[[]apple.Push](w)(w.s.Apple().Push(w.ctx, w.tenant, nil)))
		}},
		{"push of very many channels", "Push returns what is known for these channels", func(t *testing.T, w *world) {
			p := w.push(w.enroll())
			keys := make([]mdm.EnrollmentKey, 50_000)
			for i := range keys {
				keys[i] = mdm.EnrollmentKey(i + 1)
			}
			require.Equal(t, []apple.Push{p}, got[[]apple.Push](w)(w.s.Apple().Push(w.ctx, w.tenant, keys)))
		}},
		{"push forgotten", "ClearPush forgets it", func(t *testing.T, w *world) {
			a, b := w.enroll(), w.enroll()
			w.push(a)
			pb := w.push(b)
			for range 2 {
				w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Apple().ClearPush(ctx, tx, a.Key) })
			}
			require.Equal(t, []apple.Push{pb}, got[[]apple.Push](w)(w.s.Apple().Push(w.ctx, w.tenant, []mdm.EnrollmentKey{a.Key, b.Key})))
		}},
		{"tokens", "PutToken appends an escrowed token: earlier ones are kept. Token returns the newest of that kind and generation", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			before := len(w.dump())
			w.token(e, apple.BootstrapToken, 1)
			b1 := w.token(e, apple.BootstrapToken, 1)
			b2 := w.token(e, apple.BootstrapToken, 2)
			u2 := w.token(e, apple.UnlockToken, 2)
			theirs := w.token(other, apple.BootstrapToken, 1)
			require.Len(t, w.dump(), before+5)
			for _, want := range []apple.Token{b1, b2, u2, theirs} {
				k, err := tokenOf(w, mdm.Enrollment{Key: want.Enrollment}, want.Kind, want.Generation)
				require.NoError(t, err)
				require.Equal(t, want, k)
			}
			_, err := tokenOf(w, e, apple.UnlockToken, 1)
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
		{"tokens that were replaced", "of each channel and kind the 8 of the newest generations, the newest first", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			w.token(other, apple.BootstrapToken, 1)
			w.token(e, apple.UnlockToken, 1)
			current := w.token(e, apple.BootstrapToken, 7)
			rows := len(w.dump())
			for range 20 { // late ones, of an earlier life
				w.token(e, apple.BootstrapToken, 3)
			}
			require.Len(t, w.dump(), rows+7)
			k, err := tokenOf(w, e, apple.BootstrapToken, 7)
			require.NoError(t, err)
			require.Equal(t, current, k)
			require.NoError(t, second(tokenOf(w, e, apple.UnlockToken, 1)))
			require.NoError(t, second(tokenOf(w, other, apple.BootstrapToken, 1)))
		}},
		{"tokens cleared", "ClearTokens marks the tokens of a kind that are of generations below before as cleared, so that Token no longer finds them", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			for _, g := range []mdm.Generation{1, 2, 3} {
				w.token(e, apple.BootstrapToken, g)
				w.token(e, apple.UnlockToken, g)
				w.token(other, apple.BootstrapToken, g)
			}
			kept := len(w.dump())
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				return w.s.Apple().ClearTokens(ctx, tx, e.Key, apple.BootstrapToken, 3)
			})
			for _, g := range []mdm.Generation{1, 2} {
				_, err := tokenOf(w, e, apple.BootstrapToken, g)
				require.ErrorIs(t, err, mdm.CodeNotFound)
				require.NoError(t, second(tokenOf(w, e, apple.UnlockToken, g)))
				require.NoError(t, second(tokenOf(w, other, apple.BootstrapToken, g)))
			}
			require.NoError(t, second(tokenOf(w, e, apple.BootstrapToken, 3)))
			require.Len(t, w.dump(), kept, "what may be the only copy stays")
			again := w.token(e, apple.BootstrapToken, 1)
			k, err := tokenOf(w, e, apple.BootstrapToken, 1)
			require.NoError(t, err)
			require.Equal(t, again, k, "a late one is kept and found")
		}},
		{"aside", "PutAside keeps bytes that could not be decoded, at most the newest 16 a channel; Aside lists them, the newest first", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			theirs := w.aside(other, "theirs")
			var want []apple.Aside
			for i := range 20 {
				w.pass(time.Second)
				want = append([]apple.Aside{w.aside(e, fmt.Sprint(i))}, want...)
			}
			require.Equal(t, want[:16], got[[]apple.Aside](w)(w.s.Apple().Aside(w.ctx, w.tenant, e.Key)))
			require.Equal(t, []apple.Aside{theirs}, got[[]apple.Aside](w)(w.s.Apple().Aside(w.ctx, w.tenant, other.Key)))
		}},
		{"nothing is sealed as nothing", "Secret values are sealed before they get here", func(t *testing.T, w *world) {
			e := w.enroll()
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				require.NoError(t, w.s.Apple().PutPush(ctx, tx, apple.Push{Enrollment: e.Key}))
				require.NoError(t, w.s.Apple().PutToken(ctx, tx, apple.Token{Enrollment: e.Key, Kind: apple.UnlockToken}))
				return w.s.Apple().PutAside(ctx, tx, apple.Aside{Enrollment: e.Key})
			})
			require.Empty(t, got[apple.Token](w)(tokenOf(w, e, apple.UnlockToken, 0)).Sealed)
		}},
	}
}

func (w *world) device(e mdm.Enrollment) windows.Device {
	w.t.Helper()
	d := windows.Device{Enrollment: e.Key, DeviceID: w.name("D"), HWDevID: w.name("HW"), User: "ann", OSVersion: "10.0.26100", At: w.now}
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Windows().PutDevice(ctx, tx, d) })
	return d
}

func (w *world) session(e mdm.Enrollment, id string, change ...func(*windows.Session)) windows.Session {
	w.t.Helper()
	s := windows.Session{
		Enrollment: e.Key, ID: id, MsgID: 1, Body: w.hash(), Reply: []byte(w.name("reply")), State: []byte(`{"n":1}`), At: w.now,
	}
	for _, f := range change {
		f(&s)
	}
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Windows().PutSession(ctx, tx, s) })
	return s
}

// windowsRoom holds what Windows MDM keeps.
func windowsRoom() []test {
	find := func(w *world, e mdm.Enrollment, id string) (out windows.Session, err error) {
		err = w.try(func(ctx context.Context, tx mdm.Tx) (err error) {
			out, err = w.s.Windows().SessionTx(ctx, tx, e.Key, id)
			return err
		})
		return out, err
	}
	return []test{
		{"device", "PutDevice inserts or replaces what an enrollment claimed", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			w.device(e)
			d := w.device(e)
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				have, err := w.s.Windows().DeviceTx(ctx, tx, e.Key)
				require.NoError(t, err)
				require.Equal(t, d, have)
				require.ErrorIs(t, second(w.s.Windows().DeviceTx(ctx, tx, other.Key)), mdm.CodeNotFound)
				return nil
			})
		}},
		{"session", "PutSession inserts or replaces the session with that id", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			w.session(e, "1")
			theirs := w.session(other, "1")
			s := w.session(e, "1", func(s *windows.Session) { s.MsgID, s.Reply, s.State = 2, nil, nil })
			require.Equal(t, s, got[windows.Session](w)(find(w, e, "1")))
			require.Equal(t, theirs, got[windows.Session](w)(find(w, other, "1")))
			_, err := find(w, e, "2")
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
		{"the newest sessions", "an enrollment keeps its newest 4 sessions", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			w.session(other, "a")
			for i := range 6 {
				w.session(e, fmt.Sprint(i))
			}
			for i := range 6 {
				_, err := find(w, e, fmt.Sprint(i))
				if i < 2 {
					require.ErrorIs(t, err, mdm.CodeNotFound, "session %d", i)
				} else {
					require.NoError(t, err, "session %d", i)
				}
			}
			require.NoError(t, second(find(w, other, "a")))
			again := w.session(e, "0")
			require.Equal(t, again, got[windows.Session](w)(find(w, e, "0")), "what is put is kept, whatever came before")
		}},
		{"sessions forgotten", "DropSessions forgets every session of an enrollment", func(t *testing.T, w *world) {
			e, other := w.enroll(), w.enroll()
			w.session(e, "1")
			w.session(e, "2")
			w.session(other, "1")
			for range 2 {
				w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Windows().DropSessions(ctx, tx, e.Key) })
			}
			require.ErrorIs(t, second(find(w, e, "1")), mdm.CodeNotFound)
			require.ErrorIs(t, second(find(w, e, "2")), mdm.CodeNotFound)
			require.NoError(t, second(find(w, other, "1")))
		}},
	}
}
