package csp

import (
	"slices"

	"github.com/keelson-mdm/keelson/windows/syncml"
)

// Operation is one thing that a profile does to one node.
type Operation struct {
	Verb   syncml.Kind // Add, Replace, Delete or Exec
	LocURI LocURI
	Format string // as in Meta, in lower case; empty when not given, which means chr
	Type   string // media type, as in Meta; empty when not given
	Data   string
	// EmptyData is set when there is a Data element and it is empty.
	EmptyData bool
	// Atomic is set when the operation stands in the profile's Atomic.
	Atomic bool
	// Path names the place in the uploaded document, such as
	// "commands[2].item[0]". Empty when the operation is of our making.
	Path string
}

// value is what the operation writes.
func (o *Operation) value() Value { return Value{Format: o.Format, Data: o.Data} }

// settles reports whether the operation leaves a value behind.
func (o *Operation) settles() bool { return o.Verb == syncml.Add || o.Verb == syncml.Replace }

// Commands returns the commands that carry out ops, one for each, in order;
// neighbors that are Atomic share one Atomic. They have no CmdID: write them
// with [syncml.EncodeFragment], or give them ids.
func Commands(ops []Operation) []syncml.Command {
	var cmds []syncml.Command
	atomic := false
	for i := range ops {
		o := &ops[i]
		c := syncml.Command{Kind: o.Verb, Items: []syncml.Item{{
			Target:    syncml.Location{URI: o.LocURI.String()},
			Meta:      syncml.Meta{Format: o.Format, Type: o.Type},
			Data:      o.Data,
			EmptyData: o.EmptyData && o.Data == "",
		}}}
		switch {
		case !o.Atomic:
			cmds = append(cmds, c)
		case atomic:
			last := &cmds[len(cmds)-1]
			last.Commands = append(last.Commands, c)
		default:
			cmds = append(cmds, syncml.Command{Kind: syncml.Atomic, Commands: []syncml.Command{c}})
		}
		atomic = o.Atomic
	}
	return cmds
}

// LocURIs returns the nodes that ops leave a value in: what a profile with
// these operations owns. Each is there once, as first written, in order.
func LocURIs(ops []Operation) []LocURI {
	var set Set
	var out []LocURI
	for i := range ops {
		if u := ops[i].LocURI; ops[i].settles() && !set.Has(u) {
			set.Add(u)
			out = append(out, u)
		}
	}
	return out
}

// Conflicts returns the nodes to which a and b write different values, by a's
// spelling.
func Conflicts(a, b []Operation) []LocURI {
	last := func(ops []Operation) map[string]*Operation {
		m := make(map[string]*Operation, len(ops))
		for i := range ops {
			if ops[i].settles() {
				m[ops[i].LocURI.Key()] = &ops[i]
			}
		}
		return m
	}
	theirs := last(b)
	var out []LocURI
	for _, mine := range last(a) {
		their, ok := theirs[mine.LocURI.Key()]
		if !ok {
			continue
		}
		f, _ := FactOf(mine.LocURI)
		if !sameValue(f, mine.value(), their.value()) {
			out = append(out, mine.LocURI)
		}
	}
	slices.SortFunc(out, func(x, y LocURI) int {
		if x.Key() < y.Key() {
			return -1
		}
		return 1
	})
	return out
}
