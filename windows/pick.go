package windows

import (
	"context"
	"encoding/binary"
	"io"
	"slices"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

const (
	// maxRounds bounds how often the queue is asked for one message, when what
	// it gives cannot leave.
	maxRounds = 20
	// patience is how often a command may leave and stay unanswered before it
	// has to travel alone.
	patience = 3
)

// ready is a hand-out that can leave.
type ready struct {
	*queue.Handout
	cmds []syncml.Command
}

// pick takes what leaves in this message from the queue. What cannot be rendered
// ends, and what is about a user who is not signed in is held, and others take
// their place.
func (x *exchange) pick(ctx context.Context) ([]syncml.Command, error) {
	room, bytes := x.s.c.BatchCommands, x.s.c.BatchBytes
	if len(x.st.Suspects) > 0 {
		room = 1
	}
	// The queue gives again what has left and is waiting for its answer.
	aside := map[mdm.CommandID]int{}
	for _, l := range x.st.Silent {
		aside[l.ID] = l.Size
	}
	var out []syncml.Command
	for range maxRounds {
		handouts, err := x.next(ctx, room, bytes, aside, len(out) > 0)
		if err != nil {
			return nil, err
		}
		fresh, changed, err := x.prepare(ctx, handouts)
		if err != nil {
			return nil, err
		}
		for _, h := range x.choose(fresh, len(out) > 0) {
			out = append(out, x.place(h)...)
			aside[h.ID] = len(h.Data)
			room, bytes = room-1, bytes-len(h.Data)
		}
		if !changed || room <= 0 || bytes <= 0 {
			break
		}
	}
	return out, nil
}

// next asks the queue for as much as there is room for, beside what is to be
// left aside.
func (x *exchange) next(ctx context.Context, room, bytes int, aside map[mdm.CommandID]int, some bool) ([]queue.Handout, error) {
	sizes := 0
	for _, n := range aside {
		sizes += n
	}
	poll := queue.Poll{
		Caller: x.caller, Now: x.now, Limit: room + len(aside), MaxBytes: bytes + sizes,
		// Only what waits for the user is ever held.
		SkipHeld: x.st.Login != syncml.LoginUser,
	}
	ask := func() (all int, rest []queue.Handout, err error) {
		hs, err := x.s.c.Queue.Next(ctx, x.tx, x.e, poll)
		if err != nil {
			return 0, nil, err
		}
		all = len(hs)
		return all, slices.DeleteFunc(hs, func(h queue.Handout) bool { _, ok := aside[h.ID]; return ok }), nil
	}
	all, rest, err := ask()
	if err != nil || len(rest) > 0 || all == 0 || some {
		return rest, err
	}
	// A large one may stand behind those that are left aside; one command
	// leaves whatever its size.
	poll.Limit, poll.MaxBytes = len(aside)+1, 0
	_, rest, err = ask()
	return rest, err
}

// prepare reads hand-outs. It reports whether any of them was ended or held, so
// that there may be others to take its place.
func (x *exchange) prepare(ctx context.Context, handouts []queue.Handout) (out []ready, changed bool, err error) {
	for i := range handouts {
		h := &handouts[i]
		cmds, err := read(h)
		switch {
		case err != nil:
			changed = true
			v := verdict{mdm.OutcomeUnrenderable, string(mdm.CodeOf(err)), explain(err)}
			if err := x.end(ctx, h.ID, v, nil); err != nil {
				return nil, false, err
			}
		// What may leave once has left by being handed out; the device then says
		// itself that it knows no such user.
		case x.st.Login != syncml.LoginUser && h.Redelivery != mdm.Once && userScope(cmds):
			changed = true
			if _, err := x.s.c.Queue.File(ctx, x.tx, x.e, queue.Report{Command: h.ID, Now: x.now, NotNow: true}); err != nil {
				return nil, false, err
			}
		default:
			out = append(out, ready{h, cmds})
		}
	}
	return out, changed, nil
}

// choose says which hand-outs leave in this message. Some is set when others do
// already.
//
// While a rejected message is taken apart, one leaves at a time. And a command
// that has left several times in vain travels alone, and after all others, for it
// may be what silences the device; which one of those is drawn by lot, so that
// none can keep the others from leaving for ever.
func (x *exchange) choose(fresh []ready, some bool) []ready {
	once := slices.DeleteFunc(slices.Clone(fresh), func(h ready) bool { return h.Redelivery != mdm.Once })
	if len(x.st.Suspects) > 0 {
		switch {
		case len(once) > 0: // handed out now or never
			return once
		case some:
			return nil
		}
		return fresh[:min(1, len(fresh))]
	}
	steady := slices.DeleteFunc(slices.Clone(fresh), func(h ready) bool { return h.Sent > patience && x.mended(h.ID) == nil })
	if len(steady) > 0 || some || len(fresh) == 0 {
		return steady
	}
	i := x.lot(len(fresh))
	return fresh[i : i+1]
}

func (x *exchange) lot(n int) int {
	var b [8]byte
	if _, err := io.ReadFull(x.s.c.Rand, b[:]); err != nil {
		return 0
	}
	return int(binary.BigEndian.Uint64(b[:]) % uint64(n))
}

// mended returns the open entry of a command that is to leave again, or nil.
func (x *exchange) mended(id mdm.CommandID) *entry {
	for i := range x.st.Open {
		if e := &x.st.Open[i]; e.ID == id && e.Mended {
			return e
		}
	}
	return nil
}

// place puts a hand-out into the message.
func (x *exchange) place(h ready) []syncml.Command {
	e := x.mended(h.ID)
	if e == nil {
		x.st.Open = append(x.st.Open, entry{ID: h.ID, Once: h.Redelivery == mdm.Once})
		e = &x.st.Open[len(x.st.Open)-1]
	}
	e.Size, e.Msg, e.Mended = len(h.Data), x.msg.Header.MsgID, false
	return e.render(h.cmds, &x.ids)
}
