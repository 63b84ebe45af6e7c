package profiles_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

func TestPlanContests(t *testing.T) {
	tell(t, []story{
		{"the loser was answered after the winner", pc, func(s *sim) {
			s.define("a", "node ./x 1")
			s.define("b", "node ./x 2")
			s.plan()
			s.answer("a", ok)
			s.answer("b", ok)
		}, []string{"install a"}},
		{"the loser is not answered yet", pc, func(s *sim) {
			s.define("a", "node ./x 1")
			s.define("b", "node ./x 2")
			s.plan()
			s.answer("a", ok)
		}, []string{"ask a"}},
		{"nor the winner", pc, func(s *sim) {
			s.define("a", "node ./x 1")
			s.define("b", "node ./x 2")
			s.plan()
			s.answer("b", ok)
		}, nil},
		{"the loser never left", pc, func(s *sim) {
			s.define("a", "node ./x 1")
			s.define("b", "node ./x 2")
			s.plan()
			s.answer("a", ok)
			s.plan()
			s.show()
			s.answer("b", mdm.OutcomeUnrenderable)
		}, []string{"row b"}},
		{"the loser may have been applied in part", pc, func(s *sim) {
			s.define("a", "node ./x 1")
			s.define("b", "node ./x 2")
			s.plan()
			s.answer("a", ok)
			s.answer("b", mdm.OutcomeError)
		}, []string{"install a", "row b"}},
		{"one that was made later", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.define("b", "node ./x 2; node ./y 1")
		}, []string{"install b"}},
		{"a new content of the winner", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.carried("b", "node ./x 2")
			s.define("a", "node ./x 3")
		}, []string{"install a"}},
		{"a loser under way when the winner is given", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.define("b", "node ./x 2")
			s.plan()
			s.fetch("b")
			s.define("a", "node ./x 3")
		}, []string{"install a", "install b"}},
		{"the same value", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.define("b", "node ./X 1")
			s.plan()
			s.answer("b", ok)
		}, []string{"ask b"}},
		{"the winner has what the third wants", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.carried("b", "node ./x 2")
			s.define("c", "node ./x 1")
			s.plan()
			s.answer("c", ok)
		}, []string{"ask c"}},
		{"the winner is not wanted here", pc, func(s *sim) {
			s.in.State.Labels[1] = profiles.No
			s.define("a", "node ./x 1", profiles.Scope{IncludeAny: []mdm.LabelKey{1}})
			s.define("b", "node ./x 2")
			s.plan()
			s.answer("b", ok)
		}, []string{"ask b"}},
		{"the winner goes", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.carried("b", "node ./x 2")
			s.undefine("a")
		}, []string{"drop a", "install b"}},
		{"the winner gives the node up", pc, func(s *sim) {
			s.carried("a", "node ./x 1; node ./y 1")
			s.carried("b", "node ./x 2")
			s.define("a", "node ./y 1")
		}, []string{"install a", "install b"}},
		{"the winner is made anew", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.carried("b", "node ./x 2")
			s.remake("a")
		}, []string{"row a", "install b"}},
		{"the winner was refused for good", pc, func(s *sim) {
			s.define("a", "node ./x 1")
			s.fail("a", profiles.MaxTries+1)
			s.define("b", "node ./x 2")
			s.plan()
			s.answer("b", ok)
		}, nil},
	})
}

// remake deletes a definition and makes it again with the same content.
func (s *sim) remake(identifier string) {
	s.lastKey++
	p := s.defined(identifier)
	p.Key, p.Revision = mdm.ProfileKey(s.lastKey), 1
	s.contest()
}

