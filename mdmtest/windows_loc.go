package mdmtest

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// PCCanonical returns the one spelling of a LocURI under which a [PCDevice]
// keeps a node: "./Device/Vendor/MSFT/…" with the scope written out, or
// "./DevInfo/…", "./DevDetail/…", "./User/…". Segments are percent-decoded,
// except that '/' and '%' stay encoded. It returns an error for what Windows
// does not take as an address: a leading or trailing slash, "." or ".."
// inside, an empty node name, one that is only "*", a bad escape.
func PCCanonical(loc string) (string, error) {
	segments, err := pcSegments(loc)
	if err != nil {
		return "", err
	}
	return pcJoin(segments), nil
}

// pcSegments returns the decoded segments of the canonical form.
func pcSegments(loc string) ([]string, error) {
	switch {
	case loc == "":
		return nil, errors.New("the LocURI is empty")
	case len(loc) > 2048:
		return nil, fmt.Errorf("the LocURI has %d bytes", len(loc))
	case loc[0] == '/':
		return nil, fmt.Errorf("LocURI %q begins with a slash", loc)
	case loc == "." || loc == "./":
		return nil, nil
	}
	segments := strings.Split(strings.TrimPrefix(loc, "./"), "/")
	for i, s := range segments {
		u, err := url.PathUnescape(s)
		if err != nil {
			return nil, fmt.Errorf("LocURI %q: %w", loc, err)
		}
		if u == "" || u == "." || u == ".." || u == "*" {
			return nil, fmt.Errorf("LocURI %q has the node name %q", loc, u)
		}
		segments[i] = u
	}
	for segments[0] == "Device" && len(segments) > 1 && segments[1] != "Vendor" {
		segments = segments[1:] // device scope is also what has no prefix
	}
	if segments[0] == "Vendor" {
		segments = slices.Insert(segments, 0, "Device")
	}
	return segments, nil
}

var pcSegmentEscaper = strings.NewReplacer("%", "%25", "/", "%2F")

func pcJoin(segments []string) string {
	var b strings.Builder
	b.WriteByte('.')
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(pcSegmentEscaper.Replace(s))
	}
	return b.String()
}

// pcUnescaped reports whether a LocURI holds a character that must be
// percent-encoded in one.
func pcUnescaped(loc string) bool {
	return strings.ContainsFunc(loc, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`{}"<>\^|`+"`", r)
	})
}
