package plist

import "github.com/keelson-mdm/keelson/mdm"

// The limits that apply where [Limits] says zero.
const (
	DefaultBytes = 4 << 20
	DefaultDepth = 64
	DefaultItems = 200_000
)

// Limits bounds what is read. A nil Limits and a zero field mean the default;
// there is no way to have no limit.
type Limits struct {
	// Bytes bounds the document and, in a binary one whose objects may be
	// shared, what its strings and data come to when each use is counted.
	Bytes int
	// Depth bounds how many dictionaries and arrays stand inside one another.
	Depth int
	// Items counts keys and values, containers included, each use counted.
	Items int
}

func (l *Limits) orDefault() Limits {
	r := Limits{Bytes: DefaultBytes, Depth: DefaultDepth, Items: DefaultItems}
	if l == nil {
		return r
	}
	if l.Bytes > 0 {
		r.Bytes = l.Bytes
	}
	if l.Depth > 0 {
		r.Depth = l.Depth
	}
	if l.Items > 0 {
		r.Items = l.Items
	}
	return r
}

func (l Limits) tooBig() error {
	return mdm.Errorf(mdm.CodeTooLarge, "", "a property list may have at most %d bytes here", l.Bytes)
}

func (l Limits) tooDeep() error {
	return mdm.Errorf(mdm.CodeTooLarge, "", "a property list may be nested at most %d deep here", l.Depth)
}

func (l Limits) tooMany() error {
	return mdm.Errorf(mdm.CodeTooLarge, "", "a property list may have at most %d keys and values here", l.Items)
}
