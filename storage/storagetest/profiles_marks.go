package storagetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

func (w *world) setMember(l mdm.LabelKey, h mdm.HostKey, v profiles.Tri) error {
	return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().SetMember(ctx, tx, l, h, v) })
}

func (w *world) members(l mdm.LabelKey, after mdm.HostKey, limit int) map[mdm.HostKey]profiles.Tri {
	w.t.Helper()
	return got[map[mdm.HostKey]profiles.Tri](w)(w.s.Profiles().Members(w.ctx, w.tenant, l, after, limit))
}

func (w *world) setTeam(h mdm.HostKey, k mdm.TeamKey) error {
	return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().SetHostTeam(ctx, tx, h, k) })
}

// profilesMembers holds memberships and teams of hosts.
func profilesMembers() []test {
	return []test{
		{"recorded", "SetMember records a membership. Members lists the hosts for which one was recorded", func(t *testing.T, w *world) {
			l, other := w.label("a", profiles.No), w.label("b", profiles.Yes)
			a, b, c := w.host(), w.host(), w.host()
			w.host()
			require.NoError(t, w.setMember(l.Key, a.Key, profiles.Yes))
			require.NoError(t, w.setMember(l.Key, b.Key, profiles.Unknown))
			require.NoError(t, w.setMember(l.Key, c.Key, profiles.Yes))
			require.NoError(t, w.setMember(l.Key, c.Key, profiles.No))
			require.NoError(t, w.setMember(other.Key, a.Key, profiles.No))
			require.Equal(t, map[mdm.HostKey]profiles.Tri{a.Key: profiles.Yes, b.Key: profiles.Unknown, c.Key: profiles.No}, w.members(l.Key, 0, 10))
			require.Equal(t, map[mdm.HostKey]profiles.Tri{a.Key: profiles.Yes, b.Key: profiles.Unknown}, w.members(l.Key, 0, 2))
			require.Equal(t, map[mdm.HostKey]profiles.Tri{c.Key: profiles.No}, w.members(l.Key, b.Key, 2))
			require.Equal(t, map[mdm.HostKey]profiles.Tri{a.Key: profiles.No}, w.members(other.Key, 0, 10))
		}},
		{"of what does not exist", "Rows of another tenant do not exist", func(t *testing.T, w *world) {
			l, h := w.label("a", profiles.No), w.host()
			require.ErrorIs(t, w.setMember(l.Key+1000, h.Key, profiles.Yes), mdm.CodeNotFound)
			require.ErrorIs(t, w.setMember(l.Key, h.Key+1000, profiles.Yes), mdm.CodeNotFound)
			require.ErrorIs(t, w.setTeam(h.Key+1000, 0), mdm.CodeNotFound)
			require.ErrorIs(t, w.setTeam(h.Key, 1000), mdm.CodeNotFound)
			require.Empty(t, w.members(l.Key, 0, 10))
		}},
		{"gone with their label", "DeleteLabel", func(t *testing.T, w *world) {
			l, other, h := w.label("a", profiles.No), w.label("b", profiles.No), w.host()
			require.NoError(t, w.setMember(l.Key, h.Key, profiles.Yes))
			require.NoError(t, w.setMember(other.Key, h.Key, profiles.Yes))
			remove := func() error {
				return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().DeleteLabel(ctx, tx, l.Key) })
			}
			require.NoError(t, remove())
			require.ErrorIs(t, remove(), mdm.CodeNotFound)
			require.Empty(t, w.members(l.Key, 0, 10))
			require.Len(t, w.members(other.Key, 0, 10), 1)
			require.Equal(t, map[mdm.LabelKey]profiles.Tri{other.Key: profiles.Yes}, w.load(h.Key)[0].Members)
		}},
		{"moved", "SetHostTeam moves a host", func(t *testing.T, w *world) {
			team, h := w.team("Sales"), w.host()
			require.NoError(t, w.setTeam(h.Key, team.Key))
			require.Equal(t, team.Key, w.hostOf(h.Key).Team)
			require.NoError(t, w.setTeam(h.Key, 0))
			require.Zero(t, w.hostOf(h.Key).Team)
		}},
	}
}

func (w *world) mark(k mdm.HostKey, l profiles.Lane) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().MarkHost(ctx, tx, k, l) })
}

