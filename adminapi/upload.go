package adminapi

import (
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/url"
	"slices"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

const (
	contentPart  = "content"
	maxParts     = 256
	maxPartValue = 4 << 10
)

// uploadParams are the fields of an upload that is no JSON: query parameters of
// a raw one, parts of a form.
func uploadParams() []param {
	text := &schema{Type: "string", MaxLength: maxName}
	return []param{
		{name: "name", about: "Of a raw upload; absent takes the content's own.", shape: text},
		{name: "identifier", about: "Of a raw upload of a Windows profile.", shape: text},
		{name: "family", about: "Of a raw upload; absent is told from the content.", shape: &schema{Type: "string", Enum: enumOf[profiles.Family]()}},
		{name: "team", about: "Of a raw upload; absent: no team.", shape: text},
		{name: "include_all", about: "Of a raw upload: a label.", shape: text, list: true},
		{name: "include_any", about: "Of a raw upload: a label.", shape: text, list: true},
		{name: "exclude_any", about: "Of a raw upload: a label.", shape: text, list: true},
		{name: "platform", about: "Of a raw upload.", shape: &schema{Type: "string", Enum: enumOf[mdm.Platform]()}, list: true},
	}
}

// upload reads a profile that is uploaded as JSON, as a form, or as it is.
func (c *call) upload() (profileWrite, error) {
	var in profileWrite
	m, params, err := c.media()
	if err != nil {
		return in, err
	}
	if m != mediaApple && m != mediaXML && len(c.query) > 0 {
		return in, mdm.Errorf(mdm.CodeInvalid, slices.Sorted(maps.Keys(c.query))[0], "query parameters are for uploads of a profile as it is: put this into the body")
	}
	switch m {
	case mediaJSON:
		return in, c.decode(&in)
	case mediaForm:
		fields, content, err := c.form(params["boundary"], uploadParams())
		if err != nil {
			return in, err
		}
		in = described(fields)
		in.Content = content
		return in, nil
	}
	in = described(c.query)
	if in.Family == "" {
		in.Family = familyOf(m)
	}
	in.Content, err = c.read()
	return in, err
}

// content reads content alone.
func (c *call) content() ([]byte, error) {
	m, params, err := c.media()
	if err != nil {
		return nil, err
	}
	switch m {
	case mediaJSON:
		var in profileContent
		err := c.decode(&in)
		return in.Content, err
	case mediaForm:
		_, content, err := c.form(params["boundary"], nil)
		return content, err
	}
	return c.read()
}

func described(v url.Values) profileWrite {
	return profileWrite{
		Name: v.Get("name"), Identifier: v.Get("identifier"), Family: profiles.Family(v.Get("family")), Team: mdm.TeamID(v.Get("team")),
		Scope: keelson.Scope{
			IncludeAll: named[mdm.LabelID](v["include_all"]), IncludeAny: named[mdm.LabelID](v["include_any"]),
			ExcludeAny: named[mdm.LabelID](v["exclude_any"]), Platforms: named[mdm.Platform](v["platform"]),
		},
	}
}

func named[T ~string](in []string) []T {
	var out []T
	for _, v := range in {
		out = append(out, T(v))
	}
	return out
}

// form reads a multipart form: one part "content", and fields that params
// allow.
func (c *call) form(boundary string, params []param) (url.Values, []byte, error) {
	if boundary == "" || len(boundary) > 70 { // RFC 2046, 5.1.1
		return nil, nil, mdm.Errorf(mdm.CodeMalformed, "Content-Type", "a form needs a boundary of 1 to 70 characters")
	}
	fields, content := url.Values{}, []byte(nil)
	parts := multipart.NewReader(c.bounded(), boundary)
	for n := 0; ; n++ {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, bodyError(err)
		}
		name := p.FormName()
		if n == maxParts {
			return nil, nil, mdm.Errorf(mdm.CodeTooLarge, "", "a form has at most %d parts", maxParts)
		}
		if name == contentPart {
			if content != nil {
				return nil, nil, mdm.Errorf(mdm.CodeInvalid, contentPart, "the part stands twice")
			}
			if content, err = io.ReadAll(p); err != nil {
				return nil, nil, bodyError(err)
			}
			continue
		}
		if !slices.ContainsFunc(params, func(p param) bool { return p.name == name }) {
			return nil, nil, mdm.Errorf(mdm.CodeInvalid, clip(name), "there is no such part")
		}
		value, err := io.ReadAll(io.LimitReader(p, maxPartValue+1))
		if err != nil {
			return nil, nil, bodyError(err)
		}
		fields[name] = append(fields[name], string(value))
	}
	if content == nil {
		return nil, nil, mdm.Errorf(mdm.CodeInvalid, contentPart, "this is required")
	}
	return fields, content, c.api.types.checkParams(params, fields)
}
