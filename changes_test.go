package keelson_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/storage"
)

// sent lists the request types that a device saw, in order, without questions.
func sent(a *mdmtest.AppleDevice) []string {
	var out []string
	for _, c := range a.Record() {
		if c.RequestType != mdm.KindProfileList {
			out = append(out, c.RequestType)
		}
	}
	return out
}

func TestChangesDoTheRightThingTheFirstTime(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		mac := w.mac(w.link()).Enroll()
		p, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		w.settle(mac.Poll)
		require.Equal(t, []string{"InstallProfile"}, sent(mac))

		t.Run("a new name is told to nobody", func(t *testing.T) {
			name := "Renamed"
			_, err := w.Profiles().Update(ctx, p.ID, keelson.ProfileChange{Name: &name})
			require.NoError(t, err)
			w.settle(mac.Poll)
			require.Equal(t, []string{"InstallProfile"}, sent(mac))
			require.Equal(t, profiles.Verified, w.status(p.ID))
		})
		t.Run("the same content is no change", func(t *testing.T) {
			q, err := w.Profiles().Update(ctx, p.ID, keelson.ProfileChange{Content: appleProfile("com.example.one", "One", "A")})
			require.NoError(t, err)
			require.Equal(t, mdm.Revision(1), q.Revision)
			w.settle(mac.Poll)
			require.Equal(t, []string{"InstallProfile"}, sent(mac))
		})
		t.Run("new content replaces in place", func(t *testing.T) {
			_, err := w.Profiles().Update(ctx, p.ID, keelson.ProfileChange{Content: appleProfile("com.example.one", "One", "B")})
			require.NoError(t, err)
			require.Equal(t, profiles.Pending, w.status(p.ID), "right after the write")
			require.Equal(t, 1, w.count(p.ID, profiles.Pending))
			w.settle(mac.Poll)
			require.Equal(t, []string{"InstallProfile", "InstallProfile"}, sent(mac))
			require.Equal(t, profiles.Verified, w.status(p.ID))
		})
		t.Run("an edit that keeps its UUID cannot be proven", func(t *testing.T) {
			q, err := w.Profiles().Update(ctx, p.ID, keelson.ProfileChange{Content: appleProfile("com.example.one", "Other", "B")})
			require.NoError(t, err)
			require.NotEmpty(t, q.Warnings)
			w.settle(mac.Poll)
			require.Equal(t, profiles.Unprovable, w.status(p.ID))
			_, err = w.Profiles().Update(ctx, p.ID, keelson.ProfileChange{Content: appleProfile("com.example.one", "Other", "C")})
			require.NoError(t, err)
			w.settle(mac.Poll)
			require.Equal(t, profiles.Verified, w.status(p.ID))
		})
		t.Run("a move between teams with the same content sends nothing", func(t *testing.T) {
			team, err := w.Teams().Create(ctx, "Sales")
			require.NoError(t, err)
			q, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Team: team.ID, Content: appleProfile("com.example.one", "Other", "C")})
			require.NoError(t, err)
			before := len(sent(mac))
			require.NoError(t, w.Hosts().SetTeam(ctx, w.host().ID, team.ID))
			w.settle(mac.Poll)
			require.Len(t, sent(mac), before)
			require.Equal(t, profiles.Verified, w.status(q.ID))
			require.NoError(t, w.Hosts().SetTeam(ctx, w.host().ID, ""))
			w.settle(mac.Poll)
			require.Len(t, sent(mac), before)
			require.Equal(t, profiles.Verified, w.status(p.ID))
		})
		t.Run("another identifier installs the new and removes the old", func(t *testing.T) {
			before := len(sent(mac))
			_, err := w.Profiles().Update(ctx, p.ID, keelson.ProfileChange{Content: appleProfile("com.example.two", "Two", "D")})
			require.NoError(t, err)
			w.settle(mac.Poll)
			require.ElementsMatch(t, []string{"InstallProfile", "RemoveProfile"}, sent(mac)[before:])
			_, old := mac.Profile("com.example.one")
			require.False(t, old)
			require.Equal(t, profiles.Verified, w.status(p.ID))
		})
		t.Run("what was never sent is dropped without a command", func(t *testing.T) {
			before := len(sent(mac))
			q, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.three", "Three", "E")})
			require.NoError(t, err)
			require.NoError(t, w.Plan(ctx))
			require.NoError(t, w.Profiles().Delete(ctx, q.ID))
			w.settle(mac.Poll)
			require.Len(t, sent(mac), before)
			require.Len(t, w.host().Profiles, 1)
		})
		t.Run("a deleted profile leaves the device", func(t *testing.T) {
			require.NoError(t, w.Profiles().Delete(ctx, p.ID))
			require.Equal(t, profiles.Removing, w.host().Profiles[0].Status)
			w.settle(mac.Poll)
			_, have := mac.Profile("com.example.two")
			require.False(t, have)
			require.Empty(t, w.host().Profiles)
		})
		require.Empty(t, mac.Duplicates())
	})
}

