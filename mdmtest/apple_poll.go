package mdmtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// command is one that the server handed out.
type command struct {
	uuid        string
	requestType string
	body        map[string]any // the Command dictionary
	hash        string
	extra       []string // keys beside CommandUUID and Command
}

// answer is what the device says to a command.
type answer struct {
	status string
	chain  []ErrorChainItem
	keys   map[string]any
	// after runs once the report went out, and ends the session.
	after func(ctx context.Context) error
}

// Poll is what a push makes a device do: it reports Idle, executes what comes
// and reports on it, until the server has nothing more. It returns how many
// commands it executed and answered, NotNow included.
//
// A loss that was asked for ends it early and is no error, as it is none for the
// server. Anything else that keeps the device from going on is.
func (a *Apple) Poll(ctx context.Context) (handled int, err error) {
	end, err := a.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	msg := map[string]any{"UDID": a.UDID(), "Status": statusIdle}
	during := statusIdle
	var open *sightingRef // the command that msg reports on
	// What was declined since a command was last carried out. Apple lets a server
	// go on with other commands only: it may retry when the device polls anew.
	declined := make(map[string]bool)
	for {
		s, err := a.enrolledSender()
		if err != nil {
			return handled, err
		}
		reply, err := a.report(ctx, s, during, msg, open)
		if err != nil {
			return handled, err
		}
		if open != nil && a.takesLoss(LossAfterSend) {
			a.rec.update(*open, func(g *Sighting) {
				g.Fate, g.Injected, g.Reason = FateLost, true, LossAfterSend.String()
			})
			a.dropped(reply, true, LossAfterSend.String())
			return handled, nil
		}
		cmd, err := a.readCommand(during, reply)
		if err != nil || cmd == nil {
			return handled, err
		}
		if a.takesLoss(LossOfCommand) {
			a.dropped(reply, true, LossOfCommand.String())
			return handled, nil
		}
		if declined[cmd.uuid] {
			a.violate(during, "the command %s came again after NotNow; it has to wait for the next Idle, or until another command was carried out", cmd.uuid)
			return handled, fmt.Errorf("the server repeats the command %s after NotNow", cmd.uuid)
		}
		if handled >= a.opts.MaxCommands {
			return handled, fmt.Errorf("mdmtest: more than %d commands in one session", a.opts.MaxCommands)
		}
		ans := a.act(ctx, cmd)
		ref := a.rec.saw(cmd.uuid, cmd.requestType, Sighting{
			At: a.Now(), Hash: cmd.hash, Status: ans.status, ErrorChain: ans.chain, Fate: FateOpen,
		})
		handled++
		if ans.status == statusNotNow {
			declined[cmd.uuid] = true
		} else {
			clear(declined)
		}
		if a.takesLoss(LossBeforeSend) {
			a.rec.update(ref, func(g *Sighting) {
				g.Fate, g.Injected, g.Reason = FateLost, true, LossBeforeSend.String()
			})
			return handled, a.finish(ctx, ans)
		}
		msg, during, open = a.reportOn(cmd, ans), cmd.requestType, &ref
		if ans.after != nil {
			return handled, a.lastReport(ctx, during, msg, ref, ans)
		}
	}
}

// report sends one message to the command URL and settles the fate of the answer
// in it.
func (a *Apple) report(ctx context.Context, s sender, during string, msg map[string]any, open *sightingRef) (*httpReply, error) {
	url := s.enr.serverURL()
	replies, err := a.put(ctx, s, url, typeCommand, during, msg)
	settle := func(f Fate, reason string) {
		if open != nil {
			a.rec.update(*open, func(g *Sighting) { g.Fate, g.Reason = f, reason })
		}
	}
	if err != nil {
		settle(FateLost, err.Error())
		return nil, err
	}
	last := replies[len(replies)-1]
	for _, r := range replies[:len(replies)-1] {
		a.dropped(r, true, "the request was repeated and its first response dropped")
	}
	if err := a.judgeStatus(during, url, last); err != nil {
		settle(FateRefused, fmt.Sprintf("status %d", last.status))
		return nil, err
	}
	settle(FateDelivered, "")
	return last, nil
}

