package csp

import (
	"slices"
	"strings"
)

// setting is the value of an ADMX-backed policy (understanding-admx-backed-policies):
// <disabled/>, or <enabled/> with <data id="…" value="…"/> in any order.
type setting struct {
	enabled bool
	data    []string // "id\x00value", sorted
}

func parseSetting(s string) (setting, bool) {
	elements, ok := parseTree(s, maxTreeNodes)
	if !ok {
		return setting{}, false
	}
	var out setting
	states := 0
	for _, e := range elements {
		switch strings.ToLower(e.name.Local) {
		case "enabled":
			out.enabled = true
			states++
		case "disabled":
			states++
		case "data":
			out.data = append(out.data, attr(e, "id")+"\x00"+attr(e, "value"))
		default:
			return setting{}, false
		}
	}
	if states != 1 {
		return setting{}, false
	}
	if !out.enabled {
		out.data = nil // a disabled policy has no values
	}
	slices.Sort(out.data)
	return out, true
}

func attr(e *element, name string) string {
	for _, a := range e.attrs {
		if equalFold(a.Name.Local, name) {
			return a.Value
		}
	}
	return ""
}

// comparePolicy compares the value of a policy that is not equal as text: as an
// ADMX setting if it is one, as XML otherwise.
func comparePolicy(want, got string) Verdict {
	x, ok := parseSetting(want)
	if !ok {
		return compareXML(want, got)
	}
	y, ok := parseSetting(got)
	if !ok || x.enabled != y.enabled || !slices.Equal(x.data, y.data) {
		return Differ
	}
	return Match
}
