package syncml_test

import (
	"fmt"

	"github.com/keelson-mdm/keelson/windows/syncml"
)

// A server writes a batch, a device answers it, and the answers are found by
// message, command and node.
func Example() {
	get := syncml.Command{Kind: syncml.Get, CmdID: "2", Items: []syncml.Item{
		{Target: syncml.Location{URI: "./DevDetail/SwV"}},
		{Target: syncml.Location{URI: "./Vendor/MSFT/DMClient/HWDevID"}},
	}}
	out, err := syncml.Encode(&syncml.Message{
		Header: syncml.Header{
			SessionID: "1", MsgID: 1,
			Target: syncml.Location{URI: "DEVICE"},
			Source: syncml.Location{URI: "https://mdm.example.com/manage"},
		},
		Commands: []syncml.Command{
			{Kind: syncml.Status, CmdID: "1", MsgRef: 1, CmdRef: "0", Cmd: syncml.SyncHdr, Code: 212},
			get,
		},
		Final: true,
	})
	fmt.Println(len(out) > 0, err)

	in, err := syncml.Decode([]byte(`<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr>
	<SessionID>1</SessionID><MsgID>2</MsgID></SyncHdr><SyncBody>
	<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Get</Cmd><TargetRef>./DevDetail/SwV</TargetRef><Data>200</Data></Status>
	<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Get</Cmd><TargetRef>./Vendor/MSFT/DMClient/HWDevID</TargetRef><Data>404</Data></Status>
	<Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Item><Source><LocURI>./DevDetail/SwV</LocURI></Source><Data>10.0.26200</Data></Item></Results>
	<Final/></SyncBody></SyncML>`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, item := range syncml.NewReplies(in).Find(1, &get).Items {
		fmt.Println(item.Target, syncml.Outcome(get.Kind, item.Status.Code), item.Result != nil)
	}
	// Output:
	// true <nil>
	// ./DevDetail/SwV success true
	// ./Vendor/MSFT/DMClient/HWDevID absent false
}