// The winner's value is there and proven; the loser says who prevails, and where.
// Both are sent a bounded number of times.
func TestContestEnds(t *testing.T) {
	s := newSim(t, pc)
	s.define("a", "node ./x 1")
	s.define("b", "node ./Y 1; node ./X 2; node ./z 2")
	s.define("c", "node ./x 3; node ./z 3")
	s.settle()
	require.Equal(t, 5, s.sent, "b once more, and then a")
	require.Equal(t, map[string]string{"./x": "1", "./y": "1", "./z": "2"}, s.nodes)
	require.Equal(t, "verified/proven", s.status("a"))
	for id, by := range map[string]string{"b": `overridden by the profile "a" at ./x`, "c": `overridden by the profile "a" at ./x`} {
		require.Equal(t, "failed/overridden", s.status(id))
		require.Equal(t, by, s.item(id).Detail)
		require.Equal(t, profiles.Accepted, s.item(id).Evidence)
		x := profiles.ExplainIn(s.in, *s.defined(id), nil)
		require.Contains(t, x.Next, "made first prevails")
		require.Empty(t, x.NextStep)
	}
}

// When the winner goes, the next one's value is written and proven.
func TestContestIsWonByTheNext(t *testing.T) {
	s := newSim(t, pc)
	s.define("a", "node ./x 1")
	s.define("b", "node ./x 2")
	s.define("c", "node ./x 3")
	s.settle()
	s.undefine("a")
	require.Equal(t, "failed/overridden", s.status("b"), "until it is planned")
	s.settle()
	require.Equal(t, map[string]string{"./x": "2"}, s.nodes)
	require.Equal(t, "verified/proven", s.status("b"))
	require.Equal(t, `overridden by the profile "b" at ./x`, s.item("c").Detail)
	s.define("c", "node ./x 2")
	s.settle()
	require.Equal(t, "verified/proven", s.status("c"))
	s.undefine("b")
	s.undefine("c")
	s.settle()
	require.Empty(t, s.nodes)
}

// What the engine stores of it is what a page of one profile's hosts shows.
func TestContestsOfTheEngine(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(pc, 0)
	a := w.uploadWindows(0, "a", "node ./x 1")
	b := w.uploadWindows(0, "b", "node ./x 2; node ./y 1")
	w.settle(d)
	require.Equal(t, map[string]string{"./x": "1", "./y": "1"}, d.nodes)
	require.Equal(t, "verified/proven", d.status("a"))
	require.Equal(t, "failed/overridden", d.status("b"))
	require.Equal(t, profiles.Counts{profiles.Failed: 1}, w.counts(b))
	hosts := w.hostsOf(b, profiles.Failed, 0, 10).Hosts
	require.Len(t, hosts, 1)
	require.Equal(t, `overridden by the profile "a" at ./x`, hosts[0].Item.Detail)
	require.Contains(t, d.view().Items, hosts[0].Item)

	require.NoError(t, w.engine.Delete(w.ctx, tenant, a.ID, profiles.Deletion{}))
	w.settle(d)
	require.Equal(t, map[string]string{"./x": "2", "./y": "1"}, d.nodes)
	require.Equal(t, "verified/proven", d.status("b"))
	require.Empty(t, d.row("b").Overridden)
}

// A host that comes to a team where the older of two profiles with the same
// contents is another one has the value of that.
func TestContestOfAnotherTeam(t *testing.T) {
	w := newWorld(t, nil)
	k := w.team("x")
	w.uploadWindows(0, "a", "node ./x 1")
	w.uploadWindows(0, "b", "node ./x 2")
	w.uploadWindows(k, "b", "node ./x 2")
	w.uploadWindows(k, "a", "node ./x 1")
	d := w.enroll(pc, 0)
	w.settle(d)
	require.Equal(t, map[string]string{"./x": "1"}, d.nodes)
	d.move(k)
	w.settle(d)
	require.Equal(t, map[string]string{"./x": "2"}, d.nodes)
	require.Equal(t, "verified/proven", d.status("b"))
	require.Equal(t, "failed/overridden", d.status("a"))
}

