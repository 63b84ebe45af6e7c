package profiles_test

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// sim is one host without any store: its definitions and rows, what waits in its
// queue, and a device that does as it is told, or not.
type sim struct {
	t      require.TestingT
	family profiles.Family
	in     profiles.Input

	slots    map[string]profiles.SlotKey
	texts    map[mdm.Hash]string
	lastKey  int64
	live     []*order // waiting in the queue, in sequence
	lastSeq  int64
	highest  int64 // the highest order ever given
	given    map[profiles.SlotKey]int64
	sent     int // instructions given
	apple    map[string]string
	nodes    map[string]string
	tookBack bool // the last plan recalled something that had not left
	logf     func(format string, args ...any)
	crowded  bool            // chaos keeps to few profiles that share their nodes
	choose   func(n int) int // which of n waiting commands comes next; nil takes the oldest
}

// order is a command in the queue.
type order struct {
	slot       profiles.SlotKey // 0 is a question
	order, seq int64
	op         profiles.Op
	identifier string
	content    string
	drop       []string // nodes that it deletes
	get        []string // nodes that it asks about
	left       bool     // it was handed out
	fate       string   // how the device takes it, each time that it does
	parts      int      // how much of a refused one it does
}

var epoch = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func newSim(t require.TestingT, p mdm.Platform) *sim {
	s := &sim{
		t: t, family: profiles.AppleProfile,
		slots: map[string]profiles.SlotKey{}, given: map[profiles.SlotKey]int64{}, texts: map[mdm.Hash]string{},
		apple: map[string]string{}, nodes: map[string]string{},
	}
	if p == mdm.Windows {
		s.family = profiles.WindowsProfile
	}
	s.in = profiles.Input{
		Now:         epoch,
		Definitions: &profiles.Definitions{},
		Documents:   map[mdm.Hash]*profiles.Document{},
		State: profiles.HostState{
			Host:    mdm.Host{Key: 1, ID: "host", Platform: p},
			Members: map[mdm.LabelKey]profiles.Tri{}, Labels: map[mdm.LabelKey]profiles.Tri{},
			Channels: []profiles.ChannelState{{Enrollment: mdm.Enrollment{
				Key: 7, Host: 1, Channel: mdm.DeviceChannel, Generation: 1, State: mdm.EnrollmentEnrolled,
			}}},
		},
	}
	return s
}

// define adds a profile or changes the one with its identifier. Body is the
// content without its identifier.
func (s *sim) define(identifier, body string, scope ...profiles.Scope) *profiles.Profile {
	text := "identifier " + identifier + "\n" + strings.ReplaceAll(body, "; ", "\n")
	h := mdm.Hash(sha256.Sum256([]byte(text)))
	s.texts[h] = text
	s.in.Documents[h] = parsed(s.family, text)
	d := s.in.Definitions
	d.Version++
	p := s.defined(identifier)
	if p == nil {
		s.lastKey++
		d.Profiles = append(slices.Clone(d.Profiles), profiles.Profile{
			Key: mdm.ProfileKey(s.lastKey), Family: s.family, Identifier: identifier, Slot: s.slot(identifier), Name: identifier,
		})
		p = s.defined(identifier)
	}
	if p.Content != h {
		p.Revision, p.Content = p.Revision+1, h
	}
	if len(scope) > 0 {
		p.Scope = scope[0]
	}
	s.contest()
	return p
}

// contest finds the contested nodes anew, as the engine does for each plan.
func (s *sim) contest() {
	s.in.Contests = profiles.Contests(s.in.Definitions.Profiles, s.in.Documents, map[profiles.Family]profiles.Format{s.family: textFormat{family: s.family}})
}

func (s *sim) slot(identifier string) profiles.SlotKey {
	if s.slots[identifier] == 0 {
		s.slots[identifier] = profiles.SlotKey(len(s.slots) + 1)
	}
	return s.slots[identifier]
}

func (s *sim) defined(identifier string) *profiles.Profile {
	for i := range s.in.Definitions.Profiles {
		if p := &s.in.Definitions.Profiles[i]; p.Identifier == identifier {
			return p
		}
	}
	return nil
}

func (s *sim) undefine(identifier string) {
	d := s.in.Definitions
	d.Version++
	d.Profiles = slices.DeleteFunc(slices.Clone(d.Profiles), func(p profiles.Profile) bool { return p.Identifier == identifier })
	s.contest()
}

func (s *sim) rows() *[]profiles.Row { return &s.in.State.Channels[0].Rows }

// row returns the row of a slot; nil when there is none.
func (s *sim) row(identifier string) *profiles.Row { return s.rowOf(s.slots[identifier]) }

func (s *sim) rowOf(k profiles.SlotKey) *profiles.Row {
	rows := *s.rows()
	for i := range rows {
		if rows[i].Slot == k {
			return &rows[i]
		}
	}
	return nil
}

