package mdmtest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

const (
	pcCamera = "./Device/Vendor/MSFT/Policy/Config/Camera/AllowCamera"
	pcResult = "./Device/Vendor/MSFT/Policy/Result/Camera/AllowCamera"
)

func TestPCIdleSession(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	got := pc.Sync()
	require.Equal(t, &PCSession{ID: "1", Messages: 1, End: PCEndDone}, got)
	m := s.got()[0]
	require.Equal(t, []string{"Alert", "Alert", "Replace"}, m.names()[:3])
	require.Equal(t, "2", m.Body.Cmds[0].CmdID, "CmdIDs of a device start at 2")
	require.Equal(t, "1201", m.Body.Cmds[0].Data.Text)
	require.Equal(t, "com.microsoft/MDM/LoginStatus", m.Body.Cmds[1].Items[0].Type)
	require.Equal(t, "user", m.Body.Cmds[1].Items[0].Data)
	require.Len(t, m.Body.Cmds[2].Items, 5)
	require.Equal(t, "./DevInfo/DevId", m.Body.Cmds[2].Items[0].Source)
	require.Equal(t, pc.DeviceID(), m.Body.Cmds[2].Items[0].Data)
	require.Equal(t, pc.DeviceID(), m.Hdr.Source)
	require.Equal(t, s.URL+"/manage", m.Hdr.Target)
	require.Equal(t, pc.Enrollment().Certificate.Subject.CommonName, m.peer)
	require.Contains(t, m.raw, "<Final/></SyncBody></SyncML>")

	for range 14 {
		got = pc.Sync()
	}
	require.Equal(t, "F", got.ID, "SessionIDs are hexadecimal")

	s.raw["session"] = func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") }
	require.Equal(t, PCEndEmpty, pc.Sync().End)
}

func TestPCExecutesCommands(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	s.queue(
		pcCmd("Replace", "a", pcCamera, "int", "0")+
			`<Get><CmdID>b</CmdID><Item><Target><LocURI>./DevDetail/SwV</LocURI></Target></Item><Item><Target><LocURI>./DevDetail/Nothing</LocURI></Target></Item>`+
			`<Item><Target><LocURI>./DevDetail/LrgObj</LocURI></Target></Item></Get>`+
			pcCmd("Add", "c", "./Device/Vendor/MSFT/WiFi/Profile/Head%20Office/WlanXml", "chr", "<x><keyMaterial>secret</keyMaterial></x>"),
		pcCmd("Get", "a", pcResult, "", "")+pcCmd("Get", "b", "./Vendor/MSFT/WiFi/Profile", "", "")+
			pcCmd("Get", "c", "./Vendor/MSFT/WiFi/Profile/Head%20Office/WlanXml", "", ""),
		pcCmd("Delete", "d", pcCamera, "", "")+pcCmd("Delete", "e", pcCamera, "", "")+pcCmd("Add", "f", "./Vendor/MSFT/WiFi/Profile/Head%20Office/WlanXml", "chr", "x"),
	)
	got := pc.Sync()
	require.Equal(t, PCEndDone, got.End)
	require.Equal(t, 4, got.Messages)
	m := s.got()
	require.Equal(t, []string{
		"1/0 SyncHdr 200", "1/a Replace 200", "1/b Get 200 ./DevDetail/SwV", "1/b Get 404 ./DevDetail/Nothing", "1/b Get 200 ./DevDetail/LrgObj", "1/c Add 200",
	}, m[1].statuses())
	require.Equal(t, map[string]string{"./DevDetail/SwV": "10.0.22621.2715", "./DevDetail/LrgObj": "false"}, m[1].results())
	require.Equal(t, []string{"Status", "Status", "Status", "Status", "Status", "Results", "Status", "Final"}, m[1].names())
	items := m[1].Body.Cmds[5].Items
	require.Equal(t, []string{"", "bool"}, []string{items[0].Format, items[1].Format}, "a string has no meta")
	require.Equal(t, map[string]string{
		pcResult: "0", "./Vendor/MSFT/WiFi/Profile": "Head%20Office",
		"./Vendor/MSFT/WiFi/Profile/Head%20Office/WlanXml": "<x><keyMaterial>********</keyMaterial></x>",
	}, m[2].results())
	require.Equal(t, []string{"3/0 SyncHdr 200", "3/d Delete 200", "3/e Delete 404", "3/f Add 418"}, m[3].statuses())
	n, _ := pc.Node("./Device/Vendor/MSFT/WiFi/Profile/Head Office/WlanXml")
	require.Contains(t, n.Value, "secret", "the test sees what the server may not")
	_, ok := pc.Node(pcResult)
	require.False(t, ok)
	pc.NoDuplicates()
}

