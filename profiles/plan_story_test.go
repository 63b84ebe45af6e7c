package profiles_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// story is something that happened to a host, and what the next plan does about
// it. Numbers such as "3.2" name the section and row of the behavior reached.
type story struct {
	name     string
	platform mdm.Platform
	happened func(s *sim)
	plan     []string
}

func tell(t *testing.T, stories []story) {
	t.Helper()
	for _, c := range stories {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, c.platform)
			c.happened(s)
			require.Equal(t, c.plan, s.plan())
			if !s.tookBack {
				require.Empty(t, s.plan(), "a plan that was applied is followed by an empty one")
			}
		})
	}
}

// carried brings a profile onto the device, acknowledged and observed.
func (s *sim) carried(identifier, body string, scope ...profiles.Scope) {
	s.define(identifier, body, scope...)
	s.settle()
}

const (
	mac = mdm.MacOS
	pc  = mdm.Windows
)

func TestPlanInstalls(t *testing.T) {
	tell(t, []story{
		{"nothing is wanted", mac, func(s *sim) {}, nil},
		{"a profile is defined", mac, func(s *sim) { // 3, install 1
			s.define("a", "uuid 1")
		}, []string{"install a"}},
		{"two are defined", mac, func(s *sim) {
			s.define("b", "uuid 1")
			s.define("a", "uuid 2")
		}, []string{"install b", "install a"}}, // in slot order
		{"of another family", mac, func(s *sim) {
			s.define("a", "uuid 1").Family = profiles.WindowsProfile
		}, nil},
		{"the command waits", mac, func(s *sim) { // 6.1, pending
			s.define("a", "uuid 1")
			s.plan()
		}, nil},
		{"all is well", mac, func(s *sim) { s.carried("a", "uuid 1") }, nil},
		{"the content changed", mac, func(s *sim) { // 3, install 2
			s.carried("a", "uuid 1")
			s.define("a", "uuid 2")
		}, []string{"install a"}},
		{"the content changed while the command waited", mac, func(s *sim) {
			s.define("a", "uuid 1")
			s.plan()
			s.define("a", "uuid 2")
		}, []string{"install a"}},
		{"the content changed and changed back between plans", mac, func(s *sim) {
			s.carried("a", "uuid 1")
			s.define("a", "uuid 2")
			s.define("a", "uuid 1")
		}, []string{"row a"}}, // the revision is noted, nothing is sent
		{"only the name changed", mac, func(s *sim) { // 12.14
			s.carried("a", "uuid 1")
			s.defined("a").Name = "other"
		}, nil},
		{"deleted and added again, equal", mac, func(s *sim) { // 3, intersection
			s.carried("a", "uuid 1")
			s.undefine("a")
			s.define("a", "uuid 1")
		}, []string{"row a"}},
		{"deleted and added again, equal, while the command waits", mac, func(s *sim) { // 3, hazard
			s.define("a", "uuid 1")
			s.plan()
			s.undefine("a")
			s.define("a", "uuid 1")
		}, []string{"row a"}},
		{"deleted and added again, different", mac, func(s *sim) { // 3, intersection: replaced in place
			s.carried("a", "uuid 1")
			s.undefine("a")
			s.define("a", "uuid 2")
		}, []string{"install a"}},
		{"deleted and added again, equal, after it had failed", mac, func(s *sim) { // 3, G1 inherited failures
			s.define("a", "uuid 1")
			s.fail("a", profiles.MaxTries+1)
			s.undefine("a")
			s.define("a", "uuid 1")
		}, []string{"install a"}},
		{"deleted and added again, equal, while a retry was due", mac, func(s *sim) {
			s.define("a", "uuid 1")
			s.fail("a", 1)
			s.undefine("a")
			s.define("a", "uuid 1")
		}, []string{"install a"}},
		{"wanted again while it is being removed", mac, func(s *sim) { // 3, install 4
			s.carried("a", "uuid 1")
			s.undefine("a")
			s.plan()
			s.define("a", "uuid 1")
		}, []string{"install a"}},
		{"wanted again after the removal failed", mac, func(s *sim) { // 6.2
			s.carried("a", "uuid 1")
			s.undefine("a")
			s.plan()
			s.answer("a", mdm.OutcomeError)
			s.define("a", "uuid 1")
		}, []string{"install a"}},
		{"an Apple identifier changed", mac, func(s *sim) {
			s.carried("a", "uuid 1")
			p := s.defined("a")
			p.Identifier, p.Slot, p.Revision = "b", s.slot("b"), 2
		}, []string{"remove a", "install b"}},
		{"an unanswered user channel", mac, func(s *sim) {
			s.define("a", "uuid 1")
			s.in.State.Channels[0].Enrollment.Channel = mdm.UserChannel
		}, nil},
	})
}

