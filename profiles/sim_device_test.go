package profiles_test

import (
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// waiting returns the live instruction for a slot, or the oldest question for
// "?"; nil when there is none.
func (s *sim) waiting(identifier string) *order {
	for _, o := range s.live {
		if o.slot == s.slots[identifier] && o.slot != 0 || identifier == "?" && o.slot == 0 {
			return o
		}
	}
	return nil
}

// fetch hands an instruction out, and the device executes it without saying so.
func (s *sim) fetch(identifier string) *order {
	o := s.waiting(identifier)
	require.NotNil(s.t, o, "nothing waits for %s", identifier)
	o.left = true
	s.execute(o, len(o.drop)+1<<20)
	return o
}

// answer lets the device take what waits for a slot and end it with outcome out.
func (s *sim) answer(identifier string, out mdm.Outcome) {
	o := s.waiting(identifier)
	require.NotNil(s.t, o, "nothing waits for %s", identifier)
	o.left = true
	if out.OK() {
		s.execute(o, 1<<20)
	}
	s.acknowledge(o, out)
}

const ok = mdm.OutcomeAcknowledged

// execute changes the device as an instruction says. Of one for nodes, only the
// first n parts are done.
func (s *sim) execute(o *order, n int) (done bool) {
	s.log("executed %s %s, order %d, which deletes %v; %d parts", o.op, o.identifier, o.order, o.drop, n)
	if s.family == profiles.AppleProfile {
		switch o.op {
		case profiles.Install:
			s.apple[o.identifier] = o.content
		case profiles.Remove:
			_, done = s.apple[o.identifier]
			delete(s.apple, o.identifier)
			return done
		}
		return true
	}
	for _, k := range o.drop {
		if n--; n < 0 {
			return false
		}
		delete(s.nodes, k)
	}
	if o.op != profiles.Install {
		return true
	}
	for _, l := range lines([]byte(o.content)) {
		if l[0] == "node" {
			if n--; n < 0 {
				return false
			}
			k, v, _ := strings.Cut(l[1], " ")
			s.nodes[strings.ToLower(k)] = v
		}
	}
	return true
}

// acknowledge is what a store does with an outcome.
func (s *sim) acknowledge(o *order, out mdm.Outcome) {
	s.log("answered %s %s, order %d: %s", o.op, o.identifier, o.order, out)
	s.live = slices.DeleteFunc(s.live, func(l *order) bool { return l == o })
	if r := s.rowOf(o.slot); r != nil && r.Order == o.order && r.Ack < o.order {
		r.Ack, r.AckOutcome, r.AckAt = o.order, out, s.in.Now
	}
}

// look is the device's answer to a question, given now.
func (s *sim) look(o *order) *mdm.Observation {
	obs := &mdm.Observation{Asked: o.seq}
	if s.family == profiles.AppleProfile {
		obs.Complete = true
		for id, text := range s.apple {
			obs.Items = append(obs.Items, mdm.Observed{Identifier: id, UUID: parsed(s.family, text).UUID})
		}
		return obs
	}
	for _, k := range o.get {
		it := mdm.Observed{Identifier: k, Status: 404}
		if v, ok := s.nodes[k]; ok {
			it.Status, it.Value = 200, v
		}
		obs.Items = append(obs.Items, it)
	}
	return obs
}

// tell takes in what a question brought; nil means that it failed. It does what
// Observed and Result do, whose own tests are with a store.
func (s *sim) tell(o *order, obs *mdm.Observation) {
	s.live = slices.DeleteFunc(s.live, func(l *order) bool { return l == o })
	for i := range *s.rows() {
		r := &(*s.rows())[i]
		if !r.AskedBy(o.seq, s.family == profiles.AppleProfile) {
			continue
		}
		if obs == nil {
			if r.Seen != r.Order {
				r.Asked, r.AskedSeq = 0, 0
			}
			continue
		}
		var doc *profiles.Document
		if r.Op == profiles.Install {
			doc = s.in.Documents[r.Content]
		}
		if e, missing, ok := (textFormat{family: s.family}).Judge(r.Identifier, doc, obs); ok {
			r.Seen, r.Evidence, r.Missing, r.SeenAt = r.Order, e, missing, s.in.Now
		}
	}
}

// show lets the device answer the oldest question.
func (s *sim) show() {
	o := s.waiting("?")
	require.NotNil(s.t, o, "no question waits")
	s.tell(o, s.look(o))
}

// settle lets an honest device answer everything, and time pass, until nothing is
// left to do.
func (s *sim) settle() {
	for range 400 {
		s.plan()
		if len(s.live) > 0 {
			i := 0
			if s.choose != nil {
				i = s.choose(len(s.live))
			}
			switch o := s.live[i]; {
			case o.slot == 0:
				s.tell(o, s.look(o))
			default:
				done := s.execute(o, 1<<20)
				out := ok
				if !done {
					out = mdm.OutcomeError // nothing there to remove
				}
				s.acknowledge(o, out)
			}
			continue
		}
		p := profiles.Plan(s.in)
		if p.Empty() && p.Due.IsZero() {
			return
		}
		if !p.Due.IsZero() && s.in.Now.Before(p.Due) {
			s.in.Now = p.Due
		}
	}
	require.Fail(s.t, "the host does not come to rest", "rows %+v", *s.rows())
}

// item returns how a slot is shown.
func (s *sim) item(identifier string) profiles.Item {
	for _, it := range profiles.View(s.in).Items {
		if it.Identifier == identifier {
			return it
		}
	}
	return profiles.Item{}
}

// status is a slot's status and reason in short.
func (s *sim) status(identifier string) string {
	it := s.item(identifier)
	return string(it.Status) + "/" + string(it.Reason)
}
