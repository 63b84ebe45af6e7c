package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

func (w *world) pruneCertificates(before time.Time, limit int) int {
	w.t.Helper()
	return in(w, func(ctx context.Context, tx mdm.Tx) (int, error) {
		return w.s.Identity().PruneCertificates(ctx, tx, before, limit)
	})
}

// pruneIntents walks over all intents.
func (w *world) pruneIntents(before time.Time, limit int) {
	w.t.Helper()
	for after := mdm.IntentID(""); ; {
		after = in(w, func(ctx context.Context, tx mdm.Tx) (mdm.IntentID, error) {
			return w.s.Identity().PruneIntents(ctx, tx, before, after, limit)
		})
		if after == "" {
			return
		}
	}
}

// identityPrune holds what leaves identity's room.
func identityPrune() []test {
	return []test{
		{"certificates", "PruneCertificates deletes certificates that nobody can use since that time; a bound one stays", func(t *testing.T, w *world) {
			i := w.intent(func(i *identity.Intent) { i.Quota = 9 })
			n := mdm.AppleNatural("UDID")
			superseded, bound, unused := w.issued(i), w.issued(i), w.issued(i)
			require.NoError(t, second(w.bind(superseded, n)))
			w.supersedeBound(n, mdm.Hash{})
			require.NoError(t, second(w.bind(bound, n)))
			reserved := w.blank(i)
			require.NoError(t, second(w.reserve(reserved, 99)))
			w.pass(time.Hour) // the end of all of them
			require.Equal(t, 1, w.pruneCertificates(w.now, 10), "what was reserved before has no other end")
			again, err := w.reserve(reserved, 99)
			require.NoError(t, err)
			require.Equal(t, reserved, again, "it is reserved anew")
			young := w.issued(i)
			w.pass(time.Second)
			require.Equal(t, 1, w.pruneCertificates(w.now.Add(-time.Millisecond), 1), "no more than the limit")
			w.pruneCertificates(w.now.Add(-time.Millisecond), 10)
			before := w.dump()
			require.Zero(t, w.pruneCertificates(w.now.Add(-time.Millisecond), 10))
			require.Equal(t, before, w.dump())
			for _, c := range []identity.Certificate{superseded, unused} {
				_, err := w.s.Identity().Certificate(w.ctx, w.tenant, c.Hash)
				require.ErrorIs(t, err, mdm.CodeNotFound)
			}
			require.Equal(t, identity.Bound, w.stateOf(bound))
			require.Equal(t, identity.Issued, w.stateOf(young))
		}},
		{"intents", "deletes those whose time had ended by then and of which there is no certificate", func(t *testing.T, w *world) {
			var over []identity.Intent
			for range 5 {
				over = append(over, w.intent())
			}
			needed, open := w.intent(), w.intent(func(i *identity.Intent) { i.ExpiresAt = w.now.Add(1000 * day) })
			c := w.issued(needed)
			require.NoError(t, second(w.bind(c, "apple:UDID")))
			there := func(i identity.Intent) bool {
				_, err := w.s.Identity().Intent(w.ctx, w.tenant, i.ID)
				return err == nil
			}
			w.pass(time.Hour)
			w.pruneIntents(w.now, 2)
			require.True(t, there(over[0]), "not before its time")
			w.pass(time.Second)
			w.pruneIntents(w.now, 2)
			for _, i := range over {
				require.False(t, there(i))
			}
			require.True(t, there(needed))
			require.True(t, there(open))
			before := w.dump()
			w.pruneIntents(w.now, 2)
			require.Equal(t, before, w.dump())
			w.supersedeBound("apple:UDID", mdm.Hash{})
			require.Equal(t, 1, w.pruneCertificates(w.now, 9))
			w.pruneIntents(w.now, 2)
			require.False(t, there(needed), "nothing needs it any more")
		}},
	}
}
