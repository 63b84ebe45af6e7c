package plist

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"
)

// Classes of bytes.
const (
	classText   = 1 << iota // stands for itself in text
	classSpace              // may stand between elements
	classBase64             // of the alphabet
	classReal               // of a number
	classDigit
)

// classes is never written to. A carriage return is no text here, as it would be
// read as a line feed, nor is '>', which is in the way of "]]>".
var classes = func() (c [256]uint8) {
	for b := 0x20; b < 0x80; b++ {
		c[b] = classText
	}
	for _, b := range "\t\n" {
		c[b] = classText
	}
	for _, b := range "<&>" {
		c[b] = 0
	}
	for _, b := range " \t\n\r" {
		c[b] |= classSpace
	}
	for _, b := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		c[b] |= classBase64
	}
	for _, b := range "0123456789" {
		c[b] |= classDigit
	}
	for _, b := range "0123456789+-.eE" {
		c[b] |= classReal
	}
	return c
}()

// scalar reads an element of characters. The form that is its own end is that of
// an empty one; "" has none.
func (p *plain) scalar(k kind, begin, end, empty string) token {
	if !p.skips(begin) {
		if empty != "" && p.skips(empty) {
			return token{kind: k}
		}
		return token{}
	}
	if k == stringToken {
		text, escaped, ok := p.text(end)
		if !ok {
			return token{}
		}
		return token{k, text, escaped}
	}
	i := bytes.IndexByte(p.rest, '<')
	if i < 0 {
		return token{}
	}
	text := p.rest[:i]
	p.rest = p.rest[i:]
	if !p.skips(end) || !readable(k, text) {
		return token{}
	}
	return token{kind: k, text: text}
}

// text reads characters and the end tag behind them.
func (p *plain) text(end string) (text []byte, escaped, ok bool) {
	b := p.rest
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case classes[c]&classText != 0:
			i++
		case c == '<':
			p.rest = b[i:]
			return b[:i], escaped, p.skips(end)
		case c == '&':
			_, n := entity(b[i:])
			if n == 0 {
				return nil, false, false
			}
			escaped = true
			i += n
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 || !isText(r) {
				return nil, false, false
			}
			i += n
		default:
			return nil, false, false
		}
	}
	return nil, false, false
}

// entity reads one of the five named ones or a numeric one; n is its length, 0
// when it is none of them, or stands for what may not stand in text.
func entity(b []byte) (r rune, n int) {
	for _, e := range [...]struct {
		name string
		r    rune
	}{{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}} {
		if len(b) >= len(e.name) && string(b[:len(e.name)]) == e.name {
			return e.r, len(e.name)
		}
	}
	if len(b) < 4 || b[1] != '#' {
		return 0, 0
	}
	n, base := 2, rune(10)
	if b[2] == 'x' {
		n, base = 3, 16
	}
	for first := n; n < len(b) && n < first+7; n++ {
		d := rune(16)
		switch c := b[n]; {
		case classes[c]&classDigit != 0:
			d = rune(c - '0')
		case 'a' <= c && c <= 'f':
			d = rune(c-'a') + 10
		case 'A' <= c && c <= 'F':
			d = rune(c-'A') + 10
		case c == ';' && n > first && isText(r):
			return r, n + 1
		}
		if d >= base {
			return 0, 0
		}
		r = r*base + d
	}
	return 0, 0
}

// isText reports whether a character may stand in XML.
func isText(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && utf8.ValidRune(r) && r != 0xfffe && r != 0xffff
}

// string returns what a string token means.
func (t token) string() string {
	if !t.escaped {
		return string(t.text)
	}
	out := make([]byte, 0, len(t.text))
	for b := t.text; len(b) > 0; {
		if b[0] != '&' {
			i := bytes.IndexByte(b, '&')
			if i < 0 {
				i = len(b)
			}
			out, b = append(out, b[:i]...), b[i:]
			continue
		}
		r, n := entity(b)
		out, b = utf8.AppendRune(out, r), b[n:]
	}
	return string(out)
}

// readable reports whether the library can be told to read these characters as a
// value of that kind: it can, if they are of a form without oddities.
func readable(k kind, text []byte) bool {
	switch k {
	case dataToken:
		_, ok := base64Size(text)
		return ok
	case integerToken:
		digits := text
		if len(digits) > 0 && digits[0] == '-' {
			digits = digits[1:]
		}
		return len(digits) > 0 && len(digits) <= 18 && all(digits, classDigit)
	case realToken:
		_, ok := realOf(text)
		return ok
	case dateToken:
		_, ok := dateOf(text)
		return ok
	}
	return false
}

func all(b []byte, class uint8) bool {
	for _, c := range b {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

// base64Size returns how many characters of base64 there are beside white space.
func base64Size(text []byte) (n int, ok bool) {
	padding := 0
	for _, c := range text {
		switch {
		case classes[c]&classBase64 != 0 && padding == 0:
			n++
		case c == '=':
			padding++
		case classes[c]&classSpace != 0 && c != '\r':
		default:
			return 0, false
		}
	}
	n += padding
	return n, padding <= 2 && n%4 == 0
}

// dataOf decodes what base64Size has accepted. As the library has it, what is
// empty is nil.
func dataOf(text []byte) ([]byte, bool) {
	if len(text) == 0 {
		return nil, true
	}
	n, ok := base64Size(text)
	if !ok {
		return nil, false
	}
	compact := text
	if n < len(text) {
		compact = make([]byte, 0, n)
		for _, c := range text {
			if classes[c]&classSpace == 0 {
				compact = append(compact, c)
			}
		}
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(n))
	size, err := base64.StdEncoding.Decode(out, compact)
	return out[:size], err == nil
}

func integerOf(text []byte) int64 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0 // it was found readable
	}
	return n
}

func realOf(text []byte) (float64, bool) {
	if len(text) == 0 || len(text) > 32 || !all(text, classReal) {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil
}

func dateOf(text []byte) (t time.Time, ok bool) {
	if len(text) != len("2006-01-02T15:04:05Z") {
		return t, false
	}
	err := t.UnmarshalText(text)
	return t, err == nil
}