func (w *world) markTeam(k mdm.TeamKey) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().MarkTeam(ctx, tx, k) })
}

func (w *world) markDue(k mdm.HostKey, at time.Time) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().MarkDue(ctx, tx, k, at) })
}

// claimHosts claims in one unit.
func (w *world) claimHosts(limit int) (hosts []mdm.HostKey, more bool) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx mdm.Tx) (err error) {
		hosts, more, err = w.s.Profiles().Claim(ctx, tx, w.now, limit)
		return err
	})
	return hosts, more
}

// claimAll claims until nothing is left, in units of two hosts, and returns the
// hosts in the order in which they came.
func (w *world) claimAll() (all []mdm.HostKey) {
	w.t.Helper()
	for range 1000 {
		hosts, more := w.claimHosts(2)
		require.LessOrEqual(w.t, len(hosts), 2)
		require.True(w.t, slices.IsSorted(hosts), "Hosts are … in key order")
		if all = append(all, hosts...); !more {
			return all
		}
	}
	require.Fail(w.t, "claiming does not end")
	return nil
}

func (w *world) backlog() int {
	w.t.Helper()
	return got[int](w)(w.s.Profiles().Backlog(w.ctx, w.tenant))
}

func (w *world) nextDue() time.Time {
	w.t.Helper()
	return got[time.Time](w)(w.s.Profiles().NextDue(w.ctx, w.tenant))
}

