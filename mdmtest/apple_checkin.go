package mdmtest

import (
	"context"
	"fmt"
)

// checkIn sends one message to the check-in URL. Messages and the presence of
// their keys follow Apple's schema, mdm/checkin.
func (a *Apple) checkIn(ctx context.Context, s sender, messageType string, keys map[string]any) (*httpReply, error) {
	msg := map[string]any{"MessageType": messageType, "UDID": a.UDID()}
	for k, v := range keys {
		msg[k] = v
	}
	url := s.enr.checkInURL()
	replies, err := a.put(ctx, s, url, typeCheckIn, messageType, msg)
	if err != nil {
		return nil, err
	}
	if a.takes(func(m *misbehavior) *int { return &m.loseCheck }) {
		return nil, fmt.Errorf("%s: %w", messageType, ErrReplyLost)
	}
	last := replies[len(replies)-1]
	return last, a.judgeStatus(messageType, url, last)
}

// tell is a check-in message to which the answer is an empty 200.
func (a *Apple) tell(ctx context.Context, s sender, messageType string, keys map[string]any) error {
	reply, err := a.checkIn(ctx, s, messageType, keys)
	if err != nil {
		return err
	}
	if len(reply.body) > 0 {
		a.violate(messageType, "a body of %d bytes; the answer to this message has none", len(reply.body))
	}
	return nil
}

// authenticate sends what the schema lets this kind of device say, given the
// access rights.
func (a *Apple) authenticate(ctx context.Context, s sender) error {
	o := &a.opts
	keys := map[string]any{"Topic": s.enr.topic()}
	info := s.enr.can(rightDeviceInfo)
	if a.kind == AppleMac {
		keys["DeviceName"], keys["ModelName"], keys["Model"] = o.Name, a.modelName(), o.Model
	}
	if a.kind == AppleMac || info {
		keys["OSVersion"], keys["BuildVersion"], keys["ProductName"] = o.OSVersion, o.BuildVersion, o.Model
	}
	if info {
		keys["SerialNumber"] = a.Serial()
	}
	return a.tell(ctx, s, "Authenticate", keys)
}

// tokenUpdate sends the push token, and the unlock token where there is one.
func (a *Apple) tokenUpdate(ctx context.Context, s sender, awaiting bool) error {
	if err := a.makeTokens(); err != nil {
		return err
	}
	st := a.state()
	keys := map[string]any{
		"Topic": s.enr.topic(), "Token": st.pushToken, "PushMagic": st.pushMagic,
		"AwaitingConfiguration": awaiting,
	}
	if a.kind == AppleIPhone && s.enr.can(rightLock) {
		keys["UnlockToken"] = st.unlockToken
	}
	return a.tell(ctx, s, "TokenUpdate", keys)
}

// makeTokens makes what the device does not have yet.
func (a *Apple) makeTokens() error {
	fresh, err := a.noise(48 + 256)
	if err != nil {
		return fmt.Errorf("mdmtest: read AppleOptions.Rand: %w", err)
	}
	a.change(func(st *appleState) {
		if len(st.pushToken) == 0 {
			st.pushToken, st.pushMagic = fresh[:32], uuidFrom(fresh[32:48])
		}
		if len(st.unlockToken) == 0 && a.kind == AppleIPhone {
			st.unlockToken = fresh[48:]
		}
	})
	return nil
}

// Authenticate sends an Authenticate message and nothing more, as a device does
// whose user gives up halfway. [Apple.Enroll] sends it as part of the whole.
func (a *Apple) Authenticate(ctx context.Context) error {
	return a.withSender(ctx, a.authenticate)
}

// TokenUpdate reports the push token again. It completes an enrollment that
// [Apple.Prepare] and [Apple.Authenticate] began.
func (a *Apple) TokenUpdate(ctx context.Context) error {
	return a.withSender(ctx, func(ctx context.Context, s sender) error {
		st := a.state()
		awaiting := st.awaiting || !st.enrolled && a.opts.AwaitingConfiguration
		if err := a.tokenUpdate(ctx, s, awaiting); err != nil {
			return err
		}
		a.completed(awaiting)
		return nil
	})
}

