// Package ber makes CMS messages safe to hand to a decoder: it checks that every
// element ends within its parent, bounds depth and number, and turns indefinite
// lengths into definite ones. A decoder that lets a child run past its parent
// can be made to read the same bytes over and over, in exponential time.
package ber

import "github.com/keelson-mdm/keelson/mdm"

// Bounds of a CMS message. Certificates need about a dozen levels and a hundred
// elements each; a streaming encoder cuts content into pieces of a kilobyte or
// so.
const (
	maxDepth    = 40
	maxElements = 100_000
)

// Definite gives every element of a BER message a definite length, and checks
// that lengths fit, with bounds of depth and number (X.690, 8.1). Some encoders,
// Apple's among them, stream with indefinite lengths, which the library reads
// recursively and in quadratic time. Elements that have definite lengths
// throughout are kept byte for byte, as signatures need. Errors are
// [mdm.CodeMalformed].
func Definite(ber []byte) ([]byte, error) {
	var r reader
	out, size, err := r.element(ber, 0)
	if err != nil {
		return nil, err
	}
	if size != len(ber) {
		return nil, malformed("something follows its end")
	}
	return out, nil
}

type reader struct{ elements int }

// header is the beginning of an element.
type header struct {
	tag         []byte
	size        int // of the header
	length      int // of the content; -1 when indefinite
	constructed bool
}

// element reads the element at the beginning of b: out is what to put in its
// place, size how many bytes of b it takes.
func (r *reader) element(b []byte, depth int) (out []byte, size int, err error) {
	if r.elements++; r.elements > maxElements {
		return nil, 0, malformed("it has too many elements")
	}
	if depth > maxDepth {
		return nil, 0, malformed("it is nested too deep")
	}
	h, err := readHeader(b)
	if err != nil {
		return nil, 0, err
	}
	if !h.constructed {
		size = h.size + h.length
		return b[:size], size, nil
	}
	content, inner, changed, err := r.children(b[h.size:], h.length, depth+1)
	if err != nil {
		return nil, 0, err
	}
	size = h.size + inner
	if !changed && h.length >= 0 {
		return b[:size], size, nil
	}
	out = append(out, h.tag...)
	out = appendLength(out, len(content))
	return append(out, content...), size, nil
}

// children reads length bytes of elements, or up to the end mark when length is
// negative; size includes the mark.
func (r *reader) children(b []byte, length, depth int) (content []byte, size int, changed bool, err error) {
	if length >= 0 {
		b = b[:length]
	}
	for {
		switch {
		case length >= 0 && size == length:
			return content, size, changed, nil
		case length < 0 && len(b) >= size+2 && b[size] == 0 && b[size+1] == 0:
			return content, size + 2, true, nil
		}
		out, n, err := r.element(b[size:], depth)
		if err != nil {
			return nil, 0, false, err
		}
		changed = changed || &out[0] != &b[size]
		content = append(content, out...)
		size += n
	}
}

func readHeader(b []byte) (h header, err error) {
	if len(b) < 2 {
		return h, malformed("it ends too early")
	}
	if b[0]&0x1f == 0x1f {
		return h, malformed("it has a tag of several bytes")
	}
	h = header{tag: b[:1], size: 2, length: int(b[1]), constructed: b[0]&0x20 != 0}
	switch {
	case b[1] == 0x80:
		if !h.constructed {
			return h, malformed("it has a damaged length")
		}
		h.length = -1
		return h, nil
	case b[1] > 0x80:
		n := int(b[1] & 0x7f)
		if n > 4 || len(b) < 2+n {
			return h, malformed("it has a damaged length")
		}
		var length uint64
		for _, c := range b[2 : 2+n] {
			length = length<<8 | uint64(c)
		}
		if length > uint64(len(b)) {
			return h, malformed("it ends too early")
		}
		h.size, h.length = 2+n, int(length)
	}
	if len(b)-h.size < h.length {
		return h, malformed("it ends too early")
	}
	return h, nil
}

func appendLength(b []byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, byte(n))
	case n < 1<<8:
		return append(b, 0x81, byte(n))
	case n < 1<<16:
		return append(b, 0x82, byte(n>>8), byte(n))
	default:
		return append(b, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
}

func malformed(why string) error {
	return mdm.Errorf(mdm.CodeMalformed, "", "this is not a signed message: %s", why)
}