func TestPCPolicyMayAnswer202(t *testing.T) {
	s := pcNewServer(t)
	o := s.options()
	o.PolicyStatus = 202
	pc := PCWith(t, s.URL, "ada", "secret", o).Enroll()
	s.queue(pcCmd("Replace", "a", pcCamera, "int", "1") + pcCmd("Replace", "b", "./Device/Vendor/MSFT/Personalization/DesktopImageUrl", "", "https://x"))
	pc.Sync()
	require.Equal(t, []string{"1/0 SyncHdr 200", "1/a Replace 202", "1/b Replace 200"}, s.got()[1].statuses())
}

func TestPCAtomic(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	good := pcCmd("Replace", "g", pcCamera, "int", "1")
	s.queue(
		pcAtomic("x", pcCmd("Add", "1", pcCamera, "int", "7"), pcCmd("Replace", "2", "./DevDetail/SwV", "", "no"), pcCmd("Exec", "3", "./Device/Vendor/MSFT/Reboot/RebootNow", "null", "")),
		pcAtomic("y", pcCmd("Exec", "1", "./Device/Vendor/MSFT/Reboot/RebootNow", "null", ""), good, pcCmd("Replace", "2", "./Device/Vendor/MSFT/NoSuch/x", "", "")),
		pcAtomic("z", good, pcCmd("Exec", "4", "./Device/Vendor/MSFT/Reboot/RebootNow", "null", "")),
	)
	pc.Sync()
	m := s.got()
	require.Equal(t, []string{"1/0 SyncHdr 200", "1/x Atomic 507", "1/1 Add 216", "1/2 Replace 405", "1/3 Exec 216"}, m[1].statuses())
	require.Equal(t, []string{"2/0 SyncHdr 200", "2/y Atomic 507", "2/1 Exec 216", "2/g Replace 216", "2/2 Replace 404"}, m[2].statuses())
	require.Equal(t, []string{"3/0 SyncHdr 200", "3/z Atomic 200", "3/g Replace 200", "3/4 Exec 200"}, m[3].statuses())
	require.Equal(t, 1, pc.Reboots(), "what was rolled back had no effect")
	n, _ := pc.Node(pcCamera)
	require.Equal(t, "1", n.Value)
	require.Equal(t, "z", pc.Deliveries()[len(pc.Deliveries())-1].Parent)
	require.Empty(t, pc.Duplicates(), "a rolled back command may come again")
}

func TestPCSequenceAndUnusualCommands(t *testing.T) {
	s := pcNewServer(t)
	o := s.options()
	o.Tolerate = []PCRule{PCRuleCommand}
	pc := PCWith(t, s.URL, "ada", "secret", o).Enroll()
	s.queue(`<Sequence><CmdID>s</CmdID>` + pcCmd("Replace", "1", pcCamera, "int", "1") + pcCmd("Get", "2", pcCamera, "", "") + `</Sequence>` +
		`<Alert><CmdID>a</CmdID><Data>1100</Data></Alert>` +
		`<Replace><CmdID>n</CmdID><NoResp/><Item><Target><LocURI>` + pcCamera + `</LocURI></Target><Meta><Format xmlns="syncml:metinf">int</Format></Meta><Data>3</Data></Item></Replace>` +
		`<Copy><CmdID>c</CmdID><Item><Target><LocURI>./x</LocURI></Target></Item></Copy>`)
	pc.Sync()
	require.Equal(t, []string{"1/0 SyncHdr 200", "1/s Sequence 200", "1/1 Replace 200", "1/2 Get 200", "1/a Alert 200", "1/c Copy 406"}, s.got()[1].statuses())
	n, _ := pc.Node(pcCamera)
	require.Equal(t, "3", n.Value)

	s.queue(`<Alert><CmdID>a</CmdID><Data>1223</Data></Alert>`)
	require.Equal(t, PCEndServerAbort, pc.Sync().End)
}

