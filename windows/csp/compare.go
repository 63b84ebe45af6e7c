package csp

// Value is what a node holds, as it was written or read.
type Value struct {
	Format string // of Meta; empty when not given
	Data   string
}

// Verdict is what reading a node proved about what was written to it.
type Verdict string

// The verdicts.
const (
	// Match: the node holds what was written.
	Match Verdict = "match"
	// Partial: all that the node shows is what was written, but it hides or
	// upgrades a part, such as a Wi-Fi key.
	Partial Verdict = "partial"
	// Present: the node is there, and what it holds cannot be told.
	Present Verdict = "present"
	// Pending: the device is still at it; ask again.
	Pending Verdict = "pending"
	// Differ: the node holds something else.
	Differ Verdict = "differ"
	// Missing: the node is not there.
	Missing Verdict = "missing"
	// Unverifiable: the reading proves nothing.
	Unverifiable Verdict = "unverifiable"
)

// OK reports whether the verdict speaks for the setting being in place.
func (v Verdict) OK() bool { return v == Match || v == Partial || v == Present }

// Failed reports whether the verdict speaks against it.
func (v Verdict) Failed() bool { return v == Differ || v == Missing }

// Best returns the best verdict that reading a node of this fact can give.
func (f Fact) Best() Verdict {
	switch f.ReadBack {
	case ReadNever:
		return Unverifiable
	case ReadRedacted:
		return Present
	}
	if !f.Can(CanGet) && f.ReadBack != ReadResult {
		return Unverifiable
	}
	return Match
}

// Compare judges what a Get with status 200 returned for a node. For a fact
// with [ReadResult], got is what the node in Fact.Result returned.
func Compare(f Fact, want, got Value) Verdict {
	switch f.ReadBack {
	case ReadNever:
		return Unverifiable
	case ReadRedacted:
		return Present
	case ReadResult:
		return compareWhere(f, f.Result, want, got)
	}
	return compareContent(f, want, got)
}

// compareWhere judges the value of another node.
func compareWhere(f Fact, w *Where, want, got Value) Verdict {
	if w == nil {
		return Unverifiable
	}
	if len(w.Done) == 0 {
		return compareContent(f, want, got)
	}
	data := trim(got.Data)
	for _, d := range w.Done {
		if equalFold(data, d) {
			return Match
		}
	}
	for _, p := range w.Pending {
		if equalFold(data, p) {
			return Pending
		}
	}
	return Differ
}

func compareContent(f Fact, want, got Value) Verdict {
	if isNode(f, want) {
		return Match // that it exists is all there is to an interior node
	}
	if equalText(f, want, got) {
		return Match
	}
	verdict := Differ
	switch f.Content {
	case ContentPolicy:
		verdict = comparePolicy(want.Data, got.Data)
	case ContentWLAN:
		verdict = compareWLAN(want.Data, got.Data)
	default:
		verdict = compareXML(want.Data, got.Data)
	}
	if verdict != Differ {
		return verdict
	}
	switch {
	case f.Rewritten:
		return Present
	case !f.Known() && trim(got.Data) == "":
		return Present // a node nobody described may hide what it holds
	}
	return Differ
}

// sameValue reports whether two values mean the same to a node.
func sameValue(f Fact, x, y Value) bool {
	if isNode(f, x) || isNode(f, y) {
		return isNode(f, x) == isNode(f, y)
	}
	return equalText(f, x, y) || comparePolicy(x.Data, y.Data) == Match
}

// isNode reports whether a value stands for an interior node, which holds none.
func isNode(f Fact, v Value) bool { return v.Format == "node" || f.Format == "node" }

// Absent judges a Get that did not answer 200. Only 404 says that a node is not
// there; 500 is what some nodes answer for a value that is not set, and others
// for one that is.
func Absent(f Fact, code int) Verdict {
	if code == 404 && !f.Hidden && f.Best() != Unverifiable {
		return Missing
	}
	return Unverifiable
}
