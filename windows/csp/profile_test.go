package csp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// set writes a command as an administrator does.
func set(verb, uri, format, data string) string {
	return "<" + verb + "><CmdID>1</CmdID><Item><Meta><Format xmlns=\"syncml:metinf\">" + format + "</Format></Meta>" +
		"<Target><LocURI>" + uri + "</LocURI></Target><Data>" + data + "</Data></Item></" + verb + ">"
}

func scepProfile(root string) string {
	var b strings.Builder
	b.WriteString("<Atomic>")
	b.WriteString(`<Add><Item><Target><LocURI>` + root + `</LocURI></Target><Meta><Format>node</Format></Meta></Item></Add>`)
	for _, n := range scepRequired {
		b.WriteString(set("Add", root+"/Install/"+n, "chr", "x"))
	}
	b.WriteString(`<Exec><Item><Target><LocURI>` + root + `/Install/Enroll</LocURI></Target></Item></Exec></Atomic>`)
	return b.String()
}

const scepRoot = "./Device/Vendor/MSFT/ClientCertificateInstall/SCEP/wifi"

func TestParseProfile(t *testing.T) {
	src := []byte("\xef\xbb\xbf<!-- the lock screen -->\n" + `<Replace>
  <Meta><Format xmlns="syncml:metinf">INT</Format><Type xmlns="syncml:metinf">text/plain</Type></Meta>
  <Item><Target><LocURI> ./Vendor/MSFT/Policy/Config/DeviceLock/MaxInactivityTimeDeviceLock </LocURI></Target><Data>15</Data></Item>
  <Item><Target><LocURI>./User/Vendor/MSFT/Policy/Config/Start/HideLock</LocURI></Target><Meta><Format>chr</Format></Meta><Data><![CDATA[<enabled/>]]></Data></Item>
</Replace>
<Add><Item><Target><LocURI>./Vendor/MSFT/VPNv2/corp</LocURI></Target><Meta><Format>node</Format></Meta></Item></Add>`)
	p, err := ParseProfile(src, nil)
	require.NoError(t, err)
	require.Equal(t, src, p.Source)
	require.False(t, p.Atomic)
	require.Equal(t, []Operation{
		{Verb: syncml.Replace, LocURI: must(t, "./Vendor/MSFT/Policy/Config/DeviceLock/MaxInactivityTimeDeviceLock"), Format: "int", Type: "text/plain", Data: "15", Path: "commands[0].item[0]"},
		{Verb: syncml.Replace, LocURI: must(t, "./User/Vendor/MSFT/Policy/Config/Start/HideLock"), Format: "chr", Type: "text/plain", Data: "<enabled/>", Path: "commands[0].item[1]"},
		{Verb: syncml.Add, LocURI: must(t, "./Vendor/MSFT/VPNv2/corp"), Format: "node", Path: "commands[1].item[0]"},
	}, p.Operations)
	require.True(t, p.Uses(User))
	require.True(t, p.Uses(Device))
	require.Equal(t, Connectivity, p.Role())
	require.Len(t, p.LocURIs(), 3)

	src[len(src)-1] = 'X'
	require.NotEqual(t, src, p.Source, "the profile keeps bytes of its own")
}

func TestParseProfileAtomic(t *testing.T) {
	p, err := ParseProfile([]byte("<Atomic><CmdID>0</CmdID>"+set("Add", "./Vendor/MSFT/RootCATrustedCertificates/Root/AB/EncodedCertificate", "b64", "AA==")+
		set("Replace", "./Vendor/MSFT/SharedPC/SleepTimeout", "int", "5")+"</Atomic>"), nil)
	require.NoError(t, err)
	require.True(t, p.Atomic)
	require.True(t, p.Operations[0].Atomic)
	require.Equal(t, "commands[0].commands[1].item[0]", p.Operations[1].Path)
	require.Equal(t, Trust, p.Role())
	require.False(t, p.Uses(User))

	plain, err := ParseProfile([]byte(set("Replace", "./Vendor/MSFT/SharedPC/SleepTimeout", "int", "5")), nil)
	require.NoError(t, err)
	require.Equal(t, Plain, plain.Role())
}

