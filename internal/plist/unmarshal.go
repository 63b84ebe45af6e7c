package plist

import (
	"bytes"
	"encoding/xml"
	"errors"
	"math"
	"reflect"
	"time"

	lib "github.com/micromdm/plist"

	"github.com/keelson-mdm/keelson/mdm"
)

const (
	byteOrderMark = "\xef\xbb\xbf"
	binaryMagic   = "bplist0"
)

// Unmarshal decodes an XML or binary property list into v, a non-nil pointer,
// within limits. A byte-order mark before XML is skipped. Struct fields are
// matched by their exact name or their plist tag; unknown keys are ignored. A
// type with a method UnmarshalPlist(func(any) error) error decodes itself, and
// an [*mdm.Error] that it returns comes back as it is.
//
// After an error the contents of v are unspecified: decode into a fresh value.
func Unmarshal(data []byte, v any, limits *Limits) error {
	if rv := reflect.ValueOf(v); rv.Kind() != reflect.Pointer || rv.IsNil() {
		return mdm.Errorf(mdm.CodeInternal, "", "a property list is decoded into a non-nil pointer, not into %T", v)
	}
	data, tree, err := open(data, limits)
	if err == nil && tree != nil {
		data, err = Marshal(tree) // the library reads XML alone
	}
	if err != nil {
		return err
	}
	return decode(data, v)
}

// Dict decodes a property list whose root is a dictionary. Values are string,
// bool, int64, uint64 (only above the largest int64), float64, time.Time,
// []byte, []any and map[string]any; never nil.
func Dict(data []byte, limits *Limits) (map[string]any, error) {
	if d, ok := plainDict(data, limits); ok {
		return d, nil
	}
	data, v, err := open(data, limits)
	if err != nil {
		return nil, err
	}
	if v == nil {
		if err := decode(data, &v); err != nil {
			return nil, err
		}
	}
	d, ok := signed(v).(map[string]any)
	if !ok {
		return nil, mdm.Errorf(mdm.CodeMalformed, "", "the root of this property list must be a dictionary, not %s", KindOf(v))
	}
	return d, nil
}

// open holds data against limits and grammar before anything is decoded. It
// returns XML without its mark, or the values of a binary property list.
func open(data []byte, limits *Limits) (xml []byte, tree any, err error) {
	l := limits.orDefault()
	if len(data) > l.Bytes {
		return nil, nil, l.tooBig()
	}
	data = bytes.TrimPrefix(data, []byte(byteOrderMark))
	if bytes.HasPrefix(data, []byte(binaryMagic)) {
		tree, err = walkBinary(data, l)
		return nil, tree, err
	}
	if vouched(data, l) {
		return data, nil, nil
	}
	return data, nil, scanXML(data, l)
}

// decode runs the library, which is not trusted to be free of panics.
func decode(data []byte, v any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = mdm.Errorf(mdm.CodeMalformed, "", "this property list cannot be decoded")
		}
	}()
	return explain(lib.Unmarshal(data, v))
}

// explain keeps our own errors and says of the library's what is safe to say:
// their texts quote values.
func explain(err error) error {
	var (
		own    *mdm.Error
		typ    lib.UnmarshalTypeError
		syntax *xml.SyntaxError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.As(err, &typ):
		return wrongType(typ.Type)
	case errors.As(err, &syntax):
		return syntaxError(syntax)
	}
	return mdm.Errorf(mdm.CodeMalformed, "", "a number, date or data value in this property list cannot be read")
}

// signed makes integers int64 where they fit: the library gives positive ones
// as uint64.
func signed(v any) any {
	switch v := v.(type) {
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v)
		}
	case []any:
		for i := range v {
			v[i] = signed(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = signed(v[k])
		}
	}
	return v
}

// KindOf names the kind of a decoded value as a property list's author knows
// it, with an article: "a string", "an array".
func KindOf(v any) string { return kindOfType(reflect.TypeOf(v)) }

func kindOfType(t reflect.Type) string {
	if t == nil {
		return "nothing"
	}
	if t == reflect.TypeFor[time.Time]() {
		return "a date"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Float32, reflect.Float64:
		return "a real"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "an integer"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "data"
		}
		return "an array"
	case reflect.Map, reflect.Struct:
		return "a dictionary"
	default:
		return "another type"
	}
}
