package mdmtest

import (
	"crypto/md5" // syncml:auth-md5
	"encoding/base64"
	"strconv"
	"strings"
)

// PCAlert is an alert that a PC sends of its own accord.
type PCAlert struct {
	Code   int    // 1224 or 1226
	Type   string // such as "Reversed-Domain-Name:com.microsoft.mdm.win32csp_install"
	Format string // such as "int"; empty writes none
	Mark   string // such as "critical"; empty writes none
	Source string // a LocURI; empty writes none
	Data   string
}

// QueueAlert makes the next session carry an alert in its first package.
func (d *PCDevice) QueueAlert(a PCAlert) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.alerts = append(d.alerts, a)
}

// pcItemAnswer is what became of one item of a command of the server.
type pcItemAnswer struct {
	ref    string // its LocURI, as it was sent
	code   int
	origin string // HRESULT of the CSP; empty for none
	got    PCNode // of a Get that succeeded
	seq    int    // of the delivery
}

// pcAnswer is what became of one command.
type pcAnswer struct {
	cmdID, name string
	noResp      bool
	items       []pcItemAnswer
}

// pcWriter writes one message of the PC. CmdIDs count from 1; where there is
// no status of a SyncHdr to send, from 2, as Windows does.
type pcWriter struct {
	b    strings.Builder
	next int
	sent pcSent
	q    PCQuirks

	large []pcLarge // results still to be sent in chunks
}

// pcNewWriter begins a message: header and body tag.
func pcNewWriter(sent pcSent, q PCQuirks, cred *pcCred) *pcWriter {
	w := &pcWriter{next: 1, sent: sent, q: q}
	w.b.WriteString(`<SyncML xmlns="` + pcNSSyncML + `"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>` +
		`<SessionID>` + pcEscape(sent.session) + `</SessionID><MsgID>` + strconv.Itoa(sent.msgID) + `</MsgID>` +
		`<Target><LocURI>` + pcEscape(sent.target) + `</LocURI></Target><Source><LocURI>` + pcEscape(sent.source) + `</LocURI>`)
	if cred != nil {
		w.b.WriteString(`<LocName>` + pcEscape(cred.Name) + `</LocName>`)
	}
	w.b.WriteString(`</Source>`)
	if cred != nil {
		kind, data := pcCredential(*cred)
		w.b.WriteString(`<Cred><Meta><Format xmlns="syncml:metinf">b64</Format><Type xmlns="syncml:metinf">` + kind +
			`</Type></Meta><Data>` + data + `</Data></Cred>`)
	}
	w.b.WriteString(`</SyncHdr><SyncBody xmlns:msft="` + pcNSMSFT + `">`)
	return w
}

// pcCredential returns type and data of a Cred ([OMA DM Security] 5.3).
func pcCredential(c pcCred) (kind, data string) {
	if c.Type == "BASIC" {
		return "syncml:auth-basic", base64.StdEncoding.EncodeToString([]byte(c.Name + ":" + c.Secret))
	}
	user := md5.Sum([]byte(c.Name + ":" + c.Secret))
	all := md5.Sum(append([]byte(base64.StdEncoding.EncodeToString(user[:])+":"), c.Nonce...))
	return "syncml:auth-md5", base64.StdEncoding.EncodeToString(all[:])
}

func (w *pcWriter) id() string {
	w.next++
	return strconv.Itoa(w.next - 1)
}

// status writes one status.
func (w *pcWriter) status(msgRef, cmdRef, cmd string, refs []string, code int, origin string) {
	w.b.WriteString(`<Status><CmdID>` + w.id() + `</CmdID><MsgRef>` + pcEscape(msgRef) + `</MsgRef><CmdRef>` + pcEscape(cmdRef) +
		`</CmdRef><Cmd>` + cmd + `</Cmd>`)
	for _, r := range refs {
		w.b.WriteString(`<TargetRef>` + pcEscape(r) + `</TargetRef>`)
	}
	if origin != "" {
		origin = ` msft:originalerror="` + origin + `"`
	}
	w.b.WriteString(`<Data` + origin + `>` + strconv.Itoa(code) + `</Data></Status>`)
}

// packageOne writes the alerts and the DevInfo that begin a session.
func (w *pcWriter) packageOne(login string, alerts []PCAlert, devInfo [][2]string) {
	if w.next == 1 {
		w.next = 2
	}
	w.alert(PCAlert{Code: 1201})
	w.alert(PCAlert{Code: 1224, Type: "com.microsoft/MDM/LoginStatus", Data: login})
	for _, a := range alerts {
		w.alert(a)
	}
	c := pcSentCmd{id: w.id(), name: "Replace"}
	w.b.WriteString(`<Replace><CmdID>` + c.id + `</CmdID>`)
	for _, kv := range devInfo {
		loc := "./DevInfo/" + kv[0]
		c.refs = append(c.refs, loc)
		w.b.WriteString(`<Item><Source><LocURI>` + loc + `</LocURI></Source><Data>` + pcEscape(kv[1]) + `</Data></Item>`)
	}
	w.b.WriteString(`</Replace>`)
	w.sent.cmds = append(w.sent.cmds, c)
}

