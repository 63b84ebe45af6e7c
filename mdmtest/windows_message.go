package mdmtest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// pcMeta is the meta information of a command or of an item.
type pcMeta struct {
	format, kind      string // Format and Type
	nextNonce         string
	maxMsgSize        int
	hasFormat, hasMax bool
}

// pcItem is one item of a command.
type pcItem struct {
	target, source string
	meta           pcMeta
	data           string
	hasData, more  bool
}

// pcCommand is one command of the server.
type pcCommand struct {
	name     string
	cmdID    string
	noResp   bool
	data     string // of an Alert
	meta     pcMeta
	items    []pcItem
	children []*pcCommand // of Atomic and Sequence
}

// pcStatus is one status of the server.
type pcStatus struct {
	cmdID, msgRef, cmdRef, cmd string
	targetRefs, sourceRefs     []string
	data                       string
	chal                       *pcMeta
	position                   int // in the body
}

// refs are all addresses that the status speaks of.
func (s *pcStatus) refs() []string {
	return append(append([]string(nil), s.targetRefs...), s.sourceRefs...)
}

// pcMessage is one message of the server.
type pcMessage struct {
	verDTD, verProto, sessionID, msgID string
	target, source, respURI            string
	meta                               pcMeta
	statuses                           []pcStatus
	commands                           []*pcCommand
	cmdIDs                             []string // of all, in order
	final                              bool
}

// pcReadMessage parses a message as strictly as the DTD is written. An error
// means that a device rejects the whole message.
func pcReadMessage(body []byte) (*pcMessage, PCRule, error) {
	root, err := pcParseXML(body)
	if err != nil {
		return nil, PCRuleXML, err
	}
	if root.name.Local != "SyncML" {
		return nil, PCRuleSyntax, fmt.Errorf("the root is %s, not SyncML", root.name.Local)
	}
	if err := pcCheckDTD(root); err != nil {
		return nil, PCRuleSyntax, err
	}
	if bytes.Contains(body, []byte("<![CDATA[")) {
		return nil, PCRuleSyntax, errors.New("a CDATA section; devices differ about them, escape instead")
	}
	el := func(e *pcElem, name string) *pcElem { return e.child(pcNSSyncML, name) }
	hdr := el(root, "SyncHdr")
	m := &pcMessage{
		verDTD: el(hdr, "VerDTD").value(), verProto: el(hdr, "VerProto").value(),
		sessionID: el(hdr, "SessionID").value(), msgID: el(hdr, "MsgID").value(),
		target: el(el(hdr, "Target"), "LocURI").value(), source: el(el(hdr, "Source"), "LocURI").value(),
		respURI: el(hdr, "RespURI").value(), meta: pcReadMeta(el(hdr, "Meta")),
	}
	for i, e := range el(root, "SyncBody").kids {
		switch e.name.Local {
		case "Final":
			m.final = true
		case "Status":
			m.statuses = append(m.statuses, m.readStatus(e, i))
		default:
			m.commands = append(m.commands, m.readCommand(e))
		}
	}
	return m, "", nil
}

func (m *pcMessage) readStatus(e *pcElem, position int) pcStatus {
	s := pcStatus{position: position}
	for _, k := range e.kids {
		switch v := k.value(); k.name.Local {
		case "CmdID":
			s.cmdID = v
		case "MsgRef":
			s.msgRef = v
		case "CmdRef":
			s.cmdRef = v
		case "Cmd":
			s.cmd = v
		case "TargetRef":
			s.targetRefs = append(s.targetRefs, v)
		case "SourceRef":
			s.sourceRefs = append(s.sourceRefs, v)
		case "Data":
			s.data = v
		case "Chal":
			meta := pcReadMeta(k.child(pcNSSyncML, "Meta"))
			s.chal = &meta
		}
	}
	m.cmdIDs = append(m.cmdIDs, s.cmdID)
	return s
}

func (m *pcMessage) readCommand(e *pcElem) *pcCommand {
	c := &pcCommand{name: e.name.Local}
	for _, k := range e.kids {
		switch k.name.Local {
		case "CmdID":
			c.cmdID = k.value()
			m.cmdIDs = append(m.cmdIDs, c.cmdID)
		case "NoResp":
			c.noResp = true
		case "Data":
			c.data = k.value()
		case "Meta":
			c.meta = pcReadMeta(k)
		case "Item":
			c.items = append(c.items, pcReadItem(k))
		default:
			if e.name.Local == "Atomic" || e.name.Local == "Sequence" {
				c.children = append(c.children, m.readCommand(k))
			}
		}
	}
	return c
}

func pcReadItem(e *pcElem) pcItem {
	var it pcItem
	for _, k := range e.kids {
		switch k.name.Local {
		case "Target":
			it.target = k.child(pcNSSyncML, "LocURI").value()
		case "Source":
			it.source = k.child(pcNSSyncML, "LocURI").value()
		case "Meta":
			it.meta = pcReadMeta(k)
		case "Data":
			it.data, it.hasData = k.text, true // white space counts
		case "MoreData":
			it.more = true
		}
	}
	return it
}

func pcReadMeta(e *pcElem) pcMeta {
	var m pcMeta
	if e == nil {
		return m
	}
	for _, k := range e.kids {
		switch v := k.value(); k.name.Local {
		case "Format":
			m.format, m.hasFormat = v, true
		case "Type":
			m.kind = v
		case "NextNonce":
			m.nextNonce = v
		case "MaxMsgSize":
			m.maxMsgSize, _ = strconv.Atoi(v) // a wrong one is no limit
			m.hasMax = true
		}
	}
	return m
}

// metaOf is what holds for an item: its own meta before the command's.
func (c *pcCommand) metaOf(it pcItem) pcMeta {
	m := it.meta
	if m.format == "" {
		m.format = c.meta.format
	}
	if m.kind == "" {
		m.kind = c.meta.kind
	}
	return m
}

// node is the content that an item writes.
func (c *pcCommand) node(it pcItem) PCNode {
	m := c.metaOf(it)
	n := PCNode{Value: it.data, Format: strings.ToLower(m.format), Type: m.kind}
	if n.Format == "chr" {
		n.Format = ""
	}
	return n
}
