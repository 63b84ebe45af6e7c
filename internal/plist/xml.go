package plist

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"

	"github.com/keelson-mdm/keelson/mdm"
)

// element is a kind of XML element; the zero value is none.
type element uint8

const (
	none element = iota
	root         // <plist>
	dict
	array
	key
	boolean
	text // string, integer, real, date, data: characters inside
)

func elementOf(name string) element {
	switch name {
	case "plist":
		return root
	case "dict":
		return dict
	case "array":
		return array
	case "key":
		return key
	case "true", "false":
		return boolean
	case "string", "integer", "real", "date", "data":
		return text
	}
	return none
}

// frame is an open element.
type frame struct {
	kind element
	name string
	// waiting is set while a dict has a key without its value, and once a
	// plist has its value.
	waiting bool
	keys    map[string]struct{} // of a dict, so far
}

// scanner holds the tokens of an XML property list against its grammar. The
// decoder behind it is the one that the library uses, so that both see the same
// tokens.
type scanner struct {
	xml    *xml.Decoder
	limits Limits
	open   []frame
	depth  int // open dictionaries and arrays
	items  int
	begun  bool
	done   bool
	name   []byte // characters of the open key
}

func scanXML(data []byte, l Limits) error {
	s := scanner{xml: xml.NewDecoder(bytes.NewReader(data)), limits: l}
	for {
		// A raw token: the nesting is checked here.
		t, err := s.xml.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = s.token(t)
		} else {
			err = s.failed(err)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case !s.begun:
		return mdm.Errorf(mdm.CodeMalformed, "", "this is not a property list: it is neither XML nor binary")
	case !s.done:
		return s.errorf("it ends too early: <%s> is not closed", s.top().name)
	}
	return nil
}

func (s *scanner) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		return s.start(t.Name)
	case xml.EndElement:
		return s.end(t.Name.Local)
	case xml.CharData:
		return s.chars(t)
	case xml.ProcInst, xml.Directive:
		if s.begun {
			return s.errorf("a declaration stands after the beginning")
		}
	}
	return nil
}

func (s *scanner) start(n xml.Name) error {
	kind := elementOf(n.Local)
	if kind == none || n.Space != "" {
		return s.errorf("%s is not an element of property lists", tag(n.Local))
	}
	if s.done {
		return s.errorf("something follows the end of the property list")
	}
	if err := s.place(kind, n.Local); err != nil {
		return err
	}
	s.begun = true
	if kind != root {
		if s.items++; s.items > s.limits.Items {
			return s.limits.tooMany()
		}
	}
	f := frame{kind: kind, name: n.Local}
	switch kind {
	case dict, array:
		if s.depth++; s.depth > s.limits.Depth {
			return s.limits.tooDeep()
		}
	case key:
		s.name = s.name[:0]
	}
	s.open = append(s.open, f)
	return nil
}

// place checks that an element of this kind may stand here, and notes it in
// the element around it.
func (s *scanner) place(kind element, name string) error {
	if len(s.open) == 0 {
		if kind == key {
			return s.errorf("<key> stands outside of a <dict>")
		}
		return nil
	}
	f := s.top()
	switch {
	case kind == root:
		return s.errorf("<plist> stands inside <%s>", f.name)
	case f.kind == dict && kind == key:
		if f.waiting {
			return s.errorf("a <key> has no value")
		}
		return nil
	case kind == key:
		return s.errorf("<key> stands outside of a <dict>")
	case f.kind == dict:
		if !f.waiting {
			return s.errorf("a <%s> in a <dict> has no <key>", name)
		}
		f.waiting = false
	case f.kind == root:
		if f.waiting {
			return s.errorf("<plist> has more than one value")
		}
		f.waiting = true
	case f.kind != array:
		return s.errorf("<%s> stands inside <%s>", name, f.name)
	}
	return nil
}

func (s *scanner) end(name string) error {
	if len(s.open) == 0 || s.top().name != name {
		return s.errorf("the end of %s closes nothing", tag(name))
	}
	f := s.top()
	switch f.kind {
	case dict, array:
		s.depth--
		if f.kind == dict && f.waiting {
			return s.errorf("a <key> has no value")
		}
	case root:
		if !f.waiting {
			return s.errorf("<plist> is empty")
		}
	}
	s.open = s.open[:len(s.open)-1]
	s.done = len(s.open) == 0
	if f.kind == key {
		return s.keyed()
	}
	return nil
}

// keyed notes the key that just ended in its dict.
func (s *scanner) keyed() error {
	d := s.top()
	if d.keys == nil {
		d.keys = make(map[string]struct{})
	}
	if _, twice := d.keys[string(s.name)]; twice {
		return s.errorf("the key %.60q stands twice in one <dict>", s.name)
	}
	d.keys[string(s.name)] = struct{}{}
	d.waiting = true
	return nil
}

func (s *scanner) chars(c []byte) error {
	if len(s.open) > 0 {
		switch s.top().kind {
		case key:
			s.name = append(s.name, c...)
			return nil
		case text:
			return nil
		}
	}
	if len(bytes.TrimSpace(c)) == 0 {
		return nil
	}
	switch {
	case s.done:
		return s.errorf("something follows the end of the property list")
	case !s.begun:
		return mdm.Errorf(mdm.CodeMalformed, "", "this is not a property list: it is neither XML nor binary")
	}
	return s.errorf("characters stand between the elements of <%s>", s.top().name)
}

func (s *scanner) top() *frame { return &s.open[len(s.open)-1] }

func (s *scanner) errorf(format string, args ...any) error {
	line, _ := s.xml.InputPos()
	e := mdm.Errorf(mdm.CodeMalformed, "", format, args...)
	e.Message = atLine(line, e.Message)
	return e
}

func (s *scanner) failed(err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return syntaxError(syntax)
	}
	return s.errorf("the XML is not in UTF-8")
}
