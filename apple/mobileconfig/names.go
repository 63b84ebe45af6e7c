package mobileconfig

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// badName says what is wrong with a name by which things are told apart; ""
// when nothing is. Invisible differences are refused.
func badName(s string) string {
	switch {
	case s == "":
		return "is empty"
	case len(s) > MaxIdentifier:
		return "is too long: at most 255 bytes"
	case strings.TrimSpace(s) != s:
		return "begins or ends with a space: remove it"
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) }):
		return "has a control character: remove it"
	}
	return ""
}

// fold makes UUIDs comparable: their letters mean the same in either case.
func fold(s string) string { return strings.ToUpper(s) }
