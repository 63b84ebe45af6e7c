package mdmtest

import (
	"context"
	"errors"
)

// act decides on a command and, unless the test wants otherwise, executes it.
func (a *Apple) act(ctx context.Context, cmd *command) answer {
	if a.declines(cmd.requestType) {
		return answer{status: statusNotNow}
	}
	if chain := a.fails(); chain != nil {
		return answer{status: statusError, chain: chain}
	}
	ans, err := a.execute(ctx, cmd)
	if err != nil {
		ans = answer{status: statusError, chain: chainOf(err)}
		var de *DeviceError
		if errors.As(err, &de) && de.Format {
			ans.status = statusCommandFormatError
		}
	}
	if _, err := encodePlist(a.reportOn(cmd, ans)); err != nil { // a handler's value that is none of a property list
		ans = answer{status: statusError, chain: chainOf(err)}
	}
	a.opts.Logger.DebugContext(ctx, "mdmtest: command", "udid", a.opts.UDID, "uuid", cmd.uuid,
		"type", cmd.requestType, "status", ans.status)
	return ans
}

// execute does what the command says. Commands follow Apple's schema,
// mdm/commands.
func (a *Apple) execute(ctx context.Context, cmd *command) (answer, error) {
	ack := answer{status: statusAcknowledged}
	if h := a.opts.Handlers[cmd.requestType]; h != nil {
		keys, err := h(ctx, cmd.body)
		ack.keys = keys
		return ack, err
	}
	if _, known := commandSpecs[cmd.requestType]; known {
		if err := a.judgeCommand(cmd); err != nil {
			return ack, err
		}
	}
	switch cmd.requestType {
	case "InstallProfile":
		return ack, a.installProfile(ctx, cmd.body)
	case "RemoveProfile":
		return a.removeProfile(cmd.body)
	case "ProfileList":
		return a.profileList(cmd.body)
	case "DeviceInformation":
		return a.deviceInformation(cmd.body)
	case "DeviceConfigured":
		a.change(func(st *appleState) { st.awaiting = false })
		return ack, nil
	case "DeviceLock":
		return a.deviceLock(cmd.body)
	case "EraseDevice":
		ack.after = func(context.Context) error { a.Erase(); return nil }
		return ack, nil
	}
	return ack, refuse(domainMDM, 12021, "%q is not a request type that the device knows", cmd.requestType)
}

// need refuses a command for which the enrollment gives no access right.
func (a *Apple) need(right int64, to string) error {
	if enr := a.state().enr; enr == nil || !enr.can(right) {
		return refuse(domainMDM, 12007, "the enrollment has no right to %s (AccessRights %d)", to, right)
	}
	return nil
}

// badCommand is the answer to a command that lacks what the schema requires.
func badCommand(format string, args ...any) error {
	err := refuse(domainMDM, 12008, format, args...)
	err.Format = true
	return err
}

func (a *Apple) installProfile(ctx context.Context, body map[string]any) error {
	raw, _ := body["Payload"].([]byte) // judged
	if len(raw) == 0 {
		return badCommand("InstallProfile with an empty Payload")
	}
	p, err := parseProfile(raw)
	if err != nil {
		return err
	}
	if err := p.targets(a.kind); err != nil {
		return err
	}
	if len(p.ofType(mdmPayloadType)) > 0 {
		next, err := parseEnrollment(raw, a.kind, a.opts.TrustLoopback)
		if err != nil {
			return err
		}
		return a.renew(ctx, next)
	}
	old := a.find(p.identifier())
	switch {
	case old != nil && old.enrollment:
		return refuse(domainMDM, 12009, "the profile %q would replace the enrollment profile, but has no MDM payload", p.identifier())
	case old != nil && !old.managed && a.kind == AppleIPhone && !a.opts.Supervised:
		return refuse(domainMDM, 12013, "the profile %q was not installed by MDM, and the device is not supervised", p.identifier())
	}
	a.keep(&installed{profile: p, managed: true, at: a.Now()})
	return nil
}

func (a *Apple) removeProfile(body map[string]any) (answer, error) {
	ack := answer{status: statusAcknowledged}
	identifier := str(body, "Identifier")
	if identifier == "" {
		return ack, badCommand("RemoveProfile without an Identifier")
	}
	old := a.find(identifier)
	switch {
	case old == nil && a.kind == AppleMac:
		return ack, refuse(domainMDMClient, 89, "Profile with identifier '%s' not found.", identifier)
	case old == nil:
		return ack, refuse(domainMDM, 12075, "The profile \u201c%s\u201d is not installed.", identifier)
	case old.enrollment: // which is how a server ends an enrollment
		ack.after = func(ctx context.Context) error {
			s, err := a.enrolledSender()
			if err != nil {
				return err
			}
			return a.remove(ctx, s)
		}
		return ack, nil
	case !old.managed && (a.kind == AppleMac || !a.opts.Supervised):
		return ack, refuse(domainMDM, 12013, "The profile \u201c%s\u201d is not managed by MDM.", identifier)
	}
	a.drop(identifier)
	return ack, nil
}

func (a *Apple) deviceLock(body map[string]any) (answer, error) {
	ack := answer{status: statusAcknowledged}
	if pin, ok := body["PIN"].(string); ok && a.kind == AppleMac {
		a.change(func(st *appleState) { st.lockPIN = pin })
	}
	if str(body, "Message") != "" || str(body, "PhoneNumber") != "" {
		ack.keys = map[string]any{"MessageResult": "Success"}
	}
	return ack, nil
}