// completed notes that TokenUpdate went through.
func (a *Apple) completed(awaiting bool) {
	a.change(func(st *appleState) {
		if !st.enrolled {
			st.enrolledTimes++
		}
		st.enrolled, st.awaiting = true, awaiting
	})
}

// RotateToken makes the device have a new push token and magic, which the next
// TokenUpdate reports, as APNs makes it from time to time.
func (a *Apple) RotateToken() {
	a.change(func(st *appleState) { st.pushToken, st.pushMagic = nil, "" })
}

// CheckOut sends a CheckOut and then removes the enrollment and everything that
// MDM installed, even if the message fails, as a device does.
func (a *Apple) CheckOut(ctx context.Context) error {
	return a.withSender(ctx, a.checkOut)
}

func (a *Apple) checkOut(ctx context.Context, s sender) error {
	defer a.unenroll()
	return a.tell(ctx, s, "CheckOut", map[string]any{"Topic": s.enr.topic()})
}

// Remove is the user removing the enrollment profile: CheckOut is sent only if
// the profile has CheckOutWhenRemoved.
func (a *Apple) Remove(ctx context.Context) error {
	return a.withSender(ctx, a.remove)
}

func (a *Apple) remove(ctx context.Context, s sender) error {
	if flag(s.enr.mdm, "CheckOutWhenRemoved") {
		return a.checkOut(ctx, s)
	}
	a.unenroll()
	return nil
}

// SetBootstrapToken escrows a bootstrap token; an empty one asks the server to
// remove what it has. Only a Mac can, and only if the enrollment profile has the
// capability com.apple.mdm.bootstraptoken.
func (a *Apple) SetBootstrapToken(ctx context.Context, token []byte) error {
	return a.withSender(ctx, func(ctx context.Context, s sender) error {
		if err := a.mayBootstrap(s); err != nil {
			return err
		}
		keys := map[string]any{"AwaitingConfiguration": a.Awaiting()}
		if len(token) > 0 {
			keys["BootstrapToken"] = token
		}
		return a.tell(ctx, s, "SetBootstrapToken", keys)
	})
}

// GetBootstrapToken asks for the escrowed token; nil if the server has none.
func (a *Apple) GetBootstrapToken(ctx context.Context) ([]byte, error) {
	const during = "GetBootstrapToken"
	var token []byte
	err := a.withSender(ctx, func(ctx context.Context, s sender) error {
		if err := a.mayBootstrap(s); err != nil {
			return err
		}
		reply, err := a.checkIn(ctx, s, during, map[string]any{"AwaitingConfiguration": a.Awaiting()})
		if err != nil || len(reply.body) == 0 {
			return err
		}
		dict, err := decodePlist(reply.body)
		if err != nil {
			a.violate(during, "%s", err)
			return fmt.Errorf("%s: %w", during, err)
		}
		a.judgeType(during, reply)
		v, present := dict["BootstrapToken"]
		if token, _ = v.([]byte); present && kindOf(v) != "data" {
			a.violate(during, "BootstrapToken is of type %s, not data", kindOf(v))
		}
		return nil
	})
	return token, err
}

func (a *Apple) mayBootstrap(s sender) error {
	if a.kind != AppleMac {
		return fmt.Errorf("mdmtest: only a Mac has a bootstrap token")
	}
	if !s.enr.capable(capBootstrapToken) {
		return fmt.Errorf("mdmtest: the enrollment profile lacks the capability %s", capBootstrapToken)
	}
	return nil
}

// withSender runs f in a session of an enrolled, or nearly enrolled, device.
func (a *Apple) withSender(ctx context.Context, f func(context.Context, sender) error) error {
	end, err := a.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	s, err := a.enrolledSender()
	if err != nil {
		return err
	}
	return f(ctx, s)
}

// modelName is what the user knows the product by.
func (a *Apple) modelName() string {
	if a.kind == AppleMac {
		return "MacBook Pro"
	}
	return "iPhone"
}
