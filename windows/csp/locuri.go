package csp

import (
	"strings"
	"unicode/utf8"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// Bounds of an address.
const (
	MaxLocURI   = 2048 // bytes, as written
	MaxSegments = 48
)

// Scope says whose settings a node holds.
type Scope string

// The scopes.
const (
	Device Scope = "device"
	// User nodes work only while a user is signed in who is enrolled.
	User Scope = "user"
)

// LocURI is the address of a node. Two addresses of one node differ in case, in
// escapes and in the optional "Device" part: compare with [LocURI.Equal] or
// [LocURI.Key], never with ==. The zero value is no address. A LocURI is
// immutable.
type LocURI struct {
	written   string
	canonical string
	key       string
}

// Parse reads an address such as "./Device/Vendor/MSFT/WiFi/Profile/My%20Net".
// It begins with "./", has no empty, "." , ".." or "*" segment, no query, and
// escapes that decode to UTF-8 without control characters; otherwise the error
// is [mdm.CodeInvalid] with Field "locURI".
func Parse(s string) (LocURI, error) {
	u, problem := parse(s)
	if problem != "" {
		return LocURI{}, mdm.Errorf(mdm.CodeInvalid, "locURI", "%s", problem)
	}
	return u, nil
}

// parse returns what is wrong as text, so that callers can name the place.
func parse(s string) (LocURI, string) {
	s = strings.TrimSpace(s)
	rest, ok := strings.CutPrefix(s, "./")
	switch {
	case s == "":
		return LocURI{}, "the node address is empty"
	case len(s) > MaxLocURI:
		return LocURI{}, "the node address is longer than 2048 bytes"
	case !utf8.ValidString(s): // an escape and a bare byte might make one character
		return LocURI{}, "the node address is not UTF-8"
	case !ok:
		return LocURI{}, `the node address does not begin with "./"`
	case strings.HasSuffix(rest, "/"):
		return LocURI{}, "the node address ends with a slash; remove it"
	case strings.ContainsRune(rest, '?'):
		return LocURI{}, "the node address has a query; escape '?' as %3F if it is part of a name"
	}
	segs := strings.Split(rest, "/")
	if len(segs) > MaxSegments {
		return LocURI{}, "the node address has more than 48 segments"
	}
	for i, seg := range segs {
		d, ok := decodeSegment(seg)
		switch {
		case !ok:
			return LocURI{}, "a segment of the node address has an escape that is not one, or is not UTF-8"
		case d == "" || d == "." || d == "..":
			return LocURI{}, `a segment of the node address is empty, "." or ".."`
		case d == "*":
			return LocURI{}, "the node address has a wildcard; Windows has none"
		case strings.ContainsFunc(d, func(r rune) bool { return r < 0x20 || r == 0x7f }):
			return LocURI{}, "a segment of the node address has a control character"
		}
		segs[i] = d
	}
	u := build(s, segs)
	if len(u.canonical) > MaxLocURI { // with everything escaped that must be
		return LocURI{}, "the node address is longer than 2048 bytes"
	}
	return u, ""
}

// build makes an address of decoded segments.
func build(written string, segs []string) LocURI {
	segs = normalize(segs)
	u := LocURI{written: written, key: syncml.URIKey(joinEscaped(segs))}
	_, path, _ := strings.Cut(u.key, "/")
	if f, ok := lookup(path); ok {
		spell(segs, f.Pattern)
	}
	u.canonical = joinEscaped(segs)
	return u
}

// normalize writes the scope out where the vendor's nodes have it, leaves it
// off where they do not, and spells what every address shares.
func normalize(segs []string) []string {
	switch {
	case strings.EqualFold(segs[0], "user"):
		segs[0] = "User"
	case strings.EqualFold(segs[0], "device"):
		segs[0] = "Device"
		if len(segs) > 1 && !isRoot(segs[1]) {
			segs = segs[1:]
		}
	case strings.EqualFold(segs[0], "vendor"):
		segs = append([]string{"Device"}, segs...)
	}
	if len(segs) > 1 && strings.EqualFold(segs[1], "vendor") {
		segs[1] = "Vendor"
		if len(segs) > 2 && strings.EqualFold(segs[2], "msft") {
			segs[2] = "MSFT"
		}
	}
	return segs
}

// isRoot reports whether a name means something of its own at the beginning of
// an address, so that "Device" before it cannot be left off.
func isRoot(name string) bool {
	return strings.EqualFold(name, "vendor") || strings.EqualFold(name, "user") || strings.EqualFold(name, "device")
}

// spell gives the segments that a pattern names the pattern's letters.
func spell(segs []string, pattern string) {
	skip := 0
	if segs[0] == "User" || segs[0] == "Device" {
		skip = 1
	}
	for i, p := range strings.Split(pattern, "/") {
		if p == "**" || i+skip >= len(segs) {
			return
		}
		if !strings.Contains(p, "*") {
			segs[i+skip] = p
		}
	}
}

// String returns the address as it was written, without space around it. That
// is what goes on the wire.
func (u LocURI) String() string { return u.written }

// Canonical returns the address with its scope written out, known names in the
// documented letters, and only what must be escaped escaped. Parsing it gives
// the same key and the same canonical form.
func (u LocURI) Canonical() string { return u.canonical }

// Key returns the form that is equal for all addresses of a node; see
// [syncml.URIKey]. It is for comparing and for maps, not for the wire.
func (u LocURI) Key() string { return u.key }

// IsZero reports whether u is no address.
func (u LocURI) IsZero() bool { return u.key == "" }

// Equal reports whether both name the same node.
func (u LocURI) Equal(v LocURI) bool { return u.key == v.key }

// Scope returns whose settings the node holds. What is not below ./User is the
// device's.
func (u LocURI) Scope() Scope {
	if u.key == "user" || strings.HasPrefix(u.key, "user/") {
		return User
	}
	return Device
}

// path is the key without its scope.
func (u LocURI) path() string {
	_, path, _ := strings.Cut(u.key, "/")
	return path
}

// Within reports whether u is v or below it. Only whole segments count:
// ./Vendor/MSFT/UpdateX is not within ./Vendor/MSFT/Update.
func (u LocURI) Within(v LocURI) bool {
	return v.key != "" && within(u.key, v.key)
}

// AncestorOf reports whether v is below u.
func (u LocURI) AncestorOf(v LocURI) bool { return u.key != v.key && v.Within(u) }

func within(key, top string) bool {
	return strings.HasPrefix(key, top) && (len(key) == len(top) || key[len(top)] == '/')
}

// Segments returns the decoded segments of the canonical form.
func (u LocURI) Segments() []string {
	if u.IsZero() {
		return nil
	}
	segs := strings.Split(strings.TrimPrefix(u.canonical, "./"), "/")
	for i, s := range segs {
		segs[i], _ = decodeSegment(s)
	}
	return segs
}

// Name returns the decoded last segment.
func (u LocURI) Name() string {
	name, _ := decodeSegment(u.canonical[strings.LastIndexByte(u.canonical, '/')+1:])
	return name
}

// Child returns the node of that name below u. It is the zero value when name
// cannot be a segment, when the address becomes too long, and below no address.
func (u LocURI) Child(name string) LocURI {
	if u.IsZero() {
		return LocURI{}
	}
	c, problem := parse(u.written + "/" + escapeSegment(name))
	if problem != "" {
		return LocURI{}
	}
	return c
}

// Parent returns the node above u in the canonical form. Every address ends in
// its scope, ./Device or ./User, whose parent is the zero value.
func (u LocURI) Parent() LocURI {
	i := strings.LastIndexByte(u.canonical, '/')
	switch {
	case u.path() == "":
		return LocURI{}
	case i <= 1:
		return build("./Device", []string{"Device"})
	}
	p, _ := parse(u.canonical[:i])
	return p
}

func decodeSegment(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, utf8.ValidString(s)
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	d := b.String()
	return d, utf8.ValidString(d)
}

func joinEscaped(segs []string) string {
	var b strings.Builder
	b.WriteByte('.')
	for _, s := range segs {
		b.WriteByte('/')
		b.WriteString(escapeSegment(s))
	}
	return b.String()
}

// escapeSegment escapes what RFC 3986 does not allow in a path segment.
func escapeSegment(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
