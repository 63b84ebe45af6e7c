package syncml

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

func TestDecodePackage1(t *testing.T) {
	m, err := Decode([]byte(samplePackage1), nil)
	require.NoError(t, err)
	require.Equal(t, Header{
		VerDTD: "1.2", VerProto: "DM/1.2", SessionID: "D", MsgID: 2,
		Target: Location{URI: "https://mdm.example.com/ManagementServer/MDM.svc"},
		Source: Location{URI: "7BA8B1ED6A27A44D9D5A3B0F7F3C4B7A", Name: "dummy"},
		Cred:   &Cred{Meta: Meta{Format: "b64", Type: AuthMD5}, Data: "EVEkoFZcVgPM+ESnu9IC0g=="},
	}, m.Header)
	require.True(t, m.Final)

	kinds := make([]Kind, 0, len(m.Commands))
	for _, c := range m.Commands {
		kinds = append(kinds, c.Kind)
	}
	require.Equal(t, []Kind{Status, Alert, Alert, Replace}, kinds)
	require.Equal(t, Command{Kind: Status, CmdID: "1", CmdRef: "0", Cmd: SyncHdr, Code: 500}, m.Commands[0])
	require.Equal(t, AlertClientInitiated, m.Commands[1].Code)
	require.Equal(t, LoginUser, LoginStatus(m))
	require.Len(t, m.Commands[3].Items, 5)
	require.Equal(t, Item{Source: Location{URI: "./DevInfo/Man"}, Data: "VMware, Inc."}, m.Commands[3].Items[1])
}

func TestDecodeUnenroll(t *testing.T) {
	m, err := Decode([]byte(sampleUnenroll), nil)
	require.NoError(t, err)
	require.Equal(t, AlertGeneric, m.Commands[0].Code)
	require.True(t, IsUnenroll(m.Commands[0].Items[0].Meta.Type))
	require.True(t, IsUnenroll("com.microsoft/MDM/Unenroll"), "the name that is often quoted")
	require.False(t, IsUnenroll(AlertTypeLoginStatus))
	require.Equal(t, LoginUnknown, LoginStatus(m))
}

func TestDecodeOriginalError(t *testing.T) {
	m, err := Decode([]byte(sampleAnswers), nil)
	require.NoError(t, err)
	require.Equal(t, "0x80070490", m.Commands[3].OriginalError)
	require.Equal(t, 404, m.Commands[3].Code)
	require.Equal(t, []string{"./Vendor/MSFT/DMClient/HWDevID"}, m.Commands[3].TargetRefs)
}

// wrap puts a body into a message.
func wrap(body string) string {
	return `<SyncML><SyncHdr><SessionID>1</SessionID><MsgID>1</MsgID></SyncHdr><SyncBody>` + body + `</SyncBody></SyncML>`
}

func TestDecodeVariants(t *testing.T) {
	plain, err := Decode([]byte(samplePackage1), nil)
	require.NoError(t, err)
	prefixed := strings.NewReplacer("</", "</s:", "<", "<s:", "<?", "<?", "xmlns=", "xmlns:s=").
		Replace(strings.TrimPrefix(samplePackage1, `<?xml version="1.0" encoding="UTF-8"?>`))

	for name, src := range map[string]string{
		"byte-order mark":      "\xef\xbb\xbf" + samplePackage1,
		"CRLF":                 strings.ReplaceAll(samplePackage1, "\n", "\r\n"),
		"no declaration":       strings.TrimPrefix(samplePackage1, `<?xml version="1.0" encoding="UTF-8"?>`),
		"single quotes":        strings.Replace(samplePackage1, `encoding="UTF-8"`, `encoding='utf-8'`, 1),
		"no encoding":          strings.Replace(samplePackage1, ` encoding="UTF-8"`, ``, 1),
		"namespace 1.1":        strings.Replace(samplePackage1, "SYNCML:SYNCML1.2", "SYNCML:SYNCML1.1", 1),
		"namespace lower case": strings.Replace(samplePackage1, "SYNCML:SYNCML1.2", "syncml:SYNCML1.2", 1),
		"no namespace":         strings.Replace(samplePackage1, ` xmlns="SYNCML:SYNCML1.2"`, "", 1),
		"a prefix":             prefixed,
		"undeclared prefix":    strings.Replace(prefixed, ` xmlns:s="SYNCML:SYNCML1.2"`, "", 1),
		"comments":             strings.ReplaceAll(samplePackage1, "<CmdID>", "<!-- c --><CmdID>"),
		"unknown elements":     strings.ReplaceAll(samplePackage1, "<CmdID>", "<Lang><x>en</x></Lang><CmdID>"),
		"space around words":   strings.NewReplacer("<CmdID>", "<CmdID>\n ", "</MsgID>", " </MsgID>").Replace(samplePackage1),
		"MetInf wrapper":       strings.NewReplacer("<Meta>", "<Meta><MetInf>", "</Meta>", "</MetInf></Meta>").Replace(samplePackage1),
		"CDATA": strings.NewReplacer("<Data>user</Data>", "<Data><![CDATA[user]]></Data>",
			"<Data>VMware, Inc.</Data>", "<Data>VMware<![CDATA[, ]]>Inc.</Data>").Replace(samplePackage1),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte(src), nil)
			require.NoError(t, err)
			require.Equal(t, plain, got)
		})
	}
}

