package profiles_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

func TestPlanObserves(t *testing.T) {
	tell(t, []story{
		{"acknowledged", mac, func(s *sim) { // 6.1, verifying
			s.define("a", "uuid 1")
			s.plan()
			s.answer("a", ok)
		}, []string{"ask a"}},
		{"accepted, on Windows", pc, func(s *sim) { // 6.4
			s.define("a", "node ./x 1")
			s.plan()
			s.answer("a", mdm.OutcomeAccepted)
		}, []string{"ask a"}},
		{"acknowledged, and nothing can be read back", pc, func(s *sim) {
			s.define("a", "node ./x 1; prove accepted")
			s.plan()
			s.answer("a", ok)
		}, nil},
		{"two are acknowledged", mac, func(s *sim) {
			s.define("a", "uuid 1")
			s.define("b", "uuid 2")
			s.plan()
			s.answer("a", ok)
			s.answer("b", ok)
		}, []string{"ask a", "ask b"}}, // by one question, which send checks
		{"asked, and not answered", mac, func(s *sim) {
			s.define("a", "uuid 1")
			s.plan()
			s.answer("a", ok)
			s.plan()
		}, nil},
		{"the question failed", mac, func(s *sim) {
			s.define("a", "uuid 1")
			s.plan()
			s.answer("a", ok)
			s.plan()
			s.tell(s.waiting("?"), nil)
		}, []string{"ask a"}},
		{"the question that took the place of another failed", mac, func(s *sim) {
			s.define("a", "uuid 1")
			s.define("b", "uuid 2")
			s.plan()
			s.answer("a", ok)
			s.plan()
			s.answer("b", ok)
			s.plan()
			s.tell(s.waiting("?"), nil)
		}, []string{"ask a", "ask b"}},
		{"seen as wanted", mac, func(s *sim) { // 6.1, verified
			s.define("a", "uuid 1")
			s.plan()
			s.answer("a", ok)
			s.plan()
			s.show()
		}, nil},
		{"not seen", mac, func(s *sim) { // 6.1, inventory lacks it: after a pause
			s.define("a", "uuid 1")
			s.plan()
			s.answer("a", ok)
			delete(s.apple, "a")
			s.plan()
			s.show()
		}, []string{"row a"}},
		{"not seen, and the time came", mac, func(s *sim) {
			s.define("a", "uuid 1")
			s.plan()
			s.answer("a", ok)
			delete(s.apple, "a")
			s.plan()
			s.show()
			s.plan()
			s.in.Now = s.in.Now.Add(30 * time.Second)
		}, []string{"install a"}},
		{"not seen, and then it was back", mac, func(s *sim) {
			s.carried("a", "uuid 1")
			text := s.apple["a"]
			delete(s.apple, "a")
			s.define("b", "uuid 2")
			s.plan()
			s.answer("b", ok)
			s.plan()
			s.show() // tells of a as well
			s.plan()
			s.apple["a"] = text
			s.define("b", "uuid 3")
			s.plan()
			s.answer("b", ok)
			s.plan()
			s.show()
		}, []string{"row a"}}, // the time is taken off
	})
}

// One ProfileList answers for every profile, and one that has not left gives way
// to a newer one.
func TestOneQuestionForManyRows(t *testing.T) {
	s := newSim(t, mac)
	for _, id := range []string{"a", "b", "c"} {
		s.define(id, "uuid "+id)
	}
	s.plan()
	for _, id := range []string{"a", "b", "c"} {
		s.answer(id, ok)
		require.Equal(t, []string{"ask " + id}, s.plan())
	}
	require.Len(t, s.live, 1)
	s.show()
	for _, id := range []string{"a", "b", "c"} {
		require.Equal(t, "verified/proven", s.status(id))
	}
}