// profilesMarks holds what is to be planned again.
func profilesMarks() []test {
	return []test{
		{"nothing", "More is set when there is more to claim at once", func(t *testing.T, w *world) {
			w.host()
			hosts, more := w.claimHosts(10)
			require.Empty(t, hosts)
			require.False(t, more)
			require.Zero(t, w.backlog())
			require.True(t, w.nextDue().IsZero(), "zero means none")
		}},
		{"distinct and in key order", "Hosts are distinct and in key order", func(t *testing.T, w *world) {
			a, b := w.host().Key, w.host().Key
			for _, k := range []mdm.HostKey{b, a, b, a, b} {
				w.mark(k, profiles.LaneHost)
			}
			require.Equal(t, 2, w.backlog())
			hosts, more := w.claimHosts(10)
			require.Equal(t, []mdm.HostKey{a, b}, hosts)
			require.False(t, more)
			require.Zero(t, w.backlog())
		}},
		{"by lane", "dirty ones by lane", func(t *testing.T, w *world) {
			a, b, c := w.host().Key, w.host().Key, w.host().Key
			w.mark(a, profiles.LaneAnswer)
			w.mark(b, profiles.LaneHost)
			w.mark(c, profiles.LaneAnswer)
			w.mark(c, profiles.LaneEnroll)
			for _, want := range []mdm.HostKey{c, b, a} {
				hosts, more := w.claimHosts(1)
				require.Equal(t, []mdm.HostKey{want}, hosts)
				require.Equal(t, want != a, more, "every mark of a host ends with its claim")
			}
		}},
		{"end with the commit", "Their marks end with the unit's commit", func(t *testing.T, w *world) {
			team := w.team("Sales")
			for range 3 {
				w.host(func(h *mdm.Host) { h.Team = team.Key })
			}
			w.mark(w.host().Key, profiles.LaneHost)
			w.markDue(w.host().Key, w.now)
			w.markTeam(team.Key)
			before := w.dump()
			for range 2 {
				require.ErrorIs(t, w.try(func(ctx context.Context, tx mdm.Tx) error {
					hosts, _, err := w.s.Profiles().Claim(ctx, tx, w.now, 3)
					require.NoError(t, err)
					require.Len(t, hosts, 3)
					return errOurs
				}), errOurs)
				require.Equal(t, before, w.dump())
			}
			require.Len(t, w.claimAll(), 5)
		}},
		{"marked while it is planned", "an acknowledgement that commits beside a plan is not lost", func(t *testing.T, w *world) {
			h := w.host().Key
			w.mark(h, profiles.LaneHost)
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				_, _, err := w.s.Profiles().Claim(ctx, tx, w.now, 10)
				require.NoError(t, err)
				return w.s.Profiles().MarkHost(ctx, tx, h, profiles.LaneAnswer)
			})
			require.Equal(t, []mdm.HostKey{h}, w.claimAll())
		}},
		{"due", "MarkDue marks a host for a time; the earliest wins", func(t *testing.T, w *world) {
			a, b := w.host().Key, w.host().Key
			w.markDue(a, w.now.Add(2*time.Hour))
			w.markDue(a, w.now.Add(time.Hour))
			w.markDue(a, w.now.Add(3*time.Hour))
			w.markDue(b, w.now.Add(90*time.Minute))
			require.Equal(t, w.now.Add(time.Hour), w.nextDue())
			require.Empty(t, w.claimAll())
			w.pass(time.Hour - time.Microsecond)
			require.Empty(t, w.claimAll())
			w.pass(time.Microsecond)
			require.Equal(t, []mdm.HostKey{a}, w.claimAll())
			require.Empty(t, w.claimAll(), "the later ones were the same mark")
			require.Equal(t, start.Add(90*time.Minute), w.nextDue())
		}},
		{"due later survives a claim for another reason", "MarkDue marks a host for a time", func(t *testing.T, w *world) {
			h := w.host().Key
			w.markDue(h, w.now.Add(time.Hour))
			w.mark(h, profiles.LaneHost)
			require.Equal(t, []mdm.HostKey{h}, w.claimAll())
			require.Equal(t, w.now.Add(time.Hour), w.nextDue())
			w.mark(h, profiles.LaneHost)
			w.pass(time.Hour)
			require.Equal(t, []mdm.HostKey{h}, w.claimAll(), "once for both reasons")
			require.True(t, w.nextDue().IsZero())
		}},
		{"dirty, then due, then walks", "dirty ones by lane, then due ones, then the next page of a team walk", func(t *testing.T, w *world) {
			walked, due, dirty := w.host().Key, w.host().Key, w.host().Key
			w.markTeam(0)
			w.markDue(due, w.now)
			w.mark(dirty, profiles.LaneAnswer)
			for _, want := range []mdm.HostKey{dirty, due} {
				hosts, more := w.claimHosts(1)
				require.Equal(t, []mdm.HostKey{want}, hosts)
				require.True(t, more)
			}
			require.Equal(t, []mdm.HostKey{walked, due, dirty}, w.claimAll())
		}},
		{"a walk", "MarkTeam; Claim takes the next page of a team walk, whose cursor it advances", func(t *testing.T, w *world) {
			team := w.team("Sales")
			var want []mdm.HostKey
			for range 5 {
				want = append(want, w.host(func(h *mdm.Host) { h.Team = team.Key }).Key)
				w.host()
				w.host(func(h *mdm.Host) { h.Team, h.State = team.Key, mdm.HostDeleted })
			}
			w.markTeam(team.Key)
			require.Equal(t, 5, w.backlog())
			hosts, more := w.claimHosts(2)
			require.Equal(t, want[:2], hosts)
			require.True(t, more)
			require.Equal(t, 3, w.backlog(), "hosts that team walks have still to visit")
			hosts, more = w.claimHosts(3)
			require.Equal(t, want[2:], hosts)
			require.False(t, more, "that was the end")
			require.Zero(t, w.backlog())
		}},
		{"a walk of nobody", "MarkTeam", func(t *testing.T, w *world) {
			w.markTeam(w.team("Empty").Key)
			require.Zero(t, w.backlog())
			require.Empty(t, w.claimAll())
			hosts, more := w.claimHosts(1)
			require.Empty(t, hosts)
			require.False(t, more)
		}},
		{"a walk begun anew", "MarkTeam … appends that never wait for a planner", func(t *testing.T, w *world) {
			a, b := w.host().Key, w.host().Key
			w.markTeam(0)
			hosts, _ := w.claimHosts(1)
			require.Equal(t, []mdm.HostKey{a}, hosts)
			w.markTeam(0) // the definitions changed again: a is to be visited again
			all := w.claimAll()
			require.Contains(t, all, a)
			require.Contains(t, all, b)
		}},
		{"backlog counts hosts", "Backlog counts what is waiting to be planned: host marks, and hosts that team walks have still to visit", func(t *testing.T, w *world) {
			team := w.team("Sales")
			both := w.host(func(h *mdm.Host) { h.Team = team.Key }).Key
			w.host(func(h *mdm.Host) { h.Team = team.Key })
			w.mark(both, profiles.LaneHost)
			w.markTeam(team.Key)
			w.markTeam(team.Key)
			require.Equal(t, 2, w.backlog())
		}},
	}
}
