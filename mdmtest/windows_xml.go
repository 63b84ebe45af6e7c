package mdmtest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of everything that a server sends.
const (
	pcMaxReply    = 8 << 20
	pcMaxDepth    = 64
	pcMaxElements = 200_000
)

// pcElem is one element of a reply. Text is empty when there are children.
type pcElem struct {
	name  xml.Name
	attrs []xml.Attr // without namespace declarations
	text  string
	kids  []*pcElem
}

// pcParseXML reads one document the way a strict peer does: no document type,
// no second root, no text between elements, every prefix bound, no attribute
// twice. It returns an error and never panics, whatever the bytes are.
func pcParseXML(body []byte) (*pcElem, error) {
	switch {
	case len(body) > pcMaxReply:
		return nil, fmt.Errorf("the document has %d bytes, more than %d", len(body), pcMaxReply)
	case !utf8.Valid(body):
		return nil, errors.New("the document is not UTF-8")
	}
	r := pcXMLReader{dec: xml.NewDecoder(bytes.NewReader(body))}
	for {
		tok, err := r.dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := r.take(tok); err != nil {
			return nil, fmt.Errorf("at byte %d: %w", r.dec.InputOffset(), err)
		}
	}
	if r.root == nil {
		return nil, errors.New("the document has no root element")
	}
	return r.root, nil
}

type pcXMLReader struct {
	dec   *xml.Decoder
	root  *pcElem
	open  []*pcElem
	bound [][]string // namespaces declared by each open element
	text  []*strings.Builder
	count int
}

func (r *pcXMLReader) take(tok xml.Token) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return r.start(t)
	case xml.EndElement:
		return r.end()
	case xml.CharData:
		if len(r.open) > 0 {
			r.text[len(r.text)-1].Write(t)
		} else if len(bytes.TrimSpace(t)) > 0 {
			return errors.New("text outside the root element")
		}
	case xml.Directive:
		return errors.New("a document type declaration")
	case xml.ProcInst:
		if t.Target != "xml" || r.root != nil {
			return fmt.Errorf("a processing instruction %q", t.Target)
		}
	}
	return nil
}

func (r *pcXMLReader) start(t xml.StartElement) error {
	r.count++
	switch {
	case len(r.open) == 0 && r.root != nil:
		return errors.New("a second root element")
	case len(r.open) >= pcMaxDepth:
		return fmt.Errorf("elements nested deeper than %d", pcMaxDepth)
	case r.count > pcMaxElements:
		return fmt.Errorf("more than %d elements", pcMaxElements)
	}
	e := &pcElem{name: t.Name}
	var declared []string
	for i, a := range t.Attr {
		for _, b := range t.Attr[:i] {
			if a.Name == b.Name {
				return fmt.Errorf("attribute %s twice", a.Name.Local)
			}
		}
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			declared = append(declared, a.Value)
		} else {
			e.attrs = append(e.attrs, xml.Attr{Name: a.Name, Value: a.Value})
		}
	}
	r.bound = append(r.bound, declared)
	if !r.known(t.Name.Space) {
		return fmt.Errorf("element prefix %q is not bound", t.Name.Space)
	}
	for _, a := range e.attrs {
		if !r.known(a.Name.Space) {
			return fmt.Errorf("attribute prefix %q is not bound", a.Name.Space)
		}
	}
	if len(r.open) > 0 {
		parent := r.open[len(r.open)-1]
		parent.kids = append(parent.kids, e)
	} else {
		r.root = e
	}
	r.open = append(r.open, e)
	r.text = append(r.text, new(strings.Builder))
	return nil
}

// known reports whether a namespace was declared. The decoder leaves an
// unbound prefix in place of the namespace, which no declaration names.
func (r *pcXMLReader) known(space string) bool {
	return space == "" || space == "http://www.w3.org/XML/1998/namespace" ||
		slices.ContainsFunc(r.bound, func(b []string) bool { return slices.Contains(b, space) })
}

func (r *pcXMLReader) end() error {
	n := len(r.open) - 1
	e, text := r.open[n], r.text[n].String()
	r.open, r.bound, r.text = r.open[:n], r.bound[:n], r.text[:n]
	switch {
	case len(e.kids) == 0:
		e.text = text
	case strings.TrimSpace(text) != "":
		return fmt.Errorf("text between the elements of %s", e.name.Local)
	}
	return nil
}

// child returns the first child of that name, or nil; a nil element has none.
func (e *pcElem) child(space, local string) *pcElem {
	if e == nil {
		return nil
	}
	for _, k := range e.kids {
		if k.name.Local == local && k.name.Space == space {
			return k
		}
	}
	return nil
}

// children returns all; a nil element has none.
func (e *pcElem) children() []*pcElem {
	if e == nil {
		return nil
	}
	return e.kids
}

// all returns the children of that name.
func (e *pcElem) all(space, local string) []*pcElem {
	var out []*pcElem
	if e != nil {
		for _, k := range e.kids {
			if k.name.Local == local && k.name.Space == space {
				out = append(out, k)
			}
		}
	}
	return out
}

// value returns the trimmed text; a nil element has none.
func (e *pcElem) value() string {
	if e == nil {
		return ""
	}
	return strings.TrimSpace(e.text)
}

// attr returns an attribute by local name, whatever its prefix.
func (e *pcElem) attr(local string) (string, bool) {
	if e != nil {
		for _, a := range e.attrs {
			if a.Name.Local == local {
				return a.Value, true
			}
		}
	}
	return "", false
}

// pcEscape returns s as the text of an element or attribute.
func pcEscape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