// plan plans, checks what holds of every plan, applies it, and says in short what
// it did.
func (s *sim) plan() []string {
	s.tookBack = false
	before := fmt.Sprintf("%+v", s.in)
	p, q := profiles.Plan(s.in), profiles.Plan(s.in)
	require.Equal(s.t, p, q, "the same input gives the same plan")
	require.Equal(s.t, before, fmt.Sprintf("%+v", s.in), "a plan leaves its input as it is")
	if p.Empty() {
		return nil
	}
	require.Len(s.t, p.Channels, 1)
	require.Equal(s.t, s.in.State.PlanRevision, p.Was)
	s.in.State.PlanRevision++
	did := s.apply(p.Channels[0].Steps)
	s.log("plan %d: %v", s.in.State.PlanRevision, did)
	return did
}

func (s *sim) apply(steps []profiles.Step) (did []string) {
	require.True(s.t, slices.IsSortedFunc(steps, func(a, b profiles.Step) int { return cmp.Compare(a.Row.Slot, b.Row.Slot) }))
	var asked []profiles.SlotKey
	for i := range steps {
		st := &steps[i]
		said := "row"
		if st.Drop || st.Send || st.Recall {
			said = s.end(st)
		}
		if st.Send {
			said = string(st.Row.Op)
			if s.send(st) {
				said = "drop"
			}
		}
		if st.Ask {
			said = "ask"
			asked = append(asked, st.Row.Slot)
		}
		did = append(did, strings.TrimSpace(said+" "+st.Row.Identifier))
		s.put(st)
	}
	if len(asked) > 0 {
		s.ask(asked)
	}
	s.check()
	return did
}

func (s *sim) log(format string, args ...any) {
	if s.logf != nil {
		s.logf(format, args...)
	}
}

// end takes back what waits for a step's row.
func (s *sim) end(st *profiles.Step) (said string) {
	taken, left := 0, 0
	s.live = slices.DeleteFunc(s.live, func(o *order) bool {
		if o.slot != st.Row.Slot {
			return false
		}
		if o.left {
			left++
		} else {
			taken++
		}
		return true
	})
	said = "recall"
	if taken > 0 && left == 0 {
		st.TakenBack(s.in.Documents)
		s.tookBack = s.tookBack || st.Recall
	}
	if st.Drop {
		said = "drop"
	}
	return said
}

// send queues a step's instruction. It reports whether there was nothing to
// send.
func (s *sim) send(st *profiles.Step) bool {
	require.Greater(s.t, st.Row.Order, int64(0))
	require.Equal(s.t, s.in.State.PlanRevision, st.Row.Order, "an order is the plan revision that gave it")
	require.GreaterOrEqual(s.t, st.Row.Order, s.highest)
	require.Greater(s.t, st.Row.Order, s.given[st.Row.Slot], "orders only rise")
	s.given[st.Row.Slot] = st.Row.Order
	o := &order{
		slot: st.Row.Slot, order: st.Row.Order, op: st.Row.Op, identifier: st.Row.Identifier, content: s.texts[st.Row.Content],
	}
	for _, n := range st.Left.Drop {
		o.drop = append(o.drop, n.Key)
		for _, k := range st.Left.Keep {
			require.NotEqual(s.t, n.Key, k.Key)
		}
	}
	if o.op == profiles.Remove && s.family == profiles.WindowsProfile && len(o.drop) == 0 {
		st.Drop = true
		return true
	}
	s.highest = st.Row.Order
	s.log("given %s %s, order %d, which deletes %v", o.op, o.identifier, o.order, o.drop)
	st.Row.Command = mdm.CommandID(fmt.Sprintf("c%d", st.Row.Order))
	s.queue(o)
	s.sent++
	return false
}

func (s *sim) queue(o *order) {
	s.lastSeq++
	o.seq = s.lastSeq
	s.live = append(s.live, o)
}

// put stores a step's row as a store does: what the device answered and showed
// stays.
func (s *sim) put(st *profiles.Step) {
	rows := s.rows()
	*rows = slices.DeleteFunc(slices.Clone(*rows), func(r profiles.Row) bool { return r.Slot == st.Row.Slot })
	if st.Drop {
		return
	}
	*rows = append(*rows, st.Row)
	slices.SortFunc(*rows, func(a, b profiles.Row) int { return cmp.Compare(a.Slot, b.Slot) })
}

// ask queues one question about slots.
func (s *sim) ask(slots []profiles.SlotKey) {
	o := &order{}
	if s.family == profiles.AppleProfile {
		s.live = slices.DeleteFunc(s.live, func(o *order) bool { return o.slot == 0 && !o.left })
	}
	for _, k := range slots {
		for _, n := range s.in.Documents[s.rowOf(k).Content].Nodes {
			o.get = append(o.get, n.Key)
		}
	}
	s.queue(o)
	for _, k := range slots {
		s.rowOf(k).AskedSeq = o.seq
	}
}

// check holds what is true at every moment.
func (s *sim) check() {
	live := make(map[profiles.SlotKey]*order)
	for _, o := range s.live {
		if o.slot == 0 {
			continue
		}
		require.Nil(s.t, live[o.slot], "one live command for a slot")
		live[o.slot] = o
		r := s.rowOf(o.slot)
		require.NotNil(s.t, r, "a live command has its row")
		require.Equal(s.t, r.Order, o.order, "a live command is of the row's current instruction")
	}
	for i := range *s.rows() {
		r := &(*s.rows())[i]
		require.LessOrEqual(s.t, r.Ack, r.Order)
		require.LessOrEqual(s.t, r.Order, s.highest)
	}
}
