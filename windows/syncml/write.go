package syncml

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/keelson-mdm/keelson/mdm"
)

// writer writes XML into memory. The first error sticks; everything after it
// is written for nothing.
type writer struct {
	buf  bytes.Buffer
	path path
	err  error

	fragment bool // CmdIDs may be missing
}

func (w *writer) open(name string) {
	w.buf.WriteByte('<')
	w.buf.WriteString(name)
	w.buf.WriteByte('>')
}

func (w *writer) close(name string) {
	w.buf.WriteString("</")
	w.buf.WriteString(name)
	w.buf.WriteByte('>')
}

// empty writes an element without content.
func (w *writer) empty(name string) {
	w.buf.WriteByte('<')
	w.buf.WriteString(name)
	w.buf.WriteString("/>")
}

// text writes an element with text, an empty one too.
func (w *writer) text(name, value string) {
	w.open(name)
	w.escape(value)
	w.close(name)
}

// textIf writes an element unless its text is empty.
func (w *writer) textIf(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *writer) number(name string, n int64) {
	w.open(name)
	w.buf.Write(strconv.AppendInt(w.buf.AvailableBuffer(), n, 10))
	w.close(name)
}

// meta writes a child of Meta, which is in a namespace of its own.
func (w *writer) meta(name, value string) {
	if value == "" {
		return
	}
	w.buf.WriteByte('<')
	w.buf.WriteString(name)
	w.buf.WriteString(` xmlns="` + MetaNamespace + `">`)
	w.escape(value)
	w.close(name)
}

// escape writes text. Quotation marks are escaped too, so that the same
// function serves attributes; a carriage return is, because a reader would make
// a line feed of it. What XML 1.0 cannot carry is an error, never replaced.
func (w *writer) escape(s string) {
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || r == 0xfffe || r == 0xffff {
				w.fail(mdm.CodeInvalid, "the text is not valid in XML: byte %d is no UTF-8 character that XML can carry", i)
				return
			}
			i += n
			continue
		}
		var esc string
		switch c {
		case '&':
			esc = "&amp;"
		case '<':
			esc = "&lt;"
		case '>':
			esc = "&gt;"
		case '"':
			esc = "&#34;"
		case '\'':
			esc = "&#39;"
		case '\r':
			esc = "&#13;"
		case '\t', '\n':
		default:
			if c < 0x20 {
				w.fail(mdm.CodeInvalid, "the text is not valid in XML: byte %d is a control character; encode the value as b64", i)
				return
			}
		}
		i++
		if esc != "" {
			w.buf.WriteString(s[last : i-1])
			w.buf.WriteString(esc)
			last = i
		}
	}
	w.buf.WriteString(s[last:])
}

func (w *writer) fail(code mdm.Code, format string, args ...any) {
	if w.err == nil {
		w.err = mdm.Errorf(code, w.path.String(), format, args...)
	}
}