// TestPCJudgesMessages breaks one thing at a time in the answer to package 1.
func TestPCJudgesMessages(t *testing.T) {
	swap := func(old, with string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, with, 1) }
	}
	before := func(what string) func(string) string { return swap("<Final/>", what+"<Final/>") }
	reply := pcCmd("Replace", "7", pcCamera, "int", "1")
	cases := []struct {
		name     string
		mangle   func(string) string
		rule     PCRule
		detail   string
		rejected bool // the PC rejects the whole message
	}{
		{"not well-formed", swap("<Final/>", "<Final>"), PCRuleXML, "", true},
		{"a DTD", func(s string) string { return "<!DOCTYPE SyncML>" + s }, PCRuleXML, "document type", true},
		{"no namespace", swap(` xmlns="SYNCML:SYNCML1.2"`, ""), PCRuleSyntax, "namespace", true},
		{"unknown element", before(`<Foo><CmdID>9</CmdID></Foo>`), PCRuleSyntax, "Foo is unknown", true},
		{"order in the header", swap("<VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>", "<VerProto>DM/1.2</VerProto><VerDTD>1.2</VerDTD>"), PCRuleSyntax, "not in its place", true},
		{"data before target", before(`<Add><CmdID>9</CmdID><Item><Data>x</Data><Target><LocURI>./a</LocURI></Target></Item></Add>`), PCRuleSyntax, "Item", true},
		{"no items", before(`<Get><CmdID>9</CmdID></Get>`), PCRuleSyntax, "Item is missing", true},
		{"no CmdID", before(strings.Replace(reply, "<CmdID>7</CmdID>", "", 1)), PCRuleSyntax, "CmdID is missing", true},
		{"after Final", swap("<Final/>", "<Final/>"+reply), PCRuleSyntax, "not in its place", true},
		{"markup in data", before(strings.Replace(reply, "<Data>1</Data>", "<Data><enabled/></Data>", 1)), PCRuleSyntax, "escaped", true},
		{"cdata", before(strings.Replace(reply, "<Data>1</Data>", "<Data><![CDATA[1]]></Data>", 1)), PCRuleSyntax, "CDATA", true},
		{"meta namespace", before(strings.Replace(reply, ` xmlns="syncml:metinf"`, "", 1)), PCRuleSyntax, "Meta", true},
		{"meta unknown", before(strings.Replace(reply, `Format`, "Former", 2)), PCRuleSyntax, "Former is unknown", true},
		{"text in a command", before(strings.Replace(reply, "<Item>", "text<Item>", 1)), PCRuleXML, "text between", true},
		{"session", swap("<SessionID>1", "<SessionID>2"), PCRuleHeader, "SessionID", false},
		{"message id", swap("<MsgID>1", "<MsgID>0"), PCRuleHeader, "MsgID", false},
		{"version", swap("<VerDTD>1.2", "<VerDTD>1.1"), PCRuleHeader, "VerDTD", false},
		{"target", func(s string) string {
			i := strings.Index(s, "<Target><LocURI>")
			return s[:i] + "<Target><LocURI>x" + s[i+len("<Target><LocURI>"):]
		}, PCRuleHeader, "Target", false},
		{"source", swap("/manage</LocURI></Source>", "/other</LocURI></Source>"), PCRuleHeader, "Source", false},
		{"no final", swap("<Final/>", ""), PCRuleFinal, "", false},
		{"zero CmdID", before(strings.Replace(reply, "<CmdID>7", "<CmdID>0", 1)), PCRuleCommand, "CmdID", false},
		{"CmdID twice", before(reply + reply), PCRuleCommand, `CmdID "7"`, false},
		{"CmdID inside an atomic", before(pcAtomic("7", reply)), PCRuleCommand, `CmdID "7"`, false},
		{"no status of SyncHdr", func(s string) string {
			a, b := strings.Index(s, "<Status>"), strings.Index(s, "</Status>")
			return s[:a] + s[b+len("</Status>"):]
		}, PCRuleStatus, "SyncHdr", false},
		{"status of SyncHdr last", func(s string) string {
			a, b := strings.Index(s, "<Status>"), strings.Index(s, "</Status>")+len("</Status>")
			return strings.Replace(s[:a]+s[b:], "<Final/>", s[a:b]+"<Final/>", 1)
		}, PCRuleStatus, "first element", false},
		{"wrong MsgRef", swap("<MsgRef>1</MsgRef><CmdRef>3", "<MsgRef>2</MsgRef><CmdRef>3"), PCRuleStatus, "MsgRef", false},
		{"wrong CmdRef", swap("<CmdRef>3<", "<CmdRef>33<"), PCRuleStatus, "did not send", false},
		{"missing status", func(s string) string {
			a := strings.Index(s, "<Status><CmdID>s3")
			b := a + strings.Index(s[a:], "</Status>") + len("</Status>")
			return s[:a] + s[b:]
		}, PCRuleStatus, "has no status", false},
		{"status twice", before(`<Status><CmdID>z</CmdID><MsgRef>1</MsgRef><CmdRef>4</CmdRef><Cmd>Replace</Cmd><Data>200</Data></Status>`), PCRuleStatus, "two statuses", false},
		{"order of statuses", func(s string) string {
			s = strings.Replace(s, "<CmdRef>2</CmdRef><Cmd>Alert</Cmd>", "<CmdRef>@</CmdRef><Cmd>Replace</Cmd>", 1)
			s = strings.Replace(s, "<CmdRef>4</CmdRef><Cmd>Replace</Cmd>", "<CmdRef>2</CmdRef><Cmd>Alert</Cmd>", 1)
			return strings.Replace(s, "@", "4", 1)
		}, PCRuleStatus, "out of order", false},
		{"wrong Cmd", swap("<Cmd>Replace</Cmd>", "<Cmd>Add</Cmd>"), PCRuleStatus, "says Cmd", false},
		{"strange code", swap("<Cmd>Replace</Cmd><Data>200", "<Cmd>Replace</Cmd><Data>ok"), PCRuleStatus, "code", false},
		{"half a status", swap("<Cmd>Replace</Cmd>", "<Cmd>Replace</Cmd><TargetRef>./DevInfo/Man</TargetRef>"), PCRuleStatus, "1 of 5", false},
		{"foreign ref", swap("<Cmd>Replace</Cmd>", "<Cmd>Replace</Cmd><TargetRef>./DevInfo/Other</TargetRef>"), PCRuleStatus, "not in our", false},
		{"leading slash", before(pcCmd("Get", "7", "/DevInfo/Man", "", "")), PCRuleLocURI, "slash", false},
		{"spaces", before(pcCmd("Get", "7", "./Device/Vendor/MSFT/WiFi/Profile/Head Office", "", "")), PCRuleLocURI, "percent-encoded", false},
		{"no target", before(`<Get><CmdID>7</CmdID><Item><Source><LocURI>./a</LocURI></Source></Item></Get>`), PCRuleLocURI, "empty", false},
		{"two items for one node", before(`<Get><CmdID>7</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item><Item><Target><LocURI>DevInfo/Man</LocURI></Target></Item></Get>`), PCRuleCommand, "two items", false},
		{"format", before(pcCmd("Replace", "7", pcCamera, "number", "1")), PCRuleCommand, "format", false},
		{"chunked data", before(strings.Replace(reply, "</Data>", "</Data><MoreData/>", 1)), PCRuleSize, "chunked", false},
		{"nested atomic", before(pcAtomic("8", pcAtomic("9", reply))), PCRuleAtomic, "nested", false},
		{"get in atomic", before(pcAtomic("8", pcCmd("Get", "9", "./DevInfo/Man", "", ""))), PCRuleAtomic, "Get", false},
		{"add and replace", before(pcAtomic("8", pcCmd("Add", "9", pcCamera, "int", "1"), reply)), PCRuleAtomic, "Add and Replace", false},
		{"results from a server", before(`<Results><CmdID>7</CmdID><CmdRef>4</CmdRef><Item><Data>x</Data></Item></Results>`), PCRuleCommand, "Results", false},
		{"get with data", before(strings.Replace(pcCmd("Get", "7", "./DevInfo/Man", "", ""), "</Target>", "</Target><Data>x</Data>", 1)), PCRuleCommand, "has Data", false},
		{"delete with data", before(strings.Replace(pcCmd("Delete", "7", pcCamera, "", ""), "</Target>", "</Target><Data/>", 1)), PCRuleCommand, "has Data", false},
		{"replace without data", before(strings.Replace(reply, "<Data>1</Data>", "", 1)), PCRuleCommand, "no Data", false},
		{"an alert of devices", before(`<Alert><CmdID>7</CmdID><Data>1201</Data></Alert>`), PCRuleCommand, "no server sends", false},
		{"an alert of nothing", before(`<Alert><CmdID>7</CmdID></Alert>`), PCRuleCommand, "no server sends", false},
		{"small messages", swap("</SyncHdr>", `<Meta><MaxMsgSize xmlns="syncml:metinf">8192</MaxMsgSize></Meta></SyncHdr>`), PCRuleSize, "MaxMsgSize", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := pcNewServer(t)
			d := NewPC(s.URL, "ada", "secret", s.options())
			require.NoError(t, d.Enroll(t.Context()))
			n := 0
			s.on("session", func(r string) string {
				if n++; n > 1 {
					return r
				}
				out := c.mangle(r)
				require.NotEqual(t, r, out, "the test's own mistake: nothing was broken")
				return out
			})
			_, err := d.Sync(t.Context())
			require.NoError(t, err, "a device goes on")
			found := false
			for _, v := range d.Violations() {
				require.Equal(t, "session", v.Where)
				require.Equal(t, "1", v.Session)
				found = found || v.Rule == c.rule && strings.Contains(v.Detail, c.detail) && v.Message == 1
			}
			require.True(t, found, "%v", d.Violations())
			rejects := len(s.got()) > 1 && len(s.got()[1].statuses()) == 1 && s.got()[1].statuses()[0] == "0/0 SyncHdr 500"
			require.Equal(t, c.rejected, rejects, "%v", s.got())
			if c.rejected {
				require.Equal(t, []string{"Status", "Alert", "Alert", "Replace", "Final"}, s.got()[1].names(), "package 1 follows in full")
				require.Equal(t, "2", s.got()[1].Hdr.MsgID)
			}
		})
	}
}

