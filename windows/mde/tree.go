package mde

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// The bounds of every document that this package reads. A real request is
// under 16 KiB, 12 deep and 120 elements wide; attestation claims and tokens
// make the largest ones several times that.
const (
	// MaxRequestBytes is the largest request body that is decoded: the limit
	// to give to [net/http.MaxBytesReader].
	MaxRequestBytes = 256 << 10

	maxDepth    = 32
	maxElements = 4096
)

// element is one element of a document that was read, with its namespace
// resolved. Text is its own character data without that of its children.
type element struct {
	name  xml.Name
	attrs []xml.Attr
	text  string
	kids  []*element
}

// parseTree reads one bounded document. It refuses document type declarations,
// other processing instructions than the XML declaration, and encodings other
// than UTF-8; a declaration that says UTF-16 over bytes that are UTF-8 is what
// some peers send, and is believed for its bytes.
func parseTree(b []byte) (*element, error) {
	if len(b) > MaxRequestBytes {
		return nil, mdm.Errorf(mdm.CodeTooLarge, "", "the document has %d bytes; the limit is %d", len(b), MaxRequestBytes)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(b, []byte{0xfe, 0xff}) || bytes.HasPrefix(b, []byte{0xff, 0xfe}) {
		return nil, mdm.Errorf(mdm.CodeUnsupported, "", "the document is UTF-16; send UTF-8")
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		switch strings.ToLower(label) {
		case "utf-16", "us-ascii":
			return in, nil
		}
		return nil, errors.New("encoding is not UTF-8")
	}
	var (
		root  *element
		open  []*element
		texts [][]byte
		count int
	)
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, mdm.WrapError(mdm.CodeMalformed, "", "the document is not well-formed XML in UTF-8", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if count++; count > maxElements {
				return nil, mdm.Errorf(mdm.CodeTooLarge, "", "the document has more than %d elements", maxElements)
			}
			if len(open) == maxDepth {
				return nil, mdm.Errorf(mdm.CodeTooLarge, "", "the document is nested deeper than %d elements", maxDepth)
			}
			e := &element{name: t.Name, attrs: t.Copy().Attr}
			switch {
			case len(open) > 0:
				parent := open[len(open)-1]
				parent.kids = append(parent.kids, e)
			case root == nil:
				root = e
			default:
				return nil, mdm.Errorf(mdm.CodeMalformed, "", "the document has more than one root element")
			}
			open, texts = append(open, e), append(texts, nil)
		case xml.EndElement:
			last := len(open) - 1
			open[last].text = string(texts[last])
			open, texts = open[:last], texts[:last]
		case xml.CharData:
			if len(open) == 0 {
				if len(bytes.TrimSpace(t)) > 0 {
					return nil, mdm.Errorf(mdm.CodeMalformed, "", "the document has text outside its root element")
				}
				continue
			}
			last := len(texts) - 1
			texts[last] = append(texts[last], t...)
		case xml.Directive:
			return nil, mdm.Errorf(mdm.CodeMalformed, "", "the document has a document type declaration, which is refused")
		case xml.ProcInst:
			if t.Target != "xml" {
				return nil, mdm.Errorf(mdm.CodeMalformed, "", "the document has a processing instruction, which is refused")
			}
		}
	}
	if root == nil {
		return nil, mdm.Errorf(mdm.CodeMalformed, "", "the document is empty")
	}
	return root, nil
}

// is reports whether e has that local name in that namespace. A trailing slash
// of a namespace is ignored: Microsoft's own Discover samples have one.
func (e *element) is(space, local string) bool {
	return e.name.Local == local && strings.TrimSuffix(e.name.Space, "/") == strings.TrimSuffix(space, "/")
}

// all returns the children with that name, in order. A nil e has none.
func (e *element) all(space, local string) []*element {
	if e == nil {
		return nil
	}
	var out []*element
	for _, k := range e.kids {
		if k.is(space, local) {
			out = append(out, k)
		}
	}
	return out
}

// one returns the only child with that name, or nil when there is none. Two are
// an error: a reader that takes the first and another that takes the last
// would see different requests.
func (e *element) one(space, local string) (*element, error) {
	found := e.all(space, local)
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, mdm.Errorf(mdm.CodeMalformed, local, "%s is given %d times; send it once", local, len(found))
}

// value returns the trimmed text of the only child with that name, or "".
func (e *element) value(space, local string) (string, error) {
	k, err := e.one(space, local)
	if k == nil || err != nil {
		return "", err
	}
	return strings.TrimSpace(k.text), nil
}

// attr returns the trimmed value of the attribute with that local name in any
// namespace: devices qualify some attributes that the schemas do not.
func (e *element) attr(local string) string {
	for _, a := range e.attrs {
		if a.Name.Local == local && a.Name.Space != "xmlns" {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

// field is where the value of a child goes.
type field struct {
	local string
	to    *string
}

// values reads several children at once, each a short text or absent.
func (e *element) values(space string, fields ...field) error {
	for _, f := range fields {
		v, err := e.value(space, f.local)
		if err != nil {
			return err
		}
		if err := checkText(f.local, v); err != nil {
			return err
		}
		*f.to = v
	}
	return nil
}

// exactAttr returns an unqualified attribute as it stands, or "".
func (e *element) exactAttr(name string) string {
	for _, a := range e.attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// has reports whether e has that unqualified attribute.
func (e *element) has(name string) bool {
	for _, a := range e.attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return true
		}
	}
	return false
}
