package profiles_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

// mixed makes a team whose hosts stand everywhere with one profile, among others
// that have nothing to do with it. A unit of planning takes three hosts.
func mixed(t *testing.T) (*world, mdm.TeamKey, profiles.Profile) {
	w := newWorld(t, func(c *profiles.Config) { c.Page = 3 })
	team, out := w.team("Sales"), w.label("Out", profiles.No)
	p := w.upload(team, "a", "uuid 1", profiles.Scope{ExcludeAny: []mdm.LabelKey{out}})
	other := w.upload(team, "b", "uuid 1")
	for i := range 24 {
		d := w.enroll(mac, team)
		switch i % 6 {
		case 0: // verified
			w.settle(d)
		case 1: // refused for good
			d.refuse = func(h *queue.Handout) mdm.Outcome {
				if h.Kind == mdm.KindInstallProfile {
					return mdm.OutcomeError
				}
				return ""
			}
			for range 5 {
				w.settle(d)
				w.clock.add(48 * time.Hour)
			}
		case 2: // taken, and not looked at
			d.poll()
		case 3: // losing it
			w.settle(d)
			d.member(out, profiles.Yes)
		case 4: // lost it
			d.member(out, profiles.Yes)
			w.settle(d)
		}
		w.enroll(pc, team)
		w.enroll(mac, 0)
	}
	w.reconcile()
	require.NoError(t, w.unit(func(ctx context.Context, tx mdm.Tx) error { // known, and never enrolled
		h := mdm.Host{ID: "expected", Platform: mac, Team: team, State: mdm.HostPending}
		return w.store.Lifecycle().PutHost(ctx, tx, &h)
	}))
	require.NoError(t, w.engine.Delete(w.ctx, tenant, other.ID, profiles.Deletion{}))
	return w, team, p
}

func (w *world) hostsOf(p profiles.Profile, s profiles.Status, after mdm.HostKey, limit int) profiles.HostPage {
	w.t.Helper()
	page, err := w.engine.HostsOf(w.ctx, tenant, p.ID, s, after, limit)
	require.NoError(w.t, err)
	return page
}

// walked collects all pages.
func (w *world) walked(p profiles.Profile, s profiles.Status, limit int) (out []profiles.HostItem) {
	w.t.Helper()
	for after := mdm.HostKey(0); ; {
		page := w.hostsOf(p, s, after, limit)
		require.LessOrEqual(w.t, len(page.Hosts), limit)
		out = append(out, page.Hosts...)
		if page.Next.Key == 0 {
			return out
		}
		require.Greater(w.t, page.Next.Key, after, "it goes on")
		after = page.Next.Key
	}
}

// Walking all pages of whatever size gives each host once, in order, as its own
// view shows it, and as many of each status as are counted.
func TestHostsOfAProfile(t *testing.T) {
	w, team, p := mixed(t)
	counts := w.counts(p)
	require.Equal(t, profiles.Counts{
		profiles.Verified: 4, profiles.Failed: 4, profiles.Verifying: 4, profiles.Removing: 4, profiles.Pending: 5,
	}, counts)
	alone, err := w.engine.CountOf(w.ctx, tenant, p)
	require.NoError(t, err)
	require.Equal(t, counts, alone)
	all := w.walked(p, "", 1000)
	require.Len(t, all, 21)
	for limit := 1; limit <= 22; limit++ {
		require.Equal(t, all, w.walked(p, "", limit), "in pages of %d", limit)
	}
	found := 0
	for _, s := range []profiles.Status{
		profiles.Verified, profiles.Failed, profiles.Verifying, profiles.Removing, profiles.Pending, profiles.Unprovable, profiles.RemovalFailed,
	} {
		var want []profiles.HostItem
		for _, h := range all {
			if h.Item.Status == s {
				want = append(want, h)
			}
		}
		for _, limit := range []int{1, 2, 3, 4, 5, 100} {
			require.Equal(t, want, w.walked(p, s, limit), "%s in pages of %d", s, limit)
		}
		require.Len(t, want, counts[s], s)
		found += len(want)
	}
	require.Equal(t, len(all), found)
	for _, h := range all {
		require.Equal(t, team, h.Host.Team)
		v, err := w.engine.Host(w.ctx, tenant, h.Host.Key)
		require.NoError(t, err)
		require.Equal(t, v.Host, h.Host)
		require.Contains(t, v.Items, h.Item)
	}
}

