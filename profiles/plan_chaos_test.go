package profiles_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

var (
	identifiers = []string{"a", "b", "c"}
	nodeNames   = []string{"./n1", "./n2", "./n3"}
)

// upTo draws a number from 0 to n, each as likely as the others, which
// rapid's own ranges are not.
func upTo(t *rapid.T, label string, n int) int {
	return rapid.Custom(func(t *rapid.T) int {
		v := 0
		for range 10 {
			v <<= 1
			if rapid.Bool().Draw(t, "bit") {
				v++
			}
		}
		return v * (n + 1) >> 10
	}).Draw(t, label)
}

func pick[T any](t *rapid.T, label string, from []T) T { return from[upTo(t, label, len(from)-1)] }

func drawSim(t *rapid.T) *sim {
	s := newSim(t, pick(t, "platform", []mdm.Platform{mac, pc}))
	s.logf = t.Logf
	s.choose = func(n int) int { return upTo(t, "next", n-1) }
	for l := range mdm.LabelKey(2) {
		s.in.State.Labels[l+1] = pick(t, "default", []profiles.Tri{profiles.No, profiles.Yes, profiles.Unknown})
	}
	return s
}

// drawBody draws a small content. Values of a node depend on the profile, so
// that it shows who wrote last.
func (s *sim) drawBody(t *rapid.T, identifier string) string {
	if s.crowded {
		v := 1 + upTo(t, "value", 1)
		b := []string{"prove accepted"}
		for _, n := range nodeNames[:2] {
			if rapid.Bool().Draw(t, n) {
				b = append(b, fmt.Sprintf("node %s %s%d", n, identifier, v))
			}
		}
		return strings.Join(b, "; ")
	}
	b := []string{"class " + pick(t, "class", []string{"plain", "plain", "plain", "connectivity", "trust"})}
	if s.family == profiles.AppleProfile {
		return strings.Join(append(b, fmt.Sprintf("uuid %d", 1+upTo(t, "uuid", 2)), fmt.Sprintf("name %d", 1+upTo(t, "name", 1))), "; ")
	}
	if upTo(t, "write only", 3) == 0 {
		b = append(b, "prove accepted")
	}
	v := 1 + upTo(t, "value", 1)
	for _, n := range nodeNames {
		if rapid.Bool().Draw(t, n) {
			b = append(b, fmt.Sprintf("node %s %s%d", n, identifier, v))
		}
	}
	return strings.Join(b, "; ")
}

func (s *sim) drawScope(t *rapid.T) (sc profiles.Scope) {
	if s.crowded {
		return sc
	}
	l := []mdm.LabelKey{mdm.LabelKey(1 + upTo(t, "label", 1))}
	switch upTo(t, "mode", 7) {
	case 0:
		sc.IncludeAll = l
	case 1:
		sc.IncludeAny = l
	case 2:
		sc.ExcludeAny = l
	}
	return sc
}

// drawCrowd draws a host on which few profiles share few nodes that cannot be
// read back, where nothing but the plan itself keeps them in order.
func drawCrowd(t *rapid.T) *sim {
	s := newSim(t, pc)
	s.logf, s.crowded = t.Logf, true
	s.choose = func(n int) int { return upTo(t, "next", n-1) }
	return s
}

// late is an answer that the device gave and that is still under way.
type late struct {
	o   *order
	out mdm.Outcome
	obs *mdm.Observation
}

// chaos lets n things happen to a host, in any order.
func (s *sim) chaos(t *rapid.T, n int) {
	var under []late
	for range n {
		switch upTo(t, "event", 11) {
		case 0, 1:
			id := pick(t, "id", identifiers)
			s.define(id, s.drawBody(t, id), s.drawScope(t))
		case 2:
			s.undefine(pick(t, "id", identifiers))
		case 3: // made again: another definition with the same content
			id := pick(t, "id", identifiers)
			if p := s.defined(id); p != nil {
				s.lastKey++
				p.Key, p.Revision = mdm.ProfileKey(s.lastKey), 1
				s.contest()
			}
		case 4:
			l := mdm.LabelKey(1 + upTo(t, "label", 1))
			s.in.State.Members[l] = pick(t, "member", []profiles.Tri{profiles.No, profiles.Yes, profiles.Unknown})
		case 5:
			s.in.Now = s.in.Now.Add(time.Duration(pick(t, "seconds", []int{1, 40, 600, 90000})) * time.Second)
		case 6, 7:
			s.planTwice()
		case 8, 9:
			if len(s.live) > 0 {
				o := pick(t, "taken", s.live)
				if l, answered := s.take(t, o); answered {
					under = append(under, l)
				}
			}
		case 10, 11:
			if len(under) == 0 {
				continue
			}
			i := upTo(t, "arrives", len(under)-1)
			s.arrive(under[i])
			if upTo(t, "comes again", 3) > 0 {
				under = slices.Delete(under, i, i+1)
			}
		}
	}
	for _, l := range under { // all come in the end
		s.arrive(l)
	}
}

