package profiles

import "github.com/keelson-mdm/keelson/mdm"

// What tests of the plan need of its inside; the tests themselves are outside,
// because stores import this package.

func (s *Step) TakenBack(docs map[mdm.Hash]*Document)       { s.takenBack(docs) }
func (r *Row) AskedBy(seq int64, everything bool) bool      { return r.asked(seq, everything) }
func (r *Row) GaveUp() bool                                 { return r.Ack == r.Order && !r.AckOutcome.OK() && gaveUp(r) }
func View(in Input) HostView                                { return view(&in) }
func ExplainIn(in Input, p Profile, ls []Label) Explanation { return explain(&in, &p, ls) }
func (it Item) Wanted() bool                                { return it.wanted }

const (
	MaxTries   = maxTries
	MaxMisses  = maxMisses
	MaxPause   = maxPause
	Quarantine = quarantine
	SecondLook = secondLook
	AskAgain   = askAgain
	SweepEvery = sweepEvery
	MaxPages   = maxPages
)

// Wanted returns the desired set of a host's device channel.
func Wanted(in *Input) map[SlotKey]*Profile {
	out := make(map[SlotKey]*Profile)
	var rows []Row
	for _, ch := range in.State.Channels {
		rows = append(rows, ch.Rows...)
	}
	for _, s := range slots(in, rows) {
		if s.want != nil {
			out[s.key] = s.want
		}
	}
	return out
}