// A page that ends with the last host says so, and does not promise another.
func TestTheLastPageOfHostsIsKnown(t *testing.T) {
	w, _, p := mixed(t)
	require.Zero(t, w.hostsOf(p, profiles.Failed, 0, 4).Next.Key)
	require.NotZero(t, w.hostsOf(p, profiles.Failed, 0, 3).Next.Key)
}

// One call looks at a bounded number of hosts: it returns what it found among
// them, and where to go on.
func TestHostsOfLooksAtABoundedNumber(t *testing.T) {
	w := newWorld(t, func(c *profiles.Config) { c.Page = 1 })
	p := w.upload(0, "a", "uuid 1")
	w.settle(w.enroll(mac, 0))
	for i := range profiles.MaxPages {
		require.NoError(t, w.unit(func(ctx context.Context, tx mdm.Tx) error {
			h := mdm.Host{ID: mdm.HostID(fmt.Sprintf("expected-%d", i)), Platform: pc, State: mdm.HostPending}
			return w.store.Lifecycle().PutHost(ctx, tx, &h)
		}))
	}
	w.settle(w.enroll(mac, 0))
	first := w.hostsOf(p, "", 0, 10)
	require.Len(t, first.Hosts, 1)
	require.NotZero(t, first.Next.Key)
	require.Greater(t, first.Next.Key, first.Hosts[0].Host.Key, "what was looked at is not looked at again")
	require.Len(t, w.walked(p, "", 10), 2)
	require.Empty(t, w.hostsOf(p, profiles.Failed, 0, 10).Hosts)
}

func TestHostsOfNothing(t *testing.T) {
	w := newWorld(t, nil)
	p := w.upload(0, "a", "uuid 1")
	require.Empty(t, w.hostsOf(p, "", 0, 10))
	_, err := w.engine.HostsOf(w.ctx, tenant, "unknown", "", 0, 10)
	require.ErrorIs(t, err, mdm.CodeNotFound)
	_, err = w.engine.HostsOf(w.ctx, tenant, p.ID, "broken", 0, 10)
	var e *mdm.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, []any{mdm.CodeInvalid, "status"}, []any{e.Code, e.Field})
}

// counting counts what an engine asks its store.
type counting struct {
	profiles.Store
	asked map[string]int
}

func (c *counting) LoadHosts(ctx context.Context, t mdm.TenantID, hosts []mdm.HostKey) ([]profiles.HostState, error) {
	c.asked["LoadHosts"]++
	return c.Store.LoadHosts(ctx, t, hosts)
}

func (c *counting) LoadHost(ctx context.Context, t mdm.TenantID, h mdm.HostKey) (profiles.HostState, error) {
	c.asked["LoadHost"]++
	return c.Store.LoadHost(ctx, t, h)
}

func (c *counting) Profiles(ctx context.Context, t mdm.TenantID, team *mdm.TeamKey) ([]profiles.Profile, error) {
	c.asked["Profiles"]++
	return c.Store.Profiles(ctx, t, team)
}

func (c *counting) Content(ctx context.Context, t mdm.TenantID, h mdm.Hash) ([]byte, error) {
	c.asked["Content"]++
	return c.Store.Content(ctx, t, h)
}