// lastReport sends a report after which the device has no use for more commands,
// and then does what the command asked for.
func (a *Apple) lastReport(ctx context.Context, during string, msg map[string]any, ref sightingRef, ans answer) error {
	s, err := a.enrolledSender()
	if err != nil {
		return err
	}
	reply, err := a.report(ctx, s, during, msg, &ref)
	if err == nil && a.takesLoss(LossAfterSend) {
		a.rec.update(ref, func(g *Sighting) { g.Fate, g.Injected, g.Reason = FateLost, true, LossAfterSend.String() })
	}
	if err == nil {
		a.dropped(reply, false, "the session ended with "+during)
	}
	return errors.Join(err, a.finish(ctx, ans))
}

func (a *Apple) finish(ctx context.Context, ans answer) error {
	if ans.after == nil {
		return nil
	}
	return ans.after(ctx)
}

// dropped records the command in a response that the device did not act on.
func (a *Apple) dropped(reply *httpReply, injected bool, reason string) {
	if reply.status != 200 || len(reply.body) == 0 {
		return
	}
	cmd, err := parseCommand(reply.body)
	if err != nil {
		return // judged when a response is read in earnest
	}
	a.rec.saw(cmd.uuid, cmd.requestType, Sighting{
		At: a.Now(), Hash: cmd.hash, Fate: FateDropped, Injected: injected, Reason: reason,
	})
}

// readCommand judges a response and returns the command in it, or nil.
func (a *Apple) readCommand(during string, reply *httpReply) (*command, error) {
	if len(reply.body) == 0 {
		return nil, nil
	}
	a.judgeType(during, reply)
	cmd, err := parseCommand(reply.body)
	if err != nil {
		a.violate(during, "the response is not a command: %s", err)
		return nil, fmt.Errorf("the response to %s is not a command: %w", during, err)
	}
	if len(cmd.extra) > 0 {
		a.violate(during, "the command %s has the keys %q beside CommandUUID and Command", cmd.uuid, cmd.extra)
	}
	return cmd, nil
}

// judgeType checks the content type of a property list. Apple documents none for
// responses; these are the ones that servers in use send.
func (a *Apple) judgeType(during string, reply *httpReply) {
	switch reply.contentType {
	case "application/xml", "text/xml", "application/x-plist", typeCommand, typeCheckIn:
	default:
		a.violate(during, "content type %q of a property list", reply.contentType)
	}
}

// parseCommand reads what every command has: CommandUUID, and a dictionary
// Command with a RequestType.
func parseCommand(body []byte) (*command, error) {
	dict, err := decodePlist(body)
	if err != nil {
		return nil, err
	}
	cmd := &command{uuid: str(dict, "CommandUUID")}
	if cmd.uuid == "" {
		return nil, errors.New("no CommandUUID")
	}
	inner, ok := dict["Command"].(map[string]any)
	if !ok {
		return nil, errors.New("no dictionary Command")
	}
	if cmd.requestType = str(inner, "RequestType"); cmd.requestType == "" {
		return nil, errors.New("no RequestType")
	}
	cmd.body = inner
	for _, key := range slices.Sorted(maps.Keys(dict)) {
		if key != "CommandUUID" && key != "Command" {
			cmd.extra = append(cmd.extra, key)
		}
	}
	canonical, err := encodePlist(inner) // keys are sorted
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(canonical)
	cmd.hash = hex.EncodeToString(sum[:])
	return cmd, nil
}

// reportOn builds the report on a command.
func (a *Apple) reportOn(cmd *command, ans answer) map[string]any {
	msg := make(map[string]any)
	for k, v := range ans.keys {
		msg[k] = v
	}
	msg["UDID"], msg["Status"], msg["CommandUUID"] = a.UDID(), ans.status, cmd.uuid
	if len(ans.chain) > 0 {
		var chain []any
		for _, c := range ans.chain {
			item := map[string]any{
				"ErrorCode": int64(c.ErrorCode), "ErrorDomain": c.ErrorDomain, "LocalizedDescription": c.LocalizedDescription,
			}
			if c.USEnglishDescription != "" {
				item["USEnglishDescription"] = c.USEnglishDescription
			}
			chain = append(chain, item)
		}
		msg["ErrorChain"] = chain
	}
	return msg
}
