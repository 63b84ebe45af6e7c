package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/keelson-mdm/keelson/mdm"
)

const maxDepth = 16 // of JSON that is read

// parseJSON decodes one JSON value into maps, slices, strings, [json.Number]s,
// bools and nil. Beyond what encoding/json refuses, it refuses names that stand
// twice, depths above maxDepth, text that is no UTF-8, and anything behind the
// value.
func parseJSON(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, mdm.Errorf(mdm.CodeMalformed, "", "the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := parseValue(d, "", 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, notJSON(d)
	}
	return v, nil
}

func notJSON(d *json.Decoder) error {
	return mdm.Errorf(mdm.CodeMalformed, "", "the body is not JSON, at or before byte %d", d.InputOffset())
}

func parseValue(d *json.Decoder, at string, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, notJSON(d)
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth == maxDepth {
		return nil, mdm.Errorf(mdm.CodeTooLarge, at, "the body nests deeper than %d", maxDepth)
	}
	if delim == '[' {
		return parseArray(d, at, depth+1)
	}
	return parseObject(d, at, depth+1)
}

func parseArray(d *json.Decoder, at string, depth int) (any, error) {
	out := []any{}
	for d.More() {
		v, err := parseValue(d, at+"["+strconv.Itoa(len(out))+"]", depth)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	if _, err := d.Token(); err != nil {
		return nil, notJSON(d)
	}
	return out, nil
}

func parseObject(d *json.Decoder, at string, depth int) (any, error) {
	out := make(map[string]any)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, notJSON(d)
		}
		name, ok := t.(string)
		if !ok {
			return nil, notJSON(d)
		}
		v, err := parseValue(d, join(at, name), depth)
		if err != nil {
			return nil, err
		}
		if _, twice := out[name]; twice {
			return nil, mdm.Errorf(mdm.CodeInvalid, join(at, name), "the field stands twice")
		}
		out[name] = v
	}
	if _, err := d.Token(); err != nil {
		return nil, notJSON(d)
	}
	return out, nil
}

// join makes the path of a field.
func join(at, name string) string {
	if name = clip(name); at != "" {
		return at + "." + name
	}
	return name
}
