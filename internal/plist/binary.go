package plist

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/keelson-mdm/keelson/mdm"
)

const (
	trailerSize = 32
	// appleEpoch is 2001-01-01 in Unix time; binary dates count from it.
	appleEpoch = 978307200
	firstDate  = -62135596800 // year 1
	endOfDates = 253402300800 // year 10000
)

// walker reads a binary property list from its root and checks every step:
// references, extents, loops, and what shared objects come to when each use is
// counted. The library's own reader does none of that, gives negative integers
// as huge ones and cannot read 32-bit reals, which common tools write.
type walker struct {
	data   []byte // the objects alone: up to the offset table
	table  []byte
	offLen int
	refLen int
	n      uint64 // objects
	limits Limits
	open   []bool // the containers that are being walked
	depth  int
	items  int
	bytes  int
}

func walkBinary(data []byte, l Limits) (any, error) {
	if len(data) < 8+trailerSize {
		return nil, badBinary("it is too short")
	}
	t := data[len(data)-trailerSize:]
	w := walker{
		limits: l,
		offLen: int(t[6]),
		refLen: int(t[7]),
		n:      binary.BigEndian.Uint64(t[8:]),
	}
	top, start := binary.BigEndian.Uint64(t[16:]), binary.BigEndian.Uint64(t[24:])
	end := uint64(len(data) - trailerSize)
	switch {
	case w.offLen < 1 || w.offLen > 8 || w.refLen < 1 || w.refLen > 8:
		return nil, badBinary("its trailer is damaged")
	case w.n > uint64(l.Items):
		return nil, l.tooMany()
	case top >= w.n || start < 8 || start > end:
		return nil, badBinary("its trailer is damaged")
	case end-start != w.n*uint64(w.offLen):
		return nil, badBinary("its offset table does not fill the place before the trailer")
	}
	w.data, w.table = data[:start], data[start:end]
	w.open = make([]bool, w.n)
	return w.object(top)
}

// at returns the bytes from an object's first to the end of all objects.
func (w *walker) at(ref uint64) ([]byte, error) {
	if ref >= w.n {
		return nil, badBinary("it refers to an object that does not exist")
	}
	at := uintOf(w.table[ref*uint64(w.offLen):], w.offLen)
	if at < 8 || at >= uint64(len(w.data)) {
		return nil, badBinary("it refers to a place outside of its objects")
	}
	return w.data[at:], nil
}

// object reads one use of an object.
func (w *walker) object(ref uint64) (any, error) {
	if w.items++; w.items > w.limits.Items {
		return nil, w.limits.tooMany()
	}
	b, err := w.at(ref)
	if err != nil {
		return nil, err
	}
	switch b[0] >> 4 {
	case 0x0:
		if b[0] != 0x08 && b[0] != 0x09 {
			return nil, badBinary("it has a null, which means nothing here")
		}
		return b[0] == 0x09, nil
	case 0x1:
		return integer(b)
	case 0x2:
		return float(b)
	case 0x3:
		return date(b)
	case 0x4:
		data, err := w.chars(b)
		return bytes.Clone(data), err
	case 0x5, 0x6:
		return w.text(b)
	case 0xa, 0xd:
		return w.container(ref, b)
	}
	return nil, badBinary("it has an object of an unknown kind")
}

// integer reads 1, 2 or 4 unsigned bytes, 8 signed ones, or 16, which hold what
// does not fit 8.
func integer(b []byte) (any, error) {
	n := 1 << (b[0] & 0xf)
	if n > 16 || len(b) < 1+n {
		return nil, badBinary("it has a damaged integer")
	}
	if n < 16 {
		return int64(uintOf(b[1:], n)), nil
	}
	v := uintOf(b[9:], 8)
	switch high := uintOf(b[1:], 8); {
	case high == 0 && v > math.MaxInt64:
		return v, nil
	case high == 0 || high == math.MaxUint64 && v > math.MaxInt64:
		return int64(v), nil
	}
	return nil, badBinary("it has an integer of more than 64 bits")
}

func float(b []byte) (any, error) {
	switch {
	case b[0] == 0x22 && len(b) >= 5:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b[1:]))), nil
	case b[0] == 0x23 && len(b) >= 9:
		return math.Float64frombits(binary.BigEndian.Uint64(b[1:])), nil
	}
	return nil, badBinary("it has a damaged real")
}

