package syncml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func decodeT(t *testing.T, src string) *Message {
	t.Helper()
	m, err := Decode([]byte(src), nil)
	require.NoError(t, err)
	return m
}

func TestRepliesMultiItemGet(t *testing.T) {
	r := NewReplies(decodeT(t, sampleAnswers))
	require.Equal(t, 200, r.Header(2).Code)
	require.Nil(t, r.Header(1))

	write := r.Find(2, &Command{Kind: Replace, CmdID: "10", Items: []Item{{Target: Location{URI: "./Vendor/MSFT/A"}}}})
	require.True(t, write.Answered())
	require.Equal(t, 202, write.Items[0].Status.Code, "a Status without TargetRef is for every item")
	require.Nil(t, write.Failure())

	get := &Command{Kind: Get, CmdID: "11", Items: []Item{
		{Target: Location{URI: "./Vendor/MSFT/WiFi/Profile/My%20Net/WlanXml"}},
		{Target: Location{URI: "./Device/Vendor/MSFT/DMClient/HWDevID"}},
	}}
	a := r.Find(2, get)
	require.True(t, a.Answered())
	require.Nil(t, a.Status)
	require.Equal(t, 200, a.Items[0].Status.Code)
	require.Equal(t, "<WLANProfile/>", a.Items[0].Result.Data)
	require.Equal(t, 404, a.Items[1].Status.Code)
	require.Nil(t, a.Items[1].Result)
	require.Nil(t, a.Failure(), "an absent node is an answer to a Get")

	other := r.Find(1, get)
	require.False(t, other.Answered(), "another message of ours")
	unknown := r.Find(2, &Command{Kind: Get, CmdID: "12", Items: get.Items})
	require.False(t, unknown.Answered())
}

func TestRepliesSingleItem(t *testing.T) {
	// The device names the node in the Status, but not in the Results.
	r := NewReplies(decodeT(t, wrap(`
<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>5</CmdRef><Cmd>Get</Cmd><TargetRef>./DevDetail/SwV</TargetRef><Data>200</Data></Status>
<Results><CmdID>2</CmdID><CmdRef>5</CmdRef><Item><Data>10.0</Data></Item></Results>
<Status><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>5</CmdRef><Cmd>Get</Cmd><TargetRef>./devdetail/SWV</TargetRef><Data>404</Data></Status>`)))
	a := r.Find(1, &Command{Kind: Get, CmdID: "5", Items: []Item{{Target: Location{URI: "./DevDetail/SwV"}}}})
	require.Equal(t, 200, a.Status.Code, "the first answer counts")
	require.Equal(t, "10.0", a.Items[0].Result.Data)
}

func TestRepliesUnreadMessage(t *testing.T) {
	r := NewReplies(decodeT(t, samplePackage1))
	require.Equal(t, 500, r.Header(7).Code, "MsgRef 0: the device could not read our message")
}

func TestFailureInAtomic(t *testing.T) {
	sent := &Command{Kind: Atomic, CmdID: "1"}
	for _, id := range []string{"2", "3", "4"} {
		sent.Commands = append(sent.Commands, Command{Kind: Replace, CmdID: id, Items: []Item{{Target: Location{URI: "./Vendor/MSFT/" + id}}}})
	}
	status := func(ref, cmd, code string) string {
		return `<Status><CmdID>s` + ref + `</CmdID><MsgRef>1</MsgRef><CmdRef>` + ref + `</CmdRef><Cmd>` + cmd + `</Cmd><Data>` + code + `</Data></Status>`
	}
	r := NewReplies(decodeT(t, wrap(status("1", "Atomic", "507")+status("2", "Replace", "216")+status("3", "Replace", "405")+status("4", "Replace", "216"))))
	a := r.Find(1, sent)
	require.True(t, a.Answered())
	require.Equal(t, &Failure{Kind: Replace, Target: "./Vendor/MSFT/3", Code: 405, Class: Permanent}, a.Failure(),
		"the cause, not what was rolled back for it")

	r = NewReplies(decodeT(t, wrap(status("1", "Atomic", "507")+status("2", "Replace", "216"))))
	a = r.Find(1, sent)
	require.False(t, a.Answered())
	require.Equal(t, 216, a.Failure().Code, "no cause is known, so the first consequence")

	r = NewReplies(decodeT(t, wrap(status("1", "Atomic", "516")+status("2", "Replace", "216"))))
	a = r.Find(1, sent)
	require.Equal(t, Unknown, a.Failure().Class)

	r = NewReplies(decodeT(t, wrap(status("1", "Atomic", "200")+status("2", "Replace", "200")+status("3", "Replace", "202")+status("4", "Replace", "200"))))
	a = r.Find(1, sent)
	require.Nil(t, a.Failure())
}
