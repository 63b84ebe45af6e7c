package csp

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
)

// Bounds of XML inside a value.
const (
	maxTreeBytes = 4 << 20
	maxTreeDepth = 64
	maxTreeNodes = 20_000
)

// element is an XML element without what does not matter: prefixes, comments,
// the order of attributes, space between elements.
type element struct {
	name     xml.Name // namespace and local name
	attrs    []xml.Attr
	text     string // trimmed, of all text nodes together
	children []*element
}

// parseTree reads the elements of a document or fragment; false when it is not
// well-formed, has no element, has text outside, or exceeds the bounds.
func parseTree(s string, maxNodes int) ([]*element, bool) {
	if len(s) > maxTreeBytes || !strings.HasPrefix(trim(s), "<") {
		return nil, false
	}
	d := xml.NewDecoder(strings.NewReader(trim(s)))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) {
		return in, nil // a value arrives as text, whatever it declares
	}
	top := &element{}
	stack := []*element{top}
	texts := [][]byte{nil} // beside stack
	for n := 0; ; {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false
		}
		last := stack[len(stack)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if n++; n > maxNodes || len(stack) > maxTreeDepth {
				return nil, false
			}
			e := &element{name: t.Name, attrs: cleanAttrs(t.Attr)}
			last.children = append(last.children, e)
			stack, texts = append(stack, e), append(texts, nil)
		case xml.EndElement:
			at := len(stack) - 1
			last.text = trim(string(texts[at]))
			stack, texts = stack[:at], texts[:at]
		case xml.CharData:
			at := len(stack) - 1
			texts[at] = append(texts[at], t...)
		case xml.Directive:
			return nil, false
		}
	}
	return top.children, len(top.children) > 0 && trim(string(texts[0])) == ""
}

// cleanAttrs drops namespace declarations and sorts the rest.
func cleanAttrs(attrs []xml.Attr) []xml.Attr {
	attrs = slices.DeleteFunc(slices.Clone(attrs), func(a xml.Attr) bool {
		return a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns"
	})
	slices.SortFunc(attrs, func(x, y xml.Attr) int {
		return strings.Compare(x.Name.Space+" "+x.Name.Local, y.Name.Space+" "+y.Name.Local)
	})
	return attrs
}

// compareXML tells whether two values are the same XML; [Differ] when either is
// not XML at all.
func compareXML(want, got string) Verdict {
	x, ok := parseTree(want, maxTreeNodes)
	if !ok {
		return Differ
	}
	y, ok := parseTree(got, maxTreeNodes)
	if !ok || !sameElements(x, y) {
		return Differ
	}
	return Match
}

func sameElements(x, y []*element) bool {
	return slices.EqualFunc(x, y, func(a, b *element) bool {
		return a.name == b.name && a.text == b.text && slices.Equal(a.attrs, b.attrs) && sameElements(a.children, b.children)
	})
}
