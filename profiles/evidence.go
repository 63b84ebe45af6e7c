package profiles

import (
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
)

// Evidence is how far it is proven that the device carries what it should. The
// numbers are stored and order the ladder; its words are what everybody else
// sees, and part of the API.
type Evidence int8

// The ladder. A rung that cannot be reached for a profile is known beforehand,
// see [Document.Provable].
const (
	NoEvidence     Evidence = 0
	Accepted       Evidence = 1 // the device said that it took it
	Present        Evidence = 2 // the slot is filled, with what is not known
	VersionMatched Evidence = 3 // the PayloadUUID is the revision's
	ContentMatched Evidence = 4 // every readable node holds the desired value
	Effective      Evidence = 5 // the platform says that the setting is in force
)

// rungs are the words of the ladder, by number.
func rungs() []string {
	return []string{"none", "accepted", "present", "version_matched", "content_matched", "effective"}
}

// String returns "none", "accepted", "present", "version_matched",
// "content_matched" or "effective"; of a number that is none of these, "none":
// what nobody can name proves nothing.
func (e Evidence) String() string {
	if words := rungs(); int(e) > 0 && int(e) < len(words) {
		return words[e]
	}
	return "none"
}

// MarshalText writes the word of [Evidence.String].
func (e Evidence) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads such a word; another one is a [mdm.CodeInvalid] error.
func (e *Evidence) UnmarshalText(text []byte) error {
	i := slices.Index(rungs(), string(text))
	if i < 0 {
		return mdm.Errorf(mdm.CodeInvalid, "evidence", "unknown evidence %.40q", text)
	}
	*e = Evidence(i)
	return nil
}
