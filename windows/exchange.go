package windows

import (
	"context"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// exchange is one message of a device and the answer to it, within one unit of
// work. See the package's documentation for the order of things.
type exchange struct {
	s      *Server
	caller queue.Caller
	msg    *syncml.Message
	body   mdm.Hash // of the message

	tx    mdm.Tx
	now   time.Time
	muted map[string]bool

	admitted admittance
	e        mdm.Enrollment
	st       *state
	ids      ids
	last     int  // our message that this one answers; 0 for none
	lost     bool // that message never arrived
	stop     bool // no more commands in this session
	dirty    bool // something has changed that the session must remember
	out      []byte
}

func (x *exchange) run(ctx context.Context) (err error) {
	if x.admitted, err = x.judge(ctx); err != nil {
		return err
	}
	if x.admitted == refused {
		return x.refuse()
	}
	row, st, err := x.s.load(ctx, x.tx, &x.e, x.msg.Header.SessionID)
	if err != nil {
		return err
	}
	// Who is leaving gets no commands, not even those that it was sent before.
	if x.admitted == welcome || st != nil && st.Over {
		if x.out = x.replayed(ctx, row, st); x.out != nil {
			return nil
		}
	}
	if x.admitted == leaving {
		return x.refuse()
	}
	msgID := x.msg.Header.MsgID
	if row != nil && !st.Over && msgID > 1 && msgID < row.MsgID {
		return x.acknowledgeOnly() // out of the past
	}
	over := x.resume(row, st)
	if err := x.settle(ctx); err != nil {
		return err
	}
	if err := x.heed(ctx); err != nil {
		return err
	}
	acks := x.acks(acknowledge)
	var cmds []syncml.Command
	if x.msg.Final && !x.stop {
		if cmds, err = x.pick(ctx); err != nil {
			return err
		}
	}
	x.st.Over = (x.msg.Final || x.stop) && len(cmds) == 0
	if err := x.write(acks, cmds); err != nil {
		return err
	}
	// An idle session leaves nothing behind: asked again, it is answered alike.
	if x.st.Over && over && !x.dirty {
		return nil
	}
	return x.s.save(ctx, x.tx, Session{
		Enrollment: x.e.Key, ID: x.msg.Header.SessionID, MsgID: msgID, Body: x.body, At: x.now,
	}, x.st, x.out)
}

// resume takes up the session where it was, or begins it. It returns whether
// nothing was under way.
func (x *exchange) resume(row *Session, st *state) (over bool) {
	over = true
	x.st = &state{Generation: x.e.Generation}
	if row != nil {
		x.st, x.last, over = st, row.MsgID, st.Over
		// The session begins again, or the device has put other words into the
		// message that it had sent: our answer to it was lost.
		x.lost = x.msg.Header.MsgID <= row.MsgID
		if x.msg.Header.MsgID == 1 {
			x.st.Silent, x.st.Login = nil, syncml.LoginUnknown
			if x.now.Sub(row.At) >= replayOpen {
				x.st = &state{Generation: x.e.Generation, LastCmd: st.LastCmd}
			}
		}
	}
	x.ids.last = x.st.LastCmd
	if l := syncml.LoginStatus(x.msg); l != syncml.LoginUnknown {
		x.st.Login = l
	}
	return over
}

// write makes the answer.
func (x *exchange) write(acks, cmds []syncml.Command) (err error) {
	all := append(acks, cmds...)
	final := x.msg.Final || x.stop
	if !final {
		// The device has more to say in this package; our turn is after it.
		all = append(all, syncml.Command{Kind: syncml.Alert, CmdID: x.ids.next(), Code: syncml.AlertNextMessage})
	}
	x.st.LastCmd = x.ids.last
	x.out, err = syncml.Encode(&syncml.Message{
		Header: syncml.Header{
			SessionID: x.msg.Header.SessionID, MsgID: x.msg.Header.MsgID,
			Target: syncml.Location{URI: x.msg.Header.Source.URI}, Source: x.self(),
		},
		Commands: all, Final: final,
	})
	if err != nil {
		return mdm.WrapError(mdm.CodeInternal, "", "an answer could not be written", err)
	}
	return nil
}

// self is our name: the one by which the device called us, as it may know us by
// an address of earlier days.
func (x *exchange) self() syncml.Location {
	if uri := x.msg.Header.Target.URI; uri != "" && len(uri) <= 4*maxText {
		return syncml.Location{URI: uri}
	}
	return syncml.Location{URI: x.s.address(x.tx.Tenant(), "manage")}
}