func TestParseProfileRefuses(t *testing.T) {
	ok := set("Replace", "./Vendor/MSFT/SharedPC/SleepTimeout", "int", "5")
	at := func(uri string) string { return set("Replace", uri, "int", "1") }
	for _, tt := range []struct {
		name, src, field string
		code             mdm.Code
	}{
		{"nothing", "", "", mdm.CodeInvalid},
		{"a comment only", "<!-- x -->", "", mdm.CodeInvalid},
		{"large", ok + strings.Repeat(" ", MaxProfile), "", mdm.CodeTooLarge},
		{"not XML", `{"a":1}`, "", mdm.CodeInvalid},
		{"a property list", "<plist></plist>", "commands[0]", mdm.CodeInvalid},
		{"not closed", strings.TrimSuffix(ok, "</Replace>"), "commands[0]", mdm.CodeMalformed},
		{"declaration", `<?xml version="1.0"?>` + ok, "", mdm.CodeMalformed},
		{"processing instruction", `<?a b?>` + ok, "", mdm.CodeMalformed},
		{"document type", `<!DOCTYPE x>` + ok, "", mdm.CodeMalformed},
		{"envelope", `<SyncML xmlns="SYNCML:SYNCML1.2"><SyncBody>` + ok + `</SyncBody></SyncML>`, "", mdm.CodeInvalid},
		{"Delete", ok + `<Delete><Item><Target><LocURI>./Vendor/MSFT/SharedPC/SleepTimeout</LocURI></Target></Item></Delete>`, "commands[1]", mdm.CodeInvalid},
		{"Get", `<Get><Item/></Get>`, "commands[0]", mdm.CodeInvalid},
		{"Alert", `<Alert><Data>1200</Data></Alert>`, "commands[0]", mdm.CodeInvalid},
		{"Sequence", `<Sequence>` + ok + `</Sequence>`, "commands[0]", mdm.CodeInvalid},
		{"Exec", ok + `<Exec><Item><Target><LocURI>./Vendor/MSFT/Reboot/RebootNow</LocURI></Target></Item></Exec>`, "commands[1].item[0]", mdm.CodeInvalid},
		{"two items in Exec", `<Exec><Item/><Item/></Exec>`, "commands[0]", mdm.CodeInvalid},
		{"Atomic and more", `<Atomic>` + ok + `</Atomic>` + ok, "commands[0]", mdm.CodeInvalid},
		{"more and Atomic", ok + `<Atomic>` + ok + `</Atomic>`, "commands[1]", mdm.CodeInvalid},
		{"two Atomic", `<Atomic>` + ok + `</Atomic><Atomic>` + ok + `</Atomic>`, "commands[0]", mdm.CodeInvalid},
		{"empty Atomic", `<Atomic></Atomic>`, "commands[0]", mdm.CodeInvalid},
		{"Atomic in Atomic", `<Atomic><Atomic>` + ok + `</Atomic></Atomic>`, "commands[0].commands[0]", mdm.CodeInvalid},
		{"Delete in Atomic", `<Atomic>` + ok + `<Delete/></Atomic>`, "commands[0].commands[1]", mdm.CodeInvalid},
		{"no response", `<Replace><NoResp/></Replace>`, "commands[0]", mdm.CodeInvalid},
		{"no response to Atomic", `<Atomic><NoResp/>` + ok + `</Atomic>`, "commands[0]", mdm.CodeInvalid},
		{"no item", `<Replace/>`, "commands[0]", mdm.CodeInvalid},
		{"no target", ok + `<Replace><Item><Data>1</Data></Item></Replace>`, "commands[1].item[0].target", mdm.CodeInvalid},
		{"a source instead", `<Replace><Item><Source><LocURI>./Vendor/MSFT/A</LocURI></Source></Item></Replace>`, "commands[0].item[0].target", mdm.CodeInvalid},
		{"bad target", at("/Vendor/MSFT/A"), "commands[0].item[0].target", mdm.CodeInvalid},
		{"a scope", at("./Device"), "commands[0].item[0].target", mdm.CodeInvalid},
		{"chunk", `<Replace><Item><Target><LocURI>./Vendor/MSFT/A</LocURI></Target><Data>1</Data><MoreData/></Item></Replace>`, "commands[0].item[0]", mdm.CodeInvalid},
		{"format", set("Replace", "./Vendor/MSFT/A", "string", "1"), "commands[0].item[0].meta", mdm.CodeInvalid},
		{"node with data", set("Add", "./Vendor/MSFT/A", "node", "1"), "commands[0].item[0]", mdm.CodeInvalid},
		{"second value", set("Add", "./Vendor/MSFT/A", "int", "1") + set("Replace", "./device/vendor/msft/a", "int", "2"), "commands[1].item[0]", mdm.CodeInvalid},
		{"twice in Atomic", `<Atomic>` + at("./Vendor/MSFT/A") + at("./Device/Vendor/MSFT/a") + `</Atomic>`, "commands[0].commands[1].item[0].target", mdm.CodeInvalid},
		{"BitLocker", at("./Device/Vendor/MSFT/BitLocker/RequireDeviceEncryption"), "commands[0].item[0].target", mdm.CodeInvalid},
		{"too many", "<Replace>" + strings.Repeat("<Item/>", MaxOperations+1) + "</Replace>", "commands[0].item[5000]", mdm.CodeTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ParseProfile([]byte(tt.src), nil)
			require.Nil(t, p)
			require.ErrorIs(t, err, tt.code)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.field, e.Field)
			require.NotEmpty(t, e.Message)
		})
	}
}