func TestPCJudgesSessionHTTP(t *testing.T) {
	s := pcNewServer(t)
	d := NewPC(s.URL, "ada", "secret", s.options())
	require.NoError(t, d.Enroll(t.Context()))
	s.raw["session"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		_, _ = w.Write([]byte(`<SyncML/>`))
		w.(http.Flusher).Flush()
	}
	d.opts.MaxMessages = 3
	_, err := d.Sync(t.Context())
	require.ErrorIs(t, err, ErrPCTooLong)
	rules := map[PCRule]int{}
	for _, v := range d.Violations() {
		rules[v.Rule]++
	}
	require.Equal(t, map[PCRule]int{PCRuleHTTP: 6, PCRuleSyntax: 3}, rules)

	s.raw["session"] = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", http.StatusTooManyRequests) }
	var h *PCHTTPError
	_, err = d.Sync(t.Context())
	require.ErrorAs(t, err, &h)
	require.Equal(t, 429, h.Status)
}

// The vectors are from the OMA DM security page and a real Windows 11 device.
func TestPCCredentials(t *testing.T) {
	kind, data := pcCredential(pcCred{Name: "Bruce2", Secret: "OhBehave", Nonce: []byte("Nonce")})
	require.Equal(t, "syncml:auth-md5", kind)
	require.Equal(t, "Zz6EivR3yeaaENcRN6lpAQ==", data)
	_, data = pcCredential(pcCred{Name: "dummy", Secret: "dummy", Nonce: []byte{0x9e, 0x89, 0xdc}})
	require.Equal(t, "EVEkoFZcVgPM+ESnu9IC0g==", data)
	kind, data = pcCredential(pcCred{Type: "BASIC", Name: "a", Secret: "b"})
	require.Equal(t, "syncml:auth-basic", kind)
	require.Equal(t, "YTpi", data)
	require.True(t, strings.HasPrefix(pcAccountNode("Fleet"), "0x0000800cABF8CA7D"))
	require.True(t, strings.HasSuffix(pcAccountNode("Fleet"), "27077"))
}

