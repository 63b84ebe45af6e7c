package syncml

import (
	"fmt"
	"strings"
)

// Messages as Windows writes them, regenerated from the facts of captures.
const (
	samplePackage1 = `<?xml version="1.0" encoding="UTF-8"?>
<SyncML xmlns="SYNCML:SYNCML1.2">
	<SyncHdr>
		<VerDTD>1.2</VerDTD>
		<VerProto>DM/1.2</VerProto>
		<SessionID>D</SessionID>
		<MsgID>2</MsgID>
		<Target><LocURI>https://mdm.example.com/ManagementServer/MDM.svc</LocURI></Target>
		<Source><LocURI>7BA8B1ED6A27A44D9D5A3B0F7F3C4B7A</LocURI><LocName>dummy</LocName></Source>
		<Cred>
			<Meta><Format xmlns="syncml:metinf">b64</Format><Type xmlns="syncml:metinf">syncml:auth-md5</Type></Meta>
			<Data>EVEkoFZcVgPM+ESnu9IC0g==</Data>
		</Cred>
	</SyncHdr>
	<SyncBody>
		<Status><CmdID>1</CmdID><MsgRef>0</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>500</Data></Status>
		<Alert><CmdID>2</CmdID><Data>1201</Data></Alert>
		<Alert><CmdID>3</CmdID><Data>1224</Data>
			<Item><Meta><Type xmlns="syncml:metinf">com.microsoft/MDM/LoginStatus</Type></Meta><Data>user</Data></Item>
		</Alert>
		<Replace><CmdID>4</CmdID>
			<Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>7BA8B1ED6A27A44D9D5A3B0F7F3C4B7A</Data></Item>
			<Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>VMware, Inc.</Data></Item>
			<Item><Source><LocURI>./DevInfo/Mod</LocURI></Source><Data>VMware7,1</Data></Item>
			<Item><Source><LocURI>./DevInfo/DmV</LocURI></Source><Data>1.3</Data></Item>
			<Item><Source><LocURI>./DevInfo/Lang</LocURI></Source><Data>en-US</Data></Item>
		</Replace>
		<Final/>
	</SyncBody>
</SyncML>`

	sampleAnswers = `<SyncML xmlns="SYNCML:SYNCML1.2" xmlns:msft="http://schemas.microsoft.com/MobileDevice/MDM"><SyncHdr>
<VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>3</MsgID>
<Target><LocURI>https://mdm.example.com/m</LocURI></Target><Source><LocURI>DEV</LocURI></Source></SyncHdr><SyncBody>
<Status><CmdID>1</CmdID><MsgRef>2</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>
<Status><CmdID>2</CmdID><MsgRef>2</MsgRef><CmdRef>10</CmdRef><Cmd>Replace</Cmd><Data>202</Data></Status>
<Status><CmdID>3</CmdID><MsgRef>2</MsgRef><CmdRef>11</CmdRef><Cmd>Get</Cmd><TargetRef>./device/Vendor/MSFT/WiFi/Profile/My%20Net/WlanXml</TargetRef><Data>200</Data></Status>
<Status><CmdID>4</CmdID><MsgRef>2</MsgRef><CmdRef>11</CmdRef><Cmd>Get</Cmd><TargetRef>./Vendor/MSFT/DMClient/HWDevID</TargetRef><Data msft:originalerror="0x80070490">404</Data></Status>
<Results><CmdID>5</CmdID><MsgRef>2</MsgRef><CmdRef>11</CmdRef><Item><Source><LocURI>./Device/Vendor/MSFT/WiFi/Profile/My%20Net/WlanXml</LocURI></Source><Data>&lt;WLANProfile/&gt;</Data></Item></Results>
<Final/></SyncBody></SyncML>`

	sampleUnenroll = `<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>2</SessionID><MsgID>1</MsgID><Target><LocURI>https://mdm.example.com/m</LocURI></Target><Source><LocURI>DEV</LocURI></Source></SyncHdr><SyncBody><Alert><CmdID>2</CmdID><Data>1226</Data><Item><Meta><Type xmlns="syncml:metinf">com.microsoft:mdm.unenrollment.userrequest</Type><Format xmlns="syncml:metinf">int</Format></Meta><Data>1</Data></Item></Alert><Final/></SyncBody></SyncML>`
)

// sampleBatch is what a server sends: about 7 KB.
func sampleBatch() *Message {
	m := &Message{
		Header: Header{
			SessionID: "1", MsgID: 2,
			Target: Location{URI: "7BA8B1ED6A27A44D9D5A3B0F7F3C4B7A"},
			Source: Location{URI: "https://mdm.example.com/mdm/v1/default/windows/manage"},
		},
		Final: true,
	}
	m.Commands = append(m.Commands, Command{
		Kind: Status, CmdID: "1", MsgRef: 2, CmdRef: "0", Cmd: SyncHdr, Code: 212,
	})
	for i := range 15 {
		m.Commands = append(m.Commands, Command{Kind: Replace, CmdID: fmt.Sprint(10 + i), Items: []Item{{
			Target: Location{URI: fmt.Sprintf("./Device/Vendor/MSFT/Policy/Config/Area%d/Policy%d", i, i)},
			Meta:   Meta{Format: "chr", Type: "text/plain"},
			Data:   `<enabled/><data id="Prompt_Name" value="` + strings.Repeat("x & y ", 12) + `"/>`,
		}}})
	}
	m.Commands = append(m.Commands, Command{Kind: Get, CmdID: "40", Items: []Item{
		{Target: Location{URI: "./DevDetail/SwV"}}, {Target: Location{URI: "./DevDetail/Ext/Microsoft/DeviceName"}},
	}})
	return m
}
