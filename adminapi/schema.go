package adminapi

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// schema is the part of JSON Schema 2020-12 that the API needs: it is shown in
// the document, and requests are checked by it.
type schema struct {
	Ref              string             `json:"$ref,omitempty"`
	Type             string             `json:"type,omitempty"`
	Description      string             `json:"description,omitempty"`
	Format           string             `json:"format,omitempty"`
	ContentEncoding  string             `json:"contentEncoding,omitempty"`
	ContentMediaType string             `json:"contentMediaType,omitempty"`
	Enum             []string           `json:"enum,omitempty"`
	MinLength        int                `json:"minLength,omitempty"`
	MaxLength        int                `json:"maxLength,omitempty"`
	Minimum          *int64             `json:"minimum,omitempty"`
	Maximum          *int64             `json:"maximum,omitempty"`
	Items            *schema            `json:"items,omitempty"`
	MaxItems         int                `json:"maxItems,omitempty"`
	Properties       map[string]*schema `json:"properties,omitempty"`
	Required         []string           `json:"required,omitempty"`
	MinProperties    int                `json:"minProperties,omitempty"`
	// Additional is false (none), a *schema (of every value of a map), or nil
	// (fields may be added later).
	Additional any `json:"additionalProperties,omitempty"`
}

// fromText makes of a query parameter what JSON would have said.
func (s *schema) fromText(v string) any {
	switch {
	case s.Type == "integer":
		return json.Number(v)
	case s.Type == "boolean" && (v == "true" || v == "false"):
		return v == "true"
	}
	return v
}

// shapes makes schemas of Go types, by their JSON tags, and keeps those that
// have a name.
type shapes struct {
	named map[string]*schema
	enums map[reflect.Type][]string
	about map[string]string // "Type.field" to description
	blank map[string]bool   // "Type.field" of enums that may be empty
}

func newShapes() *shapes {
	return &shapes{named: make(map[string]*schema), enums: enums(), about: abouts(), blank: blanks()}
}

// resolve follows a reference.
func (s *shapes) resolve(v *schema) *schema {
	if name, ok := strings.CutPrefix(v.Ref, refPrefix); ok {
		return s.named[name]
	}
	return v
}

const refPrefix = "#/components/schemas/"

// of makes the schema of a type. A request's objects have no other fields than
// those of the type, and its required ones are tagged; an answer's fields are
// there unless they may be left out when empty.
func (s *shapes) of(t reflect.Type, request bool) *schema {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return &schema{Type: "string", Format: "date-time"}
	case t == reflect.TypeFor[[]byte]():
		return &schema{Type: "string", ContentEncoding: "base64"}
	case s.enums[t] != nil:
		return &schema{Type: "string", Enum: s.enums[t]}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem(), request)
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.String:
		return &schema{Type: "string"}
	case reflect.Slice:
		return &schema{Type: "array", Items: s.of(t.Elem(), request)}
	case reflect.Map:
		return &schema{Type: "object", Additional: s.of(t.Elem(), request)}
	case reflect.Struct:
		return s.object(t, request)
	default:
		return &schema{Type: "integer"}
	}
}

// object makes the schema of a struct, once, and returns a reference to it.
func (s *shapes) object(t reflect.Type, request bool) *schema {
	first, n := utf8.DecodeRuneInString(t.Name())
	name := string(unicode.ToUpper(first)) + t.Name()[n:]
	ref := &schema{Ref: refPrefix + name}
	if s.named[name] != nil {
		return ref
	}
	o := &schema{Type: "object", Properties: make(map[string]*schema), Description: s.about[name]}
	if request {
		o.Additional = false
	}
	s.named[name] = o
	s.fields(o, name, t, request)
	return ref
}

func (s *shapes) fields(o *schema, name string, t reflect.Type, request bool) {
	for f := range t.Fields() {
		if f.Anonymous {
			s.fields(o, f.Type.Name(), f.Type, request)
			continue
		}
		tag, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		hints := newHints(f.Tag.Get("api"))
		if f.Name == "_" {
			o.MinProperties = hints.min
			continue
		}
		if tag == "" || tag == "-" || !f.IsExported() {
			continue
		}
		v := s.of(f.Type, request)
		hints.apply(v)
		if about := s.about[name+"."+tag]; about != "" {
			v.Description = about // JSON Schema 2020-12 allows it beside a reference
		}
		if s.blank[name+"."+tag] {
			v.Enum = append([]string{""}, v.Enum...)
		}
		o.Properties[tag] = v
		if hints.required || !request && rest == "" {
			o.Required = append(o.Required, tag)
		}
	}
}

// hints are what a tag `api:"required,min=1,max=255"` says.
type hints struct {
	required bool
	min, max int
}

func newHints(tag string) hints {
	var h hints
	for part := range strings.SplitSeq(tag, ",") {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(value)
		switch {
		case name == "required":
			h.required = true
		case err != nil:
		case name == "min":
			h.min = n
		case name == "max":
			h.max = n
		}
	}
	return h
}

// apply bounds a schema in the way of its type.
func (h hints) apply(v *schema) {
	switch v.Type {
	case "string":
		v.MinLength, v.MaxLength = h.min, h.max
	case "array":
		v.MaxItems = h.max
	case "integer":
		if h.min != 0 {
			v.Minimum = ptr(int64(h.min))
		}
		if h.max != 0 {
			v.Maximum = ptr(int64(h.max))
		}
	}
}