func TestPCTakesNewCredentials(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	base := "./SyncML/DMAcc/" + pcAccountNode("TestMDM") + "/AppAuth/CLCRED/"
	s.queue(pcCmd("Replace", "1", base+"AAuthSecret", "chr", "fresh") + pcCmd("Replace", "2", base+"AAuthName", "chr", "other") +
		pcCmd("Replace", "3", base+"AAuthData", "bin", "AAAA") + pcCmd("Get", "4", base+"AAuthSecret", "", "") + pcCmd("Replace", "5", "./SyncML/DMAcc/0x1/AppAuth/CLCRED/AAuthName", "chr", "x"))
	pc.Sync()
	require.Equal(t, []string{"1/0 SyncHdr 200", "1/1 Replace 200", "1/2 Replace 200", "1/3 Replace 200", "1/4 Get 405", "1/5 Replace 404"}, s.got()[1].statuses())
	require.Equal(t, pcCred{Type: "DIGEST", Name: "other", Secret: "fresh", Nonce: []byte{0, 0, 0}}, pc.id.Server)
}

func TestPCUserScopeNeedsAUser(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	user := "./User/Vendor/MSFT/Policy/Config/Start/HidePeopleBar"
	s.queue(pcCmd("Replace", "1", user, "int", "1") + pcCmd("Exec", "2", "./User/Vendor/MSFT/RemoteWipe/doWipe", "null", ""))
	pc.Sync()
	require.Equal(t, []string{"1/0 SyncHdr 200", "1/1 Replace 200", "1/2 Exec 405"}, s.got()[1].statuses())
	for _, login := range []string{"none", "others"} {
		require.NoError(t, pc.SetLoginStatus(login))
		before := len(s.got())
		s.queue(pcCmd("Replace", "1", user, "int", "2") + pcCmd("Get", "2", user, "", ""))
		pc.Sync()
		require.Equal(t, login, s.got()[before].Body.Cmds[1].Items[0].Data)
		require.Equal(t, []string{"1/0 SyncHdr 200", "1/1 Replace 405", "1/2 Get 404"}, s.got()[before+1].statuses())
	}
	require.ErrorIs(t, pc.SetLoginStatus("nobody"), mdm.CodeInvalid)
}

