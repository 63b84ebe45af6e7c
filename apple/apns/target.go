package apns

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/sideshow/apns2"

	"github.com/keelson-mdm/keelson/mdm"
)

const (
	maxToken   = 512  // bytes; Apple's are 32 today and promised to vary
	maxPayload = 4096 // bytes that Apple accepts
)

// Target is one enrollment to wake. Its parts come from the device's
// TokenUpdate and are secrets: whoever has all three and the push certificate
// can wake the device. Printed, a Target shows its topic alone.
type Target struct {
	Token []byte `json:"-"` // as in TokenUpdate; it goes to Apple in hexadecimal
	Magic string `json:"-"` // PushMagic
	Topic string // must be the pusher's
}

// String hides the token and the magic.
func (t Target) String() string { return fmt.Sprintf("target of %s", t.Topic) }

// GoString hides the token and the magic.
func (t Target) GoString() string { return t.String() }

// payload is the whole message: nothing but the magic may stand in it.
type payload struct {
	MDM string `json:"mdm"`
}

// notification makes the message for t, without its expiration and priority.
func notification(t Target, topic string) (*apns2.Notification, *Outcome) {
	switch {
	case t.Topic != topic:
		return nil, refuse(ReasonTopicMismatch, "topic",
			"the device listens to another topic than that of the push certificate; it has to enroll again, or the former certificate's renewal has to be used")
	case len(t.Token) == 0 || len(t.Token) > maxToken:
		return nil, refuse(ReasonInvalidTarget, "token", "a push token has 1 to %d bytes, this one has %d", maxToken, len(t.Token))
	case t.Magic == "" || !utf8.ValidString(t.Magic):
		return nil, refuse(ReasonInvalidTarget, "magic", "a push magic is a string of text and not empty")
	}
	body, err := json.Marshal(payload{MDM: t.Magic})
	if err != nil || len(body) > maxPayload {
		return nil, refuse(ReasonInvalidTarget, "magic", "the push magic does not fit into %d bytes", maxPayload)
	}
	return &apns2.Notification{
		DeviceToken: hex.EncodeToString(t.Token),
		Topic:       topic,
		PushType:    apns2.PushTypeMDM,
		Payload:     body,
	}, nil
}

// refuse is the outcome of a target that was not sent.
func refuse(reason Reason, field, format string, args ...any) *Outcome {
	return &Outcome{Status: Failed, Reason: reason, Err: mdm.Errorf(mdm.CodeInvalid, field, format, args...)}
}
