package profiles_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/profiles"
)

// Whatever happened (acknowledgements, refusals, losses, late and doubled
// answers, changes of mind), an honest device comes to carry exactly what is
// wanted, and every row says so. That a plan is deterministic, leaves its input
// alone, is followed by an empty one, gives rising orders and has one live
// command for each slot is held at every step by the simulation itself.
func TestHostsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSim(t)
		s.chaos(t, upTo(t, "events", 60))
		s.heal()
		s.requireWanted(t)
		require.Empty(t, s.live)
		require.Len(t, *s.rows(), len(profiles.Wanted(&s.in)), "rows of what is gone are dropped")
		over := s.overridden()
		for _, it := range profiles.View(s.in).Items {
			if over[it.Profile.Slot] {
				require.Equal(t, "failed/overridden", string(it.Status)+"/"+string(it.Reason), it.Identifier)
				continue
			}
			require.Contains(t, []profiles.Status{profiles.Verified, profiles.Unprovable}, it.Status, it.Identifier)
		}
	})
}

// Profiles that share nodes leave each of them there exactly as long as one of
// them is wanted, with the value of the first of those.
func TestSharedNodesConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 4 {
			s := drawCrowd(t)
			s.chaos(t, upTo(t, "events", 60))
			s.heal()
			s.requireWanted(t)
		}
	})
}

// A host that is steady stays so, however late it is, and whatever arrives again.
func TestSteadyHostsStaySteady(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSim(t)
		s.chaos(t, upTo(t, "events", 40))
		s.heal()
		s.in.Now = s.in.Now.AddDate(10, 0, 0)
		p := profiles.Plan(s.in)
		require.True(t, p.Empty())
		require.Zero(t, p.Due)
	})
}

// What is explained is what is planned.
func TestExplanationsAgreeWithPlans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSim(t)
		s.chaos(t, upTo(t, "events", 40))
		p := profiles.Plan(s.in)
		sends := map[profiles.SlotKey]profiles.Op{}
		for _, ch := range p.Channels {
			for _, st := range ch.Steps {
				if st.Send {
					sends[st.Row.Slot] = st.Row.Op
				}
			}
		}
		wanted := profiles.Wanted(&s.in)
		for _, d := range s.in.Definitions.Profiles {
			x := profiles.ExplainIn(s.in, d, nil)
			require.Equal(t, wanted[d.Slot] != nil, x.Desired)
			require.Equal(t, sends[d.Slot], x.NextStep)
			require.NotEmpty(t, x.Next)
			require.Equal(t, x.Desired, x.Item.Wanted())
			if x.Item.Reason == profiles.ReasonNotPlanned {
				require.Contains(t, []profiles.Status{profiles.Pending, profiles.Removing}, x.Item.Status)
			}
			switch x.Item.Reason {
			case profiles.ReasonHeld, profiles.ReasonProven, profiles.ReasonUnreadable, profiles.ReasonNotDesired:
				if !s.shares(d.Slot) {
					require.Empty(t, x.NextStep, "%s: %s", x.Item.Status, x.Item.Reason)
				}
			}
		}
	})
}

// shares reports whether a wanted profile may have to be sent once more for a
// node that it shares.
func (s *sim) shares(k profiles.SlotKey) bool { return s.family == profiles.WindowsProfile }
