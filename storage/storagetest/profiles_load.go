package storagetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

func (w *world) load(hosts ...mdm.HostKey) []profiles.HostState {
	w.t.Helper()
	return in(w, func(ctx context.Context, tx mdm.Tx) ([]profiles.HostState, error) {
		return w.s.Profiles().Load(ctx, tx, hosts)
	})
}

// loadHosts is load outside a unit of work.
func (w *world) loadHosts(hosts ...mdm.HostKey) []profiles.HostState {
	w.t.Helper()
	return got[[]profiles.HostState](w)(w.s.Profiles().LoadHosts(w.ctx, w.tenant, hosts))
}

func (w *world) raisePlan(h mdm.HostKey, was int64, team mdm.TeamKey, version int64) error {
	return w.try(func(ctx context.Context, tx mdm.Tx) error {
		return w.s.Profiles().RaisePlan(ctx, tx, h, was, team, version)
	})
}

// profilesLoad holds what planning reads, and its compare-and-set.
func profilesLoad() []test {
	keys := func(ss []profiles.HostState) (out []mdm.HostKey) {
		for _, s := range ss {
			out = append(out, s.Host.Key)
		}
		return out
	}
	return []test{
		{"what planning needs", "Load reads what planning needs to know of hosts", func(t *testing.T, w *world) {
			l, m := w.label("a", profiles.Yes), w.label("b", profiles.Unknown)
			h := w.host()
			e := w.enrollOn(h)
			w.enrollOn(h, func(e *mdm.Enrollment) { e.State = mdm.EnrollmentEnded })
			w.enrollOn(h, func(e *mdm.Enrollment) { e.State = mdm.EnrollmentAuthenticating })
			user := w.enrollOn(h, func(u *mdm.Enrollment) { u.Channel, u.Parent = mdm.UserChannel, e.Key })
			require.NoError(t, w.setMember(l.Key, h.Key, profiles.No))
			p, q := w.profile(0), w.profile(0)
			second, first := w.row(e, q), w.row(e, p)
			theirs := w.row(user, p)
			w.putRows(second, first, theirs)
			require.NoError(t, w.raisePlan(h.Key, 0, 0, 0))
			require.NoError(t, w.raisePlan(h.Key, 1, 0, 0))
			want := profiles.HostState{
				Host: h, PlanRevision: 2,
				Members: map[mdm.LabelKey]profiles.Tri{l.Key: profiles.No},
				Labels:  map[mdm.LabelKey]profiles.Tri{l.Key: profiles.Yes, m.Key: profiles.Unknown},
				Channels: []profiles.ChannelState{
					{Enrollment: e, Rows: []profiles.Row{first, second}}, {Enrollment: user, Rows: []profiles.Row{theirs}},
				},
			}
			require.Equal(t, []profiles.HostState{want}, w.load(h.Key))
			require.Equal(t, want, got[profiles.HostState](w)(w.s.Profiles().LoadHost(w.ctx, w.tenant, h.Key)))
			require.Equal(t, []profiles.HostState{want}, got[[]profiles.HostState](w)(w.s.Profiles().LoadTeam(w.ctx, w.tenant, 0, 0, 10)))
			require.Equal(t, []profiles.HostState{want}, w.loadHosts(h.Key))
		}},
		{"a host without anything", "Load reads what planning needs to know of hosts", func(t *testing.T, w *world) {
			h := w.host()
			require.Equal(t, []profiles.HostState{{
				Host: h, Members: map[mdm.LabelKey]profiles.Tri{}, Labels: map[mdm.LabelKey]profiles.Tri{},
			}}, w.load(h.Key))
		}},
		{"who is left out", "deleted and unknown hosts are left out. Lists are in key order", func(t *testing.T, w *world) {
			a, gone, b := w.host(), w.host(func(h *mdm.Host) { h.State = mdm.HostDeleted }), w.host()
			require.Equal(t, []mdm.HostKey{a.Key, b.Key}, keys(w.load(b.Key, gone.Key, a.Key, b.Key+1000)))
			require.Equal(t, w.load(b.Key, a.Key), w.loadHosts(b.Key, gone.Key, a.Key, b.Key+1000, b.Key))
			require.Empty(t, w.load())
			require.Empty(t, w.loadHosts())
			for _, k := range []mdm.HostKey{gone.Key, b.Key + 1000} {
				_, err := w.s.Profiles().LoadHost(w.ctx, w.tenant, k)
				require.ErrorIs(t, err, mdm.CodeNotFound)
			}
		}},
		{"each its own", "Rows of one channel are in slot order", func(t *testing.T, w *world) {
			p := w.profile(0)
			l := w.label("a", profiles.No)
			a, b := w.enroll(), w.enroll()
			w.putRows(w.row(a, p), w.row(b, p))
			require.NoError(t, w.setMember(l.Key, a.Host, profiles.Yes))
			states := w.load(a.Host, b.Host)
			require.Equal(t, a, states[0].Channels[0].Enrollment)
			require.Equal(t, a.Key, states[0].Channels[0].Rows[0].Enrollment)
			require.Len(t, states[0].Members, 1)
			require.Equal(t, b, states[1].Channels[0].Enrollment)
			require.Equal(t, b.Key, states[1].Channels[0].Rows[0].Enrollment)
			require.Empty(t, states[1].Members)
		}},
		{"one slot", "LoadSlot is LoadTeam with the rows of one slot only", func(t *testing.T, w *world) {
			team := w.team("Sales")
			p, q := w.profile(team.Key), w.profile(team.Key)
			l := w.label("a", profiles.Yes)
			inTeam := func(h *mdm.Host) { h.Team = team.Key }
			a, b, c := w.enrollOn(w.host(inTeam)), w.enrollOn(w.host(inTeam)), w.host(inTeam)
			w.enroll()
			require.NoError(t, w.setMember(l.Key, a.Host, profiles.No))
			w.putRows(w.row(a, p), w.row(a, q), w.row(b, q))
			want := got[[]profiles.HostState](w)(w.s.Profiles().LoadTeam(w.ctx, w.tenant, team.Key, 0, 10))
			require.Equal(t, []mdm.HostKey{a.Host, b.Host, c.Key}, keys(want))
			want[0].Channels[0].Rows = want[0].Channels[0].Rows[:1]
			want[1].Channels[0].Rows = nil
			require.Equal(t, want, got[[]profiles.HostState](w)(w.s.Profiles().LoadSlot(w.ctx, w.tenant, team.Key, p.Slot, 0, 10)))
			require.Equal(t, want[1:2], got[[]profiles.HostState](w)(w.s.Profiles().LoadSlot(w.ctx, w.tenant, team.Key, p.Slot, a.Host, 1)))
		}},
		{"one channel", "LoadChannel returns the team of a channel's host, and the channel's rows in slot order", func(t *testing.T, w *world) {
			team := w.team("Sales")
			p, q := w.profile(team.Key), w.profile(team.Key)
			h := w.host(func(h *mdm.Host) { h.Team = team.Key })
			e, other := w.enrollOn(h), w.enroll()
			second, first := w.row(e, q), w.row(e, p)
			w.putRows(second, first, w.row(other, p))
			k, rows, err := w.s.Profiles().LoadChannel(w.ctx, w.tenant, e.Key)
			require.NoError(t, err)
			require.Equal(t, team.Key, k)
			require.Equal(t, []profiles.Row{first, second}, rows)
			ended := w.enrollOn(h, func(e *mdm.Enrollment) { e.State = mdm.EnrollmentEnded })
			k, rows, err = w.s.Profiles().LoadChannel(w.ctx, w.tenant, ended.Key)
			require.NoError(t, err)
			require.Equal(t, team.Key, k)
			require.Empty(t, rows)
			_, _, err = w.s.Profiles().LoadChannel(w.ctx, w.tenant, ended.Key+1000)
			require.ErrorIs(t, err, mdm.CodeNotFound)
		}},
		{"a team in pages", "LoadTeam is Load for the hosts of a team, with keys above after", func(t *testing.T, w *world) {
			team := w.team("Sales")
			var want, pages []mdm.HostKey
			for range 5 {
				want = append(want, w.host(func(h *mdm.Host) { h.Team = team.Key }).Key)
				w.host()
				w.host(func(h *mdm.Host) { h.Team, h.State = team.Key, mdm.HostDeleted })
			}
			for after := mdm.HostKey(0); ; after = pages[len(pages)-1] {
				page := keys(got[[]profiles.HostState](w)(w.s.Profiles().LoadTeam(w.ctx, w.tenant, team.Key, after, 2)))
				if pages = append(pages, page...); len(page) < 2 {
					break
				}
			}
			require.Equal(t, want, pages)
		}},
		{"the compare-and-set", "RaisePlan …: the host's plan revision is was, its team is team, and that team's version is version. It raises the plan revision by one", func(t *testing.T, w *world) {
			team, other := w.team("Sales"), w.team("Other")
			h := w.host()
			require.NoError(t, w.setTeam(h.Key, team.Key))
			w.raise(team.Key)
			require.NoError(t, w.raisePlan(h.Key, 0, team.Key, 1))
			require.Equal(t, int64(1), w.load(h.Key)[0].PlanRevision)
			before := w.dump()
			for name, err := range map[string]error{
				"an old plan":                    w.raisePlan(h.Key, 0, team.Key, 1),
				"a plan of the future":           w.raisePlan(h.Key, 2, team.Key, 1),
				"an old version":                 w.raisePlan(h.Key, 1, team.Key, 0),
				"a version of the future":        w.raisePlan(h.Key, 1, team.Key, 2),
				"another team":                   w.raisePlan(h.Key, 1, other.Key, 0),
				"another team, of that version":  w.raisePlan(h.Key, 1, 0, 0),
				"a team that does not exist":     w.raisePlan(h.Key, 1, other.Key+1000, 0),
				"a host that does not exist":     w.raisePlan(h.Key+1000, 0, 0, 0),
				"a host that does not exist yet": w.raisePlan(h.Key+1, 0, 0, 0),
			} {
				require.ErrorIs(t, err, mdm.CodeConflict, name)
			}
			require.Equal(t, before, w.dump())
			require.NoError(t, w.raisePlan(h.Key, 1, team.Key, 1))
			w.raise(team.Key)
			require.ErrorIs(t, w.raisePlan(h.Key, 2, team.Key, 1), mdm.CodeConflict, "the definitions changed")
			require.NoError(t, w.raisePlan(h.Key, 2, team.Key, 2))
			require.NoError(t, w.setTeam(h.Key, 0))
			require.ErrorIs(t, w.raisePlan(h.Key, 3, team.Key, 2), mdm.CodeConflict, "the host moved")
			require.NoError(t, w.raisePlan(h.Key, 3, 0, 0))
		}},
		{"one of two plans", "the compare-and-set that every plan passes before it writes", func(t *testing.T, w *world) {
			h := w.host()
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				require.NoError(t, w.s.Profiles().RaisePlan(ctx, tx, h.Key, 0, 0, 0))
				require.ErrorIs(t, w.s.Profiles().RaisePlan(ctx, tx, h.Key, 0, 0, 0), mdm.CodeConflict)
				return nil
			})
		}},
		{"a host's own writes leave its plan alone", "PutHost … updates", func(t *testing.T, w *world) {
			h := w.host()
			require.NoError(t, w.raisePlan(h.Key, 0, 0, 0))
			require.NoError(t, w.putHost(&h))
			w.seen(h.Key, w.now)
			require.Equal(t, int64(1), w.load(h.Key)[0].PlanRevision)
		}},
	}
}
