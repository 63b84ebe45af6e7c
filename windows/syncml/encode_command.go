package syncml

import (
	"strconv"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// command writes one command. parent is the kind of the container around it.
func (w *writer) command(c *Command, ids map[string]struct{}, parent Kind) {
	w.checkID(c, ids)
	w.checkShape(c, parent)
	if w.err != nil {
		return
	}
	name := string(c.Kind)
	w.open(name)
	w.textIf("CmdID", c.CmdID)
	switch c.Kind {
	case Status:
		w.status(c)
	case Results:
		w.number("MsgRef", int64(max(c.MsgRef, 1)))
		w.text("CmdRef", c.CmdRef)
		w.metaInf(c.Meta)
		w.refs("TargetRef", c.TargetRefs)
		w.refs("SourceRef", c.SourceRefs)
		w.items(c.Items)
	case Alert:
		w.noResp(c)
		w.number("Data", int64(c.Code))
		w.textIf("Correlator", c.Correlator)
		w.items(c.Items)
	case Atomic, Sequence:
		w.noResp(c)
		w.metaInf(c.Meta)
		for i := range c.Commands {
			w.path.push("commands", i)
			w.command(&c.Commands[i], ids, c.Kind)
			w.path.pop()
		}
	default:
		w.noResp(c)
		w.metaInf(c.Meta)
		if c.Kind == Exec {
			w.textIf("Correlator", c.Correlator)
		}
		w.items(c.Items)
	}
	w.close(name)
}

func (w *writer) status(c *Command) {
	w.number("MsgRef", int64(c.MsgRef))
	w.text("CmdRef", c.CmdRef)
	w.text("Cmd", c.Cmd)
	w.refs("TargetRef", c.TargetRefs)
	w.refs("SourceRef", c.SourceRefs)
	if c.Chal != nil {
		w.open("Chal")
		w.metaInf(c.Chal.Meta)
		w.close("Chal")
	}
	if c.OriginalError == "" {
		w.number("Data", int64(c.Code))
	} else {
		w.buf.WriteString(`<Data msft:originalerror="`)
		w.escape(c.OriginalError)
		w.buf.WriteString(`">`)
		w.buf.WriteString(strconv.Itoa(c.Code))
		w.close("Data")
	}
	w.items(c.Items)
}

func (w *writer) noResp(c *Command) {
	if c.NoResp {
		w.empty("NoResp")
	}
}

func (w *writer) refs(name string, refs []string) {
	for _, r := range refs {
		w.text(name, r)
	}
}

func (w *writer) items(items []Item) {
	for i := range items {
		w.item(&items[i], i)
	}
}

func (w *writer) checkID(c *Command, ids map[string]struct{}) {
	if w.fragment && c.CmdID == "" {
		return
	}
	w.path.push("cmdID", -1)
	defer w.path.pop()
	if c.CmdID == "" || c.CmdID == "0" {
		w.fail(mdm.CodeInvalid, "a command needs a CmdID that is not 0")
		return
	}
	if _, dup := ids[c.CmdID]; dup {
		w.fail(mdm.CodeInvalid, "CmdID %q is used twice in the message", c.CmdID)
		return
	}
	ids[c.CmdID] = struct{}{}
}

// checkShape refuses a command that its kind does not allow (DTD, and the
// Windows page on OMA DM protocol support for Atomic).
func (w *writer) checkShape(c *Command, parent Kind) {
	switch {
	case !c.Kind.Known():
		w.fail(mdm.CodeInvalid, "%q is not a command that can be sent", c.Kind)
	case parent != "" && (c.Kind == Status || c.Kind == Results):
		w.fail(mdm.CodeInvalid, "%s cannot stand inside %s", c.Kind, parent)
	case parent == Atomic && (c.Kind == Atomic || c.Kind == Get):
		w.fail(mdm.CodeInvalid, "%s cannot stand inside Atomic: Windows answers 500", c.Kind)
	case c.Kind.container() && len(c.Commands) == 0:
		w.fail(mdm.CodeInvalid, "%s holds no command", c.Kind)
	case c.Kind.container() && len(c.Items) > 0:
		w.fail(mdm.CodeInvalid, "%s holds commands, not items", c.Kind)
	case !c.Kind.container() && len(c.Commands) > 0:
		w.fail(mdm.CodeInvalid, "%s holds items, not commands", c.Kind)
	case (c.Kind.nodeCommand() || c.Kind == Results) && len(c.Items) == 0:
		w.fail(mdm.CodeInvalid, "%s has no Item", c.Kind)
	case c.Kind == Exec && len(c.Items) > 1:
		w.fail(mdm.CodeInvalid, "Exec has one Item, this has %d", len(c.Items))
	case c.Kind == Alert && c.Code < 1:
		w.fail(mdm.CodeInvalid, "an Alert needs its number")
	case c.Kind == Status && (c.Code < 100 || c.CmdRef == "" || c.Cmd == "" || c.MsgRef < 0):
		w.fail(mdm.CodeInvalid, "a Status needs a CmdRef, a Cmd and a code")
	case c.Kind == Results && (c.CmdRef == "" || c.MsgRef < 0):
		w.fail(mdm.CodeInvalid, "a Results needs a CmdRef")
	case c.Kind == Results && (len(c.TargetRefs) > 1 || len(c.SourceRefs) > 1):
		w.fail(mdm.CodeInvalid, "a Results has at most one TargetRef and one SourceRef")
	}
	if w.err != nil || !c.Kind.nodeCommand() {
		return
	}
	for i := range c.Items {
		if strings.HasPrefix(c.Items[i].Target.URI, "/") {
			w.path.push("item", i)
			w.path.push("target", -1)
			w.fail(mdm.CodeInvalid, "a node address does not begin with '/'; begin with \"./\"")
			w.path.pop()
			w.path.pop()
		}
	}
}

// sizeText returns the text of a byte count; 0 is absent.
func sizeText(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
