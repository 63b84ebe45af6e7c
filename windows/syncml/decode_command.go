package syncml

import (
	"encoding/xml"

	"github.com/keelson-mdm/keelson/mdm"
)

// appendCommand reads the command whose element was just opened.
func (s *scanner) appendCommand(cmds []Command, e xml.StartElement) ([]Command, error) {
	s.path.push("commands", len(cmds))
	defer s.path.pop()
	if s.cmds++; s.cmds > s.limits.MaxCommands {
		return nil, mdm.Errorf(mdm.CodeTooLarge, s.path.String(), "more than %d commands", s.limits.MaxCommands)
	}
	c := Command{Kind: Kind(e.Name.Local)}
	if !c.Kind.Known() && s.strict {
		return nil, mdm.Errorf(mdm.CodeInvalid, s.path.String(), "<%.60s> is not a command", e.Name.Local)
	}
	err := s.children(func(e xml.StartElement) error { return s.commandPart(&c, e) })
	if err != nil {
		return nil, err
	}
	if c.Kind == Results && c.MsgRef == 0 {
		c.MsgRef = 1 // the representation protocol: a missing MsgRef means 1
	}
	return append(cmds, c), nil
}

// commandPart reads one child of a command.
func (s *scanner) commandPart(c *Command, e xml.StartElement) (err error) {
	name := e.Name.Local
	if name == "CmdID" {
		c.CmdID, err = s.word()
		return err
	}
	if !c.Kind.Known() {
		return s.skip()
	}
	if c.Kind.container() && Kind(name).Known() {
		c.Commands, err = s.appendCommand(c.Commands, e)
		return err
	}
	answer := c.Kind == Status || c.Kind == Results
	switch {
	case name == "NoResp":
		c.NoResp = true
		return s.skip()
	case name == "Meta" && c.Kind != Alert && c.Kind != Status:
		s.path.push("meta", -1)
		defer s.path.pop()
		c.Meta, err = s.meta()
	case name == "Item" && !c.Kind.container():
		return s.appendItem(c)
	case name == "Data" && (c.Kind == Alert || c.Kind == Status):
		for _, a := range e.Attr {
			if c.Kind == Status && a.Name.Local == "originalerror" {
				c.OriginalError = a.Value
			}
		}
		c.Code, err = s.number()
	case name == "Correlator" && (c.Kind == Alert || c.Kind == Exec):
		c.Correlator, err = s.word()
	case name == "MsgRef" && answer:
		c.MsgRef, err = s.number()
	case name == "CmdRef" && answer:
		c.CmdRef, err = s.word()
	case name == "Cmd" && c.Kind == Status:
		c.Cmd, err = s.word()
	case name == "TargetRef" && answer:
		c.TargetRefs, err = s.appendRef(c.TargetRefs)
	case name == "SourceRef" && answer:
		c.SourceRefs, err = s.appendRef(c.SourceRefs)
	case name == "Chal" && c.Kind == Status:
		c.Chal, err = s.chal()
	default:
		return s.unknown(e)
	}
	return err
}

func (s *scanner) countItem() error {
	if s.items++; s.items > s.limits.MaxItems {
		return mdm.Errorf(mdm.CodeTooLarge, s.path.String(), "more than %d items and references", s.limits.MaxItems)
	}
	return nil
}

func (s *scanner) appendRef(refs []string) ([]string, error) {
	if err := s.countItem(); err != nil {
		return nil, err
	}
	r, err := s.word()
	if err != nil || r == "" {
		return refs, err
	}
	return append(refs, r), nil
}

func (s *scanner) appendItem(c *Command) error {
	s.path.push("item", len(c.Items))
	defer s.path.pop()
	if err := s.countItem(); err != nil {
		return err
	}
	var it Item
	err := s.children(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "Target":
			s.path.push("target", -1)
			it.Target, err = s.location()
			s.path.pop()
		case "Source":
			s.path.push("source", -1)
			it.Source, err = s.location()
			s.path.pop()
		case "Meta":
			s.path.push("meta", -1)
			it.Meta, err = s.meta()
			s.path.pop()
		case "Data":
			it.Data, _, err = s.content()
			it.EmptyData = it.Data == ""
		case "MoreData":
			it.MoreData, err = true, s.skip()
		default:
			err = s.unknown(e)
		}
		return err
	})
	c.Items = append(c.Items, it)
	return err
}

func (s *scanner) location() (loc Location, err error) {
	err = s.children(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "LocURI":
			loc.URI, err = s.word()
		case "LocName":
			loc.Name, err = s.word()
		default:
			err = s.unknown(e)
		}
		return err
	})
	return loc, err
}

func (s *scanner) meta() (m Meta, err error) {
	err = s.children(func(e xml.StartElement) error { return s.metaPart(&m, e) })
	return m, err
}

func (s *scanner) metaPart(m *Meta, e xml.StartElement) (err error) {
	switch e.Name.Local {
	case "MetInf": // the wrapper that the meta-information DTD has
		return s.children(func(e xml.StartElement) error { return s.metaPart(m, e) })
	case "Format":
		m.Format, err = s.word()
	case "Type":
		m.Type, err = s.word()
	case "Mark":
		m.Mark, err = s.word()
	case "Size":
		m.Size, err = s.size()
	case "Version":
		m.Version, err = s.word()
	case "NextNonce":
		m.NextNonce, err = s.word()
	case "MaxMsgSize":
		m.MaxMsgSize, err = s.size()
	case "MaxObjSize":
		m.MaxObjSize, err = s.size()
	default:
		err = s.unknown(e)
	}
	return err
}

func (s *scanner) cred() (*Cred, error) {
	c := &Cred{}
	err := s.children(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "Meta":
			c.Meta, err = s.meta()
		case "Data":
			c.Data, err = s.word()
		default:
			err = s.unknown(e)
		}
		return err
	})
	return c, err
}

func (s *scanner) chal() (*Chal, error) {
	c := &Chal{}
	err := s.children(func(e xml.StartElement) (err error) {
		if e.Name.Local != "Meta" {
			return s.unknown(e)
		}
		c.Meta, err = s.meta()
		return err
	})
	return c, err
}
