package keelson_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/profiles"
)

// TestUnreadableContent damages what is stored of one profile. That profile fails,
// and says why; lists, other profiles, enrollments and sessions of either platform
// go on.
func TestUnreadableContent(t *testing.T) {
	ctx := t.Context()
	file := filepath.Join(t.TempDir(), "k.db")
	w := serve(t, openSQLite(t, file, nil), nil)
	bad, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.bad", "Bad", "A")})
	require.NoError(t, err)
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	_, err = db.ExecContext(ctx, `UPDATE keelson_content SET sealed = x'00112233'`)
	require.NoError(t, err)

	w = serve(t, openSQLite(t, file, nil), nil) // another process, which has read nothing
	good, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.good", "Good", "B")})
	require.NoError(t, err)
	camera, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Name: "Camera off", Content: windowsProfile("Camera/AllowCamera", "0")})
	require.NoError(t, err)
	mac := w.mac(w.link()).Enroll()
	pc := mdmtest.PC(t, w.url, "ada", "lovelace").Enroll()
	for range 6 {
		w.settle(mac.Poll, func() int { pc.Sync(); return 0 })
	}
	list, err := w.Profiles().List(ctx, nil)
	require.NoError(t, err)
	require.Len(t, list, 3)
	for _, p := range list {
		want := profiles.Counts{profiles.Verified: 1}
		if p.ID == bad.ID {
			want = profiles.Counts{profiles.Failed: 1}
		}
		require.Equal(t, want, profiles.Counts(p.Counts), p.Name)
	}
	onMac, err := w.Profiles().Hosts(ctx, bad.ID, profiles.Failed, keelson.Page{})
	require.NoError(t, err)
	require.Len(t, onMac.Items, 1)
	h := onMac.Items[0].Host.ID
	x, err := w.Hosts().Explain(ctx, h, bad.ID)
	require.NoError(t, err)
	require.Equal(t, profiles.ReasonLost, x.On.Reason)
	require.Equal(t, "its content cannot be read: not a sealed value", x.On.Detail)

	var found []string
	for _, f := range w.Doctor(ctx) {
		if f.Area == "keyring" {
			require.True(t, f.Broken)
			require.Contains(t, f.Message, `"Bad"`)
			found = append(found, f.Message)
		}
	}
	require.Len(t, found, 1)

	_, err = w.Profiles().Update(ctx, bad.ID, keelson.ProfileChange{Content: appleProfile("com.example.bad", "Bad", "A")})
	require.NoError(t, err)
	w.settle(mac.Poll)
	for _, p := range []mdm.ProfileID{bad.ID, good.ID, camera.ID} {
		require.Equal(t, 1, w.count(p, profiles.Verified))
	}
	for _, f := range w.Doctor(ctx) {
		require.NotEqual(t, "keyring", f.Area)
	}
}
