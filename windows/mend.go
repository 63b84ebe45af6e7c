package windows

import "github.com/keelson-mdm/keelson/windows/syncml"

// mend changes an answered entry so that what failed for a reason that we can
// remove may go out again, and reports whether there is such a thing:
//
//   - an Add that found the node (418) leaves as a Replace; an interior node,
//     which has no value, is as wanted already;
//   - a Delete that found none (404) is as wanted, but makes an Atomic around it
//     fail: the Atomic leaves again without it.
//
// Within an Atomic, everything was rolled back and leaves again, unless
// something else failed there too. What may leave only once is never mended.
func (e *entry) mend() bool {
	if e.Once {
		return false
	}
	again := false
	for i := range e.Targets {
		t := &e.Targets[i]
		if e.atomic(t) >= 0 || !t.mendable() {
			continue
		}
		t.fix()
		again = again || !t.Skip
	}
	for g := range e.Groups {
		if e.Groups[g].Kind == syncml.Atomic && e.mendAtomic(g) {
			again = true
		}
	}
	return again
}

func (e *entry) mendAtomic(g int) (again bool) {
	var members []*target
	code, found := e.Groups[g].Code, false
	failed := code != 0 && !syncml.Outcome(syncml.Atomic, code).OK()
	for i := range e.Targets {
		t := &e.Targets[i]
		if e.atomic(t) != g || t.Skip {
			continue
		}
		members = append(members, t)
		switch c := syncml.Outcome(t.Kind, t.Code); {
		case t.mendable():
			found, failed = true, true
		case t.Kind == syncml.Delete && t.Code == 404:
			found = true
		case c.Cause():
			return false // it would fail again
		}
	}
	if !found || !failed {
		return false
	}
	for _, t := range members {
		switch {
		case t.mendable():
			t.fix()
		case t.Kind == syncml.Delete && t.Code == 404:
			t.Skip = true
		default:
			t.Code, t.Error, t.Inherited = 0, "", false
		}
		again = again || !t.Skip
	}
	for i := range e.Groups { // and what is nested in it
		if i == g || e.within(i, g) {
			e.Groups[i].Code, e.Groups[i].Error, e.Groups[i].Cmd = 0, "", ""
		}
	}
	return again
}

// within reports whether group i is inside group g.
func (e *entry) within(i, g int) bool {
	for in := e.Groups[i].In; in != 0; in = e.Groups[in-1].In {
		if in-1 == g {
			return true
		}
	}
	return false
}

// mendable reports whether the target is an Add that found its node.
func (t *target) mendable() bool {
	return !t.Skip && t.Kind == syncml.Add && syncml.Outcome(t.Kind, t.Code) == syncml.AlreadyExists
}

func (t *target) fix() {
	if t.Node {
		t.Skip = true
		return
	}
	t.Kind, t.Code, t.Error = syncml.Replace, 0, ""
}
