package syncml

import (
	"mime"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// MediaType is the media type of messages in both directions.
const MediaType = "application/vnd.syncml.dm+xml"

// CheckMediaType judges the Content-Type of a request. It accepts SyncML over
// XML in UTF-8, and a missing header; anything else, WBXML above all, is a
// [mdm.CodeUnsupported] error, whose answer is 415.
func CheckMediaType(contentType string) error {
	if strings.TrimSpace(contentType) == "" {
		return nil
	}
	t, params, err := mime.ParseMediaType(contentType)
	if err != nil && t == "" {
		return mdm.Errorf(mdm.CodeUnsupported, "Content-Type", "not a media type; send %s", MediaType)
	}
	switch t {
	case MediaType, "application/vnd.syncml+xml":
	case "application/vnd.syncml.dm+wbxml", "application/vnd.syncml+wbxml":
		return mdm.Errorf(mdm.CodeUnsupported, "Content-Type", "WBXML is not spoken here; set DEFAULTENCODING to %s", MediaType)
	default:
		return mdm.Errorf(mdm.CodeUnsupported, "Content-Type", "media type %q is not SyncML; send %s", t, MediaType)
	}
	if cs, ok := params["charset"]; ok && !utf8Name(cs) {
		return mdm.Errorf(mdm.CodeUnsupported, "Content-Type", "charset %q is not supported; send UTF-8", cs)
	}
	return nil
}

// utf8Name reports whether a charset name means UTF-8 or a subset of it.
func utf8Name(name string) bool {
	switch strings.ToLower(name) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return true
	}
	return false
}
