package mdmtest

import (
	"slices"
	"strconv"
	"strings"
)

// pcSent is what our last message said, to be judged by the answer.
type pcSent struct {
	msgID   int
	target  string // the LocURI of the server
	source  string // ours
	session string
	cmds    []pcSentCmd
	answers []int // sequence numbers of the deliveries that it answers
}

// pcSentCmd is one command of ours that needs a status.
type pcSentCmd struct {
	id, name string
	refs     []string // addresses of its items
	optional bool     // Results need no status
	more     bool     // a chunk, which needs 213
}

// pcJudgeMessage checks a message that could be parsed against what we sent.
// lastMsgID is the server's previous MsgID in this session, 0 for none; it may
// begin again when ours does.
func pcJudgeMessage(m *pcMessage, sent *pcSent, lastMsgID int, f *pcFindings) {
	if m.verDTD != "1.2" || m.verProto != "DM/1.2" {
		f.add(PCRuleHeader, "VerDTD %q and VerProto %q, want 1.2 and DM/1.2", m.verDTD, m.verProto)
	}
	if m.sessionID != sent.session {
		f.add(PCRuleHeader, "SessionID is %q, ours is %q", m.sessionID, sent.session)
	}
	if id, err := strconv.Atoi(m.msgID); err != nil || id < 1 || id <= lastMsgID {
		f.add(PCRuleHeader, "MsgID is %q after %d; it rises from 1", m.msgID, lastMsgID)
	}
	if !strings.EqualFold(m.target, sent.source) {
		f.add(PCRuleHeader, "Target is %q, we are %q", m.target, sent.source)
	}
	if m.source != sent.target {
		f.add(PCRuleHeader, "Source is %q, we know the server as %q", m.source, sent.target)
	}
	if m.meta.hasMax && m.meta.maxMsgSize < pcLeastMsgSize {
		f.add(PCRuleSize, "MaxMsgSize is %d; build 26200 aborts (1223) rather than to chunk", m.meta.maxMsgSize)
	}
	if !m.final {
		f.add(PCRuleFinal, "the message has no Final")
	}
	seen := map[string]bool{}
	for _, id := range m.cmdIDs {
		if id == "" || id == "0" || seen[id] {
			f.add(PCRuleCommand, "CmdID %q is empty, 0 or used twice in the message", id)
		}
		seen[id] = true
	}
	pcJudgeStatuses(m, sent, f)
	for _, c := range m.commands {
		pcJudgeCommand(c, false, f)
	}
}

// pcLeastMsgSize is the MaxMsgSize below which a PC gives up the session:
// 8192 was seen to be too small.
const pcLeastMsgSize = 16 << 10

// pcJudgeStatuses checks that everything we sent was answered, once, in order.
func pcJudgeStatuses(m *pcMessage, sent *pcSent, f *pcFindings) {
	if len(m.statuses) == 0 || m.statuses[0].cmd != "SyncHdr" || m.statuses[0].position != 0 {
		f.add(PCRuleStatus, "the first element of the body is not the status of our SyncHdr")
	}
	covered := make([][]string, len(sent.cmds))
	counts := make([]int, len(sent.cmds))
	last, header := -1, 0
	for _, s := range m.statuses {
		if s.msgRef != strconv.Itoa(sent.msgID) {
			f.add(PCRuleStatus, "status %s has MsgRef %q, our message is %d", s.cmdID, s.msgRef, sent.msgID)
		}
		if code, err := strconv.Atoi(s.data); err != nil || len(s.data) != 3 || code < 100 || code > 599 {
			f.add(PCRuleStatus, "status %s has the code %q", s.cmdID, s.data)
		}
		if s.cmdRef == "0" || s.cmd == "SyncHdr" {
			header++
			if s.cmdRef != "0" || s.cmd != "SyncHdr" || header > 1 {
				f.add(PCRuleStatus, "status %s is of SyncHdr with CmdRef %q and Cmd %q, number %d", s.cmdID, s.cmdRef, s.cmd, header)
			}
			continue
		}
		i := slices.IndexFunc(sent.cmds, func(c pcSentCmd) bool { return c.id == s.cmdRef })
		if i < 0 {
			f.add(PCRuleStatus, "status %s answers CmdRef %q, which we did not send", s.cmdID, s.cmdRef)
			continue
		}
		c := sent.cmds[i]
		if s.cmd != c.name {
			f.add(PCRuleStatus, "status %s of our %s says Cmd %q", s.cmdID, c.name, s.cmd)
		}
		if i < last {
			f.add(PCRuleStatus, "status %s is out of order: it answers %s after a later command", s.cmdID, s.cmdRef)
		}
		last = max(last, i)
		refs := s.refs()
		for _, r := range refs {
			switch {
			case !slices.Contains(c.refs, r):
				f.add(PCRuleStatus, "status %s speaks of %q, which is not in our %s", s.cmdID, r, c.name)
			case slices.Contains(covered[i], r):
				f.add(PCRuleStatus, "%q of our %s has two statuses", r, c.name)
			}
		}
		if counts[i] > 0 && (len(refs) == 0 || len(covered[i]) == 0) {
			f.add(PCRuleStatus, "our %s (CmdID %s) has two statuses", c.name, c.id)
		}
		counts[i]++
		covered[i] = append(covered[i], refs...)
	}
	if header == 0 {
		f.add(PCRuleStatus, "our SyncHdr has no status")
	}
	for i, c := range sent.cmds {
		switch {
		case counts[i] == 0 && !c.optional:
			f.add(PCRuleStatus, "our %s (CmdID %s) has no status", c.name, c.id)
		case len(covered[i]) > 0 && len(covered[i]) < len(c.refs):
			f.add(PCRuleStatus, "%d of %d items of our %s have a status", len(covered[i]), len(c.refs), c.name)
		}
	}
}

