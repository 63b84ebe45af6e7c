package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
)

func (w *world) putHost(h *mdm.Host) error {
	return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Lifecycle().PutHost(ctx, tx, h) })
}

func (w *world) hostOf(k mdm.HostKey) mdm.Host {
	w.t.Helper()
	return got[mdm.Host](w)(w.s.Lifecycle().HostByKey(w.ctx, w.tenant, k))
}

func (w *world) seen(k mdm.HostKey, at time.Time) {
	w.t.Helper()
	require.NoError(w.t, w.s.Lifecycle().Seen(w.ctx, w.tenant, map[mdm.HostKey]time.Time{k: at}))
}

// lifecycleHosts holds single hosts.
func lifecycleHosts() []test {
	return []test{
		{"inserted", "PutHost inserts a host when h.Key is zero, setting the key", func(t *testing.T, w *world) {
			h := w.host(func(h *mdm.Host) { h.ExternalID, h.Team = "ours", 3 })
			require.NotZero(t, h.Key)
			require.NotEqual(t, h.Key, w.host().Key)
			require.Equal(t, h, got[mdm.Host](w)(w.s.Lifecycle().Host(w.ctx, w.tenant, h.ID)))
			require.Equal(t, h, w.hostOf(h.Key))
			require.Equal(t, h, got[mdm.Host](w)(w.s.Lifecycle().HostByExternal(w.ctx, w.tenant, "ours")))
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				a, err := w.s.Lifecycle().HostTx(ctx, tx, h.Key)
				require.NoError(t, err)
				require.Equal(t, h, a)
				b, err := w.s.Lifecycle().HostByExternalTx(ctx, tx, "ours")
				require.NoError(t, err)
				require.Equal(t, h, b)
				return nil
			})
		}},
		{"not found", "Getters return a CodeNotFound error when there is no row", func(t *testing.T, w *world) {
			h := w.host() // has no external id
			for _, err := range []error{
				second(w.s.Lifecycle().Host(w.ctx, w.tenant, mdm.HostID(w.uuid()))),
				second(w.s.Lifecycle().HostByKey(w.ctx, w.tenant, h.Key+1000)),
				second(w.s.Lifecycle().HostByExternal(w.ctx, w.tenant, "nobody's")),
				second(w.s.Lifecycle().HostByExternal(w.ctx, w.tenant, "")),
			} {
				require.ErrorIs(t, err, mdm.CodeNotFound)
			}
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				require.ErrorIs(t, second(w.s.Lifecycle().HostTx(ctx, tx, h.Key+1000)), mdm.CodeNotFound)
				require.ErrorIs(t, second(w.s.Lifecycle().HostByExternalTx(ctx, tx, "")), mdm.CodeNotFound)
				return nil
			})
			ghost := mdm.Host{Key: h.Key + 1000, ID: mdm.HostID(w.uuid())}
			require.ErrorIs(t, w.putHost(&ghost), mdm.CodeNotFound)
		}},
		{"updated, but for what others write", "updates it otherwise, all but Team, which profiles moves, and LastSeenAt", func(t *testing.T, w *world) {
			h := w.host(func(h *mdm.Host) { h.Team = 3 })
			w.seen(h.Key, w.now.Add(time.Hour))
			next := h
			next.ExternalID, next.Platform, next.Serial, next.HardwareID = "x", mdm.IOS, "S", "H"
			next.Name, next.Model, next.OSVersion, next.State = "N", "M", "O", mdm.HostUnenrolled
			next.Team, next.LastSeenAt = 4, w.now.Add(time.Minute)
			require.NoError(t, w.putHost(&next))
			next.Team, next.LastSeenAt = 3, w.now.Add(time.Hour)
			require.Equal(t, next, w.hostOf(h.Key))
		}},
		{"an external id is one host's", "A second host with the same ExternalID is a CodeConflict error", func(t *testing.T, w *world) {
			a, b := w.host(func(h *mdm.Host) { h.ExternalID = "x" }), w.host()
			before := w.dump()
			same := mdm.Host{ID: mdm.HostID(w.uuid()), ExternalID: "x"}
			require.ErrorIs(t, w.putHost(&same), mdm.CodeConflict)
			require.Zero(t, same.Key)
			b.ExternalID = "x"
			err := w.putHost(&b)
			require.ErrorIs(t, err, mdm.CodeConflict)
			requireField(t, "external_id", err)
			require.Equal(t, before, w.dump())
			require.NoError(t, w.putHost(&a), "its own")
			a.ExternalID, a.State = "", mdm.HostDeleted
			require.NoError(t, w.putHost(&a))
			require.NoError(t, w.putHost(&b), "it was given up")
			_, err = w.s.Lifecycle().HostByExternal(w.ctx, w.tenant, "")
			require.ErrorIs(t, err, mdm.CodeNotFound, "many hosts have none")
		}},
		{"last seen only rises", "Seen raises LastSeenAt of hosts, in one batch", func(t *testing.T, w *world) {
			a, b := w.host(), w.host()
			require.True(t, w.hostOf(a.Key).LastSeenAt.IsZero(), "zero means never")
			require.NoError(t, w.s.Lifecycle().Seen(w.ctx, w.tenant, map[mdm.HostKey]time.Time{
				a.Key: w.now.Add(2 * time.Hour), b.Key: w.now.Add(time.Hour), b.Key + 1000: w.now,
			}))
			require.Equal(t, w.now.Add(2*time.Hour), w.hostOf(a.Key).LastSeenAt)
			w.seen(a.Key, w.now)
			require.Equal(t, w.now.Add(2*time.Hour), w.hostOf(a.Key).LastSeenAt)
			require.Equal(t, w.now.Add(time.Hour), got[mdm.Host](w)(w.s.Lifecycle().Host(w.ctx, w.tenant, b.ID)).LastSeenAt)
			require.NoError(t, w.s.Lifecycle().Seen(w.ctx, w.tenant, nil))
		}},
		{"persons", "SetPerson records who authenticated at the enrollment; empty clears it", func(t *testing.T, w *world) {
			h, other := w.host(), w.host()
			person := func(k mdm.HostKey) string {
				return in(w, func(ctx context.Context, tx mdm.Tx) (string, error) { return w.s.Lifecycle().PersonOf(ctx, tx, k) })
			}
			set := func(p string) {
				w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Lifecycle().SetPerson(ctx, tx, h.Key, p) })
			}
			require.Empty(t, person(h.Key))
			set("ann@example.com")
			require.NoError(t, w.putHost(&h))
			require.Equal(t, "ann@example.com", person(h.Key), "PutHost leaves it")
			require.Empty(t, person(other.Key))
			require.Empty(t, person(other.Key+1000))
			set("")
			require.Empty(t, person(h.Key))
		}},
	}
}