// date reads a time; fractions of a second are dropped, as XML has none.
func date(b []byte) (any, error) {
	if b[0] != 0x33 || len(b) < 9 {
		return nil, badBinary("it has a damaged date")
	}
	// Not a number fails both comparisons.
	s := math.Floor(math.Float64frombits(binary.BigEndian.Uint64(b[1:]))) + appleEpoch
	if !(s >= firstDate && s < endOfDates) {
		return nil, badBinary("it has a date outside of the years 1 to 9999")
	}
	return time.Unix(int64(s), 0).UTC(), nil
}

// chars returns the bytes of data or a string, not copied.
func (w *walker) chars(b []byte) ([]byte, error) {
	kind := b[0] >> 4
	n, b, err := count(b)
	if err != nil {
		return nil, err
	}
	if kind == 0x6 {
		n *= 2
	}
	if n > uint64(len(b)) {
		return nil, badBinary("it has a string or data that is cut off")
	}
	if w.bytes += int(n); w.bytes > w.limits.Bytes {
		return nil, w.limits.tooBig()
	}
	return b[:n], nil
}

func (w *walker) text(b []byte) (string, error) {
	kind := b[0] >> 4
	b, err := w.chars(b)
	if err != nil {
		return "", err
	}
	var s string
	if kind == 0x5 {
		s = string(b)
		if strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) >= 0 {
			return "", badBinary("it has a plain string with characters outside of ASCII")
		}
	} else {
		u := make([]uint16, len(b)/2)
		for i := range u {
			u[i] = binary.BigEndian.Uint16(b[2*i:])
		}
		s = string(utf16.Decode(u))
	}
	if writableString(s, "") != nil {
		return "", badBinary("it has a string with a control character")
	}
	return s, nil
}

func (w *walker) container(ref uint64, b []byte) (any, error) {
	if w.open[ref] {
		return nil, badBinary("it has an object that contains itself")
	}
	if w.depth++; w.depth > w.limits.Depth {
		return nil, w.limits.tooDeep()
	}
	w.open[ref] = true
	defer func() {
		w.open[ref] = false
		w.depth--
	}()
	isDict := b[0]>>4 == 0xd
	n, b, err := count(b)
	if err != nil {
		return nil, err
	}
	refs := n
	if isDict {
		refs = 2 * n
	}
	if refs > uint64(len(b)/w.refLen) {
		return nil, badBinary("it has an array or dictionary that is cut off")
	}
	item := func(i uint64) uint64 { return uintOf(b[i*uint64(w.refLen):], w.refLen) }
	if isDict {
		return w.dict(n, item)
	}
	a := []any{}
	for i := range n {
		v, err := w.object(item(i))
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	return a, nil
}

// dict reads n keys, which come first, and n values.
func (w *walker) dict(n uint64, item func(uint64) uint64) (any, error) {
	d := make(map[string]any)
	for i := range n {
		if w.items++; w.items > w.limits.Items {
			return nil, w.limits.tooMany()
		}
		b, err := w.at(item(i))
		if err != nil {
			return nil, err
		}
		if b[0]>>4 != 0x5 && b[0]>>4 != 0x6 {
			return nil, badBinary("it has a dictionary key that is not a string")
		}
		name, err := w.text(b)
		if err != nil {
			return nil, err
		}
		if _, twice := d[name]; twice {
			return nil, badBinary(fmt.Sprintf("the key %.60q stands twice in one dictionary", name))
		}
		if d[name], err = w.object(item(n + i)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// count reads the length of an object and returns what follows it.
func count(b []byte) (uint64, []byte, error) {
	n := uint64(b[0] & 0xf)
	if n < 0xf {
		return n, b[1:], nil
	}
	if len(b) < 2 || b[1]>>4 != 0x1 || b[1]&0xf > 3 {
		return 0, nil, badBinary("it has a damaged length")
	}
	size := 1 << (b[1] & 0xf)
	if len(b) < 2+size {
		return 0, nil, badBinary("it has a damaged length")
	}
	n = uintOf(b[2:], size)
	if n > math.MaxInt32 { // far above any document; doubling it stays exact
		return 0, nil, badBinary("it has a damaged length")
	}
	return n, b[2+size:], nil
}

// uintOf reads n big-endian bytes.
func uintOf(b []byte, n int) uint64 {
	var v uint64
	for _, c := range b[:n] {
		v = v<<8 | uint64(c)
	}
	return v
}

func badBinary(what string) error {
	return mdm.Errorf(mdm.CodeMalformed, "", "this is not a well-formed binary property list: %s", what)
}
