package apple

import (
	"context"
	"strings"

	"github.com/keelson-mdm/keelson/apple/command"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// maxUnsendable is how many commands that cannot be written are ended in one
// request; what is behind them leaves the next time that the device asks.
const maxUnsendable = 16

// encode writes the command that was handed out. One that cannot be written is
// ended and the next one taken: it never blocks the queue, and nothing of it is
// sent. What may be writable later is an error, and the device asks again.
func (c *call) encode(ctx context.Context, p queue.Poll, hs []queue.Handout) ([]byte, error) {
	for range maxUnsendable {
		if len(hs) == 0 {
			return nil, nil
		}
		h := &hs[0]
		b, err := write(h)
		if err == nil {
			return b, nil
		}
		if mdm.Transient(err) {
			return nil, err
		}
		c.s.c.Log.ErrorContext(ctx, "a command cannot be sent and was ended", "command", string(h.ID), "kind", h.Kind, "error", err)
		hs, err = c.file(ctx, p, &report{Report: queue.Report{
			Command: h.ID, Now: p.Now, Outcome: mdm.OutcomeUnrenderable,
			Code: string(mdm.CodeOf(err)), Detail: "the command could not be written",
		}})
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// write makes the property list of a command, by its kind.
func write(h *queue.Handout) ([]byte, error) {
	if h.Err != nil {
		return nil, h.Err
	}
	var c command.Command
	switch h.Kind {
	case mdm.KindInstallProfile:
		c = command.InstallProfile{Payload: h.Data}
	case mdm.KindRemoveProfile:
		c = command.RemoveProfile{Identifier: string(h.Data)}
	case mdm.KindProfileList:
		c = command.ProfileList{ManagedOnly: true}
	case mdm.KindDeviceInformation:
		c = command.DeviceInformation{Queries: strings.Fields(string(h.Data))}
	case mdm.KindRawApple:
		raw, err := command.ParseRaw(h.Data)
		if err != nil {
			return nil, err
		}
		c = raw
	default:
		return nil, mdm.Errorf(mdm.CodeUnsupported, "kind", "no Apple command of kind %.40q", h.Kind)
	}
	return command.Encode(string(h.ID), c)
}