// second is the error of a call that also returns something.
func second[T any](_ T, err error) error { return err }

// requireField checks which input an error names.
func requireField(t *testing.T, field string, err error) {
	t.Helper()
	var e *mdm.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, field, e.Field)
}

// lifecycleLists holds what finds and lists hosts.
func lifecycleLists() []test {
	keys := func(hs []mdm.Host) (out []mdm.HostKey) {
		for _, h := range hs {
			out = append(out, h.Key)
		}
		return out
	}
	list := func(w *world, f lifecycle.HostFilter) []mdm.HostKey {
		w.t.Helper()
		return keys(got[[]mdm.Host](w)(w.s.Lifecycle().Hosts(w.ctx, w.tenant, f, 0, 100)))
	}
	return []test{
		{"by what they claim", "FindHosts returns the hosts that are not deleted and have that hardware id or that serial (empty arguments find nothing), in key order", func(t *testing.T, w *world) {
			is := func(hardware, serial string, s mdm.HostState) mdm.Host {
				return w.host(func(h *mdm.Host) { h.HardwareID, h.Serial, h.State = hardware, serial, s })
			}
			a := is("U1", "S1", mdm.HostEnrolled)
			b := is("U2", "S1", mdm.HostPending)
			c := is("U1", "", mdm.HostUnenrolled)
			is("U1", "S1", mdm.HostDeleted)
			is("", "", mdm.HostPending)
			is("S1", "U1", mdm.HostPending)
			find := func(hardware, serial string) []mdm.HostKey {
				return keys(in(w, func(ctx context.Context, tx mdm.Tx) ([]mdm.Host, error) {
					return w.s.Lifecycle().FindHosts(ctx, tx, hardware, serial)
				}))
			}
			require.Equal(t, []mdm.HostKey{a.Key, b.Key, c.Key}, find("U1", "S1"))
			require.Equal(t, []mdm.HostKey{a.Key, c.Key}, find("U1", ""))
			require.Equal(t, []mdm.HostKey{a.Key, b.Key}, find("", "S1"))
			require.Empty(t, find("", ""))
			require.Empty(t, find("u1", "s1"))
		}},
		{"in pages", "Hosts lists in key order, with keys above after", func(t *testing.T, w *world) {
			var want, pages []mdm.HostKey
			for range 5 {
				want = append(want, w.host().Key)
			}
			for after := mdm.HostKey(0); ; after = pages[len(pages)-1] {
				page := keys(got[[]mdm.Host](w)(w.s.Lifecycle().Hosts(w.ctx, w.tenant, lifecycle.HostFilter{}, after, 2)))
				if pages = append(pages, page...); len(page) < 2 {
					break
				}
			}
			require.Equal(t, want, pages)
		}},
		{"filtered", "HostFilter narrows a list of hosts. Zero values do not narrow", func(t *testing.T, w *world) {
			is := func(p mdm.Platform, s mdm.HostState, team mdm.TeamKey) mdm.HostKey {
				return w.host(func(h *mdm.Host) { h.Platform, h.State, h.Team = p, s, team }).Key
			}
			mac, pc := is(mdm.MacOS, mdm.HostEnrolled, 0), is(mdm.Windows, mdm.HostEnrolled, 7)
			pad, gone := is(mdm.IPadOS, mdm.HostPending, 7), is(mdm.MacOS, mdm.HostDeleted, 7)
			none, seven := mdm.TeamKey(0), mdm.TeamKey(7)
			for _, c := range []struct {
				f    lifecycle.HostFilter
				want []mdm.HostKey
			}{
				{lifecycle.HostFilter{}, []mdm.HostKey{mac, pc, pad}},
				{lifecycle.HostFilter{Platform: mdm.MacOS}, []mdm.HostKey{mac}},
				{lifecycle.HostFilter{Platform: mdm.MacOS, Deleted: true}, []mdm.HostKey{mac, gone}},
				{lifecycle.HostFilter{State: mdm.HostEnrolled}, []mdm.HostKey{mac, pc}},
				{lifecycle.HostFilter{Team: &none}, []mdm.HostKey{mac}},
				{lifecycle.HostFilter{Team: &seven}, []mdm.HostKey{pc, pad}},
				{lifecycle.HostFilter{Team: &seven, State: mdm.HostPending, Platform: mdm.IPadOS}, []mdm.HostKey{pad}},
				{lifecycle.HostFilter{Deleted: true}, []mdm.HostKey{mac, pc, pad, gone}},
				{lifecycle.HostFilter{State: mdm.HostDeleted, Deleted: true}, []mdm.HostKey{gone}},
				{lifecycle.HostFilter{State: mdm.HostDeleted}, nil},
			} {
				require.Equal(t, c.want, list(w, c.f), "%+v", c.f)
			}
		}},
		{"searched", "Search: part of name, serial or model, without case", func(t *testing.T, w *world) {
			is := func(name, serial, model string) mdm.HostKey {
				return w.host(func(h *mdm.Host) { h.Name, h.Serial, h.Model, h.HardwareID = name, serial, model, "hidden" }).Key
			}
			a, b := is("Ann's Mac", "C02XYZ", "Mac16,1"), is("100%_done", "C02abc", "VMware7,1")
			c := is("Ölmühle", `back\slash`, "X")
			for _, x := range []struct {
				search string
				want   []mdm.HostKey
			}{
				{"ann", []mdm.HostKey{a}}, {"c02", []mdm.HostKey{a, b}}, {"MAC1", []mdm.HostKey{a}}, {"ware7,", []mdm.HostKey{b}},
				{"%", []mdm.HostKey{b}}, {"_", []mdm.HostKey{b}}, {`\`, []mdm.HostKey{c}}, {"hidden", nil}, {"nn_s", nil},
				{"ölmü", []mdm.HostKey{c}}, {"ÖLMÜHLE", []mdm.HostKey{c}}, {"'", []mdm.HostKey{a}},
			} {
				require.Equal(t, x.want, list(w, lifecycle.HostFilter{Search: x.search}), "%q", x.search)
			}
			for range 3 {
				is("ölpumpe", "", "")
			}
			require.Len(t, got[[]mdm.Host](w)(w.s.Lifecycle().Hosts(w.ctx, w.tenant, lifecycle.HostFilter{Search: "Öl"}, c, 2)), 2)
		}},
		{"counted", "CountHosts counts hosts by platform and state, without deleted ones", func(t *testing.T, w *world) {
			require.Empty(t, got[map[mdm.Platform]map[mdm.HostState]int](w)(w.s.Lifecycle().CountHosts(w.ctx, w.tenant)))
			for _, s := range []mdm.HostState{mdm.HostEnrolled, mdm.HostEnrolled, mdm.HostPending, mdm.HostDeleted} {
				w.host(func(h *mdm.Host) { h.State = s })
			}
			w.host(func(h *mdm.Host) { h.Platform = mdm.Windows })
			require.Equal(t, map[mdm.Platform]map[mdm.HostState]int{
				mdm.MacOS: {mdm.HostEnrolled: 2, mdm.HostPending: 1}, mdm.Windows: {mdm.HostEnrolled: 1},
			}, got[map[mdm.Platform]map[mdm.HostState]int](w)(w.s.Lifecycle().CountHosts(w.ctx, w.tenant)))
		}},
		{"tenants", "PutTenant makes the tenant when it does not exist; Tenants lists all", func(t *testing.T, w *world) {
			require.NoError(t, w.s.Lifecycle().PutTenant(w.ctx, "zulu"))
			require.NoError(t, w.s.Lifecycle().PutTenant(w.ctx, "beta"))
			h := w.host()
			require.NoError(t, w.s.Lifecycle().PutTenant(w.ctx, w.tenant), "again")
			require.Equal(t, h, w.hostOf(h.Key), "what it has stays")
			require.ErrorIs(t, w.s.Lifecycle().PutTenant(w.ctx, "No Tenant"), mdm.CodeInvalid)
			require.ElementsMatch(t, []mdm.TenantID{"alpha", "zulu", "beta"}, got[[]mdm.TenantID](w)(w.s.Lifecycle().Tenants(w.ctx)))
		}},
	}
}
