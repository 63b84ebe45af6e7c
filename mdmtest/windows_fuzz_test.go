package mdmtest

import (
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pcSeedReply is a reply of a server as it looks on the wire.
const pcSeedReply = `<?xml version="1.0" encoding="utf-8"?><SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>` +
	`<SessionID>D</SessionID><MsgID>2</MsgID><Target><LocURI>0123456789ABCDEF0123456789ABCDEF</LocURI></Target><Source><LocURI>https://mdm.example.com/m</LocURI></Source>` +
	`<Meta><MaxMsgSize xmlns="syncml:metinf">524288</MaxMsgSize></Meta></SyncHdr><SyncBody>` +
	`<Status><CmdID>1</CmdID><MsgRef>2</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Chal><Meta><Format xmlns="syncml:metinf">b64</Format><Type xmlns="syncml:metinf">syncml:auth-md5</Type><NextNonce xmlns="syncml:metinf">bm9uY2U=</NextNonce></Meta></Chal><Data>212</Data></Status>` +
	`<Atomic><CmdID>2</CmdID><Replace><CmdID>3</CmdID><Item><Target><LocURI>./Device/Vendor/MSFT/Policy/Config/Camera/AllowCamera</LocURI></Target><Meta><Format xmlns="syncml:metinf">int</Format></Meta><Data>0</Data></Item></Replace></Atomic>` +
	`<Get><CmdID>4</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item><Item><Target><LocURI>./User/Vendor/MSFT/Policy/Result/A/B</LocURI></Target></Item></Get>` +
	`<Exec><CmdID>5</CmdID><Item><Target><LocURI>./Device/Vendor/MSFT/EnterpriseDesktopAppManagement/MSI/%7B1%7D/DownloadInstall</LocURI></Target><Meta><Format xmlns="syncml:metinf">xml</Format></Meta><Data>&lt;MsiInstallJob/&gt;</Data></Item></Exec><Final/></SyncBody></SyncML>`

// FuzzPCMessage feeds replies to everything that a session does with one: no
// panic, and what the PC answers is a message that it would itself accept.
func FuzzPCMessage(f *testing.F) {
	f.Add([]byte(pcSeedReply))
	f.Add([]byte(strings.Replace(pcSeedReply, "<Final/>", "", 1)))
	f.Add([]byte(strings.ReplaceAll(pcSeedReply, "Replace", "Delete")))
	f.Add([]byte(`<SyncML xmlns="SYNCML:SYNCML1.2"/>`))
	f.Add([]byte("\xef\xbb\xbf" + pcSeedReply))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := NewPC("https://mdm.example.com", "ada", "secret", &PCOptions{DeviceID: strings.Repeat("A", 32), HWDevID: strings.Repeat("B", 64)})
		r := &pcRun{d: d, session: "D", source: strings.Repeat("A", 32), login: "user", id: pcIdentity{Addr: "https://mdm.example.com/m", Provider: "P"}}
		r.to = r.id.Addr
		first := r.packageOne("", 0)
		out, err := r.take(&pcReply{status: 200, length: int64(len(body)), body: body}, first)
		if err != nil || out == nil {
			return
		}
		root, err := pcParseXML(out.body)
		require.NoError(t, err, "%s", out.body)
		require.NoError(t, pcCheckDTD(root), "%s", out.body)
	})
}

// FuzzPCProvisioning feeds provisioning documents.
func FuzzPCProvisioning(f *testing.F) {
	s := &pcServer{Server: &httptest.Server{URL: "https://mdm.example.com"}, ca: &x509.Certificate{Raw: []byte("root")}}
	doc := func(renewal bool) string { return s.provisioning([]byte("leaf"), "device 1", renewal) }
	f.Add([]byte(doc(false)), false)
	f.Add([]byte(doc(true)), true)
	f.Add([]byte(`<wap-provisioningdoc version="1.1"/>`), false)
	f.Fuzz(func(t *testing.T, doc []byte, renewal bool) {
		var found pcFindings
		p := pcReadProvisioning(doc, renewal, &found)
		if p == nil {
			require.NotEmpty(t, found)
			return
		}
		if len(found) == 0 && !renewal {
			require.NotEmpty(t, p.app["PROVIDER-ID"])
			require.NotEmpty(t, p.leaf.der)
			require.Len(t, p.roots, 1)
		}
	})
}

// FuzzPCEnvelope feeds SOAP replies.
func FuzzPCEnvelope(f *testing.F) {
	f.Add([]byte(pcSoapReply(pcPoliciesOp(), "", pcPolicyReply)))
	f.Add([]byte(pcSoapReply(pcPoliciesOp(), "", `<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code></s:Fault>`)))
	f.Add([]byte(`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var found pcFindings
		_, reply, fault := pcOpenEnvelope(&pcReply{status: 200, length: int64(len(body)), body: body}, pcPoliciesOp(), &found)
		switch {
		case reply != nil:
			pcJudgePolicies(reply, &found)
		case fault == nil:
			require.NotEmpty(t, found, "what cannot be read is a violation")
		}
	})
}

// FuzzRestorePC feeds snapshots: a PC that can be restored can be saved.
func FuzzRestorePC(f *testing.F) {
	d := NewPC("https://mdm.example.com", "ada", "secret", nil)
	saved, err := d.Snapshot()
	require.NoError(f, err)
	f.Add(saved)
	f.Add([]byte(strings.Replace(string(saved), `"tree":{`, `"record":[{"seq":1},{"seq":2}],"tree":{"x":{},`, 1)))
	f.Add([]byte(`{"version":1,"device_id":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := RestorePC(b, nil)
		if err != nil {
			return
		}
		_, err = d.Snapshot()
		require.NoError(t, err)
	})
}