func TestPlanRemoves(t *testing.T) {
	tell(t, []story{
		{"deleted", mac, func(s *sim) { // 3, removals, other
			s.carried("a", "uuid 1")
			s.undefine("a")
		}, []string{"remove a"}},
		{"deleted before the command left", mac, func(s *sim) { // 3, never sent; 12.16
			s.define("a", "uuid 1")
			s.plan()
			s.undefine("a")
		}, []string{"drop a"}},
		{"deleted while the device may be installing", mac, func(s *sim) { // 3, removals, install pending
			s.define("a", "uuid 1")
			s.plan()
			s.fetch("a")
			s.undefine("a")
		}, []string{"remove a"}},
		{"deleted after the device refused it", mac, func(s *sim) { // 3, removals, install failed
			s.define("a", "uuid 1")
			s.plan()
			s.answer("a", mdm.OutcomeError)
			s.undefine("a")
		}, []string{"drop a"}},
		{"deleted after nobody could read the answer", mac, func(s *sim) {
			s.define("a", "uuid 1")
			s.plan()
			s.answer("a", mdm.OutcomeUndecodable)
			s.undefine("a")
		}, []string{"remove a"}},
		{"deleted after a person canceled the command", mac, func(s *sim) {
			s.define("a", "uuid 1")
			s.plan()
			s.answer("a", mdm.OutcomeCanceled)
			s.undefine("a")
		}, []string{"drop a"}},
		{"deleted after a new version was refused", mac, func(s *sim) {
			s.carried("a", "uuid 1")
			s.define("a", "uuid 2")
			s.plan()
			s.answer("a", mdm.OutcomeError)
			s.undefine("a")
		}, []string{"remove a"}},
		{"deleted before a new version left", mac, func(s *sim) {
			s.carried("a", "uuid 1")
			s.define("a", "uuid 2")
			s.plan()
			s.undefine("a")
		}, []string{"remove a"}},
		{"the removal waits", mac, func(s *sim) {
			s.carried("a", "uuid 1")
			s.undefine("a")
			s.plan()
		}, nil},
		{"removed", mac, func(s *sim) { // 6.2
			s.carried("a", "uuid 1")
			s.undefine("a")
			s.plan()
			s.answer("a", ok)
		}, []string{"drop a"}},
		{"the removal was refused", mac, func(s *sim) { // looked at first
			s.carried("a", "uuid 1")
			s.undefine("a")
			s.plan()
			s.answer("a", mdm.OutcomeError)
		}, []string{"ask a"}},
		{"the removal was refused, for it is not there", mac, func(s *sim) {
			s.carried("a", "uuid 1")
			delete(s.apple, "a")
			s.undefine("a")
			s.plan()
			s.answer("a", mdm.OutcomeError)
			s.plan()
			s.show()
		}, []string{"drop a"}},
		{"the removal was refused, and it is there", mac, func(s *sim) { // 12.16
			s.carried("a", "uuid 1")
			s.undefine("a")
			s.plan()
			s.answer("a", mdm.OutcomeError)
			s.plan()
			s.show()
		}, nil}, // it waits for its time
		{"and the time came", mac, func(s *sim) {
			s.carried("a", "uuid 1")
			s.undefine("a")
			s.fail("a", 1)
		}, []string{"remove a"}},
		{"on Windows its nodes are deleted", pc, func(s *sim) {
			s.carried("a", "node ./x 1")
			s.undefine("a")
		}, []string{"remove a"}},
		{"on Windows, with nothing to delete", pc, func(s *sim) { // 3, #49002
			s.carried("a", "prove accepted")
			s.undefine("a")
		}, []string{"drop a"}},
		{"on Windows, refused, and perhaps applied in part", pc, func(s *sim) {
			s.define("a", "node ./x 1")
			s.plan()
			s.answer("a", mdm.OutcomeError)
			s.undefine("a")
		}, []string{"remove a"}},
		{"on Windows, never made", pc, func(s *sim) {
			s.define("a", "node ./x 1")
			s.plan()
			s.answer("a", mdm.OutcomeUnrenderable)
			s.undefine("a")
		}, []string{"drop a"}},
		{"on Windows, edited before it left", pc, func(s *sim) {
			s.define("a", "node ./x 1")
			s.plan()
			s.define("a", "node ./x 2")
			s.plan()
			s.undefine("a")
		}, []string{"drop a"}},
		{"on Windows the removal was refused", pc, func(s *sim) { // 6.5; no question, a time
			s.carried("a", "node ./x 1")
			s.undefine("a")
			s.plan()
			s.answer("a", mdm.OutcomeError)
		}, []string{"row a"}},
	})
}

// A removal that is tried again on Windows deletes the nodes of the very content
// that is removed.
func TestPlanRetriesARemovalWithItsNodes(t *testing.T) {
	s := newSim(t, pc)
	s.carried("a", "node ./x 1; node ./y 1")
	s.undefine("a")
	s.fail("a", 1)
	require.Equal(t, []string{"remove a"}, s.plan())
	require.Equal(t, []string{"./x", "./y"}, s.waiting("a").drop)
}

// A new version deletes what it does not name any more, and what an earlier one
// that may have arrived did.
func TestPlanDeletesLeftovers(t *testing.T) {
	s := newSim(t, pc)
	s.carried("a", "node ./x 1; node ./y 1")
	s.define("a", "node ./y 1; node ./z 1")
	s.plan()
	require.Equal(t, []string{"./x"}, s.waiting("a").drop)

	s.fetch("a") // perhaps
	s.define("a", "node ./y 2")
	s.plan()
	require.Equal(t, []string{"./x", "./z"}, s.waiting("a").drop)
	s.settle()
	require.Equal(t, map[string]string{"./y": "2"}, s.nodes)
}

// A version that never left is not undone: its nodes may be another's business.
func TestPlanDeletesNothingThatNeverLeft(t *testing.T) {
	s := newSim(t, pc)
	s.carried("a", "node ./x 1")
	s.define("a", "node ./x 1; node ./foreign 1")
	s.plan()
	s.undefine("a")
	require.Equal(t, []string{"remove a"}, s.plan())
	require.Equal(t, []string{"./x"}, s.waiting("a").drop)

	s = newSim(t, pc)
	s.carried("a", "node ./x 1")
	s.define("a", "node ./x 1; node ./foreign 1")
	s.plan()
	s.define("a", "node ./x 2")
	s.plan()
	require.Empty(t, s.waiting("a").drop)
}