// What a question brought that was asked before the acknowledgement proves
// nothing about it.
func TestAnswerToAnOlderQuestionProvesNothing(t *testing.T) {
	s := newSim(t, mac)
	s.carried("a", "uuid 1")
	s.define("b", "uuid 2")
	s.plan()
	s.answer("b", ok)
	s.plan()
	q := s.waiting("?")
	before := s.look(q)
	before.Items = before.Items[:0] // whatever it says
	q.left = true

	s.define("b", "uuid 3") // and meanwhile there is a newer instruction
	s.plan()
	s.tell(q, before)
	require.NotEqual(t, s.row("b").Order, s.row("b").Seen)
	require.Equal(t, "pending/queued", s.status("b"))

	s.answer("b", ok)
	s.plan()
	newer := s.waiting("?")
	s.tell(q, before) // once more, and late
	require.Equal(t, "verifying/unobserved", s.status("b"))
	s.tell(newer, s.look(newer))
	require.Equal(t, "verified/proven", s.status("b"))
}

// Misses have a budget of their own, and it begins anew with a revision.
func TestWhatIsAlwaysMissingIsGivenUp(t *testing.T) {
	s := newSim(t, mac)
	s.define("a", "uuid 1")
	for n := range profiles.MaxMisses + 1 {
		require.Equal(t, []string{"install a"}, s.plan(), "%d", n)
		s.answer("a", ok)
		delete(s.apple, "a")
		require.Equal(t, []string{"ask a"}, s.plan())
		s.show()
		if n < profiles.MaxMisses {
			require.Equal(t, "verifying/retry_later", s.status("a"))
			require.Equal(t, []string{"row a"}, s.plan())
			s.in.Now = s.row("a").RetryAt
		}
	}
	require.Empty(t, s.plan())
	require.Equal(t, "failed/missing", s.status("a"))
	require.Zero(t, s.row("a").Tries)

	s.define("a", "uuid 2")
	s.settle()
	require.Equal(t, "verified/proven", s.status("a"))
	require.Zero(t, s.row("a").Misses)
}

func TestSameUUID(t *testing.T) {
	blur := func(s *sim) {
		s.carried("a", "uuid 1; name old")
		s.define("a", "uuid 1; name new")
	}
	t.Run("an edit that keeps it cannot be proven", func(t *testing.T) {
		s := newSim(t, mac)
		blur(s)
		s.settle()
		require.Equal(t, "accepted_not_verifiable/same_uuid", s.status("a"))
		require.Nil(t, s.waiting("?"))
	})
	t.Run("in another case it is the same", func(t *testing.T) {
		s := newSim(t, mac)
		s.carried("a", "uuid ab; name old")
		s.define("a", "uuid AB; name new")
		s.settle()
		require.Equal(t, "accepted_not_verifiable/same_uuid", s.status("a"))
	})
	t.Run("unless the old one never left", func(t *testing.T) {
		s := newSim(t, mac)
		s.define("a", "uuid 1; name old")
		s.plan()
		s.define("a", "uuid 1; name new")
		s.settle()
		require.Equal(t, "verified/proven", s.status("a"))
	})
	t.Run("or was refused", func(t *testing.T) {
		s := newSim(t, mac)
		s.define("a", "uuid 1; name old")
		s.plan()
		s.answer("a", mdm.OutcomeError)
		s.define("a", "uuid 1; name new")
		s.settle()
		require.Equal(t, "verified/proven", s.status("a"))
	})
	t.Run("an earlier one may still be there after a refusal", func(t *testing.T) {
		s := newSim(t, mac)
		s.carried("a", "uuid 1; name old")
		s.define("a", "uuid 2")
		s.plan()
		s.answer("a", mdm.OutcomeError)
		s.define("a", "uuid 1; name new")
		s.settle()
		require.Equal(t, "accepted_not_verifiable/same_uuid", s.status("a"))
	})
	t.Run("a new one clears it", func(t *testing.T) {
		s := newSim(t, mac)
		blur(s)
		s.settle()
		s.define("a", "uuid 2")
		s.settle()
		require.Equal(t, "verified/proven", s.status("a"))
	})
}