// planTwice plans, and holds that doing so twice is doing so once.
func (s *sim) planTwice() {
	first := s.plan()
	for s.tookBack { // what was learned by that is planned for at once
		first = s.plan()
	}
	require.Empty(s.t, s.plan(), "a plan that was applied is followed by an empty one; it did %v", first)
}

// take hands an instruction out, perhaps once more. It may be lost on the way,
// and so may its answer. A device that gets one twice does the same twice.
func (s *sim) take(t *rapid.T, o *order) (l late, answered bool) {
	o.left = true
	lost := pick(t, "lost", []string{"", "", "", "lost", "answer lost"})
	if lost == "lost" {
		return late{}, false
	}
	l = late{o: o, out: ok}
	if o.fate == "" {
		o.fate = pick(t, "fate", []string{"done", "done", "refused", "unreadable"})
		o.parts = upTo(t, "parts", 3)
	}
	switch {
	case o.slot == 0 && o.fate == "done":
		l.obs = s.look(o)
	case o.slot == 0:
	case o.fate == "unreadable":
		s.execute(o, 1<<20)
		l.out = mdm.OutcomeUndecodable
	case o.fate == "refused" && s.family == profiles.AppleProfile:
		l.out = mdm.OutcomeError
	case o.fate == "refused":
		s.execute(o, o.parts)
		l.out = mdm.OutcomeError
	case !s.execute(o, 1<<20) && lost == "":
		l.out = mdm.OutcomeError // there was nothing to remove
	}
	return l, lost == ""
}

func (s *sim) arrive(l late) {
	if l.o.slot != 0 {
		s.acknowledge(l.o, l.out)
		return
	}
	s.tell(l.o, l.obs)
}

// heal lets an honest device catch up. Where retries were used up, somebody
// uploads a new revision, which has to bring everything in order.
func (s *sim) heal() {
	for range 10 {
		s.settle()
		broken := false
		for _, it := range profiles.View(s.in).Items {
			if it.Status == profiles.Failed && it.Reason != profiles.ReasonOverridden {
				s.define(it.Identifier, strings.TrimPrefix(s.texts[it.Row.Content], "identifier "+it.Identifier+"\n")+"\nname healed"+fmt.Sprint(it.Profile.Revision))
				broken = true
			}
		}
		if !broken {
			return
		}
	}
}

// overridden are the slots of wanted profiles that do not prevail at a node: one
// that was made before them, and is wanted as well, writes another value to it.
func (s *sim) overridden() map[profiles.SlotKey]bool {
	out := make(map[profiles.SlotKey]bool)
	values := s.prevailing()
	for k, w := range profiles.Wanted(&s.in) {
		for n, v := range writes(s.in.Documents[w.Content]) {
			if v != values[n] {
				out[k] = true
			}
		}
	}
	return out
}

// prevailing are the values that nodes should have: of the profiles that are
// wanted, the one that was made first decides.
func (s *sim) prevailing() map[string]string {
	values, made := make(map[string]string), make(map[string]mdm.ProfileKey)
	for _, w := range profiles.Wanted(&s.in) {
		for n, v := range writes(s.in.Documents[w.Content]) {
			if first, ok := made[n]; !ok || w.Key < first {
				made[n], values[n] = w.Key, v
			}
		}
	}
	return values
}

// requireWanted holds the device against what is wanted on it.
func (s *sim) requireWanted(t require.TestingT) {
	if s.family == profiles.WindowsProfile {
		require.Equal(t, s.prevailing(), s.nodes)
		return
	}
	apple := map[string]string{}
	for _, w := range profiles.Wanted(&s.in) {
		apple[w.Identifier] = s.texts[w.Content]
	}
	require.Equal(t, apple, s.apple)
}