// pcFormats are the formats of OMA-DM that Windows knows.
var pcFormats = []string{"", "chr", "int", "bool", "b64", "xml", "node", "null", "bin", "float", "date", "time"}

// pcJudgeCommand checks the form of one command of the server.
func pcJudgeCommand(c *pcCommand, atomic bool, f *pcFindings) {
	switch c.name {
	case "Alert":
		pcJudgeAlert(c, f)
		return
	case "Atomic", "Sequence":
		pcJudgeAtomic(c, atomic, f)
		return
	case "Add", "Replace", "Get", "Delete", "Exec":
	default:
		f.add(PCRuleCommand, "%s (CmdID %s) is not a command that a server sends in OMA-DM", c.name, c.cmdID)
		return
	}
	var seen []string
	for _, it := range c.items {
		loc, err := PCCanonical(it.target)
		switch {
		case err != nil:
			f.add(PCRuleLocURI, "%s (CmdID %s): %v", c.name, c.cmdID, err)
		case pcUnescaped(it.target):
			f.add(PCRuleLocURI, "%s (CmdID %s): LocURI %q has characters that must be percent-encoded", c.name, c.cmdID, it.target)
		case slices.Contains(seen, loc):
			f.add(PCRuleCommand, "%s (CmdID %s) has two items for %s", c.name, c.cmdID, loc)
		}
		seen = append(seen, loc)
		if format := c.metaOf(it).format; !slices.Contains(pcFormats, strings.ToLower(format)) {
			f.add(PCRuleCommand, "%s (CmdID %s) has the format %q", c.name, c.cmdID, format)
		}
		switch format := strings.ToLower(c.metaOf(it).format); {
		case (c.name == "Get" || c.name == "Delete") && it.hasData:
			f.add(PCRuleCommand, "%s (CmdID %s) has Data", c.name, c.cmdID)
		case (c.name == "Add" || c.name == "Replace") && !it.hasData && format != "node" && format != "null":
			f.add(PCRuleCommand, "%s (CmdID %s) has no Data", c.name, c.cmdID)
		}
		if it.more {
			f.add(PCRuleSize, "%s (CmdID %s) is chunked; LrgObj is false on Windows", c.name, c.cmdID)
		}
	}
}

// pcJudgeAlert checks an alert of the server: of those that [MS-MDM] lists, it may
// ask for the next message, abort, or miss the end of a large object.
func pcJudgeAlert(c *pcCommand, f *pcFindings) {
	if !slices.Contains([]string{"1222", "1223", "1225"}, c.data) {
		f.add(PCRuleCommand, "Alert (CmdID %s) has the code %q, which no server sends", c.cmdID, c.data)
	}
}

// pcJudgeAtomic checks what Windows does not take inside an Atomic.
func pcJudgeAtomic(c *pcCommand, inside bool, f *pcFindings) {
	if inside && c.name == "Atomic" {
		f.add(PCRuleAtomic, "Atomic (CmdID %s) is nested", c.cmdID)
	}
	atomic := inside || c.name == "Atomic"
	written := map[string]string{}
	for _, k := range c.children {
		if atomic && k.name == "Get" {
			f.add(PCRuleAtomic, "Atomic (CmdID %s) holds a Get", c.cmdID)
		}
		if atomic && (k.name == "Add" || k.name == "Replace") {
			for _, it := range k.items {
				loc, err := PCCanonical(it.target)
				if other := written[loc]; err == nil && other != "" && other != k.name {
					f.add(PCRuleAtomic, "Atomic (CmdID %s) has Add and Replace of %s", c.cmdID, loc)
				}
				written[loc] = k.name
			}
		}
		pcJudgeCommand(k, atomic, f)
	}
}
