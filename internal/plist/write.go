package plist

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"time"
)

// writer writes what [Marshal] mostly gets, trees as [Dict] gives them, as the
// library would, byte for byte, its odd line breaks around booleans included: what
// was written yesterday must be what is written today. It gives up on everything
// else, and on what may not be written.
type writer struct {
	out   []byte
	depth int // open dictionaries and arrays
	// fresh is set after a start tag, as long as nothing that is indented has
	// followed it: then the end tag stands in the same line.
	fresh bool
	begun bool
	keys  []string // of the open dictionaries
	bad   bool
}

// writeTree returns v as a property list; ok is false when it gives up.
func writeTree(v any) (out []byte, ok bool) {
	w := writer{out: make([]byte, 0, 512)}
	w.out = append(w.out, usualProlog+"\n"...)
	w.value(v)
	w.out = append(w.out, "\n</plist>\n"...)
	return w.out, !w.bad
}

func (w *writer) value(v any) {
	if w.bad {
		return
	}
	switch v := v.(type) {
	case string:
		w.leaf("string")
		w.text(v, false)
		w.out = append(w.out, "</string>"...)
	case bool:
		w.line()
		w.out = append(append(append(w.out, '<'), strconv.FormatBool(v)...), "/>"...)
	case int:
		w.integer(int64(v))
	case int64:
		w.integer(v)
	case uint64:
		w.leaf("integer")
		w.out = append(strconv.AppendUint(w.out, v, 10), "</integer>"...)
	case float64:
		w.real(v)
	case []byte:
		w.leaf("data")
		w.out = append(base64.StdEncoding.AppendEncode(w.out, v), "</data>"...)
	case time.Time:
		v = v.UTC()
		w.bad = w.bad || v.Year() < 0 || v.Year() > 9999
		w.leaf("date")
		w.out = append(v.AppendFormat(w.out, time.RFC3339), "</date>"...)
	case []string:
		w.begin("array")
		for _, s := range v {
			w.value(s)
		}
		w.end("array")
	case []any:
		w.array(v)
	case map[string]any:
		w.dict(v)
	default:
		w.bad = true
	}
}

func (w *writer) integer(n int64) {
	w.leaf("integer")
	w.out = append(strconv.AppendInt(w.out, n, 10), "</integer>"...)
}

func (w *writer) real(f float64) {
	w.leaf("real")
	switch {
	case math.IsInf(f, 1):
		w.out = append(w.out, "inf"...)
	case math.IsInf(f, -1):
		w.out = append(w.out, "-inf"...)
	case math.IsNaN(f):
		w.out = append(w.out, "nan"...)
	default:
		w.out = strconv.AppendFloat(w.out, f, 'g', -1, 64)
	}
	w.out = append(w.out, "</real>"...)
}

func (w *writer) array(list []any) {
	w.begin("array")
	broken := false
	for _, v := range list {
		_, isBool := v.(bool)
		broken = broken || isBool
		w.value(v)
	}
	if broken {
		w.out = append(w.out, "\n\t"...)
	}
	w.end("array")
}

func (w *writer) dict(d map[string]any) {
	w.begin("dict")
	first := len(w.keys)
	for k := range d {
		w.keys = append(w.keys, k)
	}
	slices.Sort(w.keys[first:])
	for i := first; i < first+len(d); i++ {
		k := w.keys[i]
		w.leaf("key")
		w.text(k, true)
		w.out = append(w.out, "</key>"...)
		w.value(d[k])
	}
	w.keys = w.keys[:first]
	w.end("dict")
}

// line begins a line.
func (w *writer) line() {
	w.out = append(w.out, '\n')
	for range w.depth {
		w.out = append(w.out, '\t')
	}
}

// tag begins a line with a start tag; the first stands where it is.
func (w *writer) tag(name string) {
	if w.begun {
		w.line()
	}
	w.begun = true
	w.out = append(append(append(w.out, '<'), name...), '>')
}

// leaf begins an element of characters.
func (w *writer) leaf(name string) {
	w.tag(name)
	w.fresh = false
}

func (w *writer) begin(name string) {
	w.tag(name)
	w.fresh = true
	if w.depth++; w.depth > DefaultDepth {
		w.bad = true
	}
}

func (w *writer) end(name string) {
	w.depth--
	if !w.fresh {
		w.line()
	}
	w.fresh = false
	w.out = append(append(append(w.out, "</"...), name...), '>')
}

// text writes characters; line feeds only in keys as an entity.
func (w *writer) text(s string, key bool) {
	if writableString(s, "") != nil {
		w.bad = true
		return
	}
	from := 0
	for i := range len(s) {
		e := ""
		switch s[i] {
		case '"':
			e = "&#34;"
		case '\'':
			e = "&#39;"
		case '&':
			e = "&amp;"
		case '<':
			e = "&lt;"
		case '>':
			e = "&gt;"
		case '\t':
			e = "&#x9;"
		case '\r':
			e = "&#xD;"
		case '\n':
			if key {
				e = "&#xA;"
			}
		}
		if e != "" {
			w.out = append(append(w.out, s[from:i]...), e...)
			from = i + 1
		}
	}
	w.out = append(w.out, s[from:]...)
}
