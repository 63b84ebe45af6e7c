package adminapi

import (
	"strconv"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

const maxTags = 16

// etag is the entity tag of a revision.
func etag(r mdm.Revision) string { return `"` + strconv.FormatInt(int64(r), 10) + `"` }

// ifMatch reads If-Match (RFC 9110, 13.1.1). Conditional is false when every
// revision will do: the header is absent, or is *. Tags that no revision can
// have, weak ones among them, match nothing and are left out.
func (c *call) ifMatch() (revisions []mdm.Revision, conditional bool, err error) {
	h := strings.TrimSpace(strings.Join(c.r.Header.Values(headerIfMatch), ","))
	if h == "*" || len(c.r.Header.Values(headerIfMatch)) == 0 {
		return nil, false, nil
	}
	tags, ok := parseTags(h)
	if !ok {
		return nil, false, mdm.Errorf(mdm.CodeMalformed, headerIfMatch, "send the ETag as it was received, with its quotes")
	}
	for _, t := range tags {
		n, err := strconv.ParseInt(strings.Trim(t, `"`), 10, 64)
		if err == nil && n > 0 && etag(mdm.Revision(n)) == t {
			revisions = append(revisions, mdm.Revision(n))
		}
	}
	return revisions, true, nil
}

// parseTags splits a list of entity tags (RFC 9110, 8.8.3).
func parseTags(s string) (tags []string, ok bool) {
	for s = strings.Trim(s, " \t,"); s != ""; s = strings.TrimLeft(s, " \t,") {
		prefix := ""
		if strings.HasPrefix(s, "W/") {
			prefix, s = "W/", s[2:]
		}
		end := strings.IndexByte(s[min(1, len(s)):], '"')
		if !strings.HasPrefix(s, `"`) || end < 0 || len(tags) == maxTags {
			return nil, false
		}
		tags, s = append(tags, prefix+s[:end+2]), s[end+2:]
		if rest := strings.TrimLeft(s, " \t"); rest != "" && rest[0] != ',' {
			return nil, false
		}
	}
	return tags, len(tags) > 0
}

func precondition() error {
	return mdm.Errorf(CodePrecondition, headerIfMatch, "the profile has another revision by now: get it again")
}
