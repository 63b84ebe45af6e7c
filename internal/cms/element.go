package cms

import (
	"errors"
	"math"
)

// The tags in use.
const (
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagNull        = 0x05
	tagOID         = 0x06
	tagUTCTime     = 0x17
	tagTime        = 0x18 // GeneralizedTime
	tagSequence    = 0x30
	tagSet         = 0x31
	tag0           = 0xa0 // [0], constructed
	tag1           = 0xa1 // [1], constructed
	constructed    = 0x20
)

// maxDepth bounds what is nested in an element of unknown shape, as in
// internal/ber.
const maxDepth = 40

var (
	// errShape: not what stands there in a signature.
	errShape = errors.New("it is not built as a signature")
	// errForm: perhaps it is, in a form that is not read in place.
	errForm = errors.New("it is not in a form that is read in place")
)

// element is one in DER: its tag, what it holds, and both as they stand.
type element struct {
	tag  byte
	body []byte
	full []byte
}

// next cuts the first element off b. It must be in DER as far as its own head
// goes.
func next(b []byte) (e element, rest []byte, err error) {
	if len(b) < 2 {
		return element{}, nil, errShape
	}
	if b[0] == 0 || b[0]&0x1f == 0x1f {
		return element{}, nil, errShape // a tag that CMS does not use
	}
	n, head := int(b[1]), 2
	if n >= 0x80 {
		octets := n & 0x7f
		if octets == 0 || octets > 3 { // no message has 16 MiB
			return element{}, nil, errForm
		}
		if len(b) < 2+octets {
			return element{}, nil, errShape
		}
		n, head = 0, 2+octets
		for _, o := range b[2:head] {
			n = n<<8 | int(o)
		}
		if b[2] == 0 || n < 0x80 {
			return element{}, nil, errForm // longer than it needs to be
		}
	}
	if n > len(b)-head {
		return element{}, nil, errShape
	}
	return element{b[0], b[head : head+n], b[:head+n]}, b[head+n:], nil
}

// want cuts an element of that tag off b.
func want(b []byte, tag byte) (e element, rest []byte, err error) {
	if e, rest, err = next(b); err != nil {
		return element{}, nil, err
	}
	if e.tag != tag {
		if e.tag == tag|constructed && tag&constructed == 0 {
			return element{}, nil, errForm // a string in parts
		}
		return element{}, nil, errShape
	}
	return e, rest, nil
}

// at reports whether b begins with that tag.
func at(b []byte, tag byte) bool { return len(b) > 0 && b[0] == tag }

// level is an open element that may have an indefinite length.
type level struct {
	indefinite bool
	after      []byte // what follows it, if its length is definite
}

// enter opens an element of that tag and returns what it holds; of one with an
// indefinite length, also what follows.
func enter(b []byte, tag byte) (l level, body []byte, err error) {
	if len(b) >= 2 && b[0] == tag && b[1] == 0x80 {
		return level{indefinite: true}, b[2:], nil
	}
	e, rest, err := want(b, tag)
	return level{after: rest}, e.body, err
}

// leave closes it: nothing is left in it but its end. It returns what follows.
func (l level) leave(rest []byte) ([]byte, error) {
	switch {
	case !l.indefinite && len(rest) == 0:
		return l.after, nil
	case l.indefinite && len(rest) >= 2 && rest[0] == 0 && rest[1] == 0:
		return rest[2:], nil
	}
	return nil, errShape
}

// ends reports whether the open element holds no more.
func (l level) ends(rest []byte) bool {
	if l.indefinite {
		return len(rest) >= 2 && rest[0] == 0 && rest[1] == 0
	}
	return len(rest) == 0
}

// anything cuts an element of unknown shape off b, and holds what is nested in it
// against the rules.
func anything(b []byte, depth int) (e element, rest []byte, err error) {
	if depth == maxDepth {
		return element{}, nil, errShape
	}
	if e, rest, err = next(b); err != nil || e.tag&constructed == 0 {
		return e, rest, err
	}
	if e.tag == tagOctetString|constructed {
		return element{}, nil, errForm
	}
	for inner := e.body; len(inner) > 0; {
		if _, inner, err = anything(inner, depth+1); err != nil {
			return element{}, nil, err
		}
	}
	return e, rest, nil
}

// integer cuts an INTEGER of at most limit octets off b.
func integer(b []byte, limit int) (e element, rest []byte, err error) {
	e, rest, err = want(b, tagInteger)
	if err != nil {
		return element{}, nil, err
	}
	v := e.body
	if len(v) == 0 || len(v) > limit || len(v) > 1 && (v[0] == 0 && v[1]&0x80 == 0 || v[0] == 0xff && v[1]&0x80 != 0) {
		return element{}, nil, errShape
	}
	return e, rest, nil
}

// oid cuts an OBJECT IDENTIFIER off b and returns its content.
func oid(b []byte) (id, rest []byte, err error) {
	e, rest, err := want(b, tagOID)
	if err != nil {
		return nil, nil, err
	}
	begins, arc := true, int64(0)
	for _, c := range e.body {
		if begins && c == 0x80 {
			return nil, nil, errShape // a zero in front
		}
		if arc = arc<<7 | int64(c&0x7f); arc > math.MaxInt32 {
			return nil, nil, errShape
		}
		if begins = c&0x80 == 0; begins {
			arc = 0
		}
	}
	if !begins || len(e.body) == 0 {
		return nil, nil, errShape
	}
	return e.body, rest, nil
}
