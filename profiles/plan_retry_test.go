package profiles_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// fail lets the device refuse what is given for a slot n times, each time after
// the pause.
func (s *sim) fail(identifier string, n int) {
	for range n {
		for range 3 {
			if s.plan(); s.waiting(identifier) != nil {
				break
			}
			if o := s.waiting("?"); o != nil {
				s.show()
			}
			if p := profiles.Plan(s.in); !p.Due.IsZero() {
				s.in.Now = p.Due
			}
		}
		s.answer(identifier, mdm.OutcomeError)
	}
	for range 3 { // to the time of the next try
		s.plan()
		if o := s.waiting("?"); o != nil {
			s.show()
		}
	}
	if p := profiles.Plan(s.in); !p.Due.IsZero() {
		s.in.Now = p.Due
	}
}

// A refused install comes again after pauses that grow, and then no more (6.1,
// retries exhausted; 12.5).
func TestRefusedInstallComesAgainAndThenNoMore(t *testing.T) {
	s := newSim(t, mac)
	s.define("a", "uuid 1")
	require.Equal(t, []string{"install a"}, s.plan())
	for _, pause := range []time.Duration{30 * time.Second, 2 * time.Minute, 8 * time.Minute} {
		s.answer("a", mdm.OutcomeError)
		require.Equal(t, []string{"row a"}, s.plan())
		require.Equal(t, s.in.Now.Add(pause), s.row("a").RetryAt)
		require.Equal(t, s.in.Now.Add(pause), profiles.Plan(s.in).Due, "marked for that time, however often it is planned")
		require.Equal(t, "pending/retry_later", s.status("a"))

		s.in.Now = s.in.Now.Add(pause - 1)
		require.Empty(t, s.plan())
		s.in.Now = s.in.Now.Add(1)
		require.Equal(t, []string{"install a"}, s.plan())
		require.Zero(t, s.row("a").RetryAt)
		require.Equal(t, "pending/queued", s.status("a"))
	}
	s.answer("a", mdm.OutcomeError)
	require.Empty(t, s.plan())
	require.Zero(t, profiles.Plan(s.in).Due)
	require.Equal(t, "failed/refused", s.status("a"))
}

// A new revision begins with a new budget (7, retries: the reference does not
// reset it).
func TestNewRevisionHasANewBudget(t *testing.T) {
	s := newSim(t, mac)
	s.define("a", "uuid 1")
	s.fail("a", profiles.MaxTries+1)
	require.Equal(t, "failed/refused", s.status("a"))

	s.define("a", "uuid 2")
	require.Equal(t, "pending/not_planned", s.status("a"))
	require.Equal(t, []string{"install a"}, s.plan())
	require.Zero(t, s.row("a").Tries)
	s.answer("a", mdm.OutcomeError)
	require.Equal(t, []string{"row a"}, s.plan())
	require.Equal(t, 30*time.Second, s.row("a").RetryAt.Sub(s.in.Now))
}

// So does a revision whose content is the one that failed: somebody wants it
// tried again.
func TestRevisionWithTheSameContentIsTriedAgain(t *testing.T) {
	s := newSim(t, mac)
	s.define("a", "uuid 1")
	s.fail("a", profiles.MaxTries+1)
	s.defined("a").Revision = 3
	require.Equal(t, "pending/not_planned", s.status("a"))
	require.Equal(t, []string{"install a"}, s.plan())
	require.Zero(t, s.row("a").Tries)
}

// What is not the device's doing costs no retry (12.5).
func TestCanceledCommandComesAgainForFree(t *testing.T) {
	s := newSim(t, mac)
	s.define("a", "uuid 1")
	for range 2 * profiles.MaxTries {
		require.Equal(t, []string{"install a"}, s.plan())
		s.answer("a", mdm.OutcomeCanceled)
		require.Equal(t, []string{"row a"}, s.plan())
		require.Zero(t, s.row("a").Tries)
		require.Equal(t, "pending/retry_later", s.status("a"))
		s.in.Now = s.row("a").RetryAt
	}
}

// A removal is never given up: after its budget it comes each day (6.2, 12.16).
func TestRemovalIsNeverGivenUp(t *testing.T) {
	for _, platform := range []mdm.Platform{mac, pc} {
		s := newSim(t, platform)
		s.carried("a", "uuid 1; node ./x 1")
		s.undefine("a")
		s.fail("a", profiles.MaxTries+1)
		require.Equal(t, "removal_failed/refused", s.status("a"))
		for range 10 {
			require.Equal(t, []string{"remove a"}, s.plan())
			at := s.in.Now
			s.fail("a", 1)
			require.Equal(t, at.Add(24*time.Hour), s.in.Now)
		}
		s.settle()
		require.Nil(t, s.row("a"))
		require.Empty(t, s.apple)
		require.Empty(t, s.nodes)
	}
}

// A pause never gets longer than a day, however often it grows.
func TestPausesAreBounded(t *testing.T) {
	s := newSim(t, mac)
	s.carried("a", "uuid 1")
	s.undefine("a")
	s.fail("a", 100)
	require.LessOrEqual(t, s.row("a").RetryAt.Sub(s.row("a").AckAt), 24*time.Hour)
}
