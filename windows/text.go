package windows

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds what is kept of a device's words about itself, in bytes.
const maxText = 256

// plain makes a device's words safe to keep and to show: no control characters,
// no more than [maxText] bytes.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return clip(strings.TrimSpace(s), maxText)
}

// clip cuts s to at most n bytes, not inside a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