func (w *pcWriter) alert(a PCAlert) {
	c := pcSentCmd{id: w.id(), name: "Alert"}
	w.b.WriteString(`<Alert><CmdID>` + c.id + `</CmdID><Data>` + strconv.Itoa(a.Code) + `</Data>`)
	if a.Type != "" {
		w.b.WriteString(`<Item>`)
		if a.Source != "" {
			c.refs = append(c.refs, a.Source)
			w.b.WriteString(`<Source><LocURI>` + pcEscape(a.Source) + `</LocURI></Source>`)
		}
		w.b.WriteString(`<Meta>`)
		for _, m := range [][2]string{{"Type", a.Type}, {"Format", a.Format}, {"Mark", a.Mark}} {
			if m[1] != "" {
				w.b.WriteString(`<` + m[0] + ` xmlns="syncml:metinf">` + pcEscape(m[1]) + `</` + m[0] + `>`)
			}
		}
		w.b.WriteString(`</Meta><Data>` + pcEscape(a.Data) + `</Data></Item>`)
	}
	w.b.WriteString(`</Alert>`)
	w.sent.cmds = append(w.sent.cmds, c)
}

// answers writes statuses and results of the commands of one message.
func (w *pcWriter) answers(msgRef string, all []pcAnswer) {
	if w.q.ResultsFirst {
		for _, a := range all {
			w.results(msgRef, a)
		}
	}
	for _, a := range all {
		for _, it := range a.items {
			w.sent.answers = append(w.sent.answers, it.seq)
		}
		w.statuses(msgRef, a)
		if !w.q.ResultsFirst {
			w.results(msgRef, a)
		}
	}
	if len(w.large) > 0 {
		w.chunk()
	}
}

// statuses writes one status for a command of one item, and for one of several
// a status each, told apart by TargetRef.
func (w *pcWriter) statuses(msgRef string, a pcAnswer) {
	if len(a.items) == 1 {
		w.status(msgRef, a.cmdID, a.name, nil, a.items[0].code, a.items[0].origin)
		return
	}
	done := make([]bool, len(a.items))
	for i, it := range a.items {
		if done[i] {
			continue
		}
		refs := []string{it.ref}
		for j := i + 1; w.q.JoinStatuses && j < len(a.items); j++ {
			if a.items[j].code == it.code {
				refs, done[j] = append(refs, a.items[j].ref), true
			}
		}
		w.status(msgRef, a.cmdID, a.name, refs, it.code, it.origin)
	}
}

// results writes one Results with an item for each node that a Get found.
// Strings have no meta, as on Windows.
func (w *pcWriter) results(msgRef string, a pcAnswer) {
	var found []pcItemAnswer
	for _, it := range a.items {
		switch {
		case it.code != 200 || a.name != "Get":
		case w.q.ChunkResults > 0 && len(it.got.Value) > w.q.ChunkResults:
			w.large = append(w.large, pcLarge{msgRef: msgRef, cmdRef: a.cmdID, ref: it.ref, got: it.got})
		default:
			found = append(found, it)
		}
	}
	if len(found) == 0 {
		return
	}
	c := pcSentCmd{id: w.id(), name: "Results", optional: true}
	w.b.WriteString(`<Results><CmdID>` + c.id + `</CmdID>`)
	if !w.q.OmitMsgRef {
		w.b.WriteString(`<MsgRef>` + pcEscape(msgRef) + `</MsgRef>`)
	}
	w.b.WriteString(`<CmdRef>` + pcEscape(a.cmdID) + `</CmdRef>`)
	for _, it := range found {
		c.refs = append(c.refs, it.ref)
		w.b.WriteString(`<Item><Source><LocURI>` + pcEscape(it.ref) + `</LocURI></Source>`)
		if it.got.Format != "" || it.got.Type != "" {
			w.b.WriteString(`<Meta>`)
			for _, m := range [][2]string{{"Format", it.got.Format}, {"Type", it.got.Type}} {
				if m[1] != "" {
					w.b.WriteString(`<` + m[0] + ` xmlns="syncml:metinf">` + pcEscape(m[1]) + `</` + m[0] + `>`)
				}
			}
			w.b.WriteString(`</Meta>`)
		}
		w.b.WriteString(`<Data>` + pcEscape(it.got.Value) + `</Data></Item>`)
	}
	w.b.WriteString(`</Results>`)
	w.sent.cmds = append(w.sent.cmds, c)
}

// pcOut is a message ready to leave.
type pcOut struct {
	body []byte
	sent pcSent
}

func (w *pcWriter) finish() *pcOut {
	if len(w.large) == 0 {
		w.b.WriteString(`<Final/>`)
	}
	w.b.WriteString(`</SyncBody></SyncML>`)
	body := []byte(w.b.String())
	if w.q.PadBody > 0 {
		body = append(body, strings.Repeat(" ", w.q.PadBody)...)
	}
	if w.q.WBXML {
		// Version 1.2, public id 0x1201, UTF-8, no strings, an empty SyncML.
		body = []byte{0x02, 0xa4, 0x01, 0x6a, 0x00, 0x2d}
	}
	return &pcOut{body: body, sent: w.sent}
}