func TestPCUnenrolls(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	pc.Unenroll()
	m := s.got()[0]
	require.Equal(t, []string{"Alert", "Alert", "Alert", "Replace", "Final"}, m.names())
	require.Equal(t, "1226", m.Body.Cmds[2].Data.Text)
	require.Equal(t, "com.microsoft:mdm.unenrollment.userrequest", m.Body.Cmds[2].Items[0].Type)
	require.Equal(t, PCUnenrolled, pc.State())
	_, err := pc.PCDevice.Sync(t.Context())
	require.ErrorIs(t, err, ErrPCNotEnrolled)
	pc.Misbehave(PCQuirks{Zombie: true})
	pc.Sync()
	pc.Misbehave(PCQuirks{NoCertificate: true})
	pc.Enroll()
	_, err = pc.SendUnenrollAlert(t.Context())
	require.NoError(t, err)
	require.Empty(t, s.got()[2].peer)
	require.Equal(t, PCEnrolled, pc.State(), "it was somebody else")
}

func TestPCObeysUnenroll(t *testing.T) {
	order := pcCmd("Exec", "1", "./Device/Vendor/MSFT/DMClient/Provider/TestMDM/Unenroll", "chr", "TestMDM")
	for answer, want := range map[PCUnenrollAnswer]int{PCUnenrollSilent: 1, PCUnenrollStatus: 2, PCUnenrollAlert: 2} {
		s := pcNewServer(t)
		pc := s.pc()
		pc.Misbehave(PCQuirks{Unenroll: answer})
		s.queue(pcCmd("Exec", "1", "./Device/Vendor/MSFT/DMClient/Unenroll", "chr", "Other"), order)
		got := pc.Sync()
		require.Equal(t, PCEndUnenrolled, got.End)
		require.Equal(t, PCUnenrolled, pc.State())
		m := s.got()
		require.Equal(t, []string{"1/0 SyncHdr 200", "1/1 Exec 500"}, m[1].statuses())
		require.Contains(t, m[1].raw, `msft:originalerror="0x80070057"`)
		require.Len(t, m, want+1, answer)
		switch answer {
		case PCUnenrollStatus:
			require.Equal(t, "2/1 Exec 200", m[2].statuses()[1])
		case PCUnenrollAlert:
			require.Equal(t, "1226", m[2].Body.Cmds[2].Data.Text)
		}
	}
}

