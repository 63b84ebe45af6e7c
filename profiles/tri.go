package profiles

import (
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
)

// Tri is a membership: no, yes, or unknown. Unknown never changes anything: it
// preserves what the host carries. The numbers are stored.
type Tri int8

// The values. The zero value is No.
const (
	No      Tri = 0
	Yes     Tri = 1
	Unknown Tri = 2
)

func (t Tri) valid() bool { return t == No || t == Yes || t == Unknown }

// String returns "no", "yes" or "unknown".
func (t Tri) String() string {
	switch t {
	case No:
		return "no"
	case Yes:
		return "yes"
	default:
		return "unknown"
	}
}

// Not returns Kleene's negation.
func (t Tri) Not() Tri {
	switch t {
	case No:
		return Yes
	case Yes:
		return No
	default:
		return Unknown
	}
}

// And returns Kleene's conjunction.
func (t Tri) And(u Tri) Tri {
	switch {
	case t == No || u == No:
		return No
	case t == Yes && u == Yes:
		return Yes
	default:
		return Unknown
	}
}

// Or returns Kleene's disjunction.
func (t Tri) Or(u Tri) Tri { return t.Not().And(u.Not()).Not() }

// Reaches evaluates the scope for a host of platform p with memberships m. A
// label that m does not name is unknown.
func (s *Scope) Reaches(p mdm.Platform, m map[mdm.LabelKey]Tri) Tri {
	return s.reaches(p, func(l mdm.LabelKey) Tri {
		if v, ok := m[l]; ok {
			return v
		}
		return Unknown
	})
}

func (s *Scope) reaches(p mdm.Platform, member func(mdm.LabelKey) Tri) Tri {
	if len(s.Platforms) > 0 && !slices.Contains(s.Platforms, p) {
		return No
	}
	r := Yes
	for _, l := range s.IncludeAll {
		r = r.And(member(l))
	}
	if len(s.IncludeAny) > 0 {
		any := No
		for _, l := range s.IncludeAny {
			any = any.Or(member(l))
		}
		r = r.And(any)
	}
	for _, l := range s.ExcludeAny {
		r = r.And(member(l).Not())
	}
	return r
}
