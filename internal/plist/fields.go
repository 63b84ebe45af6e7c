package plist

import (
	"bytes"
	"reflect"

	"github.com/keelson-mdm/keelson/mdm"
)

// Field is a key of a dictionary and where its value goes: a *string, *bool,
// **bool, *int64, *[]byte, *[]any, *map[string]any, or *any for a value as [Dict] gives
// it. Empty data is nil. A key that is not there leaves it alone.
type Field struct {
	Key  string
	Into any
}

// Fields reads some keys of a property list whose root is a dictionary. The
// document is checked to its end, and refused, as [Unmarshal] does; a value of
// another type than its field's is a [mdm.CodeMalformed] error. What is not asked
// for costs no memory, if the document is in the form that nearly all are in.
//
// After an error what the fields point to is unspecified.
func Fields(data []byte, limits *Limits, fields ...Field) error {
	if plainFields(data, limits, fields) {
		return nil
	}
	root, err := Dict(data, limits)
	if err != nil {
		return err
	}
	return Pick(root, fields...)
}

// Pick is [Fields] of a value that has been decoded by [Dict].
func Pick(dict any, fields ...Field) error {
	d, ok := dict.(map[string]any)
	if !ok {
		return wrongType(reflect.TypeOf(d))
	}
	for _, f := range fields {
		if v, ok := d[f.Key]; ok && !f.put(v) {
			return wrongType(reflect.TypeOf(f.Into).Elem())
		}
	}
	return nil
}

// Data is a value that has been decoded by [Dict] and must be data.
func Data(v any) ([]byte, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, wrongType(reflect.TypeOf(b))
	}
	return b, nil
}

func wrongType(want reflect.Type) error {
	if want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	return mdm.Errorf(mdm.CodeMalformed, "", "a value in this property list has the wrong type: expected %s", kindOfType(want))
}

// put stores a value, if it is of the field's type.
func (f *Field) put(v any) (ok bool) {
	switch into := f.Into.(type) {
	case *string:
		*into, ok = v.(string)
	case *bool:
		*into, ok = v.(bool)
	case **bool:
		b, is := v.(bool)
		*into, ok = &b, is
	case *int64:
		switch n := v.(type) {
		case int64:
			*into, ok = n, true
		case uint64:
			*into, ok = int64(n), true // as the library has it
		}
	case *[]byte:
		if *into, ok = v.([]byte); len(*into) == 0 {
			*into = nil
		}
	case *[]any:
		*into, ok = v.([]any)
	case *map[string]any:
		*into, ok = v.(map[string]any)
	case *any:
		*into, ok = v, true
	}
	return ok
}

// plainFields reads a plain document. False says nothing.
func plainFields(data []byte, limits *Limits, fields []Field) bool {
	l := limits.orDefault()
	if len(data) > l.Bytes {
		return false
	}
	var p plain
	p.begin(bytes.TrimPrefix(data, []byte(byteOrderMark)), l)
	if p.next().kind != beginDict {
		return false
	}
	for {
		k := p.next()
		switch k.kind {
		case endContainer:
			return p.next().kind == endDocument
		case keyToken:
		default:
			return false
		}
		ok := false
		t := p.next()
		if f := field(fields, k.text); f != nil {
			ok = f.take(&p, t)
		} else {
			ok = p.skip(t)
		}
		if !ok {
			return false
		}
	}
}

func field(fields []Field, key []byte) *Field {
	for i := range fields {
		if fields[i].Key == string(key) {
			return &fields[i]
		}
	}
	return nil
}

// take stores what a token means, or begins, if it is of the field's type.
func (f *Field) take(p *plain, t token) bool {
	switch into := f.Into.(type) {
	case *string:
		if t.kind != stringToken {
			return false
		}
		*into = t.string()
		return true
	case *bool:
		*into = t.kind == trueToken
		return *into || t.kind == falseToken
	case *[]byte:
		if t.kind != dataToken {
			return false
		}
		b, ok := dataOf(t.text)
		if len(b) == 0 {
			b = nil
		}
		*into = b
		return ok
	}
	v, ok := p.of(t)
	return ok && f.put(v)
}