func TestRivalsAreSaidAtUpload(t *testing.T) {
	w := newWorld(t, nil)
	k, l, m := w.team("x"), w.label("l", profiles.No), w.label("m", profiles.No)
	warned := func(team mdm.TeamKey, name, body string, scope profiles.Scope) []string {
		_, warnings, err := w.engine.Create(w.ctx, tenant, windows(upload(team, name, body, scope)))
		require.NoError(t, err)
		return warnings
	}
	only := func(ls ...mdm.LabelKey) profiles.Scope { return profiles.Scope{IncludeAny: ls} }
	but := func(ls ...mdm.LabelKey) profiles.Scope { return profiles.Scope{ExcludeAny: ls} }
	require.Empty(t, warned(0, "a", "node ./x 1; node ./y 1", only(l)))
	require.Empty(t, warned(0, "same", "node ./X 1", profiles.Scope{}))
	require.Empty(t, warned(k, "elsewhere", "node ./x 2", profiles.Scope{}))
	require.Empty(t, warned(0, "the others", "node ./y 2", but(l)), "no host has both")
	said := warned(0, "b", "warn itself; node ./x 2; node ./y 2", only(m))
	require.Len(t, said, 3)
	require.Equal(t, "itself", said[0])
	require.Equal(t, `the profile "a" writes another value to ./x and 1 more: on hosts that both reach, that one prevails, which was made first`, said[1])
	require.Contains(t, said[2], `"same"`)

	ps, err := w.engine.Profiles(w.ctx, tenant, nil)
	require.NoError(t, err)
	a := ps[0]
	update := func(ch profiles.Change) string {
		_, warnings, err := w.engine.Update(w.ctx, tenant, a.ID, ch)
		require.NoError(t, err)
		return strings.Join(warnings, "\n")
	}
	name := "renamed"
	require.Empty(t, update(profiles.Change{Name: &name}), "nothing that matters changed")
	said = strings.Split(update(profiles.Change{Content: content("a", "node ./x 1; node ./y 3")}), "\n")
	require.Len(t, said, 1, "the others are still apart")
	require.Equal(t, `the profile "b" writes another value to ./x and 1 more: on hosts that both reach, this one prevails, which was made first`, said[0])
	everybody := profiles.Scope{}
	require.Contains(t, update(profiles.Change{Scope: &everybody}), `"the others"`)
}

// Two scopes are apart only when no host can be in both for sure.
func TestScopesApart(t *testing.T) {
	w := newWorld(t, nil)
	a, b := w.label("a", profiles.No), w.label("b", profiles.No)
	for _, tt := range []struct {
		name string
		x, y profiles.Scope
		told bool
	}{
		{"both everywhere", profiles.Scope{}, profiles.Scope{}, true},
		{"all of one that the other excludes", profiles.Scope{IncludeAll: []mdm.LabelKey{a}}, profiles.Scope{ExcludeAny: []mdm.LabelKey{a, b}}, false},
		{"any of what the other excludes", profiles.Scope{IncludeAny: []mdm.LabelKey{a, b}}, profiles.Scope{ExcludeAny: []mdm.LabelKey{a, b}}, false},
		{"one of them may be free", profiles.Scope{IncludeAny: []mdm.LabelKey{a, b}}, profiles.Scope{ExcludeAny: []mdm.LabelKey{a}}, true},
		{"both exclude", profiles.Scope{ExcludeAny: []mdm.LabelKey{a}}, profiles.Scope{ExcludeAny: []mdm.LabelKey{a}}, true},
		{"the other way round", profiles.Scope{ExcludeAny: []mdm.LabelKey{a}}, profiles.Scope{IncludeAll: []mdm.LabelKey{b, a}}, false},
	} {
		k := w.team(tt.name)
		_, _, err := w.engine.Create(w.ctx, tenant, windows(upload(k, "x", "node ./x 1", tt.x)))
		require.NoError(t, err)
		_, warnings, err := w.engine.Create(w.ctx, tenant, windows(upload(k, "y", "node ./x 2", tt.y)))
		require.NoError(t, err)
		require.Equal(t, tt.told, len(warnings) > 0, tt.name)
	}
}
