package mdmtest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/micromdm/plist"
)

// Bounds on what a simulated Apple device reads. Hardware has bounds of its
// own, which are not published; these are far above any honest message.
const (
	appleMaxBody  = 16 << 20 // bytes of a response
	appleMaxDepth = 64       // containers within containers
)

// decodePlist reads an XML property list whose root is a dictionary.
//
// It is stricter than the parser beneath it, which ignores what follows the
// root, keeps the last of two equal keys and drops a key without a value.
func decodePlist(data []byte) (dict map[string]any, err error) {
	defer func() { // the parser is foreign code on foreign bytes
		if p := recover(); p != nil {
			dict, err = nil, fmt.Errorf("property list: %v", p)
		}
	}()
	if len(data) > appleMaxBody {
		return nil, fmt.Errorf("property list of %d bytes; at most %d are read", len(data), appleMaxBody)
	}
	if bytes.HasPrefix(data, []byte("bplist")) {
		return nil, errors.New("binary property list; the simulator reads XML only")
	}
	if err := scanPlist(data); err != nil {
		return nil, fmt.Errorf("property list: %w", err)
	}
	var root any
	if err := plist.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("property list: %w", err)
	}
	dict, ok := root.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("property list: the root is %T, not a dictionary", root)
	}
	return dict, nil
}

// scanPlist checks the structure without building anything.
func scanPlist(data []byte) error {
	type level struct {
		name   string
		keys   map[string]bool // of a dict
		hasKey bool            // a key waits for its value
		values int
	}
	var stack []level
	done := false
	dec := xml.NewDecoder(bytes.NewReader(data))
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if !done {
				return errors.New("it ends before the closing tag of plist")
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch el := tok.(type) {
		case xml.StartElement:
			name := el.Name.Local
			if len(stack) == 0 && (done || name != "plist") {
				return fmt.Errorf("element %q outside of plist", name)
			}
			if len(stack) >= appleMaxDepth {
				return fmt.Errorf("more than %d levels deep", appleMaxDepth)
			}
			if len(stack) > 0 {
				top := &stack[len(stack)-1]
				switch {
				case top.name == "dict" && name == "key":
					if top.hasKey {
						return errors.New("a key without a value")
					}
				case top.name == "dict":
					if !top.hasKey {
						return errors.New("a value without a key")
					}
					top.hasKey = false
				case top.name == "array" || top.name == "plist" && top.values == 0:
					top.values++
				default:
					return fmt.Errorf("element %q inside %q", name, top.name)
				}
			}
			if name == "key" {
				var key string
				if err := dec.DecodeElement(&key, &el); err != nil {
					return err
				}
				top := &stack[len(stack)-1]
				if top.keys[key] {
					return fmt.Errorf("the key %q appears twice in one dictionary", key)
				}
				top.keys[key], top.hasKey = true, true
				continue
			}
			lv := level{name: name}
			if name == "dict" {
				lv.keys = make(map[string]bool)
			}
			stack = append(stack, lv)
		case xml.EndElement:
			if stack[len(stack)-1].hasKey {
				return errors.New("a key without a value")
			}
			stack = stack[:len(stack)-1]
			done = len(stack) == 0
		case xml.CharData:
			if len(stack) == 0 && len(bytes.TrimSpace(el)) > 0 {
				return errors.New("text outside of plist")
			}
		}
	}
}

// encodePlist writes a dictionary as an XML property list. An unencodable value
// is an error, not a panic.
func encodePlist(dict map[string]any) (data []byte, err error) {
	defer func() { // the encoder panics on nil values
		if p := recover(); p != nil {
			data, err = nil, fmt.Errorf("encode property list: %v", p)
		}
	}()
	return plist.MarshalIndent(dict, "\t")
}

// asInt returns v as an integer if it is one.
func asInt(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case uint64:
		if n > 1<<63-1 {
			return 0, false
		}
		return int64(n), true
	}
	return 0, false
}

// str returns a string member, or "".
func str(dict map[string]any, key string) string {
	s, _ := dict[key].(string)
	return s
}

// flag returns a boolean member, or false.
func flag(dict map[string]any, key string) bool {
	b, _ := dict[key].(bool)
	return b
}

// strs returns the strings of an array member.
func strs(dict map[string]any, key string) []string {
	list, _ := dict[key].([]any)
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
