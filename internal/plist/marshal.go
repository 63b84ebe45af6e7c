package plist

import (
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	lib "github.com/micromdm/plist"

	"github.com/keelson-mdm/keelson/mdm"
)

// Marshal encodes v as an indented XML property list with sorted keys: equal
// values give equal bytes. A nil pointer, interface or map value, a string with
// characters that XML cannot hold, a time outside of the years 0 to 9999, and a
// value nested deeper than [DefaultDepth] are [mdm.CodeInvalid] errors with
// their path. Times are written in UTC to the second. A nil slice or map is
// written empty unless its field says omitempty.
func Marshal(v any) (out []byte, err error) {
	if out, ok := writeTree(v); ok {
		return out, nil
	}
	return marshal(v)
}

// marshal has the library write.
func marshal(v any) (out []byte, err error) {
	if err := writable(reflect.ValueOf(v), "", 0); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, mdm.Errorf(mdm.CodeInternal, "", "a value of type %T cannot be written as a property list", v)
		}
	}()
	out, err = lib.MarshalIndent(v, "\t")
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeInvalid, "", "this value cannot be written as a property list", err)
	}
	return out, nil
}

// writable finds what the library would panic on or write differently.
func writable(v reflect.Value, path string, depth int) error {
	if depth > 2*DefaultDepth { // pointers and interfaces count too
		return mdm.Errorf(mdm.CodeInvalid, path, "this value is nested too deep, or contains itself")
	}
	if !v.IsValid() {
		return mdm.Errorf(mdm.CodeInvalid, path, "a property list has no nil")
	}
	if v.Type().Implements(reflect.TypeFor[lib.Marshaler]()) {
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return writable(v.Elem(), path, depth+1)
	case reflect.String:
		return writableString(v.String(), path)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		for i := range v.Len() {
			if err := writable(v.Index(i), path+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			name := it.Key().String()
			if err := writableString(name, path); err != nil {
				return err
			}
			if err := writable(it.Value(), join(path, name), depth+1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		return writableStruct(v, path, depth)
	}
	return nil
}

func writableStruct(v reflect.Value, path string, depth int) error {
	if v.Type() == reflect.TypeFor[time.Time]() {
		if v.CanInterface() {
			if y := v.Interface().(time.Time).UTC().Year(); y < 0 || y > 9999 {
				return mdm.Errorf(mdm.CodeInvalid, path, "a property list has no year %d", y)
			}
		}
		return nil
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag := f.Tag.Get("plist")
		if tag == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if options == "omitempty" && v.Field(i).IsZero() {
			continue
		}
		at := path
		if name == "" {
			name = f.Name
		}
		if !f.Anonymous {
			at = join(path, name)
		}
		if err := writable(v.Field(i), at, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// writableString reports what XML cannot hold (XML 1.0, production 2): the
// encoder would put U+FFFD in its place without a word.
func writableString(s, path string) error {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return mdm.Errorf(mdm.CodeInvalid, path, "a string in a property list must be UTF-8")
			}
		}
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return mdm.Errorf(mdm.CodeInvalid, path, "a string in a property list may not have the character %U", r)
		}
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
