package csp

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// Set is a set of nodes. The zero value and nil are empty. It is not safe for
// concurrent writing.
type Set struct {
	members map[string]LocURI
	above   map[string]struct{} // every ancestor of a member
}

// NewSet returns the set of the given nodes.
func NewSet(nodes ...LocURI) *Set {
	s := &Set{}
	for _, u := range nodes {
		s.Add(u)
	}
	return s
}

// Add puts a node into the set. Of two spellings of one node the first stays.
func (s *Set) Add(u LocURI) {
	if u.IsZero() || s.Has(u) {
		return
	}
	if s.members == nil {
		s.members, s.above = map[string]LocURI{}, map[string]struct{}{}
	}
	s.members[u.key] = u
	for k := u.key; ; {
		i := strings.LastIndexByte(k, '/')
		if i < 0 {
			return
		}
		k = k[:i]
		if _, done := s.above[k]; done {
			return
		}
		s.above[k] = struct{}{}
	}
}

// Has reports whether the node itself is in the set.
func (s *Set) Has(u LocURI) bool {
	if s == nil {
		return false
	}
	_, ok := s.members[u.key]
	return ok
}

// Touches reports whether the node or one below it is in the set: whether
// deleting the node would take a member away.
func (s *Set) Touches(u LocURI) bool {
	if s == nil {
		return false
	}
	_, ok := s.above[u.key]
	return ok || s.Has(u)
}

// Len returns how many nodes are in the set.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.members)
}

// All returns the nodes in the order of their keys.
func (s *Set) All() iter.Seq[LocURI] {
	return func(yield func(LocURI) bool) {
		if s == nil {
			return
		}
		for _, k := range slices.Sorted(maps.Keys(s.members)) {
			if !yield(s.members[k]) {
				return
			}
		}
	}
}
