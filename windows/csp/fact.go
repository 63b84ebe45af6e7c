package csp

import "strings"

// Verbs is a set of commands.
type Verbs uint8

// The commands that a node may take.
const (
	CanAdd Verbs = 1 << iota
	CanDelete
	CanGet
	CanReplace
	CanExec
)

// Scopes is a set of scopes.
type Scopes uint8

// The scopes in which a node may exist.
const (
	InDevice Scopes = 1 << iota
	InUser
	InBoth = InDevice | InUser
)

// Has reports whether the set holds the scope.
func (s Scopes) Has(scope Scope) bool {
	if scope == User {
		return s&InUser != 0
	}
	return s&InDevice != 0
}

// ReadBack says what reading a node proves about what was written to it.
type ReadBack string

// The classes of reading back.
const (
	// ReadExact: Get returns the value. The zero value means the same.
	ReadExact ReadBack = "exact"
	// ReadSemantic: Get returns the value in other words; Content says how to
	// compare.
	ReadSemantic ReadBack = "semantic"
	// ReadRedacted: Get shows that there is a value, and not which.
	ReadRedacted ReadBack = "redacted"
	// ReadNever: there is no Get. Success is all the evidence there will be.
	ReadNever ReadBack = "never"
	// ReadResult: what was written only starts something; another node, in
	// Fact.Result, tells how it ended.
	ReadResult ReadBack = "result"
)

// Content says how values of a node are compared.
type Content string

// The contents. The zero value is text of the node's format.
const (
	ContentPolicy Content = "policy" // plain text, or <enabled/> with <data/>
	ContentXML    Content = "xml"
	ContentWLAN   Content = "wlan" // a WLANProfile, which Windows completes
)

// Role says why the order of deliveries matters.
type Role string

// The roles.
const (
	Plain        Role = ""
	Connectivity Role = "connectivity" // the device's way to the server
	Trust        Role = "trust"        // certificates that others rely on
)

// Where is another node that says what became of a value.
type Where struct {
	// At is a pattern; each "*" stands for what the first of the same rank in
	// the fact's pattern matched.
	At string
	// Done are the values that prove success, Pending those that say wait. When
	// Done is empty, the value that was written is expected.
	Done    []string
	Pending []string
}

// Fact is what is known about a class of nodes. The zero value is the default
// for nodes that nobody described: text that reads back at the same node.
type Fact struct {
	// Pattern is the address below the scope, in Microsoft's letters: "*" is one
	// segment, "*~*" one segment with a '~', a final "**" any rest, none
	// included. Empty for the default.
	Pattern  string
	Scopes   Scopes // 0 when unknown
	Verbs    Verbs  // 0 when unknown
	Format   string // empty when it varies
	ReadBack ReadBack
	Content  Content
	// Rewritten: Windows stores the value in a form of its own that is not
	// documented, so that a difference proves nothing.
	Rewritten bool
	// Hidden: Get may answer 404 although the value is set.
	Hidden bool
	// Atomic: the DDF requires that the nodes below one parent are written in
	// one Atomic.
	Atomic bool
	Role   Role
	// Result is where a ReadResult node is judged, nil otherwise.
	Result *Where
	// Effect is where the effective value shows, nil when nowhere.
	Effect *Where
	// RemoveAt is a pattern for the ancestor whose Delete is the documented way
	// to remove the node. Empty: the node itself, if Delete is among Verbs.
	RemoveAt string
}

// FactOf returns what is known about a node: its fact and true, or the default
// and false.
func FactOf(u LocURI) (Fact, bool) { return lookup(u.path()) }

// Known reports whether the fact is not the default.
func (f Fact) Known() bool { return f.Pattern != "" }

// Can reports whether the node takes all of the verbs; an unknown node takes
// any.
func (f Fact) Can(v Verbs) bool { return f.Verbs == 0 || f.Verbs&v == v }

const vendorKey = "vendor/msft/"

// lookup takes a key without its scope.
func lookup(path string) (Fact, bool) {
	rest, vendor := strings.CutPrefix(path, vendorKey)
	for i := range facts {
		// Nearly every pattern begins alike: compare that part once.
		pattern, ok := strings.CutPrefix(facts[i].Pattern, v)
		if ok == vendor && matchPattern(pattern, rest) {
			return facts[i], true
		}
	}
	return Fact{}, false
}

// matchPattern compares a pattern in any case of ASCII letters with a key.
func matchPattern(pattern, path string) bool {
	for {
		p, prest, pmore := strings.Cut(pattern, "/")
		if p == "**" {
			return true
		}
		s, srest, smore := strings.Cut(path, "/")
		if !matchSegment(p, s) {
			return false
		}
		if !pmore || !smore {
			return !smore && (!pmore || prest == "**")
		}
		pattern, path = prest, srest
	}
}

func matchSegment(p, s string) bool {
	switch p {
	case "*":
		return s != ""
	case "*~*":
		return strings.Contains(s, "~")
	}
	return len(p) == len(s) && strings.EqualFold(p, s) // patterns are ASCII
}

// fill makes the address that the pattern at means for u, whose fact has the
// pattern from. It keeps u's scope.
func fill(u LocURI, from, at string) LocURI {
	segs := u.Segments()
	if s := segs[0]; s == "Device" || s == "User" {
		segs = segs[1:]
	}
	var stars []string
	for i, p := range strings.Split(from, "/") {
		if strings.HasPrefix(p, "*") && p != "**" && i < len(segs) {
			stars = append(stars, segs[i])
		}
	}
	out := []string{"Device"}
	if u.Scope() == User {
		out[0] = "User"
	}
	for _, p := range strings.Split(at, "/") {
		if p == "*" {
			if len(stars) == 0 {
				return LocURI{}
			}
			p, stars = stars[0], stars[1:]
		}
		out = append(out, p)
	}
	v, _ := parse(joinEscaped(normalize(out)))
	return v
}
