package syncml

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// Decode reads one message. Errors are [mdm.CodeMalformed] for what is not
// SyncML, [mdm.CodeTooLarge] for what exceeds l, and [mdm.CodeUnsupported] for
// an encoding other than UTF-8; Field names the element. The message does not
// alias body.
//
// A missing SessionID and a MsgID below 1 are malformed. In the body, an unknown
// command keeps only its name and CmdID, other unknown elements are skipped, and
// a number that is none is 0.
func Decode(body []byte, l *Limits) (*Message, error) {
	s, err := newScanner(body, l.orDefault())
	if err != nil {
		return nil, err
	}
	if err := s.start(body, true); err != nil {
		return nil, err
	}
	m := &Message{}
	roots := 0
	for {
		t, err := s.token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return nil, s.malformed("there is text outside the SyncML element")
			}
		case xml.StartElement:
			roots++
			if err := checkRoot(t, roots); err != nil {
				return nil, err
			}
			if err := s.message(m); err != nil {
				return nil, err
			}
		}
	}
	if roots == 0 {
		return nil, mdm.Errorf(mdm.CodeMalformed, "", "there is no SyncML element")
	}
	if m.Header.SessionID == "" {
		return nil, mdm.Errorf(mdm.CodeMalformed, "header.sessionID", "SyncHdr has no SessionID")
	}
	if m.Header.MsgID < 1 {
		return nil, mdm.Errorf(mdm.CodeMalformed, "header.msgID", "SyncHdr has no MsgID of 1 or more")
	}
	return m, nil
}

// DecodeReader is [Decode] over a reader; it reads no more than the size bound
// and one byte.
func DecodeReader(r io.Reader, l *Limits) (*Message, error) {
	limits := l.orDefault()
	body, err := io.ReadAll(io.LimitReader(r, limits.MaxBytes+1))
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeMalformed, "", "the message ended early", err)
	}
	return Decode(body, &limits)
}

// DecodeFragment reads commands that stand without the SyncML envelope, as
// administrators write them. It is strict: an unknown element, text between
// elements, a processing instruction (the XML declaration included) and an
// envelope are errors, [mdm.CodeInvalid] or [mdm.CodeMalformed], whose Field is
// a path such as "commands[2].item[0].target". CmdIDs are kept as they are.
func DecodeFragment(src []byte, l *Limits) ([]Command, error) {
	s, err := newScanner(src, l.orDefault())
	if err != nil {
		return nil, err
	}
	s.strict = true
	if err := s.start(src, false); err != nil {
		return nil, err
	}
	var cmds []Command
	for {
		t, err := s.token()
		if errors.Is(err, io.EOF) {
			return cmds, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.CharData:
			if err := s.stray(t); err != nil {
				return nil, err
			}
		case xml.StartElement:
			if cmds, err = s.appendCommand(cmds, t); err != nil {
				return nil, err
			}
		}
	}
}

// checkRoot refuses a root that is not SyncML. A prefix that is not declared is
// accepted, as is no namespace at all.
func checkRoot(e xml.StartElement, n int) error {
	if n > 1 {
		return mdm.Errorf(mdm.CodeMalformed, "", "there is a second root element")
	}
	if e.Name.Local != "SyncML" {
		return mdm.Errorf(mdm.CodeMalformed, "", "the root element is %.60q, not SyncML", e.Name.Local)
	}
	for _, a := range e.Attr {
		own := a.Name.Space == "" && a.Name.Local == "xmlns" && e.Name.Space == "" ||
			a.Name.Space == "xmlns" && a.Name.Local == e.Name.Space
		if !own {
			continue
		}
		switch {
		case strings.EqualFold(a.Value, Namespace), strings.EqualFold(a.Value, namespace11), a.Value == "":
		default:
			return mdm.Errorf(mdm.CodeMalformed, "", "the root element is in namespace %.60q, not %s", a.Value, Namespace)
		}
	}
	return nil
}

func (s *scanner) message(m *Message) error {
	return s.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "SyncHdr":
			s.path.push("header", -1)
			defer s.path.pop()
			return s.header(&m.Header)
		case "SyncBody":
			return s.body(m)
		default:
			return s.unknown(e)
		}
	})
}

func (s *scanner) header(h *Header) error {
	return s.children(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "VerDTD":
			h.VerDTD, err = s.word()
		case "VerProto":
			h.VerProto, err = s.word()
		case "SessionID":
			h.SessionID, err = s.word()
		case "MsgID":
			h.MsgID, err = s.number()
		case "Target":
			h.Target, err = s.location()
		case "Source":
			h.Source, err = s.location()
		case "RespURI":
			h.RespURI, err = s.word()
		case "NoResp":
			h.NoResp, err = true, s.skip()
		case "Cred":
			h.Cred, err = s.cred()
		case "Meta":
			h.Meta, err = s.meta()
		default:
			err = s.unknown(e)
		}
		return err
	})
}

func (s *scanner) body(m *Message) error {
	return s.children(func(e xml.StartElement) (err error) {
		if e.Name.Local == "Final" {
			m.Final = true
			return s.skip()
		}
		m.Commands, err = s.appendCommand(m.Commands, e)
		return err
	})
}

// number reads a small number that is not negative; anything else is 0.
func (s *scanner) number() (int, error) {
	w, err := s.word()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(w, 10, 31)
	if err != nil {
		return 0, nil
	}
	return int(n), nil
}

// size reads a count of bytes; anything else is 0.
func (s *scanner) size() (int64, error) {
	w, err := s.word()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(w, 10, 63)
	if err != nil {
		return 0, nil
	}
	return int64(n), nil
}
