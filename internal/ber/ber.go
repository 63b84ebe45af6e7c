// Package ber makes CMS messages safe to hand to a decoder. A lenient one lets an
// element run past the one that holds it, and can then be made to read the same
// bytes again at each level, in exponential time; it looks for the ends of
// indefinite lengths in quadratic time; and it recurses as deep as a message
// says. What [Definite] lets through has none of that.
package ber

import "github.com/keelson-mdm/keelson/mdm"

// Bounds of a CMS message. Certificates need about a dozen levels and a hundred
// elements each; a streaming encoder cuts content into pieces of a kilobyte or
// so.
const (
	maxDepth    = 40
	maxElements = 100_000
)

// Definite re-encodes one BER element (X.690, 8.1) with definite, minimal
// lengths and with each OCTET STRING in one part. Some encoders, Apple's among
// them, stream with neither. What is in DER already comes out byte for byte, as
// signatures need.
//
// It fails with [mdm.CodeMalformed] when an element does not end within the one
// that holds it, when something follows, when a tag is one that CMS does not use,
// and when there are more levels or elements than any message needs. The time is
// linear in the input. The caller bounds its size.
func Definite(ber []byte) ([]byte, error) {
	var r reader
	out, rest, err := r.element(make([]byte, 0, len(ber)), ber, 0)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, malformed("something follows its end")
	}
	return out, nil
}

type reader struct{ elements int }

const (
	octetString        = 0x04
	octetStringInParts = 0x24
	constructed        = 0x20
)

// element appends the first element of b to dst and returns what follows it.
func (r *reader) element(dst, b []byte, depth int) (out, rest []byte, err error) {
	if r.elements++; r.elements > maxElements {
		return nil, nil, malformed("it has too many elements")
	}
	if depth == maxDepth {
		return nil, nil, malformed("it is nested too deep")
	}
	if len(b) < 2 {
		return nil, nil, malformed("it ends too early")
	}
	tag := b[0]
	if tag == 0 || tag&0x1f == 0x1f {
		return nil, nil, malformed("it has a tag that CMS does not use")
	}
	if b[1] == 0x80 {
		return r.indefinite(dst, tag, b[2:], depth)
	}
	n, b, err := length(b[1:])
	if err != nil {
		return nil, nil, err
	}
	body, rest := b[:n], b[n:]
	if tag&constructed == 0 {
		return append(head(dst, tag, n), body...), rest, nil
	}
	content := make([]byte, 0, n)
	for len(body) > 0 {
		if content, body, err = r.element(content, body, depth+1); err != nil {
			return nil, nil, err
		}
	}
	out, err = r.compound(dst, tag, content)
	return out, rest, err
}

// indefinite appends an element whose content ends with two zeros.
func (r *reader) indefinite(dst []byte, tag byte, b []byte, depth int) (out, rest []byte, err error) {
	if tag&constructed == 0 {
		return nil, nil, malformed("it has a primitive element without a length")
	}
	var content []byte
	for len(b) < 2 || b[0] != 0 || b[1] != 0 {
		if content, b, err = r.element(content, b, depth+1); err != nil {
			return nil, nil, err
		}
	}
	out, err = r.compound(dst, tag, content)
	return out, b[2:], err
}

// compound appends a constructed element whose content has been re-encoded.
func (r *reader) compound(dst []byte, tag byte, content []byte) ([]byte, error) {
	if tag != octetStringInParts {
		return append(head(dst, tag, len(content)), content...), nil
	}
	var joined []byte
	for rest := content; len(rest) > 0; {
		if rest[0] != octetString {
			return nil, malformed("it has an OCTET STRING in parts of another type")
		}
		n, b, err := length(rest[1:])
		if err != nil {
			return nil, err
		}
		joined, rest = append(joined, b[:n]...), b[n:]
	}
	return append(head(dst, octetString, len(joined)), joined...), nil
}

// length reads a definite length, of which there is at least one octet, and holds
// it against what follows.
func length(b []byte) (n int, rest []byte, err error) {
	size, rest := uint64(b[0]), b[1:]
	if size > 0x80 {
		octets := int(size & 0x7f)
		if octets > 4 || octets > len(rest) {
			return 0, nil, malformed("it has a damaged length")
		}
		size = 0
		for _, o := range rest[:octets] {
			size = size<<8 | uint64(o)
		}
		rest = rest[octets:]
	}
	if size > uint64(len(rest)) {
		return 0, nil, malformed("it ends too early")
	}
	return int(size), rest, nil
}

// head appends a tag and a length of the fewest octets.
func head(dst []byte, tag byte, n int) []byte {
	dst = append(dst, tag)
	switch {
	case n < 0x80:
		return append(dst, byte(n))
	case n < 1<<8:
		return append(dst, 0x81, byte(n))
	case n < 1<<16:
		return append(dst, 0x82, byte(n>>8), byte(n))
	case n < 1<<24:
		return append(dst, 0x83, byte(n>>16), byte(n>>8), byte(n))
	default:
		return append(dst, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
}

func malformed(why string) error {
	return mdm.Errorf(mdm.CodeMalformed, "", "this is not a CMS message: %s", why)
}
