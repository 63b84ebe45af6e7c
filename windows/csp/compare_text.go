package csp

import (
	"strings"
)

func trim(s string) string { return strings.TrimSpace(s) }

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

// equalText compares values as the formats that are known for them say. Space
// around a value does not count: authors put it around CDATA.
func equalText(f Fact, want, got Value) bool {
	x, y := trim(want.Data), trim(got.Data)
	if x == y {
		return true
	}
	is := func(format string) bool {
		return f.Format == format || equalFold(want.Format, format) || equalFold(got.Format, format)
	}
	switch {
	case is("bool") && sameBool(x, y), is("int") && sameInt(x, y):
		return true
	case is("b64") || is("bin"):
		return sameBase64(x, y)
	}
	return strings.ReplaceAll(x, "\r\n", "\n") == strings.ReplaceAll(y, "\r\n", "\n")
}

func sameBool(x, y string) bool {
	a, ok := parseBool(x)
	b, ok2 := parseBool(y)
	return ok && ok2 && a == b
}

func parseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}

func sameInt(x, y string) bool {
	a, ok := plainInt(x)
	b, ok2 := plainInt(y)
	return ok && ok2 && a == b
}

// plainInt writes a decimal number of any length without plus sign and leading
// zeros.
func plainInt(s string) (string, bool) {
	sign := ""
	switch {
	case strings.HasPrefix(s, "-"):
		sign, s = "-", s[1:]
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return "", false
	}
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0", true
	}
	return sign + s, true
}

// sameBase64 ignores line breaks and padding.
func sameBase64(x, y string) bool {
	bare := func(s string) string {
		s = strings.Map(func(r rune) rune {
			if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
				return -1
			}
			return r
		}, s)
		return strings.TrimRight(s, "=")
	}
	return bare(x) == bare(y)
}
