package keelson_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/storage"
)

// hostsOf walks all pages of a profile's hosts.
func (w *world) hostsOf(id mdm.ProfileID, s profiles.Status, limit int) (out []keelson.ProfileHost) {
	w.t.Helper()
	for after := mdm.HostID(""); ; {
		page, err := w.Profiles().Hosts(context.Background(), id, s, keelson.Page{After: after, Limit: limit})
		require.NoError(w.t, err)
		require.LessOrEqual(w.t, len(page.Items), limit)
		out = append(out, page.Items...)
		if after = page.Next; after == "" {
			return out
		}
	}
}

// TestHostsOfAProfile: who carries it, and who should, with the status that each
// host's own page shows.
func TestHostsOfAProfile(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		p, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		done := w.mac(w.link()).Enroll()
		w.settle(done.Poll)
		waits := w.mac(w.link()).Enroll()
		_, err = w.Hosts().Ensure(ctx, "asset-1", mdm.HostFacts{Platform: mdm.IOS}, "")
		require.NoError(t, err)
		_, err = w.Hosts().Ensure(ctx, "asset-2", mdm.HostFacts{Platform: mdm.Windows}, "")
		require.NoError(t, err)

		all := w.hostsOf(p.ID, "", 1)
		require.Len(t, all, 3)
		require.Equal(t, []any{done.Serial(), waits.Serial(), mdm.ExternalID("asset-1")}, []any{all[0].Host.Serial, all[1].Host.Serial, all[2].Host.ExternalID})
		require.Equal(t, all, w.hostsOf(p.ID, "", 1000))
		require.Equal(t, all[:1], w.hostsOf(p.ID, profiles.Verified, 2))
		require.Equal(t, all[1:], w.hostsOf(p.ID, profiles.Pending, 1))
		require.Empty(t, w.hostsOf(p.ID, profiles.Failed, 2))
		require.Equal(t, profiles.ReasonNotEnrolled, all[2].On.Reason)
		for _, h := range all {
			d, err := w.Hosts().Get(ctx, h.Host.ID)
			require.NoError(t, err)
			require.Equal(t, d.Host, h.Host)
			require.Equal(t, d.Profiles, []keelson.HostProfile{h.On})
		}
		require.Equal(t, 2, w.count(p.ID, profiles.Pending))

		var e *mdm.Error
		for field, page := range map[string]keelson.Page{"limit": {Limit: 1001}, "after": {After: "nobody"}} {
			_, err = w.Profiles().Hosts(ctx, p.ID, "", page)
			require.ErrorAs(t, err, &e)
			require.Equal(t, field, e.Field)
		}
		require.NoError(t, w.CreateTenant(ctx, "acme"))
		_, err = w.Tenant("acme").Profiles().Hosts(ctx, p.ID, "", keelson.Page{})
		require.ErrorIs(t, err, mdm.CodeNotFound)
	})
}

// TestHostsShowTheirStatus: the list says of each host what its own page says.
func TestHostsShowTheirStatus(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		team, err := w.Teams().Create(ctx, "Sales")
		require.NoError(t, err)
		_, err = w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		_, err = w.Profiles().Create(ctx, keelson.ProfileUpload{Team: team.ID, Content: appleProfile("com.example.two", "Two", "B")})
		require.NoError(t, err)
		w.settle(w.mac(w.link()).Enroll().Poll)
		_, err = w.Hosts().Ensure(ctx, "asset-1", mdm.HostFacts{Platform: mdm.IOS}, team.ID)
		require.NoError(t, err)
		_, err = w.Hosts().Ensure(ctx, "asset-2", mdm.HostFacts{Platform: mdm.Windows}, "")
		require.NoError(t, err)
		gone, err := w.Hosts().Ensure(ctx, "asset-3", mdm.HostFacts{Platform: mdm.MacOS}, "")
		require.NoError(t, err)
		require.NoError(t, w.Hosts().Delete(ctx, gone.ID))

		_, err = w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.three", "Three", "C")})
		require.NoError(t, err) // nobody has planned it
		hs, err := w.Hosts().List(ctx, keelson.HostFilter{Deleted: true}, keelson.Page{})
		require.NoError(t, err)
		require.Len(t, hs, 4)
		require.Equal(t, map[profiles.Status]int{profiles.Verified: 1, profiles.Pending: 1}, hs[0].Counts)
		require.Equal(t, []profiles.Status{profiles.Pending, profiles.Pending, "", ""},
			[]profiles.Status{hs[0].Status, hs[1].Status, hs[2].Status, hs[3].Status})
		for _, h := range hs {
			d, err := w.Hosts().Get(ctx, h.ID)
			require.NoError(t, err)
			require.Equal(t, d.Host, h.Host)
			require.Equal(t, d.Status, h.Status)
			counts := map[profiles.Status]int{}
			for _, p := range d.Profiles {
				counts[p.Status]++
			}
			require.Equal(t, counts, h.Counts)
		}
	})
}
