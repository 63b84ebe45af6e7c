package mdmtest

import (
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"
)

// parseCMS guards the pkcs7 module, whose BER reader recurses once per nested
// value, without a bound, and which can panic on what it then reads.
func parseCMS(der []byte) (*pkcs7.PKCS7, error) {
	if err := boundBER(der, appleMaxDepth); err != nil {
		return nil, err
	}
	var p7 *pkcs7.PKCS7
	err := guard(func() (err error) {
		p7, err = pkcs7.Parse(der)
		return err
	})
	return p7, err
}

// guard turns a panic of foreign code into an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed message: %v", p)
		}
	}()
	return f()
}

// boundBER walks the first value in data without recursion. It refuses what
// nests deeper than limit, what is longer than a response may be, and a value
// that runs past the one that holds it. It reads an indefinite length as the
// pkcs7 module does: the end is looked for after each member, not before.
func boundBER(data []byte, limit int) error {
	if len(data) > appleMaxBody {
		return fmt.Errorf("%d bytes; at most %d are read", len(data), appleMaxBody)
	}
	type level struct {
		end        int // where it ends, or by when it has to
		indefinite bool
	}
	malformed := errors.New("malformed BER")
	bound := len(data)
	var open []level
	for pos := 0; ; {
		constructed, length, next, ok := berHeader(data[:bound], pos)
		if !ok || length > bound-next {
			return malformed
		}
		pos = next
		if constructed && length != 0 {
			lv := level{end: pos + length}
			if length < 0 {
				lv = level{end: bound, indefinite: true}
			}
			if open = append(open, lv); len(open) > limit {
				return fmt.Errorf("more than %d levels deep", limit)
			}
			bound = lv.end
			continue
		}
		pos += length
		for closed := true; closed; { // close what ends here
			if len(open) == 0 {
				return nil
			}
			top := open[len(open)-1]
			switch {
			case top.indefinite && pos+2 <= top.end && data[pos] == 0 && data[pos+1] == 0:
				pos += 2
			case !top.indefinite && pos == top.end:
			default:
				closed = false
				continue
			}
			open = open[:len(open)-1]
			if bound = len(data); len(open) > 0 {
				bound = open[len(open)-1].end
			}
		}
	}
}

// berHeader reads a tag and a length, which is -1 if indefinite.
func berHeader(data []byte, pos int) (constructed bool, length, next int, ok bool) {
	if pos >= len(data) {
		return false, 0, 0, false
	}
	constructed = data[pos]&0x20 != 0
	long := data[pos]&0x1F == 0x1F
	for pos++; long && pos < len(data) && data[pos] >= 0x80; {
		pos++
	}
	if long {
		pos++
	}
	if pos >= len(data) {
		return false, 0, 0, false
	}
	length = int(data[pos])
	pos++
	if length == 0x80 {
		return constructed, -1, pos, constructed
	}
	if length > 0x80 {
		n := length & 0x7F
		if n > 4 || pos+n > len(data) {
			return false, 0, 0, false
		}
		length = 0
		for range n {
			length = length<<8 | int(data[pos])
			pos++
		}
	}
	return constructed, length, pos, true
}
