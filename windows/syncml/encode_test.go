package syncml

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

// TestEncodeOrder pins the wire: the order of elements is the DTD's (SyncML
// RepPro 1.2, MetInf 1.2), which real devices insist on.
func TestEncodeOrder(t *testing.T) {
	m := &Message{
		Header: Header{
			SessionID: "D", MsgID: 3, RespURI: "https://m/", NoResp: true,
			Target: Location{URI: "DEV"}, Source: Location{URI: "https://mdm.example.com/m", Name: "n"},
			Cred: &Cred{Meta: Meta{Type: AuthMD5, Format: "b64"}, Data: "eA=="},
			Meta: Meta{MaxMsgSize: 1 << 20},
		},
		Final: true,
		Commands: []Command{
			{Kind: Status, CmdID: "1", MsgRef: 3, CmdRef: "0", Cmd: SyncHdr, Code: 407, Chal: NewChal([]byte("Nonce")),
				TargetRefs: []string{"a", "b"}, SourceRefs: []string{"c"}},
			{Kind: Status, CmdID: "2", MsgRef: 3, CmdRef: "9", Cmd: "Get", Code: 500, OriginalError: `0x"1`,
				Items: []Item{{Data: "why"}}},
			{Kind: Results, CmdID: "3", CmdRef: "9", Meta: Meta{Format: "chr"}, TargetRefs: []string{"t"}, SourceRefs: []string{"s"},
				Items: []Item{{Source: Location{URI: "./DevInfo/Man"}, EmptyData: true}}},
			{Kind: Alert, CmdID: "4", NoResp: true, Code: 1226, Correlator: "k", Items: []Item{{Meta: Meta{Mark: "critical", Type: "t"}}}},
			{Kind: Atomic, CmdID: "5", Commands: []Command{
				{Kind: Exec, CmdID: "6", Correlator: "k", Meta: Meta{Format: "chr"}, Items: []Item{{Target: Location{URI: "./a"}, Data: "1"}}},
			}},
			{Kind: Add, CmdID: "7", Items: []Item{{
				Target: Location{URI: "./a"}, Source: Location{URI: "./b"}, Data: "x", MoreData: true,
				Meta: Meta{Format: "chr", Type: "text/plain", Size: 5, Version: "1", NextNonce: "bg==", MaxObjSize: 9},
			}}},
		},
	}
	b, err := Encode(m)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(`<SyncML xmlns="SYNCML:SYNCML1.2" xmlns:msft="http://schemas.microsoft.com/MobileDevice/MDM">
<SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>D</SessionID><MsgID>3</MsgID>
<Target><LocURI>DEV</LocURI></Target><Source><LocURI>https://mdm.example.com/m</LocURI><LocName>n</LocName></Source>
<RespURI>https://m/</RespURI><NoResp/>
<Cred><Meta><Format xmlns="syncml:metinf">b64</Format><Type xmlns="syncml:metinf">syncml:auth-md5</Type></Meta><Data>eA==</Data></Cred>
<Meta><MaxMsgSize xmlns="syncml:metinf">1048576</MaxMsgSize></Meta></SyncHdr>
<SyncBody>
<Status><CmdID>1</CmdID><MsgRef>3</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><TargetRef>a</TargetRef><TargetRef>b</TargetRef><SourceRef>c</SourceRef>
<Chal><Meta><Format xmlns="syncml:metinf">b64</Format><Type xmlns="syncml:metinf">syncml:auth-md5</Type><NextNonce xmlns="syncml:metinf">Tm9uY2U=</NextNonce></Meta></Chal><Data>407</Data></Status>
<Status><CmdID>2</CmdID><MsgRef>3</MsgRef><CmdRef>9</CmdRef><Cmd>Get</Cmd><Data msft:originalerror="0x&#34;1">500</Data><Item><Data>why</Data></Item></Status>
<Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>9</CmdRef><Meta><Format xmlns="syncml:metinf">chr</Format></Meta><TargetRef>t</TargetRef><SourceRef>s</SourceRef><Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data></Data></Item></Results>
<Alert><CmdID>4</CmdID><NoResp/><Data>1226</Data><Correlator>k</Correlator><Item><Meta><Type xmlns="syncml:metinf">t</Type><Mark xmlns="syncml:metinf">critical</Mark></Meta></Item></Alert>
<Atomic><CmdID>5</CmdID><Exec><CmdID>6</CmdID><Meta><Format xmlns="syncml:metinf">chr</Format></Meta><Correlator>k</Correlator><Item><Target><LocURI>./a</LocURI></Target><Data>1</Data></Item></Exec></Atomic>
<Add><CmdID>7</CmdID><Item><Target><LocURI>./a</LocURI></Target><Source><LocURI>./b</LocURI></Source>
<Meta><Format xmlns="syncml:metinf">chr</Format><Type xmlns="syncml:metinf">text/plain</Type><Size xmlns="syncml:metinf">5</Size><Version xmlns="syncml:metinf">1</Version><NextNonce xmlns="syncml:metinf">bg==</NextNonce><MaxObjSize xmlns="syncml:metinf">9</MaxObjSize></Meta><Data>x</Data><MoreData/></Item></Add>
<Final/></SyncBody></SyncML>`, "\n", ""), string(b))

	back, err := Decode(b, nil)
	require.NoError(t, err)
	want := *m
	want.Header.VerDTD, want.Header.VerProto = "1.2", "DM/1.2"
	want.Commands[2].MsgRef = 1
	require.Equal(t, &want, back)
}

