package keelson_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/storage"
)

// TestAdministratorsDoNotOverwriteEachOther: of many who looked at the same edit,
// one changes it, the others are told and change nothing.
func TestAdministratorsDoNotOverwriteEachOther(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		l, err := w.Labels().Create(ctx, "l", keelson.No)
		require.NoError(t, err)
		p, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		scopes := []keelson.Scope{{IncludeAny: []mdm.LabelID{l.ID}}, {}}
		for round := range 5 {
			seen, err := w.Profiles().Get(ctx, p.ID)
			require.NoError(t, err)
			update := func(ch keelson.ProfileChange) func() error {
				ch.Was = []mdm.Edit{seen.Edit}
				return func() error { _, err := w.Profiles().Update(ctx, p.ID, ch); return err }
			}
			scope := scopes[0]
			if len(seen.Scope.IncludeAny) > 0 {
				scope = scopes[1]
			}
			name := fmt.Sprint("Renamed ", round)
			rivals := []func() error{
				update(keelson.ProfileChange{Name: &name}),
				update(keelson.ProfileChange{Scope: &scope}),
				update(keelson.ProfileChange{Content: appleProfile("com.example.one", name, "B")}),
			}
			last := round == 4
			if last {
				rivals = append(rivals, func() error { return w.Profiles().Delete(ctx, p.ID, seen.Edit) })
			}
			errs := make([]error, len(rivals))
			var wg sync.WaitGroup
			for i, f := range rivals {
				wg.Go(func() { errs[i] = f() })
			}
			wg.Wait()
			won := -1
			for i, err := range errs {
				if err == nil {
					require.Equal(t, -1, won, "two have won")
					won = i
				} else if !last || mdm.CodeOf(err) != mdm.CodeNotFound {
					require.ErrorIs(t, err, mdm.CodePrecondition)
				}
			}
			require.NotEqual(t, -1, won, "nobody has won")
			now, err := w.Profiles().Get(ctx, p.ID)
			if won == 3 {
				require.ErrorIs(t, err, mdm.CodeNotFound)
				return
			}
			require.NoError(t, err)
			require.Equal(t, seen.Edit+1, now.Edit)
			require.Equal(t, won == 0, now.Name != seen.Name)
			require.Equal(t, won == 1, len(now.Scope.IncludeAny) != len(seen.Scope.IncludeAny))
			require.Equal(t, won == 2, now.Revision != seen.Revision)
		}
		require.ErrorIs(t, w.Profiles().Delete(ctx, p.ID, p.Edit), mdm.CodePrecondition)
		require.NoError(t, w.Profiles().Delete(ctx, p.ID))
	})
}

// TestRefusedDeletionPlansNobody: a deletion that comes too late takes nothing
// from any host.
func TestRefusedDeletionPlansNobody(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		mac := w.mac(w.link()).Enroll()
		p, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		w.settle(mac.Poll)
		name := "Kept on purpose"
		_, err = w.Profiles().Update(ctx, p.ID, keelson.ProfileChange{Name: &name})
		require.NoError(t, err)
		require.ErrorIs(t, w.Profiles().Delete(ctx, p.ID, p.Edit), mdm.CodePrecondition)
		w.settle(mac.Poll)
		require.Equal(t, []string{"InstallProfile"}, sent(mac))
		require.Equal(t, profiles.Verified, w.status(p.ID))
	})
}
