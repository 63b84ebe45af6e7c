package keelson_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/identity"
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

// links walks all pages of links.
func (w *world) links(f keelson.LinkFilter, limit int) (out []keelson.LinkSummary) {
	w.t.Helper()
	for after := mdm.IntentID(""); ; after = out[len(out)-1].ID {
		page, err := w.Enrollments().List(context.Background(), f, after, limit)
		require.NoError(w.t, err)
		if out = append(out, page...); len(page) < limit {
			return out
		}
	}
}

// TestLinks: who looks sees which links are open, and what became of the others.
func TestLinks(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		clock := &settable{at: time.Now()}
		w := serve(t, open(nil), func(c *keelson.Config) { c.Clock = clock })
		ada := mdm.Actor{Kind: "user", Name: "ada", Reason: "new Macs"}
		ctx := mdm.WithActor(t.Context(), ada)
		team, err := w.Teams().Create(ctx, "Sales")
		require.NoError(t, err)
		link := func(r keelson.LinkRequest) keelson.Link {
			t.Helper()
			clock.add(time.Second)
			l, err := w.Enrollments().Link(ctx, r)
			require.NoError(t, err)
			return l
		}
		used, short := link(keelson.LinkRequest{}), link(keelson.LinkRequest{Lifetime: time.Minute})
		withdrawn := link(keelson.LinkRequest{})
		batch := link(keelson.LinkRequest{Platform: mdm.MacOS, Serials: []string{"A", "B"}, HardwareIDs: []string{"C"}, Person: "grace", Team: team.ID, Quota: 200})
		several := link(keelson.LinkRequest{Quota: 2})
		w.mac(used.URL).Enroll()
		w.mac(several.URL).Enroll()
		w.pc() // leaves no link behind
		require.NoError(t, w.Enrollments().Revoke(ctx, withdrawn.ID))
		clock.add(time.Minute)

		opened := w.links(keelson.LinkFilter{}, 1)
		require.Equal(t, []keelson.LinkSummary{
			{ID: several.ID, State: identity.IntentOpen, Kind: identity.KindNew, Way: identity.Manual, Quota: 2, Used: 1, Actor: ada},
			{
				ID: batch.ID, State: identity.IntentOpen, Kind: identity.KindNew, Way: identity.Manual, Platform: mdm.MacOS, SerialCount: 2,
				HardwareIDCount: 1, Person: "grace", Team: team.ID, Quota: 200, Actor: ada,
			},
		}, timeless(opened))
		require.Equal(t, batch.ExpiresAt, opened[1].ExpiresAt)
		require.Equal(t, 7*24*time.Hour, opened[1].ExpiresAt.Sub(opened[1].CreatedAt))
		for state, id := range map[identity.IntentState]mdm.IntentID{
			identity.IntentUsedUp: used.ID, identity.IntentExpired: short.ID, identity.IntentWithdrawn: withdrawn.ID,
		} {
			ls := w.links(keelson.LinkFilter{State: state}, 10)
			require.Len(t, ls, 1, state)
			require.Equal(t, []any{id, state}, []any{ls[0].ID, ls[0].State})
		}
		all := w.links(keelson.LinkFilter{Closed: true}, 2)
		require.Len(t, all, 5)
		require.Equal(t, all, w.links(keelson.LinkFilter{Closed: true}, 1000))
		require.Equal(t, opened, w.links(keelson.LinkFilter{State: identity.IntentOpen, Closed: true}, 10))
		said, err := json.Marshal(all)
		require.NoError(t, err)
		for _, l := range []keelson.Link{used, short, withdrawn, batch, several} {
			require.NotContains(t, string(said), l.URL[strings.LastIndex(l.URL, "/")+1:])
		}

		var e *mdm.Error
		_, err = w.Enrollments().List(ctx, keelson.LinkFilter{State: "lost"}, "", 0)
		require.ErrorAs(t, err, &e)
		require.Equal(t, "state", e.Field)
		_, err = w.Enrollments().List(ctx, keelson.LinkFilter{}, "", 1001)
		require.ErrorAs(t, err, &e)
		require.Equal(t, "limit", e.Field)
		require.NoError(t, w.CreateTenant(ctx, "acme"))
		theirs, err := w.Tenant("acme").Enrollments().List(ctx, keelson.LinkFilter{Closed: true}, "", 0)
		require.NoError(t, err)
		require.Empty(t, theirs)
		require.ErrorIs(t, w.Tenant("acme").Enrollments().Revoke(ctx, batch.ID), mdm.CodeNotFound)
	})
}

// timeless leaves out when links were made and end.
func timeless(ls []keelson.LinkSummary) (out []keelson.LinkSummary) {
	for _, l := range ls {
		l.CreatedAt, l.ExpiresAt = time.Time{}, time.Time{}
		out = append(out, l)
	}
	return out
}

// settable is a clock that stands until it is moved.
type settable struct {
	mu sync.Mutex
	at time.Time
}

func (c *settable) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *settable) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

// TestCommandsNameTheirProfile: what a device was sent says which profile it was
// about, also when that is gone; its questions and other people's commands do not.
func TestCommandsNameTheirProfile(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		w := serve(t, open(nil), nil)
		ctx := t.Context()
		one, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		two, err := w.Profiles().Create(ctx, keelson.ProfileUpload{Content: appleProfile("com.example.two", "Two", "B")})
		require.NoError(t, err)
		mac := w.mac(w.link()).Enroll()
		_, err = w.Commands().Send(ctx, w.host().ID, keelson.CommandRequest{Kind: mdm.KindDeviceInformation, Content: []byte("OSVersion")})
		require.NoError(t, err)
		w.settle(mac.Poll)
		require.NoError(t, w.Profiles().Delete(ctx, two.ID))
		w.settle(mac.Poll)

		cs, err := w.Commands().List(ctx, w.host().ID, "", 0)
		require.NoError(t, err)
		said := make(map[string]int)
		for _, c := range cs {
			got, err := w.Commands().Get(ctx, c.ID)
			require.NoError(t, err)
			require.Equal(t, c.Profile, got.Profile)
			switch {
			case c.Profile == nil:
				said[c.Kind]++
			case c.Profile.Deleted:
				require.Empty(t, c.Profile.ID)
				said[c.Kind+" "+c.Profile.Identifier+" deleted"]++
			default:
				require.Equal(t, keelson.CommandProfile{Identifier: "com.example.one", ID: one.ID, Name: "One"}, *c.Profile)
				said[c.Kind+" "+c.Profile.Name]++
			}
		}
		require.Equal(t, map[string]int{
			"DeviceInformation": 1, "ProfileList": said["ProfileList"], "InstallProfile One": 1,
			"InstallProfile com.example.two deleted": 1, "RemoveProfile com.example.two deleted": 1,
		}, said)
		require.NotZero(t, said["ProfileList"])

		pc := w.pc()
		_, err = w.Profiles().Create(ctx, keelson.ProfileUpload{Name: "Camera off", Content: windowsProfile("Camera/AllowCamera", "0")})
		require.NoError(t, err)
		w.settle(func() int { pc.Sync(); return 0 })
		for _, h := range w.hosts() {
			if h.Platform != mdm.Windows {
				continue
			}
			cs, err := w.Commands().List(ctx, h.ID, "", 0)
			require.NoError(t, err)
			require.Equal(t, "Camera off", cs[len(cs)-1].Profile.Name)
		}
		require.NoError(t, w.CreateTenant(ctx, "acme"))
		_, err = w.Tenant("acme").Commands().Get(ctx, cs[0].ID)
		require.ErrorIs(t, err, mdm.CodeNotFound)
	})
}
