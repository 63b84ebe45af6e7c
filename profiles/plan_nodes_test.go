package profiles_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

func TestPlanSharesNodes(t *testing.T) {
	tell(t, []story{
		{"all of them are another's", pc, func(s *sim) { // 3, LocURI protection; 12.13
			s.carried("a", "node ./x 1")
			s.carried("b", "node ./x 1")
			s.undefine("a")
		}, []string{"drop a", "install b"}}, // the value may have been a's
		{"some are another's", pc, func(s *sim) {
			s.carried("a", "node ./x 1; node ./y 1")
			s.carried("b", "node ./x 2")
			s.undefine("a")
		}, []string{"remove a", "install b"}},
		{"in another spelling", pc, func(s *sim) {
			s.carried("a", "node ./X 1")
			s.carried("b", "node ./x 2")
			s.undefine("a")
		}, []string{"drop a", "install b"}},
		{"of one that is not wanted here", pc, func(s *sim) { // desired on that host
			s.carried("a", "node ./x 1")
			s.in.State.Labels[1] = profiles.No
			s.define("b", "node ./x 2", profiles.Scope{IncludeAny: []mdm.LabelKey{1}})
			s.undefine("a")
		}, []string{"remove a"}},
		{"a new version gives one up", pc, func(s *sim) {
			s.carried("a", "node ./x 1; node ./y 1")
			s.carried("b", "node ./x 2")
			s.define("a", "node ./y 1")
		}, []string{"install a", "install b"}},
		{"a new version keeps it", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.carried("b", "node ./x 1")
			s.define("a", "node ./x 1; node ./y 1")
		}, []string{"install a"}},
		{"a removal that is under way would take a new one's node", pc, func(s *sim) { // 11, #42495
			s.carried("a", "node ./x 1; node ./y 1")
			s.undefine("a")
			s.plan()
			s.define("b", "node ./x 2")
		}, []string{"remove a", "install b"}},
		{"all that it would take is the new one's", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.undefine("a")
			s.plan()
			s.define("b", "node ./x 2")
		}, []string{"drop a", "install b"}},
		{"a refused removal is over when a new one owns all", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.undefine("a")
			s.fail("a", profiles.MaxTries)
			s.define("b", "node ./x 2")
		}, []string{"drop a", "install b"}},
		{"an update that is under way would take a new one's node", pc, func(s *sim) {
			s.carried("a", "node ./x 1; node ./y 1")
			s.define("a", "node ./y 1")
			s.plan()
			s.define("b", "node ./x 2")
		}, []string{"install a", "install b"}},
		{"a removal under way has nothing in common with it", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.undefine("a")
			s.plan()
			s.define("b", "node ./y 2")
		}, []string{"install b"}},
	})
}

// The instruction that is given anew leaves the node alone.
func TestRemovalGivesWay(t *testing.T) {
	s := newSim(t, pc)
	s.carried("a", "node ./x 1; node ./y 1")
	s.undefine("a")
	s.plan()
	require.Equal(t, []string{"./x", "./y"}, s.waiting("a").drop)
	s.define("b", "node ./x 2")
	s.plan()
	require.Equal(t, []string{"./y"}, s.waiting("a").drop)
	s.answer("b", ok) // the removal comes last
	s.answer("a", ok)
	s.settle()
	require.Equal(t, map[string]string{"./x": "2"}, s.nodes)
}

// What is sent once more for a node that it shares keeps its own leftovers.
func TestRewriteKeepsItsLeftovers(t *testing.T) {
	s := newSim(t, pc)
	s.carried("a", "node ./x 1")
	s.carried("b", "node ./x 2; node ./old 1")
	s.define("b", "node ./x 2")
	s.plan()
	require.Equal(t, []string{"./old"}, s.waiting("b").drop)
	s.undefine("a")
	require.Equal(t, []string{"drop a", "install b"}, s.plan())
	require.Equal(t, []string{"./old"}, s.waiting("b").drop)
	s.settle()
	require.Equal(t, map[string]string{"./x": "2"}, s.nodes)
}

// Two profiles that share a node and are changed in turns are sent a bounded
// number of times.
func TestRewriteEnds(t *testing.T) {
	s := newSim(t, pc)
	s.carried("a", "node ./x 1; node ./y 1")
	s.carried("b", "node ./x 1; node ./z 1")
	s.sent = 0
	s.undefine("a")
	s.settle()
	require.Equal(t, 2, s.sent) // the removal, and b once more

	// While a removal is refused again and again, its neighbor is left alone.
	s = newSim(t, pc)
	s.carried("a", "node ./x 1; node ./y 1")
	s.carried("b", "node ./x 1")
	s.undefine("a")
	s.plan()
	s.answer("b", ok)
	order := s.row("b").Order
	s.fail("a", 6)
	require.Equal(t, order, s.row("b").Order)
}

