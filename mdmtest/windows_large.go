package mdmtest

import (
	"slices"
	"strconv"
)

// pcLarge is a result that is sent in chunks, one a message: build 26200 does
// not do that by itself, older ones did, and a server takes it.
type pcLarge struct {
	msgRef, cmdRef, ref string
	got                 PCNode
	done                int // bytes sent
}

// chunk writes the next chunk of the first large result. As long as there is
// more to come, the package spans messages, and this one has no Final.
func (w *pcWriter) chunk() {
	l := &w.large[0]
	end := min(l.done+w.q.ChunkResults, len(l.got.Value))
	for end < len(l.got.Value) && end > l.done+1 && l.got.Value[end]&0xc0 == 0x80 {
		end-- // not inside a character
	}
	c := pcSentCmd{id: w.id(), name: "Results", refs: []string{l.ref}, more: end < len(l.got.Value)}
	w.b.WriteString(`<Results><CmdID>` + c.id + `</CmdID><MsgRef>` + pcEscape(l.msgRef) + `</MsgRef><CmdRef>` + pcEscape(l.cmdRef) +
		`</CmdRef><Item><Source><LocURI>` + pcEscape(l.ref) + `</LocURI></Source><Meta>`)
	if l.got.Format != "" {
		w.b.WriteString(`<Format xmlns="syncml:metinf">` + pcEscape(l.got.Format) + `</Format>`)
	}
	if l.done == 0 {
		w.b.WriteString(`<Size xmlns="syncml:metinf">` + strconv.Itoa(len(l.got.Value)) + `</Size>`)
	}
	w.b.WriteString(`</Meta><Data>` + pcEscape(l.got.Value[l.done:end]) + `</Data>`)
	if c.more {
		w.b.WriteString(`<MoreData/>`)
	}
	w.b.WriteString(`</Item></Results>`)
	c.optional = !c.more
	w.sent.cmds = append(w.sent.cmds, c)
	if l.done = end; !c.more {
		w.large = w.large[1:]
	}
}

// nextChunk writes the message that goes on with a large result, and judges
// how the server took the last chunk.
func (r *pcRun) nextChunk(m *pcMessage, sent *pcSent, f *pcFindings) *pcOut {
	for _, c := range sent.cmds {
		i := slices.IndexFunc(m.statuses, func(s pcStatus) bool { return s.cmdRef == c.id })
		if c.more && i >= 0 && m.statuses[i].data != "213" {
			f.add(PCRuleStatus, "a chunk of %s was answered %s, want 213", c.refs[0], m.statuses[i].data)
		}
	}
	if len(m.commands) > 0 {
		f.add(PCRuleCommand, "commands before the large result was complete")
	}
	w := r.writer()
	w.large = r.large
	w.status(m.msgID, "0", "SyncHdr", nil, 200, "")
	w.chunk()
	r.large = w.large
	return w.finish()
}
