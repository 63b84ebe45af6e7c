package scep

import (
	"encoding/binary"

	"github.com/keelson-mdm/keelson/mdm"
)

// maxDepth bounds the nesting of a message. A pkiMessage with certificates has
// about a dozen levels.
const maxDepth = 32

// toDER re-encodes one BER element with definite, minimal lengths and OCTET
// STRINGs in one part; streaming CMS encoders write neither (X.690, 8.1.3 and
// 8.7). Every element has to end within its parent, which is what keeps the time
// linear: a decoder that lets a child run past its parent can be made to read
// the same bytes over and over.
func toDER(ber []byte) ([]byte, error) {
	out, rest, err := appendElement(nil, ber, maxDepth)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, malformed("bytes follow the message")
	}
	return out, nil
}

func malformed(what string) error {
	return mdm.Errorf(mdm.CodeMalformed, "message", "not a CMS message: %s", what)
}

// appendElement appends the first element of b to dst and returns what follows.
func appendElement(dst, b []byte, depth int) (out, rest []byte, err error) {
	if depth == 0 {
		return nil, nil, mdm.Errorf(mdm.CodeTooLarge, "message", "the message nests deeper than %d levels", maxDepth)
	}
	if len(b) < 2 {
		return nil, nil, malformed("it ends within an element")
	}
	tag := b[0]
	if tag == 0 || tag&0x1f == 0x1f {
		return nil, nil, malformed("a tag that CMS does not use")
	}
	constructed := tag&0x20 != 0
	if b[1] == 0x80 {
		if !constructed {
			return nil, nil, malformed("a primitive element of indefinite length")
		}
		var content []byte
		for b = b[2:]; ; {
			if len(b) >= 2 && b[0] == 0 && b[1] == 0 {
				out, err = appendConstructed(dst, tag, content)
				return out, b[2:], err
			}
			if content, b, err = appendElement(content, b, depth-1); err != nil {
				return nil, nil, err
			}
		}
	}
	n, b, err := readLength(b[1:])
	if err != nil {
		return nil, nil, err
	}
	if n > len(b) {
		return nil, nil, malformed("an element is longer than what holds it")
	}
	body, rest := b[:n], b[n:]
	if !constructed {
		return appendHeadAndBody(dst, tag, body), rest, nil
	}
	var content []byte
	for len(body) > 0 {
		if content, body, err = appendElement(content, body, depth-1); err != nil {
			return nil, nil, err
		}
	}
	out, err = appendConstructed(dst, tag, content)
	return out, rest, err
}

const (
	octetString        = 0x04
	octetStringInParts = 0x24
)

// appendConstructed appends an element whose content has been re-encoded.
func appendConstructed(dst []byte, tag byte, content []byte) ([]byte, error) {
	if tag != octetStringInParts {
		return appendHeadAndBody(dst, tag, content), nil
	}
	var joined []byte
	for rest := content; len(rest) > 0; {
		if rest[0] != octetString {
			return nil, malformed("an OCTET STRING in parts of another type")
		}
		n, b, err := readLength(rest[1:])
		if err != nil {
			return nil, err
		}
		joined, rest = append(joined, b[:n]...), b[n:]
	}
	return appendHeadAndBody(dst, octetString, joined), nil
}

func readLength(b []byte) (n int, rest []byte, err error) {
	if b[0] < 0x80 {
		return int(b[0]), b[1:], nil
	}
	octets := int(b[0] & 0x7f)
	if octets > 4 || octets >= len(b) {
		return 0, nil, malformed("a length that is too long")
	}
	for _, o := range b[1 : 1+octets] {
		if n > MaxMessage {
			return 0, nil, malformed("a length that is too long")
		}
		n = n<<8 | int(o)
	}
	return n, b[1+octets:], nil
}

func appendHeadAndBody(dst []byte, tag byte, body []byte) []byte {
	dst = append(dst, tag)
	if n := len(body); n < 0x80 {
		dst = append(dst, byte(n))
	} else {
		var be [4]byte
		binary.BigEndian.PutUint32(be[:], uint32(n))
		octets := be[:]
		for octets[0] == 0 {
			octets = octets[1:]
		}
		dst = append(append(dst, 0x80|byte(len(octets))), octets...)
	}
	return append(dst, body...)
}