func TestPlanHolds(t *testing.T) {
	const wifi, root = "class connectivity; uuid ", "class trust; uuid "
	tell(t, []story{
		{"a network gives way to another", mac, func(s *sim) { // no way back otherwise
			s.carried("a", wifi+"1")
			s.undefine("a")
			s.define("b", wifi+"2")
		}, []string{"install b"}},
		{"the other was refused", mac, func(s *sim) {
			s.carried("a", wifi+"1")
			s.undefine("a")
			s.define("b", wifi+"2")
			s.fail("b", profiles.MaxTries+1)
		}, nil},
		{"the other is there", mac, func(s *sim) {
			s.carried("a", wifi+"1")
			s.undefine("a")
			s.define("b", wifi+"2")
			s.plan()
			s.answer("b", ok)
		}, []string{"remove a", "ask b"}},
		{"a root gives way to another", mac, func(s *sim) {
			s.carried("a", root+"1")
			s.undefine("a")
			s.define("b", root+"2")
		}, []string{"install b"}},
		{"of another class", mac, func(s *sim) {
			s.carried("a", root+"1")
			s.undefine("a")
			s.define("b", wifi+"2")
		}, []string{"remove a", "install b"}},
		{"nothing takes its place", mac, func(s *sim) {
			s.carried("a", wifi+"1")
			s.undefine("a")
		}, []string{"remove a"}},
		{"it was refused and is not there", mac, func(s *sim) {
			s.define("a", wifi+"1")
			s.plan()
			s.answer("a", mdm.OutcomeError)
			s.undefine("a")
			s.define("b", wifi+"2")
		}, []string{"drop a", "install b"}},
		{"it never left", mac, func(s *sim) {
			s.define("a", wifi+"1")
			s.plan()
			s.undefine("a")
			s.define("b", wifi+"2")
		}, []string{"drop a", "install b"}},
		{"it may have left", mac, func(s *sim) {
			s.define("a", wifi+"1")
			s.plan()
			s.fetch("a")
			s.undefine("a")
			s.define("b", wifi+"2")
		}, []string{"recall a", "install b"}},
		{"its new version never left", mac, func(s *sim) {
			s.carried("a", wifi+"1")
			s.define("a", wifi+"2")
			s.plan()
			s.undefine("a")
			s.define("b", wifi+"3")
		}, []string{"recall a", "install b"}},
		{"wanted again after it was taken back", mac, func(s *sim) {
			s.carried("a", wifi+"1")
			s.define("a", wifi+"2")
			s.plan()
			s.undefine("a")
			s.define("b", wifi+"3")
			s.plan()
			s.define("a", wifi+"2")
		}, []string{"install a"}},
		{"the version on the device was a network, the refused one was not", mac, func(s *sim) {
			s.carried("a", wifi+"1")
			s.define("a", "uuid 2")
			s.plan()
			s.answer("a", mdm.OutcomeError)
			s.undefine("a")
			s.define("b", wifi+"3")
		}, []string{"install b"}},
		{"a held one keeps its nodes", pc, func(s *sim) {
			s.carried("a", wifi+"1; node ./x 1; node ./y 1")
			s.carried("c", "node ./x 1; node ./z 1")
			s.undefine("a")
			s.undefine("c")
			s.define("b", wifi+"2; node ./w 1")
		}, []string{"remove c", "install b"}},
	})
}

// A held removal does not send its neighbors again at each plan.
func TestHeldRemovalLeavesItsNeighborsAlone(t *testing.T) {
	s := newSim(t, pc)
	s.carried("a", "class connectivity; node ./x 1")
	s.carried("c", "node ./x 2")
	s.undefine("a")
	s.define("b", "class connectivity; node ./w 1")
	s.fail("b", profiles.MaxTries+1)
	order := s.row("c").Order
	require.Equal(t, "removing/held", s.status("a"))
	require.Empty(t, s.plan())
	require.Equal(t, order, s.row("c").Order)

	s.define("b", "class connectivity; node ./w 2")
	s.settle()
	require.Nil(t, s.row("a"))
	require.Equal(t, map[string]string{"./x": "2", "./w": "2"}, s.nodes)
}

// A held row owns what it wrote itself, and nothing else of what it inherited.
func TestHeldRowsOwnNothingElse(t *testing.T) {
	s := newSim(t, pc)
	s.define("a", "class trust; node ./x 1")
	s.define("c", "node ./x 1; node ./z 1")
	s.plan()
	s.fetch("a")
	s.answer("c", ok)
	s.undefine("a")
	s.undefine("c")
	s.define("b", "class trust; node ./w 1")
	s.plan() // c leaves ./x to a, which takes over the trace of c
	require.Equal(t, []string{"./z"}, s.waiting("c").drop)
	s.define("c", "node ./v 1")
	s.plan()
	require.Equal(t, []string{"./z"}, s.waiting("c").drop)
	s.settle()
	require.Equal(t, map[string]string{"./w": "1", "./v": "1"}, s.nodes)
}

// A node that was left to a profile is deleted with it, though the profile itself
// never left.
func TestNodesAreInherited(t *testing.T) {
	s := newSim(t, pc)
	s.carried("a", "node ./x 1; node ./y 1")
	s.undefine("a")
	s.define("b", "node ./x 2")
	s.plan()
	require.Equal(t, []string{"./y"}, s.waiting("a").drop)
	s.answer("a", ok)
	s.undefine("b")
	require.Equal(t, []string{"drop a", "remove b"}, s.plan())
	require.Contains(t, s.waiting("b").drop, "./x")
	s.settle()
	require.Empty(t, s.nodes)
}

// Nothing of what a held removal deletes is deleted by another in the meantime.
func TestHeldRowsOwnTheirNodes(t *testing.T) {
	s := newSim(t, pc)
	s.carried("a", "class trust; node ./x 1")
	s.carried("c", "node ./x 1; node ./z 1")
	s.undefine("a")
	s.undefine("c")
	s.define("b", "class trust; node ./w 1")
	s.plan()
	require.Equal(t, []string{"./z"}, s.waiting("c").drop)
	s.settle()
	require.Equal(t, map[string]string{"./w": "1"}, s.nodes)
}
