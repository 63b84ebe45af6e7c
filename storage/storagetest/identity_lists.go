package storagetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/mdm"
)

// intents reads one page.
func (w *world) intents(s identity.IntentState, before mdm.IntentID, limit int) []identity.Intent {
	w.t.Helper()
	return got[[]identity.Intent](w)(w.s.Identity().Intents(w.ctx, w.tenant, s, w.now, before, limit))
}

// identityLists holds the list of intents.
func identityLists() []test {
	return []test{
		{"of each state", "A state that is not empty narrows to intents that are in it at that time", func(t *testing.T, w *world) {
			w.now = w.now.Add(500 * time.Nanosecond) // the clock knows more than a store keeps
			var all []identity.Intent
			for _, revoked := range []bool{false, true} {
				for _, quota := range []int{0, 1, 2} {
					for _, used := range []int{0, 1, 2} {
						for _, left := range []time.Duration{-time.Microsecond, 0, time.Microsecond} {
							all = append(all, w.intent(func(i *identity.Intent) {
								i.Revoked, i.Quota, i.Used = revoked, quota, used
								i.CreatedAt, i.ExpiresAt = start, start.Add(left)
							}))
						}
					}
				}
			}
			slices.Reverse(all)
			require.Equal(t, all, w.intents("", "", 1000))
			found := 0
			for _, s := range []identity.IntentState{identity.IntentOpen, identity.IntentWithdrawn, identity.IntentUsedUp, identity.IntentExpired} {
				var want []identity.Intent
				for _, i := range all {
					if i.State(w.now) == s {
						want = append(want, i)
					}
				}
				require.NotEmpty(t, want, s)
				require.Equal(t, want, w.intents(s, "", 1000), s)
				found += len(want)
			}
			require.Equal(t, len(all), found)
			require.Empty(t, w.intents("something", "", 1000))
		}},
		{"in pages", "by falling id, which is the newest first: those with ids below before, which is empty to begin", func(t *testing.T, w *world) {
			var all, open []identity.Intent
			for n := range 7 {
				i := w.intent(func(i *identity.Intent) {
					i.Revoked, i.Serials, i.HardwareIDs = n%3 == 1, []string{w.name("SN")}, []string{w.name("HW")}
					i.Actor = mdm.Actor{Kind: "user", Name: "bob", Reason: "asked"}
				})
				if all = append(all, i); !i.Revoked {
					open = append(open, i)
				}
			}
			slices.Reverse(all)
			slices.Reverse(open)
			for s, want := range map[identity.IntentState][]identity.Intent{"": all, identity.IntentOpen: open} {
				for limit := 1; limit <= 8; limit++ {
					var walked []identity.Intent
					for before := mdm.IntentID(""); ; before = walked[len(walked)-1].ID {
						page := w.intents(s, before, limit)
						require.LessOrEqual(t, len(page), limit)
						if walked = append(walked, page...); len(page) < limit {
							break
						}
					}
					require.Equal(t, want, walked)
				}
			}
		}},
		{"that somebody was given", "Intents lists intents that were given to somebody", func(t *testing.T, w *world) {
			plain := w.intent()
			w.intent(func(i *identity.Intent) { i.Kind = identity.KindRenewal })
			w.intent(func(i *identity.Intent) { i.Way = identity.OnPremise })
			moves := w.intent(func(i *identity.Intent) { i.Kind, i.Way = identity.KindMigration, identity.ADE })
			require.Equal(t, []identity.Intent{moves, plain}, w.intents("", "", 10))
			require.Equal(t, []identity.Intent{moves, plain}, w.intents(identity.IntentOpen, "", 10))
		}},
		{"as they are now", "UseIntent counts one device in. RevokeIntent closes an intent", func(t *testing.T, w *world) {
			used, withdrawn := w.intent(), w.intent()
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				require.NoError(t, w.s.Identity().UseIntent(ctx, tx, used.ID))
				return w.s.Identity().RevokeIntent(ctx, tx, withdrawn.ID, mdm.Actor{})
			})
			used.Used, withdrawn.Revoked = 1, true
			require.Empty(t, w.intents(identity.IntentOpen, "", 10))
			require.Equal(t, []identity.Intent{used}, w.intents(identity.IntentUsedUp, "", 10))
			require.Equal(t, []identity.Intent{withdrawn}, w.intents(identity.IntentWithdrawn, "", 10))
		}},
	}
}
