package adminapi

import (
	"errors"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

const maxIdempotency = 255 // bytes

func commandRoutes() []route {
	return []route{
		{
			method: get, path: "/hosts/{host}/commands", id: "listCommands", summary: "List a host's commands, the newest first",
			query: pageParams(), out: commandList{}, status: 200, answer: commandList{Items: []keelson.Command{exampleInstall()}},
			do: (*call).listCommands,
		},
		{
			method: post, path: "/hosts/{host}/commands", id: "sendCommand", summary: "Queue a command for a host, and wake the device",
			header: []string{headerIdempotency}, in: commandWrite{}, out: commandQueued{}, status: 202, located: true,
			codes: []mdm.Code{mdm.CodeConflict, mdm.CodeKeyReused}, example: commandWrite{Kind: mdm.KindDeviceInformation, Content: []byte("OSVersion\nDeviceName\n"), Urgent: true},
			answer: commandQueued{ID: exampleCommandID}, do: (*call).sendCommand,
		},
		{
			method: get, path: "/commands/{command}", id: "getCommand", summary: "Get a command",
			out: keelson.Command{}, status: 200, answer: exampleCommand(), do: (*call).getCommand,
		},
		{
			method: del, path: "/commands/{command}", id: "cancelCommand",
			summary: "Take back a command of the application's that has not left", out: commandCanceled{}, status: 200,
			codes: []mdm.Code{mdm.CodeTooLate}, answer: commandCanceled{Answer: queue.Canceled}, do: (*call).cancelCommand,
		},
		{
			method: get, path: "/commands/{command}/answer", id: "getCommandAnswer",
			summary: "What the device answered, byte for byte", media: []string{mediaBytes}, status: 200, do: (*call).commandAnswer,
		},
	}
}

const mediaBytes = "application/octet-stream"

func (c *call) listCommands() (reply, error) {
	id, err := c.host()
	if err != nil {
		return reply{}, err
	}
	after, err := parseCursor(commandCursor, c.query.Get("cursor"))
	if err != nil {
		return reply{}, err
	}
	if after != "" {
		if _, err := c.tenant.Commands().Get(c.r.Context(), mdm.CommandID(after)); mdm.CodeOf(err) == mdm.CodeNotFound {
			return reply{}, badCursor()
		}
	}
	limit := c.whole("limit", defaultLimit)
	cs, err := c.tenant.Commands().List(c.r.Context(), id, mdm.CommandID(after), limit+1)
	if err != nil {
		return reply{}, err
	}
	var out commandList
	out.Items, out.Next = page(cs, limit, commandCursor, func(v keelson.Command) string { return string(v.ID) })
	return reply{body: out}, nil
}

func (c *call) sendCommand() (reply, error) {
	id, err := c.host()
	if err != nil {
		return reply{}, err
	}
	key := c.r.Header.Get(headerIdempotency)
	if len(c.r.Header.Values(headerIdempotency)) > 0 && !isText(key, maxIdempotency) {
		return reply{}, mdm.Errorf(mdm.CodeInvalid, headerIdempotency, "a key has 1 to %d bytes of UTF-8 and no control characters", maxIdempotency)
	}
	var in commandWrite
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	cmd, err := c.tenant.Commands().Send(c.r.Context(), id, keelson.CommandRequest{
		Kind: in.Kind, Content: in.Content, Urgent: in.Urgent, NotBefore: in.NotBefore, Expires: in.Expires,
		Redelivery: in.Redelivery, Resource: in.Resource, Supersede: in.Supersede, Idempotency: key,
	})
	return reply{body: commandQueued{cmd}, location: "/commands/" + string(cmd)}, keyed(err)
}

// keyed names the header in the error of a key that cannot be used.
func keyed(err error) error {
	var e *mdm.Error
	if !errors.As(err, &e) || e.Field != "idempotency" {
		return err
	}
	return mdm.WrapError(e.Code, headerIdempotency, e.Message, err)
}

func (c *call) command() (mdm.CommandID, error) {
	id, err := c.id("command")
	return mdm.CommandID(id), err
}

func (c *call) getCommand() (reply, error) {
	id, err := c.command()
	if err != nil {
		return reply{}, err
	}
	v, err := c.tenant.Commands().Get(c.r.Context(), id)
	return reply{body: v}, err
}

func (c *call) cancelCommand() (reply, error) {
	id, err := c.command()
	if err != nil {
		return reply{}, err
	}
	answer, err := c.tenant.Commands().Cancel(c.r.Context(), id)
	switch {
	case err != nil:
		return reply{}, err
	case answer == queue.Canceled:
		return reply{body: commandCanceled{answer}}, nil
	case answer == queue.TooLate:
		return reply{}, uncancelable{string(answer), mdm.Errorf(mdm.CodeTooLate, "", "the command has left: the device may have executed it")}
	default:
		return reply{}, uncancelable{string(answer), mdm.Errorf(mdm.CodeTooLate, "", "the command had ended before")}
	}
}

func (c *call) commandAnswer() (reply, error) {
	id, err := c.command()
	if err != nil {
		return reply{}, err
	}
	b, err := c.tenant.Commands().Answer(c.r.Context(), id)
	if err == nil && b == nil {
		err = mdm.Errorf(mdm.CodeNotFound, "", "the device has not answered, or nothing was kept of its answer")
	}
	return reply{data: b, media: mediaBytes, file: "answer-" + string(id)}, err
}
