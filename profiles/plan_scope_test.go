package profiles_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

func TestScopeReaches(t *testing.T) {
	const no, yes, un = profiles.No, profiles.Yes, profiles.Unknown
	all, some, not := []mdm.LabelKey{1, 2}, []mdm.LabelKey{1, 2}, []mdm.LabelKey{1, 2}
	for _, c := range []struct { // 2, desired state
		name  string
		scope profiles.Scope
		one   profiles.Tri
		two   profiles.Tri
		want  profiles.Tri
	}{
		{"no labels", profiles.Scope{}, no, no, yes},
		{"all: both", profiles.Scope{IncludeAll: all}, yes, yes, yes},
		{"all: one", profiles.Scope{IncludeAll: all}, yes, no, no},
		{"all: one, and one unknown", profiles.Scope{IncludeAll: all}, yes, un, un},
		{"all: none, and one unknown", profiles.Scope{IncludeAll: all}, no, un, no},
		{"any: one", profiles.Scope{IncludeAny: some}, no, yes, yes},
		{"any: none", profiles.Scope{IncludeAny: some}, no, no, no},
		{"any: one, and one unknown", profiles.Scope{IncludeAny: some}, un, yes, yes},
		{"any: none, and one unknown", profiles.Scope{IncludeAny: some}, un, no, un},
		{"not: none", profiles.Scope{ExcludeAny: not}, no, no, yes},
		{"not: one", profiles.Scope{ExcludeAny: not}, no, yes, no},
		{"not: one unknown", profiles.Scope{ExcludeAny: not}, no, un, un},
		{"not: one, and one unknown", profiles.Scope{ExcludeAny: not}, yes, un, no},
		{"platform", profiles.Scope{Platforms: []mdm.Platform{mdm.MacOS}}, no, no, yes},
		{"another platform", profiles.Scope{Platforms: []mdm.Platform{mdm.IOS}}, no, no, no},
		{"a label that does not exist", profiles.Scope{IncludeAll: []mdm.LabelKey{3}}, yes, yes, un},
		{"an excluded one that does not exist", profiles.Scope{ExcludeAny: []mdm.LabelKey{3}}, yes, yes, un},
		{"combined", profiles.Scope{IncludeAll: []mdm.LabelKey{1}, ExcludeAny: []mdm.LabelKey{2}}, yes, no, yes},
		{"combined, excluded", profiles.Scope{IncludeAll: []mdm.LabelKey{1}, ExcludeAny: []mdm.LabelKey{2}}, yes, yes, no},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.scope.Reaches(mdm.MacOS, map[mdm.LabelKey]profiles.Tri{1: c.one, 2: c.two})
			require.Equal(t, c.want, got)
		})
	}
}

// Kleene's laws, by the one table that they follow from: unknown is what either
// answer could still make of it.
func TestTriIsWhatEitherAnswerCouldMakeOfIt(t *testing.T) {
	could := func(v profiles.Tri) []profiles.Tri {
		if v == profiles.Unknown {
			return []profiles.Tri{profiles.No, profiles.Yes}
		}
		return []profiles.Tri{v}
	}
	agree := func(vs []profiles.Tri) profiles.Tri {
		for _, v := range vs {
			if v != vs[0] {
				return profiles.Unknown
			}
		}
		return vs[0]
	}
	all := []profiles.Tri{profiles.No, profiles.Yes, profiles.Unknown}
	for _, a := range all {
		var not []profiles.Tri
		for _, x := range could(a) {
			not = append(not, 1-x)
		}
		require.Equal(t, agree(not), a.Not(), "not %s", a)
		for _, b := range all {
			var and, or []profiles.Tri
			for _, x := range could(a) {
				for _, y := range could(b) {
					and, or = append(and, min(x, y)), append(or, max(x, y))
				}
			}
			require.Equal(t, agree(and), a.And(b), "%s and %s", a, b)
			require.Equal(t, agree(or), a.Or(b), "%s or %s", a, b)
		}
	}
}

