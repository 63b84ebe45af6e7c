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

// reader reads elements one after the other. Its first error stays, and from then
// on there is nothing left to read.
type reader struct {
	b   []byte
	at  int
	end int // of the open element that has a length
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.at, r.end = 0, 0
}

// more reports whether something is left in an open element with a length.
func (r *reader) more() bool { return r.at < r.end }

// is reports whether an element of that tag is next.
func (r *reader) is(tag byte) bool { return r.at < r.end && r.b[r.at] == tag }

// any reads the head of the next element, in DER, and returns its tag and the
// length of its body. The tag is 0, which none has, after an error.
func (r *reader) any() (tag byte, n int) {
	b := r.b[r.at:r.end]
	if len(b) < 2 || b[0]&0x1f == 0x1f || b[0] == 0 {
		r.fail(errShape) // it ends, or has a tag that CMS does not use
		return 0, 0
	}
	n, head := int(b[1]), 2
	if n >= 0x80 {
		octets := n & 0x7f
		if octets == 0 || octets > 3 { // no message has 16 MiB
			r.fail(errForm)
			return 0, 0
		}
		if len(b) < 2+octets {
			r.fail(errShape)
			return 0, 0
		}
		n, head = 0, 2+octets
		for _, o := range b[2:head] {
			n = n<<8 | int(o)
		}
		if b[2] == 0 || n < 0x80 {
			r.fail(errForm) // longer than it needs to be
			return 0, 0
		}
	}
	if n > len(b)-head {
		r.fail(errShape)
		return 0, 0
	}
	r.at += head
	return b[0], n
}

// head reads the head of an element of that tag.
func (r *reader) head(tag byte) (n int) {
	was, n := r.any()
	if was == tag || was == 0 {
		return n
	}
	if was == tag|constructed {
		r.fail(errForm) // a string in parts
	} else {
		r.fail(errShape)
	}
	return 0
}

// body reads an element of that tag and returns what it holds.
func (r *reader) body(tag byte) []byte {
	n := r.head(tag)
	r.at += n
	return r.b[r.at-n : r.at]
}

// full reads an element of that tag and returns it as it stands.
func (r *reader) full(tag byte) []byte {
	from := r.at
	n := r.head(tag)
	if r.err != nil {
		return nil
	}
	r.at += n
	return r.b[from:r.at]
}

// level is what is left of the outside while an element is open.
type level struct {
	end        int
	indefinite bool
}

// enter opens an element of that tag.
func (r *reader) enter(tag byte) level {
	n := r.head(tag)
	l := level{end: r.end}
	r.end = r.at + n
	return l
}

// open is enter for an element that may have an indefinite length.
func (r *reader) open(tag byte) level {
	if b := r.b[r.at:r.end]; len(b) >= 2 && b[0] == tag && b[1] == 0x80 {
		r.at += 2
		return level{r.end, true}
	}
	return r.enter(tag)
}

// ends reports whether nothing but its end is left of an open element.
func (r *reader) ends(l level) bool {
	if l.indefinite {
		b := r.b[r.at:r.end]
		return len(b) >= 2 && b[0] == 0 && b[1] == 0
	}
	return !r.more()
}

// leave closes an element, of which nothing else may be left.
func (r *reader) leave(l level) {
	if r.err != nil {
		return
	}
	if !r.ends(l) {
		r.fail(errShape)
		return
	}
	if l.indefinite {
		r.at += 2
	}
	r.end = l.end
}

// skip reads an element of unknown shape, that many levels deep, and holds what
// is nested in it against the rules. It returns the element as it stands.
func (r *reader) skip(depth int) []byte {
	from := r.at
	tag, n := r.any()
	switch {
	case r.err != nil:
		return nil
	case tag&constructed == 0:
		r.at += n
		return r.b[from:r.at]
	case tag == tagOctetString|constructed:
		r.fail(errForm)
		return nil
	case depth == maxDepth-1 && n > 0:
		r.fail(errShape)
		return nil
	}
	l := level{end: r.end}
	r.end = r.at + n
	for r.more() {
		r.skip(depth + 1)
	}
	r.leave(l)
	if r.err != nil {
		return nil
	}
	return r.b[from:r.at]
}

// integer reads an INTEGER of at most limit octets.
func (r *reader) integer(limit int) []byte {
	v := r.body(tagInteger)
	if len(v) == 0 || len(v) > limit || len(v) > 1 && (v[0] == 0 && v[1]&0x80 == 0 || v[0] == 0xff && v[1]&0x80 != 0) {
		r.fail(errShape)
	}
	return v
}

// oid reads an OBJECT IDENTIFIER.
func (r *reader) oid() []byte {
	id := r.body(tagOID)
	begins, arc := true, int64(0)
	for _, c := range id {
		arc = arc<<7 | int64(c&0x7f)
		if begins && c == 0x80 || arc > math.MaxInt32 {
			r.fail(errShape) // a zero in front, or too large
		}
		if begins = c < 0x80; begins {
			arc = 0
		}
	}
	if !begins || len(id) == 0 {
		r.fail(errShape)
	}
	return id
}
