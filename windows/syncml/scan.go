package syncml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// scanner reads XML token by token and holds the bounds. It looks at local
// names only: prefixes and namespaces differ between devices and mean nothing
// here. Well-formedness is checked, because RawToken does not.
type scanner struct {
	src    []byte
	dec    *xml.Decoder
	open   []xml.Name
	limits Limits
	strict bool // refuse what is unknown instead of skipping it
	path   path
	cmds   int
	items  int
}

func newScanner(src []byte, l Limits) (*scanner, error) {
	if int64(len(src)) > l.MaxBytes {
		return nil, tooLarge(l.MaxBytes)
	}
	return &scanner{limits: l}, nil
}

// start removes the byte-order mark and, if allowed, the XML declaration.
func (s *scanner) start(src []byte, declaration bool) error {
	if bytes.HasPrefix(src, []byte{0xff, 0xfe}) || bytes.HasPrefix(src, []byte{0xfe, 0xff}) {
		return mdm.Errorf(mdm.CodeUnsupported, "", "the XML is in UTF-16; send UTF-8")
	}
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if declaration {
		rest, err := skipDeclaration(src)
		if err != nil {
			return err
		}
		src = rest
	}
	s.src = src
	s.dec = xml.NewDecoder(bytes.NewReader(src))
	return nil
}

// skipDeclaration removes an XML declaration and refuses any encoding but UTF-8.
func skipDeclaration(src []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(src, []byte("<?xml"))
	if !ok || len(rest) == 0 || !isSpace(rest[0]) {
		return src, nil
	}
	decl, rest, ok := bytes.Cut(rest, []byte("?>"))
	if !ok {
		return nil, mdm.Errorf(mdm.CodeMalformed, "", "the XML declaration does not end")
	}
	if _, enc, ok := strings.Cut(string(decl), "encoding"); ok {
		enc = strings.TrimLeft(enc, " \t\r\n=")
		if enc != "" && (enc[0] == '"' || enc[0] == '\'') {
			enc, _, _ = strings.Cut(enc[1:], enc[:1])
		}
		if !utf8Name(strings.TrimSpace(enc)) {
			return nil, mdm.Errorf(mdm.CodeUnsupported, "", "the XML declares encoding %.40q; send UTF-8", enc)
		}
	}
	return rest, nil
}

// token returns the next start element, end element or text. At the end of the
// input it returns io.EOF.
func (s *scanner) token() (xml.Token, error) {
	for {
		t, err := s.dec.RawToken()
		if err != nil {
			if errors.Is(err, io.EOF) {
				if len(s.open) > 0 {
					return nil, s.malformed("the XML ends inside <%.60s>", s.open[len(s.open)-1].Local)
				}
				return nil, io.EOF
			}
			return nil, mdm.WrapError(mdm.CodeMalformed, s.path.String(), "not well-formed XML", err)
		}
		switch t := t.(type) {
		case xml.Comment:
		case xml.ProcInst:
			return nil, s.malformed("a processing instruction (<?%.40s ...?>) is not allowed; remove it", t.Target)
		case xml.Directive:
			return nil, s.malformed("a document type or other <! ... > directive is not allowed; remove it")
		case xml.StartElement:
			if len(s.open) >= s.limits.MaxDepth {
				return nil, mdm.Errorf(mdm.CodeTooLarge, s.path.String(), "elements are nested deeper than %d", s.limits.MaxDepth)
			}
			s.open = append(s.open, t.Name)
			return t, nil
		case xml.EndElement:
			n := len(s.open)
			if n == 0 || s.open[n-1] != t.Name {
				return nil, s.malformed("</%.60s> closes nothing that is open", t.Name.Local)
			}
			s.open = s.open[:n-1]
			return t, nil
		default:
			return t, nil
		}
	}
}

// children calls f for every child of the element just opened, and returns
// after its end. f must read the child to its end.
func (s *scanner) children(f func(xml.StartElement) error) error {
	for {
		t, err := s.token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := f(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		case xml.CharData:
			if err := s.stray(t); err != nil {
				return err
			}
		}
	}
}

// stray judges text where only elements belong.
func (s *scanner) stray(text []byte) error {
	if text = bytes.TrimSpace(text); s.strict && len(text) > 0 {
		return mdm.Errorf(mdm.CodeInvalid, s.path.String(), "text %.40q stands between elements; remove it", text)
	}
	return nil
}

// unknown skips an element that means nothing here, or refuses it.
func (s *scanner) unknown(e xml.StartElement) error {
	if s.strict {
		return mdm.Errorf(mdm.CodeInvalid, s.path.String(), "<%.60s> does not belong here; remove it", e.Name.Local)
	}
	return s.skip()
}

// skip reads the element just opened to its end.
func (s *scanner) skip() error {
	for depth := len(s.open); len(s.open) >= depth; {
		if _, err := s.token(); err != nil {
			return err
		}
	}
	return nil
}

// word reads the element just opened as trimmed text.
func (s *scanner) word() (string, error) {
	text, markup, err := s.content()
	if err != nil {
		return "", err
	}
	if markup {
		if s.strict {
			return "", mdm.Errorf(mdm.CodeInvalid, s.path.String(), "this element holds text, not elements")
		}
		return "", nil
	}
	return strings.TrimSpace(text), nil
}

// content reads the element just opened: its text, or the source of its markup
// when there are elements inside.
func (s *scanner) content() (text string, markup bool, err error) {
	begin := s.dec.InputOffset()
	depth := len(s.open)
	var first string
	var rest strings.Builder
	for {
		end := s.dec.InputOffset()
		t, err := s.token()
		if err != nil {
			return "", false, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			markup = true
		case xml.EndElement:
			if len(s.open) < depth {
				if markup {
					return string(s.src[begin:end]), true, nil
				}
				if rest.Len() > 0 {
					return first + rest.String(), false, nil
				}
				return first, false, nil
			}
		case xml.CharData:
			switch {
			case markup:
			case first == "":
				first = string(t)
			default:
				rest.Write(t)
			}
		}
	}
}

func (s *scanner) malformed(format string, args ...any) error {
	return mdm.Errorf(mdm.CodeMalformed, s.path.String(), format, args...)
}

func tooLarge(limit int64) error {
	return mdm.Errorf(mdm.CodeTooLarge, "", "more than %d bytes", limit)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