func TestPlanWithLabels(t *testing.T) {
	in := profiles.Scope{IncludeAny: []mdm.LabelKey{1}}
	out := profiles.Scope{ExcludeAny: []mdm.LabelKey{1}}
	tell(t, []story{
		{"a member", mac, func(s *sim) {
			s.in.State.Members[1] = profiles.Yes
			s.define("a", "uuid 1", in)
		}, []string{"install a"}},
		{"nobody ever spoke of it, and the label says no", mac, func(s *sim) {
			s.in.State.Labels[1] = profiles.No
			s.define("a", "uuid 1", in)
		}, nil},
		{"nobody ever spoke of it, and the label says yes", mac, func(s *sim) {
			s.in.State.Labels[1] = profiles.Yes
			s.define("a", "uuid 1", in)
		}, []string{"install a"}},
		{"what is recorded goes before the label's default", mac, func(s *sim) {
			s.in.State.Labels[1] = profiles.Yes
			s.in.State.Members[1] = profiles.No
			s.define("a", "uuid 1", in)
		}, nil},
		{"unknown, on a host without it", mac, func(s *sim) { // 2, include any; 12.2
			s.in.State.Members[1] = profiles.Unknown
			s.define("a", "uuid 1", in)
		}, nil},
		{"unknown, on a host that has it", mac, func(s *sim) { // 2, OnHost
			s.in.State.Members[1] = profiles.Yes
			s.carried("a", "uuid 1", in)
			s.in.State.Members[1] = profiles.Unknown
		}, nil},
		{"a new label is unknown, on a host that has it", mac, func(s *sim) { // 2, #47865
			s.carried("a", "uuid 1")
			s.in.State.Labels[1] = profiles.Unknown
			s.define("a", "uuid 1", out)
		}, nil},
		{"unknown, and the content changed", mac, func(s *sim) { // it is still wanted
			s.in.State.Members[1] = profiles.Yes
			s.carried("a", "uuid 1", in)
			s.in.State.Members[1] = profiles.Unknown
			s.define("a", "uuid 2")
		}, []string{"install a"}},
		{"unknown, while it is being removed", mac, func(s *sim) {
			s.in.State.Members[1] = profiles.Yes
			s.carried("a", "uuid 1", in)
			s.in.State.Members[1] = profiles.No
			s.plan()
			s.in.State.Members[1] = profiles.Unknown
		}, nil},
		{"unknown, and made again with the same content", mac, func(s *sim) {
			s.carried("a", "uuid 1")
			s.undefine("a")
			s.in.State.Labels[1] = profiles.Unknown
			s.define("a", "uuid 1", in)
		}, []string{"row a"}},
		{"unknown, and made again with other content", mac, func(s *sim) {
			s.carried("a", "uuid 1")
			s.undefine("a")
			s.in.State.Labels[1] = profiles.Unknown
			s.define("a", "uuid 2", in)
		}, []string{"remove a"}},
		{"not a member any more", mac, func(s *sim) {
			s.in.State.Members[1] = profiles.Yes
			s.carried("a", "uuid 1", in)
			s.in.State.Members[1] = profiles.No
		}, []string{"remove a"}},
		{"excluded, and another one unknown", mac, func(s *sim) { // 2: a confirmed one disqualifies at once
			s.in.State.Labels = map[mdm.LabelKey]profiles.Tri{1: profiles.No, 2: profiles.No}
			s.carried("a", "uuid 1", profiles.Scope{ExcludeAny: []mdm.LabelKey{1, 2}})
			s.in.State.Members[2] = profiles.Unknown
			s.in.State.Members[1] = profiles.Yes
		}, []string{"remove a"}},
		{"the label is gone", mac, func(s *sim) { // 2, broken labels
			s.in.State.Labels[1] = profiles.Yes
			s.carried("a", "uuid 1", in)
			delete(s.in.State.Labels, 1)
		}, nil},
	})
}

// Whatever a host carries, memberships that become unknown change nothing.
func TestUnknownMembershipsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSim(t)
		s.chaos(t, 20)
		s.heal()
		for l := range s.in.State.Labels {
			if rapid.Bool().Draw(t, "unknown") {
				s.in.State.Members[l] = profiles.Unknown
			}
		}
		require.Empty(t, s.plan())
	})
}