func TestParseProfileSameTwice(t *testing.T) {
	// Authors write Add and then Replace, so that one of them works.
	p, err := ParseProfile([]byte(set("Add", "./Vendor/MSFT/A", "int", "1")+set("Replace", "./Vendor/MSFT/A", "int", "01")), nil)
	require.NoError(t, err)
	require.Len(t, p.Operations, 2)
	require.Len(t, p.LocURIs(), 1)
}

func TestReserved(t *testing.T) {
	for _, uri := range []string{
		"./Device/Vendor/MSFT/BitLocker", "./vendor/msft/BITLOCKER/x", "./User/Vendor/MSFT/BitLocker/x", "./Vendor/MSFT/%42itLocker/x",
		"./Vendor/MSFT/Policy/Config/Update/ActiveHoursEnd", "./Vendor/MSFT/Policy/Config/bitlocker/EncryptionMethod",
		"./Vendor/MSFT/Update/ApprovedUpdates/x", "./Device/Vendor/MSFT/DMClient/Provider/Keelson/Poll/PollOnLogin",
		"./SyncML/DMAcc/x/AppAuth", "./Vendor/MSFT/CertificateStore/My/WSTEP/Renew/ServerURL", "./Vendor/MSFT/RemoteWipe/doWipe",
		"./Vendor/MSFT/RemoteLock/Lock",
		"./Vendor/MSFT/Policy/Config", "./Vendor/MSFT", "./Vendor", "./SyncML", "./Vendor/MSFT/CertificateStore", // above
	} {
		_, ok := ReservedFor(must(t, uri))
		require.True(t, ok, uri)
		_, err := ParseProfile([]byte(set("Replace", uri, "chr", "1")), nil)
		require.ErrorIs(t, err, mdm.CodeInvalid, uri)
		require.ErrorContains(t, err, "reserved", uri)
	}
	for _, uri := range []string{
		"./Vendor/MSFT/BitLockerX", "./Vendor/MSFT/UpdateManagement/x", "./Vendor/MSFT/Policy/Config/UpdateX/A",
		"./Vendor/MSFT/CertificateStore/ROOT/AB/EncodedCertificate", "./Vendor/MSFT/Policy/Config/System/Update", "./Update", "./DevInfo/DevId",
	} {
		_, ok := ReservedFor(must(t, uri))
		require.False(t, ok, uri)
	}

	own := []byte(set("Replace", "./Vendor/MSFT/Policy/Config/Update/ActiveHoursEnd", "int", "17"))
	p, err := ParseProfile(own, &Options{Allow: []LocURI{must(t, "./Device/Vendor/MSFT/Policy/Config/Update")}})
	require.NoError(t, err)
	require.Len(t, p.Operations, 1)

	nodes := ReservedNodes()
	for _, r := range nodes {
		require.NotEmpty(t, r.Use)
	}
	nodes[0].Node = "changed"
	require.NotEqual(t, "changed", ReservedNodes()[0].Node)
}