func TestEncodeEscapes(t *testing.T) {
	m := sampleBatch()
	hostile := "]]>\"'<&>\r\n\t \u00e9\uf000\U0001f600 <!-- ?> &amp;"
	m.Commands[1].Items[0].Data = hostile
	m.Commands[1].Items[0].Target.URI = "./a/" + hostile[:8]
	m.Commands[1].CmdID = "</CmdID>"
	b, err := Encode(m)
	require.NoError(t, err)
	back, err := Decode(b, nil)
	require.NoError(t, err)
	require.Equal(t, hostile, back.Commands[1].Items[0].Data)
	require.Equal(t, "./a/"+hostile[:8], back.Commands[1].Items[0].Target.URI)
	require.Equal(t, "</CmdID>", back.Commands[1].CmdID)
	require.Len(t, back.Commands, len(m.Commands))
}

func TestEncodeRefuses(t *testing.T) {
	item := []Item{{Target: Location{URI: "./a"}}}
	for _, tt := range []struct {
		name  string
		cmds  []Command
		field string
	}{
		{"no CmdID", []Command{{Kind: Get, Items: item}}, "commands[0].cmdID"},
		{"CmdID 0", []Command{{Kind: Get, CmdID: "0", Items: item}}, "commands[0].cmdID"},
		{"CmdID twice", []Command{{Kind: Get, CmdID: "1", Items: item}, {Kind: Get, CmdID: "1", Items: item}}, "commands[1].cmdID"},
		{"CmdID twice, nested", []Command{{Kind: Atomic, CmdID: "1", Commands: []Command{{Kind: Add, CmdID: "1", Items: item}}}}, "commands[0].commands[0].cmdID"},
		{"unknown", []Command{{Kind: "Copy", CmdID: "1", Items: item}}, "commands[0]"},
		{"no kind", []Command{{CmdID: "1", Items: item}}, "commands[0]"},
		{"no item", []Command{{Kind: Replace, CmdID: "1"}}, "commands[0]"},
		{"two items in Exec", []Command{{Kind: Exec, CmdID: "1", Items: []Item{item[0], item[0]}}}, "commands[0]"},
		{"empty Atomic", []Command{{Kind: Atomic, CmdID: "1"}}, "commands[0]"},
		{"items in Atomic", []Command{{Kind: Atomic, CmdID: "1", Items: item, Commands: []Command{{}}}}, "commands[0]"},
		{"commands in Get", []Command{{Kind: Get, CmdID: "1", Items: item, Commands: []Command{{}}}}, "commands[0]"},
		{"Get in Atomic", []Command{{Kind: Atomic, CmdID: "1", Commands: []Command{{Kind: Get, CmdID: "2", Items: item}}}}, "commands[0].commands[0]"},
		{"Atomic in Atomic", []Command{{Kind: Atomic, CmdID: "1", Commands: []Command{{Kind: Atomic, CmdID: "2", Commands: []Command{{}}}}}}, "commands[0].commands[0]"},
		{"Status in Sequence", []Command{{Kind: Sequence, CmdID: "1", Commands: []Command{{Kind: Status, CmdID: "2"}}}}, "commands[0].commands[0]"},
		{"Alert without number", []Command{{Kind: Alert, CmdID: "1"}}, "commands[0]"},
		{"Status without code", []Command{{Kind: Status, CmdID: "1", CmdRef: "1", Cmd: "Get"}}, "commands[0]"},
		{"Status without reference", []Command{{Kind: Status, CmdID: "1", Cmd: "Get", Code: 200}}, "commands[0]"},
		{"Results without reference", []Command{{Kind: Results, CmdID: "1", Items: item}}, "commands[0]"},
		{"slash", []Command{{Kind: Get, CmdID: "1", Items: []Item{item[0], {Target: Location{URI: "/a"}}}}}, "commands[0].item[1].target"},
		{"control character", []Command{{Kind: Add, CmdID: "1", Items: []Item{{Data: "a\x00"}}}}, "commands[0].item[0]"},
		{"not UTF-8", []Command{{Kind: Add, CmdID: "1", Items: []Item{{Data: "\xff"}}}}, "commands[0].item[0]"},
		{"not a character", []Command{{Kind: Add, CmdID: "1", Items: []Item{{Data: "\uffff"}}}}, "commands[0].item[0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := Encode(&Message{Header: Header{SessionID: "1", MsgID: 1}, Commands: tt.cmds})
			require.Nil(t, b)
			require.ErrorIs(t, err, mdm.CodeInvalid)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.field, e.Field)
		})
	}
	for name, h := range map[string]Header{"no session": {MsgID: 1}, "no MsgID": {SessionID: "1"}} {
		_, err := Encode(&Message{Header: h})
		require.ErrorIs(t, err, mdm.CodeInvalid, name)
	}
}
