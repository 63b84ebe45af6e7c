package csp

import (
	"strings"
)

// maxWLANNodes keeps the comparison, which tries pairs, cheap. A profile with
// EAP has about a hundred.
const maxWLANNodes = 2000

// compareWLAN compares a WLANProfile with what Windows made of it. Windows adds
// defaults and the hexadecimal form of the SSID, encrypts the key (wifi-csp),
// and was observed to raise the authentication from WPA2 to WPA3. So every
// element that was written must be there, and what is added does not count.
func compareWLAN(want, got string) Verdict {
	x, ok := parseTree(want, maxWLANNodes)
	if !ok || len(x) != 1 {
		return Differ
	}
	y, ok := parseTree(got, maxWLANNodes)
	if !ok || len(y) != 1 {
		return Differ
	}
	return contained(x[0], y[0])
}

// contained tells whether all of want is in got: [Match], [Partial] when a part
// cannot be compared, or [Differ].
func contained(want, got *element) Verdict {
	if want.name.Local != got.name.Local {
		return Differ
	}
	verdict := Match
	switch want.name.Local {
	case "keyMaterial", "protected": // encrypted when stored
		return Partial
	case "authentication", "encryption":
		if want.text != got.text {
			if !raised(want.text, got.text) {
				return Differ
			}
			verdict = Partial
		}
	case "hex":
		if !equalFold(want.text, got.text) {
			return Differ
		}
	default:
		if want.text != got.text {
			return Differ
		}
	}
	used := make([]bool, len(got.children))
	for _, w := range want.children {
		best, at := Differ, -1
		for i, g := range got.children {
			if used[i] {
				continue
			}
			if v := contained(w, g); v == Match || v == Partial && best == Differ {
				best, at = v, i
				if v == Match {
					break
				}
			}
		}
		if at < 0 {
			return Differ
		}
		used[at] = true
		if best == Partial {
			verdict = Partial
		}
	}
	return verdict
}

// raised reports whether Windows may have put the stronger value for the other.
func raised(want, got string) bool {
	return strings.HasPrefix(want, "WPA2") && strings.HasPrefix(got, "WPA3") ||
		want == "AES" && strings.HasPrefix(got, "GCMP")
}