func TestSCEP(t *testing.T) {
	good := scepProfile(scepRoot)
	p, err := ParseProfile([]byte(good), nil)
	require.NoError(t, err)
	require.Equal(t, syncml.Exec, p.Operations[len(p.Operations)-1].Verb)
	require.Len(t, p.LocURIs(), 1+len(scepRequired), "Exec leaves nothing behind")

	exec := `<Exec><Item><Target><LocURI>` + scepRoot + `/Install/Enroll</LocURI></Target></Item></Exec>`
	for _, tt := range []struct{ name, src, want string }{
		{"no Enroll", strings.Replace(good, exec, "", 1), "needs an Exec"},
		{"no Atomic", strings.TrimSuffix(strings.TrimPrefix(good, "<Atomic>"), "</Atomic>"), "wrapped in an Atomic"},
		{"Enroll first", "<Atomic>" + exec + strings.TrimPrefix(strings.Replace(good, exec, "", 1), "<Atomic>"), "nothing may follow"},
		{"Enroll twice", strings.Replace(good, exec, exec+exec, 1), "one SCEP certificate"},
		{"a parameter lacks", strings.Replace(good, set("Add", scepRoot+"/Install/CAThumbprint", "chr", "x"), "", 1), "CAThumbprint"},
		{"another node", strings.Replace(good, "<Atomic>", "<Atomic>"+set("Replace", "./Vendor/MSFT/SharedPC/SleepTimeout", "int", "5"), 1), "alone in its profile"},
		{"another certificate", strings.Replace(good, "/wifi/Install/KeyUsage", "/vpn/Install/KeyUsage", 1), "alone in its profile"},
		{"another scope", strings.Replace(good, "./Device/Vendor/MSFT/ClientCertificateInstall/SCEP/wifi/Install/KeyUsage", "./User/Vendor/MSFT/ClientCertificateInstall/SCEP/wifi/Install/KeyUsage", 1), "alone in its profile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseProfile([]byte(tt.src), nil)
			require.ErrorIs(t, err, mdm.CodeInvalid)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestCommands(t *testing.T) {
	p, err := ParseProfile([]byte(scepProfile(scepRoot)), nil)
	require.NoError(t, err)
	cmds := Commands(p.Operations)
	require.Len(t, cmds, 1)
	require.Equal(t, syncml.Atomic, cmds[0].Kind)
	require.Len(t, cmds[0].Commands, len(p.Operations))
	b, err := syncml.EncodeFragment(cmds)
	require.NoError(t, err)
	again, err := ParseProfile(b, nil)
	require.NoError(t, err)
	require.Equal(t, p.Operations, again.Operations)

	mixed := Commands(append([]Operation{{Verb: syncml.Delete, LocURI: must(t, "./Vendor/MSFT/A")}}, p.Operations[:2]...))
	require.Len(t, mixed, 2)
	require.Equal(t, syncml.Delete, mixed[0].Kind)
	require.Empty(t, Commands(nil))
}

func TestConflicts(t *testing.T) {
	parse := func(src string) []Operation {
		p, err := ParseProfile([]byte(src), nil)
		require.NoError(t, err)
		return p.Operations
	}
	a := parse(set("Replace", "./Vendor/MSFT/SharedPC/B", "bool", "true") + set("Replace", "./Vendor/MSFT/SharedPC/A", "int", "1") +
		set("Replace", "./Vendor/MSFT/Policy/Config/X/Y", "chr", `&lt;enabled/&gt;&lt;data id="a" value="1"/&gt;&lt;data id="b" value="2"/&gt;`) +
		`<Add><Item><Target><LocURI>./Vendor/MSFT/VPNv2/corp</LocURI></Target><Meta><Format>node</Format></Meta></Item></Add>`)
	b := parse(set("Add", "./device/vendor/msft/sharedpc/b", "bool", "1") + set("Add", "./Vendor/MSFT/sharedpc/a", "int", "2") +
		set("Replace", "./Vendor/MSFT/Policy/Config/X/Y", "chr", `&lt;enabled/&gt; &lt;data value="2" id="b"/&gt;&lt;data id="a" value="1"/&gt;`) +
		`<Add><Item><Target><LocURI>./Vendor/MSFT/VPNv2/corp</LocURI></Target><Meta><Format>node</Format></Meta></Item></Add>` +
		set("Add", "./User/Vendor/MSFT/SharedPC/A", "int", "3"))
	got := Conflicts(a, b)
	require.Len(t, got, 1)
	require.Equal(t, "./Vendor/MSFT/SharedPC/A", got[0].String())
	require.Empty(t, Conflicts(a, a))
}

func TestAdvise(t *testing.T) {
	p, err := ParseProfile([]byte(
		set("Replace", "./Vendor/MSFT/SharedPC/SleepTimeout", "int", "5")+ // fine
			set("Replace", "./Vendor/MSFT/WindowsLicensing/ChangeProductKey", "chr", "k")+
			set("Replace", "./User/Vendor/MSFT/Personalization/CompanyName", "int", "1")+
			set("Replace", "./Vendor/MSFT/VPNv2/corp/NativeProfile/L2tpPsk", "chr", "k")+
			set("Replace", "./Vendor/MSFT/Unheard/Of", "int", "1")), nil)
	require.NoError(t, err)
	var got []string
	for _, a := range p.Advise() {
		require.NotEmpty(t, a.LocURI.String())
		got = append(got, a.Path+" "+a.Text)
	}
	require.Equal(t, []string{
		"commands[1].item[0] the documentation lists Exec for this node, not Replace",
		"commands[1].item[0] what is set here cannot be read back: the device's acceptance is all the evidence there will be",
		"commands[1].item[0] no Delete is documented here: the value stays when the profile is removed",
		"commands[2].item[0] the documentation does not list this node in the user scope",
		"commands[2].item[0] the documented Format is chr, not int",
		"commands[3].item[0] the documentation requires an Atomic around the nodes of one parent",
		"commands[3].item[0] reading back shows that there is a value here, not which",
	}, got)
}
