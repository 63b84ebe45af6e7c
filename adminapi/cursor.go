package adminapi

import (
	"encoding/base64"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// Pages of lists.
const (
	defaultLimit = 100
	maxLimit     = 500
)

// Kinds of cursor, so that one of another list is refused.
const (
	hostCursor    = "h1."
	commandCursor = "c1."
	carrierCursor = "p1." // of a profile's hosts
	linkCursor    = "l1."
)

// cursor makes the opaque name of the place behind an id.
func cursor(kind, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + id))
}

// parseCursor reads what [cursor] makes; empty is the beginning.
func parseCursor(kind, s string) (string, error) {
	if s == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	id, ok := strings.CutPrefix(string(b), kind)
	if err != nil || !ok || !mdm.IsUUID(id) {
		return "", badCursor()
	}
	return id, nil
}

func badCursor() error {
	return mdm.Errorf(mdm.CodeMalformed, "cursor", "not a cursor of this list: begin again without one")
}

// page cuts the one element too many that was asked for, and makes the cursor
// of what follows; empty when nothing does. It never returns a nil slice.
func page[T any](all []T, limit int, kind string, id func(T) string) ([]T, string) {
	if len(all) == 0 {
		return []T{}, ""
	}
	if len(all) <= limit {
		return all, ""
	}
	return all[:limit], cursor(kind, id(all[limit-1]))
}

func pageParams() []param {
	return []param{
		{name: "cursor", about: "Where to go on: `next` of the page before.", shape: &schema{Type: "string"}},
		{name: "limit", about: "How many at most; 100 when absent.", shape: &schema{Type: "integer", Minimum: ptr[int64](1), Maximum: ptr[int64](maxLimit)}},
	}
}
