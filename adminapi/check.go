package adminapi

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keelson-mdm/keelson/mdm"
)

// check holds a value that [parseJSON] made against a schema. Errors are
// [mdm.CodeInvalid] with the path of what is wrong; they never show a value,
// which may be a secret.
func (s *shapes) check(shape *schema, at string, v any) error {
	shape = s.resolve(shape)
	wrong := func(text string) error { return mdm.Errorf(mdm.CodeInvalid, at, "%s", text) }
	switch shape.Type {
	case "object":
		o, ok := v.(map[string]any)
		if !ok {
			return wrong("this is an object")
		}
		return s.checkObject(shape, at, o)
	case "array":
		l, ok := v.([]any)
		if !ok {
			return wrong("this is a list")
		}
		if shape.MaxItems > 0 && len(l) > shape.MaxItems {
			return wrong("at most " + strconv.Itoa(shape.MaxItems) + " elements")
		}
		for i, e := range l {
			if err := s.check(shape.Items, at+"["+strconv.Itoa(i)+"]", e); err != nil {
				return err
			}
		}
	case "string":
		t, ok := v.(string)
		if !ok {
			return wrong("this is a string")
		}
		if text := checkString(shape, t); text != "" {
			return wrong(text)
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return wrong("this is true or false")
		}
	case "integer":
		n, ok := v.(json.Number)
		i, err := strconv.ParseInt(string(n), 10, 64)
		if !ok || err != nil {
			return wrong("this is a whole number")
		}
		if shape.Minimum != nil && i < *shape.Minimum {
			return wrong("at least " + strconv.FormatInt(*shape.Minimum, 10))
		}
		if shape.Maximum != nil && i > *shape.Maximum {
			return wrong("at most " + strconv.FormatInt(*shape.Maximum, 10))
		}
	}
	return nil
}

func (s *shapes) checkObject(shape *schema, at string, o map[string]any) error {
	for _, name := range shape.Required {
		if _, ok := o[name]; !ok {
			return mdm.Errorf(mdm.CodeInvalid, join(at, name), "this is required")
		}
	}
	if len(o) < shape.MinProperties {
		return mdm.Errorf(mdm.CodeInvalid, at, "nothing is said: the fields are %s", strings.Join(slices.Sorted(maps.Keys(shape.Properties)), ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		field, known := shape.Properties[name]
		if !known {
			if shape.Additional == false {
				return mdm.Errorf(mdm.CodeInvalid, join(at, name), "there is no such field")
			}
			if field, known = shape.Additional.(*schema); !known {
				continue
			}
		}
		if err := s.check(field, join(at, name), o[name]); err != nil {
			return err
		}
	}
	return nil
}

// checkString returns what is wrong with a string; empty when nothing is.
func checkString(shape *schema, v string) string {
	n := utf8.RuneCountInString(v)
	switch {
	case strings.ContainsRune(v, 0):
		return "the character U+0000 stands nowhere"
	case len(shape.Enum) > 0 && !slices.Contains(shape.Enum, v):
		return "this is one of " + strings.Join(shape.Enum, ", ")
	case n < shape.MinLength && n == 0:
		return "this is not empty"
	case n < shape.MinLength:
		return "at least " + strconv.Itoa(shape.MinLength) + " characters"
	case shape.MaxLength > 0 && n > shape.MaxLength:
		return "at most " + strconv.Itoa(shape.MaxLength) + " characters"
	}
	if shape.Format == "date-time" {
		if _, err := time.Parse(time.RFC3339, v); err != nil {
			return "this is a time such as 2026-05-01T12:00:00Z (RFC 3339)"
		}
	}
	if shape.ContentEncoding == "base64" {
		if _, err := base64.StdEncoding.DecodeString(v); err != nil {
			return "this is base64 with padding (RFC 4648, section 4)"
		}
	}
	return ""
}
