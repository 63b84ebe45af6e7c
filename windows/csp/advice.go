package csp

import (
	"fmt"
	"strings"

	"github.com/keelson-mdm/keelson/windows/syncml"
)

// Advice is a remark for the person who uploads a profile. It refuses nothing:
// the table of facts may be older than the device.
type Advice struct {
	Path   string // as in [Operation.Path]
	LocURI LocURI
	Text   string
}

// Advise compares the profile with what Microsoft documents.
func (p *Profile) Advise() []Advice {
	var out []Advice
	for i := range p.Operations {
		o := &p.Operations[i]
		f, known := FactOf(o.LocURI)
		if !known {
			continue
		}
		say := func(format string, args ...any) {
			out = append(out, Advice{o.Path, o.LocURI, fmt.Sprintf(format, args...)})
		}
		if verb := verbOf(o.Verb); !f.Can(verb) {
			say("the documentation lists %s for this node, not %s", f.Verbs, verb)
		}
		if f.Scopes != 0 && !f.Scopes.Has(o.LocURI.Scope()) {
			say("the documentation does not list this node in the %s scope", o.LocURI.Scope())
		}
		if given := first(o.Format, "chr"); f.Format != "" && given != f.Format && o.Verb != syncml.Exec {
			say("the documented Format is %s, not %s", f.Format, given)
		}
		if f.Atomic && !o.Atomic {
			say("the documentation requires an Atomic around the nodes of one parent")
		}
		if o.Verb == syncml.Exec {
			continue
		}
		switch f.Best() {
		case Unverifiable:
			say("what is set here cannot be read back: the device's acceptance is all the evidence there will be")
		case Present:
			say("reading back shows that there is a value here, not which")
		}
		if !f.Can(CanDelete) && f.RemoveAt == "" {
			say("no Delete is documented here: the value stays when the profile is removed")
		}
	}
	return out
}

func verbOf(k syncml.Kind) Verbs {
	switch k {
	case syncml.Add:
		return CanAdd
	case syncml.Delete:
		return CanDelete
	case syncml.Get:
		return CanGet
	case syncml.Replace:
		return CanReplace
	case syncml.Exec:
		return CanExec
	}
	return 0
}

// String lists the verbs as Microsoft's pages do.
func (v Verbs) String() string {
	var names []string
	for _, n := range [...]struct {
		v Verbs
		s string
	}{{CanAdd, "Add"}, {CanDelete, "Delete"}, {CanExec, "Exec"}, {CanGet, "Get"}, {CanReplace, "Replace"}} {
		if v&n.v != 0 {
			names = append(names, n.s)
		}
	}
	return strings.Join(names, ", ")
}