func TestLabelsDecide(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		mac := w.mac(w.link()).Enroll()
		h := w.host().ID
		label := func(name string) mdm.LabelID {
			l, err := w.Labels().Create(ctx, name, keelson.No)
			require.NoError(t, err)
			return l.ID
		}
		a, b, c := label("a"), label("b"), label("c")
		p, err := w.Profiles().Create(ctx, keelson.ProfileUpload{
			Content: appleProfile("com.example.one", "One", "A"),
			Scope:   keelson.Scope{IncludeAll: []mdm.LabelID{a}, IncludeAny: []mdm.LabelID{b}, ExcludeAny: []mdm.LabelID{c}},
		})
		require.NoError(t, err)
		set := func(l mdm.LabelID, m keelson.Membership) {
			t.Helper()
			require.NoError(t, w.Labels().Set(ctx, l, h, m))
			w.settle(mac.Poll)
		}
		carries := func() bool { _, ok := mac.Profile("com.example.one"); return ok }

		set(a, keelson.Yes)
		require.False(t, carries(), "any of b is missing")
		set(b, keelson.Yes)
		require.True(t, carries())
		for _, l := range []mdm.LabelID{b, a, c} { // any of, all of, none of
			set(l, keelson.Unknown)
			require.True(t, carries(), "unknown takes nothing away")
		}
		set(c, keelson.Yes)
		require.False(t, carries(), "excluded")
		set(c, keelson.Unknown)
		set(a, keelson.Yes)
		set(b, keelson.Yes)
		require.False(t, carries(), "unknown gives nothing")
		set(c, keelson.No)
		require.True(t, carries())
		set(c, keelson.Yes)
		for _, l := range []mdm.LabelID{b, a} {
			set(l, keelson.Unknown)
			set(c, keelson.No)
			require.False(t, carries(), "unknown gives nothing")
			set(c, keelson.Yes)
			set(l, keelson.Yes)
		}
		set(c, keelson.No)
		require.True(t, carries())

		x, err := w.Hosts().Explain(ctx, h, p.ID)
		require.NoError(t, err)
		require.True(t, x.Desired)
		require.Equal(t, profiles.Verified, x.On.Status)
		require.ErrorIs(t, w.Labels().Delete(ctx, a), mdm.CodeConflict)
		_, err = w.Profiles().Create(ctx, keelson.ProfileUpload{
			Content: appleProfile("com.example.two", "Two", "B"), Scope: keelson.Scope{IncludeAll: []mdm.LabelID{"nobody"}},
		})
		require.ErrorIs(t, err, mdm.CodeNotFound)
		_, err = w.Profiles().Create(ctx, keelson.ProfileUpload{Name: "Again", Content: appleProfile("com.example.one", "One", "B")})
		require.ErrorIs(t, err, mdm.CodeConflict)
	})
}

func TestNewLifeAndLeaving(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		p, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		mac := mdmtest.Mac(t, w.batch(5), &mdmtest.AppleOptions{RootCAs: w.roots, Keys: w.pool.Key}).Enroll()
		mac.SetBootstrapToken([]byte("first"))
		w.settle(mac.Poll)
		first := w.host()

		mac.Erase() // without a word
		mac.Enroll()
		require.Equal(t, profiles.Pending, w.status(p.ID), "a wiped device carries nothing")
		require.Empty(t, mac.GetBootstrapToken())
		w.settle(mac.Poll)
		require.Equal(t, profiles.Verified, w.status(p.ID))
		again := w.host()
		require.Equal(t, first.ID, again.ID, "the same machine")
		require.Greater(t, again.Enrollments[0].Generation, first.Enrollments[0].Generation)

		mac.Remove()
		require.Equal(t, mdm.HostUnenrolled, w.host().State)
		mac.Enroll()
		w.settle(mac.Poll)
		require.Equal(t, profiles.Verified, w.status(p.ID))

		require.NoError(t, w.Hosts().Unenroll(ctx, first.ID))
		_, err = mac.Apple.Poll(ctx)
		refused(t, err)
		mac.TakeViolations()
		require.Equal(t, mdm.HostUnenrolled, w.host().State)
	})
}

// batch makes a link for several enrollments.
func (w *world) batch(n int) string {
	w.t.Helper()
	l, err := w.Enrollments().Link(context.Background(), keelson.LinkRequest{Quota: n})
	require.NoError(w.t, err)
	return l.URL
}
