package syncml

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// URIKey returns the form of a LocURI under which two that name the same node
// are equal strings. Escapes are decoded, letters are folded, and the scope
// comes first: "./Vendor/MSFT/WiFi" and "./device/vendor/msft/WiFi" both give
// "device/vendor/msft/wifi", "./User/Vendor/MSFT/WiFi" gives
// "user/vendor/msft/wifi" (Policy CSP: the Device part may be omitted).
// Within a segment '%' and '/' stay escaped, so that segments keep their
// boundaries. An address that is not a node, such as a URL, keeps its segments.
// It accepts any text and never fails.
func URIKey(uri string) string {
	uri = strings.TrimSpace(uri)
	rest, node := strings.CutPrefix(uri, "./")
	if !node {
		return foldSegments(uri)
	}
	key := foldSegments(strings.TrimRight(rest, "/"))
	if key == "user" || key == "device" || strings.HasPrefix(key, "user/") || strings.HasPrefix(key, "device/") {
		return key
	}
	return "device/" + key
}

// SameURI reports whether two LocURIs name the same node.
func SameURI(a, b string) bool { return a == b || URIKey(a) == URIKey(b) }

func foldSegments(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		if s[i] == '/' {
			b.WriteByte('/')
			i++
			continue
		}
		r, n := decodeRune(s[i:])
		i += n
		switch r {
		case '/':
			b.WriteString("%2f")
		case '%':
			b.WriteString("%25")
		default:
			b.WriteRune(unicode.ToLower(unicode.ToUpper(r)))
		}
	}
	return b.String()
}

// decodeRune reads one character that may be percent-encoded, and how many
// bytes of s it took. What cannot be decoded stands for itself.
func decodeRune(s string) (rune, int) {
	var buf [utf8.UTFMax]byte
	n, took := 0, 0
	for n < utf8.UTFMax && took+2 < len(s) && s[took] == '%' {
		hi, lo := unhex(s[took+1]), unhex(s[took+2])
		if hi < 0 || lo < 0 {
			break
		}
		buf[n] = byte(hi<<4 | lo)
		n++
		took += 3
		if utf8.FullRune(buf[:n]) {
			break
		}
	}
	if n > 0 {
		// An invalid sequence gives RuneError of size 1; U+FFFD itself has 3.
		if r, size := utf8.DecodeRune(buf[:n]); size == n && (r != utf8.RuneError || n == 3) {
			return r, took
		}
	}
	return utf8.DecodeRuneInString(s)
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
