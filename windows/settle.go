package windows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// settle files what the message says to the commands that have left. It comes
// before anything new is handed out.
//
//   - An entry that is answered ends, or goes out again mended.
//   - One in a message that the device rejected becomes a suspect.
//   - One that our lost answer held leaves again.
//   - One that the device passed over waits for the next session.
//
// What the message says to commands that never left in this session is nothing
// to us.
func (x *exchange) settle(ctx context.Context) error {
	replies := syncml.NewReplies(x.msg)
	code := x.rejection(replies)
	done, passed := 0, 0
	var open, rejected []entry
	for i := range x.st.Open {
		e := x.st.Open[i]
		if e.Mended {
			open = append(open, e)
			continue
		}
		e.take(replies)
		switch {
		case e.answered(x.msg.Final):
			x.clear(e.ID)
			waits, err := x.answered(ctx, &e)
			if err != nil {
				return err
			}
			switch {
			case waits:
				passed++
			case e.Mended:
				open = append(open, e)
				fallthrough
			default:
				done++
			}
		case code != 0 && e.Msg == x.last:
			rejected = append(rejected, e)
		case x.lost:
			open = append(open, e.again()...)
		case x.msg.Final:
			passed++
			x.pass(&e)
		default:
			open = append(open, e)
		}
		x.dirty = true
	}
	x.st.Open = open
	// A device that got around to nothing would not get around to more.
	if passed > 0 && done == 0 {
		x.stop = true
	}
	return x.isolate(ctx, rejected, code)
}

// answered ends an entry, or mends it. It reports whether the entry waits for
// the next session instead.
func (x *exchange) answered(ctx context.Context, e *entry) (waits bool, err error) {
	if e.mend() {
		e.Mended = true
		return false, nil
	}
	v := e.judge()
	if v.outcome == "" {
		x.pass(e)
		return true, nil
	}
	return false, x.end(ctx, e.ID, v, e)
}

// again returns an entry as it leaves once more: with what was not answered, or,
// when nothing was, afresh.
func (e entry) again() []entry {
	for i := range e.Targets {
		if e.Targets[i].Code != 0 || e.Targets[i].Skip {
			e.Mended = true
			return []entry{e}
		}
	}
	return nil
}

// pass leaves an entry to the next session.
func (x *exchange) pass(e *entry) {
	x.st.Silent = append(x.st.Silent, left{ID: e.ID, Size: e.Size})
}

// clear takes an entry off the suspects: the device could read it.
func (x *exchange) clear(id mdm.CommandID) {
	x.st.Rejections = 0
	x.st.Suspects = slices.DeleteFunc(x.st.Suspects, func(s mdm.CommandID) bool { return s == id })
}

// rejection returns the code with which the device rejected our last message as
// a whole, so that it executed nothing of it; 0 when it did not. A device that
// asks for our credential (401, 407) has nothing against the commands.
func (x *exchange) rejection(r *syncml.Replies) int {
	if x.last == 0 {
		return 0
	}
	st := r.Header(x.last)
	if st == nil || st.Code < 300 || st.Code == 401 || st.Code == 407 {
		return 0
	}
	return st.Code
}

// maxRejections is how many commands may end in a row because a device rejects
// them. A device that rejects everything is at fault itself, and keeps its
// queue.
const maxRejections = 3

// isolate finds the command because of which a device rejects a whole message:
// those that were in it leave again one at a time, and the one that is rejected
// when alone ends. The others are not to blame and go on.
func (x *exchange) isolate(ctx context.Context, rejected []entry, code int) error {
	reason := fmt.Sprintf("the device rejected the message: status %d", code)
	if m := syncml.Meaning(code); m != "" {
		reason += ", " + m
	}
	for i := range rejected {
		e := &rejected[i]
		var v verdict
		switch {
		case len(rejected) == 1 && slices.Contains(x.st.Suspects, e.ID):
			v = verdict{mdm.OutcomeMalformed, strconv.Itoa(code), reason + ", twice, the second time with this command alone"}
			x.st.Suspects = slices.DeleteFunc(x.st.Suspects, func(s mdm.CommandID) bool { return s == e.ID })
			x.st.Rejections++
		case e.Once:
			v = verdict{mdm.OutcomeError, strconv.Itoa(code), reason + "; nothing in it was executed"}
		default:
			if !slices.Contains(x.st.Suspects, e.ID) {
				x.st.Suspects = append(x.st.Suspects, e.ID)
			}
			x.st.Open = append(x.st.Open, e.again()...)
			continue
		}
		if err := x.end(ctx, e.ID, v, nil); err != nil {
			return err
		}
	}
	if x.st.Rejections >= maxRejections {
		x.stop = true
		x.s.c.Log.WarnContext(ctx, "a device rejects every message; its commands wait", "channel", x.caller.Natural, "status", code)
	}
	return nil
}

// end files the one outcome of a command and tells its owner. E is what the
// device answered, nil when it was not asked.
func (x *exchange) end(ctx context.Context, id mdm.CommandID, v verdict, e *entry) error {
	report := queue.Report{Command: id, Now: x.now, Outcome: v.outcome, Code: v.code, Detail: v.detail}
	var seen *mdm.Observation
	if e != nil {
		report.Body, seen = e.answer(), e.observation()
	}
	filed, err := x.s.c.Queue.File(ctx, x.tx, x.e, report)
	if err != nil {
		return err
	}
	x.dirty = true
	if !filed.Told() {
		return nil
	}
	r := filed.Result
	if seen != nil {
		seen.Asked = r.Seq
		r.Body = *seen
	}
	err = x.tell("result of "+string(id), func() error { return x.s.c.Sink.Result(ctx, x.tx, r) })
	if err != nil || seen == nil {
		return err
	}
	return x.tell("observation by "+string(id), func() error {
		return x.s.c.Sink.Signal(ctx, x.tx, mdm.Signal{
			Kind: mdm.SignalObserved, Key: x.e.Key, Host: x.e.Host, Generation: x.e.Generation, Data: *seen,
		})
	})
}

// explain is an error as a history may show it: without its cause, which may
// hold the content.
func explain(err error) string {
	var e *mdm.Error
	if !errors.As(err, &e) {
		return "the content could not be opened"
	}
	if e.Field != "" {
		return e.Field + ": " + e.Message
	}
	return e.Message
}
