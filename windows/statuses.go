package windows

import (
	"slices"

	"github.com/keelson-mdm/keelson/windows/syncml"
)

// The statuses of a message as a whole.
const (
	statusAuthenticated = 212 // for this session: by TLS, so that no credential is asked for
	statusUnauthorized  = 401
)

// acknowledge is the status of a command that was taken.
func acknowledge(c *syncml.Command) int {
	switch c.Kind {
	case "":
		return statusAuthenticated
	case syncml.Alert, syncml.Replace:
		return 200
	case syncml.Results:
		if slices.ContainsFunc(c.Items, func(it syncml.Item) bool { return it.MoreData }) {
			return 213 // chunk accepted
		}
		return 200
	default:
		return 406 // a device has nothing else to say to a server
	}
}

func unauthorized(*syncml.Command) int { return statusUnauthorized }

// acks answers a message: its header first, then every command but a Status, in
// the order of the message and once. A command without a CmdID cannot be named,
// and one that wants no answer gets none. The code of the header is that of the
// zero Command.
func (x *exchange) acks(code func(*syncml.Command) int) []syncml.Command {
	out := []syncml.Command{{
		Kind: syncml.Status, CmdID: x.ids.next(), MsgRef: x.msg.Header.MsgID, CmdRef: "0", Cmd: syncml.SyncHdr,
		Code: code(&syncml.Command{}),
	}}
	seen := map[string]bool{"": true, "0": true}
	for i := range x.msg.Commands {
		c := &x.msg.Commands[i]
		if c.Kind == syncml.Status || c.NoResp || seen[c.CmdID] || len(c.CmdID) > maxText || len(c.Kind) > maxText {
			continue
		}
		seen[c.CmdID] = true
		out = append(out, syncml.Command{
			Kind: syncml.Status, CmdID: x.ids.next(), MsgRef: x.msg.Header.MsgID, CmdRef: c.CmdID, Cmd: string(c.Kind), Code: code(c),
		})
	}
	return out
}

// refuse answers a verified caller that may not speak: with statuses and
// nothing else, and nothing is remembered.
func (x *exchange) refuse() error {
	x.admitted, x.stop, x.st = refused, true, &state{}
	return x.write(x.acks(unauthorized), nil)
}

// acknowledgeOnly answers with statuses and nothing else, and nothing is
// remembered.
func (x *exchange) acknowledgeOnly() error {
	x.stop, x.st = true, &state{}
	return x.write(x.acks(acknowledge), nil)
}