// Several hosts show what each shows alone, and are read at once.
func TestHostsAreViewedTogether(t *testing.T) {
	w, team, _ := mixed(t)
	w.upload(0, "c", "uuid 1")
	hs, err := w.store.Lifecycle().Hosts(w.ctx, tenant, lifecycle.HostFilter{}, 0, 1000)
	require.NoError(t, err)
	var keys, theirs []mdm.HostKey
	for _, h := range hs {
		if keys = append(keys, h.Key); h.Team == team {
			theirs = append(theirs, h.Key)
		}
	}
	require.Len(t, keys, 73)
	views, err := w.engine.Hosts(w.ctx, tenant, append(keys, keys[0]+1_000_000))
	require.NoError(t, err)
	require.Len(t, views, len(keys))
	for _, k := range keys {
		v, err := w.engine.Host(w.ctx, tenant, k)
		require.NoError(t, err)
		require.Equal(t, v, views[k])
		sum := 0
		for s, n := range v.Counts() {
			require.Equal(t, v.Status, profiles.Worst(v.Status, s))
			sum += n
		}
		require.Equal(t, len(v.Items), sum)
	}

	c := w.config
	store := &counting{Store: c.Store}
	c.Store = store
	e, err := profiles.New(c) // which has met no content
	require.NoError(t, err)
	for _, page := range [][]mdm.HostKey{keys, keys, theirs, keys[:1]} {
		store.asked = make(map[string]int)
		_, err := e.Hosts(w.ctx, tenant, page)
		require.NoError(t, err)
		require.LessOrEqual(t, store.asked["Content"], 3, "one for each profile")
		delete(store.asked, "Content")
		require.Equal(t, map[string]int{"LoadHosts": 1, "Profiles": 1}, store.asked)
	}
	require.Zero(t, store.asked["Content"])
	views, err = e.Hosts(w.ctx, tenant, nil)
	require.NoError(t, err)
	require.Empty(t, views)
}

// What a host's other profiles decide is told of removals as well: that one waits
// for its successor. A count of one profile is that of all of them.
func TestHostsOfAProfileThatIsHeld(t *testing.T) {
	w := newWorld(t, func(c *profiles.Config) { c.Page = 2 })
	p := w.upload(0, "a", "class wifi; uuid 1")
	other := w.upload(0, "plain", "uuid 1")
	var ds []*device
	for range 5 {
		ds = append(ds, w.enroll(mac, 0))
	}
	w.settle(ds...)
	label := w.label("Out", profiles.No)
	w.upload(0, "b", "class wifi; uuid 1")
	p = w.update(p, profiles.Change{Scope: &profiles.Scope{ExcludeAny: []mdm.LabelKey{label}}})
	other = w.update(other, profiles.Change{Scope: &profiles.Scope{ExcludeAny: []mdm.LabelKey{label}}})
	ds[1].member(label, profiles.Yes)
	ds[3].member(label, profiles.Yes)
	w.reconcile()
	for _, q := range []profiles.Profile{p, other} {
		all := w.walked(q, "", 2)
		require.Len(t, all, 5)
		for i, h := range all {
			v := ds[i].view()
			require.Contains(t, v.Items, h.Item)
			want := "verified/proven"
			switch {
			case i%2 == 1 && q.Key == p.Key:
				want = "removing/held"
			case i%2 == 1:
				want = "removing/queued"
			}
			require.Equal(t, want, fmt.Sprintf("%s/%s", h.Item.Status, h.Item.Reason))
		}
		c, err := w.engine.CountOf(w.ctx, tenant, q)
		require.NoError(t, err)
		require.Equal(t, w.counts(q), c)
		require.Equal(t, profiles.Counts{profiles.Verified: 3, profiles.Removing: 2}, c)
	}
}

// Where a profile stands does not depend on other slots: reading its own alone
// shows the same, but for what holds a removal.
func TestASlotStandsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSim(t)
		s.chaos(t, 20)
		full := profiles.View(s.in)
		for _, p := range s.in.Definitions.Profiles {
			in := s.in
			in.Definitions = &profiles.Definitions{Profiles: []profiles.Profile{p}}
			in.State.Channels = slices.Clone(in.State.Channels)
			for i := range in.State.Channels {
				ch := &in.State.Channels[i]
				ch.Rows = slices.DeleteFunc(slices.Clone(ch.Rows), func(r profiles.Row) bool { return r.Slot != p.Slot })
			}
			var of, alone []profiles.Item
			for _, it := range full.Items {
				if it.Profile.Key == p.Key {
					of = append(of, it)
				}
			}
			for _, it := range profiles.View(in).Items {
				if it.Profile.Key == p.Key {
					alone = append(alone, it)
				}
			}
			for i := range of {
				if of[i].Reason == profiles.ReasonHeld {
					require.Less(t, i, len(alone))
					require.False(t, alone[i].Wanted())
					alone[i].Reason = profiles.ReasonHeld
				}
			}
			require.Equal(t, of, alone)
		}
	})
}
