package storagetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

// impostor is a Tx that no store began.
type impostor struct{}

func (impostor) Tenant() mdm.TenantID { return "alpha" }
func (impostor) AfterCommit(func())   {}

// strangers calls every method of every room where it must be refused.
func strangers() []test {
	return []test{
		{"somebody else's Tx", "Stores accept only units that they began themselves", func(t *testing.T, w *world) {
			before := w.dump()
			other := newWorld(t, w.h, nil)
			other.do(func(ctx context.Context, tx mdm.Tx) error {
				for _, m := range methods(w.s) {
					if m.joins() {
						require.ErrorIs(t, m.call(ctx, tx), mdm.CodeInternal, "%s took another store's unit", m)
						require.ErrorIs(t, m.call(ctx, impostor{}), mdm.CodeInternal, "%s took an impostor", m)
					}
				}
				return nil
			})
			require.Equal(t, before, w.dump())
		}},
		{"a dead Tx", "a Tx … is dead when the function that received it returns", func(t *testing.T, w *world) {
			var committed, undone mdm.Tx
			w.do(func(_ context.Context, tx mdm.Tx) error { committed = tx; return nil })
			require.Error(t, w.try(func(_ context.Context, tx mdm.Tx) error { undone = tx; return errOurs }))
			before := w.dump()
			for _, m := range methods(w.s) {
				if m.joins() {
					require.ErrorIs(t, m.call(w.ctx, committed), mdm.CodeInternal, "%s took a unit that had committed", m)
					require.ErrorIs(t, m.call(w.ctx, undone), mdm.CodeInternal, "%s took a unit that had been rolled back", m)
				}
			}
			require.Equal(t, before, w.dump())
		}},
		{"a call of its own inside a unit", "Units do not nest: what is not joined is refused, and never waits for its own unit", func(t *testing.T, w *world) {
			before := w.dump()
			w.do(func(ctx context.Context, _ mdm.Tx) error {
				for _, m := range methods(w.s) {
					switch {
					case m.ofTenant():
						require.ErrorIs(t, m.call(ctx, w.tenant), mdm.CodeInternal, "%s ran inside a unit", m)
					case !m.joins():
						require.ErrorIs(t, m.call(ctx, nil), mdm.CodeInternal, "%s ran inside a unit", m)
					}
				}
				return nil
			})
			require.Equal(t, before, w.dump())
		}},
		{"a tenant that does not exist", "Rows of another tenant do not exist", func(t *testing.T, w *world) {
			for _, m := range methods(w.s) {
				if m.ofTenant() && m.name != "PutTenant" {
					require.ErrorIs(t, m.call(w.ctx, mdm.TenantID("nobody")), mdm.CodeNotFound, "%s found a tenant that does not exist", m)
				}
			}
		}},
	}
}