func TestPCSpecialNodes(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	msi := "./Device/Vendor/MSFT/EnterpriseDesktopAppManagement/MSI/%7B1%7D/"
	job := `<MsiInstallJob id="1"><Product Version="1"/></MsiInstallJob>`
	s.queue(
		pcCmd("Exec", "1", msi+"DownloadInstall", "xml", job)+pcCmd("Add", "2", msi+"DownloadInstall", "", "")+
			pcCmd("Exec", "3", msi+"DownloadInstall", "chr", job)+pcCmd("Exec", "4", msi+"DownloadInstall", "xml", job)+pcCmd("Get", "5", msi+"Status", "", ""),
		pcCmd("Exec", "1", "./Device/Vendor/MSFT/BitLocker/RotateRecoveryPasswords", "chr", "request-1")+
			pcCmd("Get", "2", "./Device/Vendor/MSFT/BitLocker/Status/RotateRecoveryPasswordsStatus", "", ""),
		pcCmd("Replace", "1", "./Device/Vendor/MSFT/DMClient/Provider/TestMDM/Push/PFN", "chr", "pfn")+
			pcCmd("Get", "2", "./Device/Vendor/MSFT/DMClient/Provider/TestMDM/Push/ChannelURI", "", ""),
		pcCmd("Exec", "1", "./Device/Vendor/MSFT/RemoteWipe/doWipeProtected", "null", "")+pcCmd("Exec", "2", "./Device/Vendor/MSFT/CertificateStore/My/WSTEP/Renew/RenewNow", "null", ""),
	)
	require.False(t, pc.RenewalDue())
	pc.Sync()
	m := s.got()
	require.Equal(t, []string{"1/0 SyncHdr 200", "1/1 Exec 404", "1/2 Add 200", "1/3 Exec 500", "1/4 Exec 200", "1/5 Get 200"}, m[1].statuses())
	require.Equal(t, "70", m[1].results()[msi+"Status"])
	require.Equal(t, []string{"2/0 SyncHdr 200", "2/1 Exec 202", "2/2 Get 200"}, m[2].statuses())
	require.Equal(t, "1", m[2].results()["./Device/Vendor/MSFT/BitLocker/Status/RotateRecoveryPasswordsStatus"])
	require.Contains(t, m[3].results()["./Device/Vendor/MSFT/DMClient/Provider/TestMDM/Push/ChannelURI"], "notify.windows.com")
	require.Equal(t, "doWipeProtected", pc.WipedBy())
	require.Equal(t, PCWiped, pc.State())
	pc.Enroll()
	require.Empty(t, pc.WipedBy(), "it begins anew")
}

func TestPCAlertsAndRotation(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	rotation := "./Device/Vendor/MSFT/BitLocker/Status/RotateRecoveryPasswordsStatus"
	s.queue(pcCmd("Exec", "1", "./Device/Vendor/MSFT/BitLocker/RotateRecoveryPasswords", "chr", "r"))
	pc.Sync()
	pc.QueueAlert(PCAlert{Code: 1226, Type: "org.example.done", Format: "int", Mark: "informational", Source: "./Device/Vendor/MSFT/X", Data: "0"})
	s.queue(pcCmd("Get", "1", rotation, "", ""))
	pc.Sync()
	m := s.got()
	require.Equal(t, "org.example.done", m[2].Body.Cmds[2].Items[0].Type)
	require.Equal(t, "./Device/Vendor/MSFT/X", m[2].Body.Cmds[2].Items[0].Source)
	require.Equal(t, "0", m[3].results()[rotation], "done by the next session")
	pc.Sync()
	require.NotContains(t, s.got()[4].raw, "org.example.done", "an alert is sent once")
}
