package csp

import (
	"strings"

	"github.com/keelson-mdm/keelson/windows/syncml"
)

// Removal is how to undo what a profile did.
type Removal struct {
	// Deletes are to be sent one by one, not in an Atomic: each does what it
	// can, and 404 counts as done. Children come before what is above them.
	Deletes []Operation
	// Kept are nodes that stay because they, or some below, are protected.
	Kept []LocURI
	// Stuck are nodes that stay because Windows documents no Delete for them.
	Stuck []LocURI
}

// RemovalOperations undoes old operations, except where keep protects a node:
// what other profiles of the device own, and what the new content of the same
// profile sets again. A nil keep protects nothing. Exec is not undone, nor is
// anything that leaves no value. When there is nothing to send, Deletes is
// empty and the removal is complete.
func RemovalOperations(old []Operation, keep *Set) Removal {
	return RemoveNodes(LocURIs(old), keep)
}

// RemoveNodes is [RemovalOperations] for nodes that are known by address.
//
// Where the documented way to remove a node is to delete one above it (a
// certificate, a firewall rule, a VPN profile), that one is deleted, unless
// something protected lies below it; then the node itself is, if it can be.
// A Delete takes the whole subtree (oma-dm-protocol-support), so what lies below
// another Delete needs none of its own.
func RemoveNodes(nodes []LocURI, keep *Set) Removal {
	var r Removal
	var targets Set
	for i := len(nodes) - 1; i >= 0; i-- {
		u := nodes[i]
		t, protected := removalTarget(u, keep)
		switch {
		case !t.IsZero():
			targets.Add(t)
		case protected:
			r.Kept = append(r.Kept, u)
		default:
			r.Stuck = append(r.Stuck, u)
		}
	}
	done := map[string]bool{}
	for i := len(nodes) - 1; i >= 0; i-- {
		t, _ := removalTarget(nodes[i], keep)
		if t.IsZero() || done[t.Key()] || coveredBy(t, &targets) {
			continue
		}
		done[t.Key()] = true
		r.Deletes = append(r.Deletes, Operation{Verb: syncml.Delete, LocURI: t})
	}
	return r
}

// removalTarget returns the node to delete for u, or zero and whether keep is
// the reason.
func removalTarget(u LocURI, keep *Set) (LocURI, bool) {
	if keep.Touches(u) {
		return LocURI{}, true
	}
	f, _ := FactOf(u)
	if f.RemoveAt != "" {
		if above := fill(u, f.Pattern, f.RemoveAt); !above.IsZero() && !keep.Touches(above) {
			return above, false
		}
		if f.Verbs != 0 && !f.Can(CanDelete) {
			return LocURI{}, true
		}
	}
	if !f.Can(CanDelete) {
		return LocURI{}, false
	}
	return u, false
}

// coveredBy reports whether a node above u is deleted.
func coveredBy(u LocURI, targets *Set) bool {
	for k := u.Key(); ; {
		i := strings.LastIndexByte(k, '/')
		if i < 0 {
			return false
		}
		k = k[:i]
		if _, ok := targets.members[k]; ok {
			return true
		}
	}
}
