package syncml

import (
	"github.com/keelson-mdm/keelson/mdm"
)

// Encode writes a message: no XML declaration, namespace [Namespace], the
// element order of the document type definition, every value escaped. It
// changes nothing in m.
//
// It refuses what makes a Windows device reject a whole message, with an
// [mdm.CodeInvalid] error whose Field is a path such as "commands[2].cmdID": a
// CmdID that is missing, "0" or used twice; an unknown kind; a command without
// what its kind needs; a nested Atomic or a Get inside one; a node address that
// begins with '/'; text that XML cannot carry.
func Encode(m *Message) ([]byte, error) {
	w := &writer{}
	w.buf.Grow(estimate(m.Commands) + 512)
	w.buf.WriteString(`<SyncML xmlns="` + Namespace + `"`)
	if hasOriginalError(m.Commands) {
		w.buf.WriteString(` xmlns:msft="` + msftNamespace + `"`)
	}
	w.buf.WriteByte('>')
	w.header(&m.Header)
	w.open("SyncBody")
	ids := make(map[string]struct{}, len(m.Commands))
	for i := range m.Commands {
		w.path.push("commands", i)
		w.command(&m.Commands[i], ids, "")
		w.path.pop()
		if w.err != nil {
			return nil, w.err
		}
	}
	if m.Final {
		w.empty("Final")
	}
	w.close("SyncBody")
	w.close("SyncML")
	if w.err != nil {
		return nil, w.err
	}
	return w.buf.Bytes(), nil
}

// EncodeFragment writes commands without the SyncML envelope, in the form that
// [DecodeFragment] reads. It refuses what [Encode] refuses, except that a
// CmdID may be missing: it is given when the command leaves.
func EncodeFragment(cmds []Command) ([]byte, error) {
	w := &writer{fragment: true}
	w.buf.Grow(estimate(cmds))
	ids := map[string]struct{}{}
	for i := range cmds {
		w.path.push("commands", i)
		w.command(&cmds[i], ids, "")
		w.path.pop()
		if w.err != nil {
			return nil, w.err
		}
	}
	return w.buf.Bytes(), nil
}

// estimate guesses the size of commands, to allocate once.
func estimate(cmds []Command) int {
	n := 0
	for i := range cmds {
		n += 192 + estimate(cmds[i].Commands)
		for j := range cmds[i].Items {
			it := &cmds[i].Items[j]
			n += 256 + len(it.Data) + len(it.Data)/8 + len(it.Target.URI)
		}
	}
	return n
}

func hasOriginalError(cmds []Command) bool {
	for i := range cmds {
		if cmds[i].OriginalError != "" || hasOriginalError(cmds[i].Commands) {
			return true
		}
	}
	return false
}

func (w *writer) header(h *Header) {
	w.path.push("header", -1)
	defer w.path.pop()
	if h.SessionID == "" || h.MsgID < 1 {
		w.fail(mdm.CodeInvalid, "a message needs a SessionID and a MsgID of 1 or more")
		return
	}
	w.open("SyncHdr")
	w.text("VerDTD", orDefault(h.VerDTD, "1.2"))
	w.text("VerProto", orDefault(h.VerProto, "DM/1.2"))
	w.text("SessionID", h.SessionID)
	w.number("MsgID", int64(h.MsgID))
	w.location("Target", h.Target)
	w.location("Source", h.Source)
	w.textIf("RespURI", h.RespURI)
	if h.NoResp {
		w.empty("NoResp")
	}
	if h.Cred != nil {
		w.open("Cred")
		w.metaInf(h.Cred.Meta)
		w.text("Data", h.Cred.Data)
		w.close("Cred")
	}
	w.metaInf(h.Meta)
	w.close("SyncHdr")
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

func (w *writer) location(name string, l Location) {
	if l == (Location{}) {
		return
	}
	w.open(name)
	w.text("LocURI", l.URI)
	w.textIf("LocName", l.Name)
	w.close(name)
}

func (w *writer) metaInf(m Meta) {
	if m == (Meta{}) {
		return
	}
	w.open("Meta")
	w.meta("Format", m.Format)
	w.meta("Type", m.Type)
	w.meta("Mark", m.Mark)
	w.meta("Size", sizeText(m.Size))
	w.meta("Version", m.Version)
	w.meta("NextNonce", m.NextNonce)
	w.meta("MaxMsgSize", sizeText(m.MaxMsgSize))
	w.meta("MaxObjSize", sizeText(m.MaxObjSize))
	w.close("Meta")
}

func (w *writer) item(it *Item, i int) {
	w.path.push("item", i)
	defer w.path.pop()
	w.open("Item")
	w.location("Target", it.Target)
	w.location("Source", it.Source)
	w.metaInf(it.Meta)
	if it.Data != "" || it.EmptyData {
		w.text("Data", it.Data)
	}
	if it.MoreData {
		w.empty("MoreData")
	}
	w.close("Item")
}
