package csp

import (
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// Probe is a Get that tells something about an operation of a profile.
type Probe struct {
	At LocURI // the node to get
	// Operation wrote what the answer is held against.
	Operation Operation
	Fact      Fact
	effect    bool
}

// Probes returns what to read to learn whether ops are in place: one probe a
// node, none for what cannot be read. Where several operations wrote one node,
// the last counts.
func Probes(ops []Operation) []Probe {
	return probes(ops, func(o Operation, f Fact) (Probe, bool) {
		p := Probe{At: o.LocURI, Operation: o, Fact: f}
		switch {
		case f.Best() == Unverifiable:
			return p, false
		case f.ReadBack == ReadResult && f.Result != nil:
			p.At = fill(o.LocURI, f.Pattern, f.Result.At)
		}
		return p, true
	})
}

// Effects returns what to read to learn whether ops took effect, which may
// differ from what is in place when another source decides: the merged policy,
// the status of a download.
func Effects(ops []Operation) []Probe {
	return probes(ops, func(o Operation, f Fact) (Probe, bool) {
		if f.Effect == nil {
			return Probe{}, false
		}
		return Probe{At: fill(o.LocURI, f.Pattern, f.Effect.At), Operation: o, Fact: f, effect: true}, true
	})
}

func probes(ops []Operation, probe func(Operation, Fact) (Probe, bool)) []Probe {
	var out []Probe
	at := map[string]int{}
	for i := range ops {
		if !ops[i].settles() {
			continue
		}
		f, _ := FactOf(ops[i].LocURI)
		p, ok := probe(ops[i], f)
		if !ok || p.At.IsZero() {
			continue
		}
		if j, dup := at[p.At.Key()]; dup {
			out[j] = p
			continue
		}
		at[p.At.Key()] = len(out)
		out = append(out, p)
	}
	return out
}

// Judge says what the device's answer to the probe proves. Got counts only when
// the status is 200.
func (p Probe) Judge(status int, got Value) Verdict {
	switch {
	case status != 200:
		return Absent(p.Fact, status)
	case p.effect:
		return compareWhere(p.Fact, p.Fact.Effect, p.Operation.value(), got)
	}
	return Compare(p.Fact, p.Operation.value(), got)
}

// Gets returns one Get for all probes, or nil when there are none. It has no
// CmdID.
func Gets(ps []Probe) []syncml.Command {
	if len(ps) == 0 {
		return nil
	}
	c := syncml.Command{Kind: syncml.Get}
	for _, p := range ps {
		c.Items = append(c.Items, syncml.Item{Target: syncml.Location{URI: p.At.String()}})
	}
	return []syncml.Command{c}
}