func TestDecodeData(t *testing.T) {
	for _, tt := range []struct {
		name, src, want string
		empty           bool
	}{
		{name: "none", src: "<Item/>"},
		{name: "empty", src: "<Item><Data/></Item>", empty: true},
		{name: "empty pair", src: "<Item><Data></Data></Item>", empty: true},
		{name: "entities", src: "<Item><Data>&lt;a&gt; &amp; &quot;&apos; &#xF000;&#65;</Data></Item>", want: "<a> & \"' \uf000A"},
		{name: "CDATA", src: "<Item><Data><![CDATA[<enabled/>]]></Data></Item>", want: "<enabled/>"},
		{name: "two CDATA", src: "<Item><Data><![CDATA[a]]]]><![CDATA[>b]]></Data></Item>", want: "a]]>b"},
		{name: "space is kept", src: "<Item><Data> a\n</Data></Item>", want: " a\n"},
		{name: "a comment is not", src: "<Item><Data>a<!-- x -->b</Data></Item>", want: "ab"},
		{name: "markup", src: `<Item><Data><enabled/> <data id="a&amp;b" value='1'/></Data></Item>`,
			want: `<enabled/> <data id="a&amp;b" value='1'/>`},
		{name: "markup after text", src: `<Item><Data>x &amp; <b>y</b></Data></Item>`, want: `x &amp; <b>y</b>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Decode([]byte(wrap("<Results><CmdID>1</CmdID><CmdRef>2</CmdRef>"+tt.src+"</Results>")), nil)
			require.NoError(t, err)
			require.Equal(t, tt.want, m.Commands[0].Items[0].Data)
			require.Equal(t, tt.empty, m.Commands[0].Items[0].EmptyData)
			require.Equal(t, 1, m.Commands[0].MsgRef, "a missing MsgRef means 1")
		})
	}
}

func TestDecodeParts(t *testing.T) {
	m, err := Decode([]byte(wrap(`
<Copy><CmdID>9</CmdID><Item><Data>x</Data></Item></Copy>
<Alert><CmdID>1</CmdID><NoResp/><Data>1222x</Data><Correlator>c</Correlator></Alert>
<Atomic><CmdID>2</CmdID><Add><CmdID>3</CmdID><Meta><Format>chr</Format><Size>70000</Size></Meta>
  <Item><Target><LocURI>./a</LocURI></Target><Data>1</Data><MoreData/></Item></Add></Atomic>
<Status><CmdID>4</CmdID><MsgRef>-1</MsgRef><CmdRef>5</CmdRef><Cmd>Get</Cmd><TargetRef>./a</TargetRef><TargetRef/><SourceRef>./b</SourceRef>
  <Chal><Meta><NextNonce>bm9uY2U=</NextNonce><MaxMsgSize>4096</MaxMsgSize></Meta></Chal><Data>407</Data></Status>`)), nil)
	require.NoError(t, err)
	require.Equal(t, []Command{
		{Kind: "Copy", CmdID: "9"},
		{Kind: Alert, CmdID: "1", NoResp: true, Correlator: "c"},
		{Kind: Atomic, CmdID: "2", Commands: []Command{{
			Kind: Add, CmdID: "3", Meta: Meta{Format: "chr", Size: 70000},
			Items: []Item{{Target: Location{URI: "./a"}, Data: "1", MoreData: true}},
		}}},
		{Kind: Status, CmdID: "4", CmdRef: "5", Cmd: "Get", Code: 407,
			TargetRefs: []string{"./a"}, SourceRefs: []string{"./b"},
			Chal: &Chal{Meta: Meta{NextNonce: "bm9uY2U=", MaxMsgSize: 4096}}},
	}, m.Commands)
	require.False(t, m.Final)
	require.False(t, m.Commands[0].Kind.Known())
}

func TestDecodeRefuses(t *testing.T) {
	const ok = `<SyncML><SyncHdr><SessionID>1</SessionID><MsgID>1</MsgID></SyncHdr><SyncBody/></SyncML>`
	_, err := Decode([]byte(ok), nil)
	require.NoError(t, err)

	small := &Limits{MaxBytes: 4096, MaxDepth: 8, MaxCommands: 3, MaxItems: 3}
	for _, tt := range []struct {
		name, src, field string
		code             mdm.Code
	}{
		{"nothing", "", "", mdm.CodeMalformed},
		{"space", " \n", "", mdm.CodeMalformed},
		{"text", "hello", "", mdm.CodeMalformed},
		{"WBXML", "\x02\xa4\x01\x6a\x00", "", mdm.CodeMalformed},
		{"another root", "<Sync/>", "", mdm.CodeMalformed},
		{"another namespace", strings.Replace(ok, "<SyncML>", `<SyncML xmlns="urn:x">`, 1), "", mdm.CodeMalformed},
		{"another namespace by prefix", `<s:SyncML xmlns:s="urn:x"></s:SyncML>`, "", mdm.CodeMalformed},
		{"two roots", ok + ok, "", mdm.CodeMalformed},
		{"text after", ok + "x", "", mdm.CodeMalformed},
		{"no session", strings.Replace(ok, "<SessionID>1</SessionID>", "", 1), "header.sessionID", mdm.CodeMalformed},
		{"no MsgID", strings.Replace(ok, "<MsgID>1</MsgID>", "", 1), "header.msgID", mdm.CodeMalformed},
		{"MsgID 0", strings.Replace(ok, "<MsgID>1", "<MsgID>0", 1), "header.msgID", mdm.CodeMalformed},
		{"MsgID too large", strings.Replace(ok, "<MsgID>1", "<MsgID>99999999999", 1), "header.msgID", mdm.CodeMalformed},
		{"not closed", strings.TrimSuffix(ok, "</SyncML>"), "", mdm.CodeMalformed},
		{"crossed", "<SyncML><SyncHdr></SyncML></SyncHdr>", "header", mdm.CodeMalformed},
		{"crossed by prefix", "<SyncML><a:SyncHdr></b:SyncHdr></SyncML>", "header", mdm.CodeMalformed},
		{"document type", "<!DOCTYPE SyncML>" + ok, "", mdm.CodeMalformed},
		{"entities", `<!DOCTYPE SyncML [<!ENTITY a "b">]>` + ok, "", mdm.CodeMalformed},
		{"unknown entity", wrap("&a;"), "", mdm.CodeMalformed},
		{"processing instruction", "<?a b?>" + ok, "", mdm.CodeMalformed},
		{"declaration inside", wrap(`<?xml version="1.0"?>`), "", mdm.CodeMalformed},
		{"processing instruction in Data", wrap(`<Get><Item><Data><?a?></Data></Item></Get>`), "commands[0].item[0]", mdm.CodeMalformed},
		{"declaration does not end", `<?xml version="1.0"`, "", mdm.CodeMalformed},
		{"utf-16 declared", `<?xml version="1.0" encoding="utf-16"?>` + ok, "", mdm.CodeUnsupported},
		{"utf-16 mark", "\xff\xfe<\x00", "", mdm.CodeUnsupported},
		{"latin-1", `<?xml version='1.0' encoding = 'iso-8859-1'?>` + ok, "", mdm.CodeUnsupported},
		{"not UTF-8", wrap("\xff"), "", mdm.CodeMalformed},
		{"bytes", wrap(strings.Repeat(" ", 4096)), "", mdm.CodeTooLarge},
		{"depth", wrap(strings.Repeat("<a>", 9)), "commands[0]", mdm.CodeTooLarge},
		{"depth in Data", wrap("<Get><Item><Data>" + strings.Repeat("<a>", 9)), "commands[0].item[0]", mdm.CodeTooLarge},
		{"commands", wrap("<Get/><Get/><Get/><Get/>"), "commands[3]", mdm.CodeTooLarge},
		{"nested commands", wrap("<Atomic><Get/><Get/><Get/></Atomic>"), "commands[0].commands[2]", mdm.CodeTooLarge},
		{"items", wrap("<Get><Item/><Item/></Get><Get><Item/><Item/></Get>"), "commands[1].item[1]", mdm.CodeTooLarge},
		{"references", wrap("<Status><TargetRef/><TargetRef/><SourceRef/><Item/></Status>"), "commands[0].item[0]", mdm.CodeTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Decode([]byte(tt.src), small)
			require.Nil(t, m)
			require.ErrorIs(t, err, tt.code)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.field, e.Field)
			require.NotEmpty(t, e.Message)
		})
	}
}

func TestDecodeReader(t *testing.T) {
	m, err := DecodeReader(iotest.OneByteReader(strings.NewReader(samplePackage1)), nil)
	require.NoError(t, err)
	require.Equal(t, "D", m.Header.SessionID)

	_, err = DecodeReader(io.MultiReader(strings.NewReader("<SyncML>"), iotest.ErrReader(errors.New("cut"))), nil)
	require.ErrorIs(t, err, mdm.CodeMalformed)

	endless := io.MultiReader(strings.NewReader("<SyncML>"), neverEnding{})
	_, err = DecodeReader(endless, &Limits{MaxBytes: 1 << 16})
	require.ErrorIs(t, err, mdm.CodeTooLarge)
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
