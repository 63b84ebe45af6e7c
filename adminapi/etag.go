package adminapi

import (
	"strconv"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

const maxTags = 16

// etag is the entity tag of an edit.
func etag(e mdm.Edit) string { return `"` + strconv.FormatInt(int64(e), 10) + `"` }

// ifMatch reads If-Match (RFC 9110, 13.1.1). No edits mean that every one will
// do: the header is absent, or is *. Tags that no edit can have, weak ones among
// them, stand as 0, which nothing has.
func (c *call) ifMatch() ([]mdm.Edit, error) {
	h := strings.TrimSpace(strings.Join(c.r.Header.Values(headerIfMatch), ","))
	if h == "*" || len(c.r.Header.Values(headerIfMatch)) == 0 {
		return nil, nil
	}
	tags, ok := parseTags(h)
	if !ok {
		return nil, mdm.Errorf(mdm.CodeMalformed, headerIfMatch, "send the ETag as it was received, with its quotes")
	}
	edits := make([]mdm.Edit, len(tags))
	for i, t := range tags {
		n, err := strconv.ParseInt(strings.Trim(t, `"`), 10, 64)
		if err == nil && n > 0 && etag(mdm.Edit(n)) == t {
			edits[i] = mdm.Edit(n)
		}
	}
	return edits, nil
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

// matched names the header in the error of a condition that does not hold.
func matched(err error) error {
	if mdm.CodeOf(err) != mdm.CodePrecondition {
		return err
	}
	return mdm.WrapError(mdm.CodePrecondition, headerIfMatch, "the profile was changed meanwhile: get it again", err)
}
