package keelson_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/storage"
)

// TestTwoProfilesForOneSetting: of two profiles that write different values to one
// node, the one that was made first prevails on the PC; the other says so, and is
// not verified. When the first goes, the other is written and proven.
func TestTwoProfilesForOneSetting(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		const node = "./Device/Vendor/MSFT/Policy/Config/Camera/AllowCamera"
		off, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Name: "Camera off", Content: windowsProfile("Camera/AllowCamera", "0")})
		require.NoError(t, err)
		on, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Name: "Camera on", Content: windowsProfile("Camera/AllowCamera", "1")})
		require.NoError(t, err)
		require.Contains(t, on.Warnings, `the profile "Camera off" writes another value to `+node+`: on hosts that both reach, that one prevails, which was made first`)
		pc := mdmtest.PC(t, w.url, "ada", "lovelace").Enroll()
		settle := func() {
			for range 6 {
				w.settle(func() int { pc.Sync(); return 0 })
			}
		}
		settle()
		have, ok := pc.Node(node)
		require.True(t, ok)
		require.Equal(t, "0", have.Value)
		require.Equal(t, profiles.Verified, w.status(off.ID))
		require.Equal(t, profiles.Failed, w.status(on.ID))
		x, err := w.Hosts().Explain(ctx, w.host().ID, on.ID)
		require.NoError(t, err)
		require.Equal(t, profiles.ReasonOverridden, x.On.Reason)
		require.Equal(t, `overridden by the profile "Camera off" at `+node, x.On.Detail)
		require.Equal(t, 1, w.count(on.ID, profiles.Failed))

		require.NoError(t, w.Profiles().Delete(ctx, off.ID))
		settle()
		have, ok = pc.Node(node)
		require.True(t, ok)
		require.Equal(t, "1", have.Value)
		require.Equal(t, profiles.Verified, w.status(on.ID))
		require.Len(t, w.host().Profiles, 1)
		pc.NoDuplicates()
	})
}
