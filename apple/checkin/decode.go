package checkin

import (
	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

// MaxSize bounds a message, in bytes. Status reports of Declarative Management
// are the largest.
const MaxSize = 4 << 20

const (
	maxName  = 255  // of a topic, a push magic, a service
	maxToken = 1024 // of a push token; Apple's have 32 bytes and may grow to 100
	maxText  = 1024 // of an endpoint
)

// Decode reads a check-in message. Errors are [mdm.CodeTooLarge],
// [mdm.CodeMalformed] for what is no property list of the right shape, and
// [mdm.CodeInvalid], with the field, when a required value is missing or the
// MessageType is unknown: Apple's documentation asks for status 400 then, which
// is that code's answer. Keys that are not in the schema are ignored.
//
// The message refers to data, which must not be changed.
func Decode(data []byte) (Message, error) {
	var kind string
	h := Header{Raw: data}
	err := h.read(
		plist.Field{Key: "MessageType", Into: &kind},
		plist.Field{Key: "UDID", Into: &h.Sender.UDID},
		plist.Field{Key: "UserID", Into: &h.Sender.UserID},
		plist.Field{Key: "UserShortName", Into: &h.Sender.UserShortName},
		plist.Field{Key: "UserLongName", Into: &h.Sender.UserLongName},
		plist.Field{Key: "EnrollmentID", Into: &h.Sender.EnrollmentID},
		plist.Field{Key: "EnrollmentUserID", Into: &h.Sender.EnrollmentUserID},
	)
	if err != nil {
		return nil, err
	}
	decode, ok := decoders[kind]
	switch {
	case kind == "":
		return nil, missing("MessageType")
	case !ok:
		return nil, mdm.Errorf(mdm.CodeInvalid, "MessageType", "%.40q is not a check-in message that we know", kind)
	}
	if h.ID, err = h.Sender.ID(); err != nil {
		return nil, err
	}
	return decode(h)
}

// read reads keys of the message. A key that a type of message does not have may
// hold anything in it.
func (h *Header) read(fields ...plist.Field) error {
	return plist.Fields(h.Raw, &plist.Limits{Bytes: MaxSize}, fields...)
}

// decoders is never written to.
var decoders = map[string]func(Header) (Message, error){
	TypeAuthenticate:          authenticate,
	TypeTokenUpdate:           tokenUpdate,
	TypeCheckOut:              checkOut,
	TypeSetBootstrapToken:     setBootstrapToken,
	TypeGetBootstrapToken:     getBootstrapToken,
	TypeUserAuthenticate:      userAuthenticate,
	TypeDeclarativeManagement: declarativeManagement,
	TypeGetToken:              getToken,
}

func authenticate(h Header) (Message, error) {
	m := &Authenticate{Header: h}
	err := m.read(
		plist.Field{Key: "Topic", Into: &m.Topic},
		plist.Field{Key: "SerialNumber", Into: &m.SerialNumber},
		plist.Field{Key: "DeviceName", Into: &m.DeviceName},
		plist.Field{Key: "Model", Into: &m.Model},
		plist.Field{Key: "ModelName", Into: &m.ModelName},
		plist.Field{Key: "ProductName", Into: &m.ProductName},
		plist.Field{Key: "OSVersion", Into: &m.OSVersion},
		plist.Field{Key: "BuildVersion", Into: &m.BuildVersion},
		plist.Field{Key: "IMEI", Into: &m.IMEI},
		plist.Field{Key: "MEID", Into: &m.MEID},
	)
	if err != nil {
		return nil, err
	}
	if h.ID.Channel() != mdm.DeviceChannel {
		return nil, mdm.Errorf(mdm.CodeInvalid, "UserID", "Authenticate comes from the device channel only")
	}
	if err := required("Topic", m.Topic, maxName); err != nil {
		return nil, err
	}
	return m, nil
}

func tokenUpdate(h Header) (Message, error) {
	m := &TokenUpdate{Header: h}
	err := m.read(
		plist.Field{Key: "Topic", Into: &m.Topic},
		plist.Field{Key: "Token", Into: &m.Token},
		plist.Field{Key: "PushMagic", Into: &m.PushMagic},
		plist.Field{Key: "UnlockToken", Into: &m.UnlockToken},
		plist.Field{Key: "AwaitingConfiguration", Into: &m.AwaitingConfiguration},
		plist.Field{Key: "NotOnConsole", Into: &m.NotOnConsole},
	)
	if err != nil {
		return nil, err
	}
	if err := required("Topic", m.Topic, maxName); err != nil {
		return nil, err
	}
	if err := required("PushMagic", m.PushMagic, maxName); err != nil {
		return nil, err
	}
	if err := required("Token", m.Token, maxToken); err != nil {
		return nil, err
	}
	return m, nil
}

func checkOut(h Header) (Message, error) {
	m := &CheckOut{Header: h}
	if err := m.read(plist.Field{Key: "Topic", Into: &m.Topic}); err != nil {
		return nil, err
	}
	return m, nil
}

func setBootstrapToken(h Header) (Message, error) {
	m := &SetBootstrapToken{Header: h}
	err := m.read(
		plist.Field{Key: "BootstrapToken", Into: &m.BootstrapToken},
		plist.Field{Key: "AwaitingConfiguration", Into: &m.AwaitingConfiguration},
	)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func getBootstrapToken(h Header) (Message, error) {
	m := &GetBootstrapToken{Header: h}
	if err := m.read(plist.Field{Key: "AwaitingConfiguration", Into: &m.AwaitingConfiguration}); err != nil {
		return nil, err
	}
	return m, nil
}

func userAuthenticate(h Header) (Message, error) {
	m := &UserAuthenticate{Header: h}
	if err := m.read(plist.Field{Key: "DigestResponse", Into: &m.DigestResponse}); err != nil {
		return nil, err
	}
	if h.ID.Channel() != mdm.UserChannel {
		return nil, missing("UserID")
	}
	return m, nil
}

func declarativeManagement(h Header) (Message, error) {
	m := &DeclarativeManagement{Header: h}
	err := m.read(
		plist.Field{Key: "Endpoint", Into: &m.Endpoint},
		plist.Field{Key: "Data", Into: &m.Data},
	)
	if err != nil {
		return nil, err
	}
	if err := required("Endpoint", m.Endpoint, maxText); err != nil {
		return nil, err
	}
	return m, nil
}

func getToken(h Header) (Message, error) {
	m := &GetToken{Header: h}
	var parameters map[string]any
	err := m.read(
		plist.Field{Key: "TokenServiceType", Into: &m.Service},
		plist.Field{Key: "TokenParameters", Into: &parameters},
	)
	if err != nil {
		return nil, err
	}
	err = plist.Pick(parameters,
		plist.Field{Key: "PhoneUDID", Into: &m.PhoneUDID},
		plist.Field{Key: "SecurityToken", Into: &m.SecurityToken},
		plist.Field{Key: "WatchUDID", Into: &m.WatchUDID},
	)
	if err != nil {
		return nil, err
	}
	if err := required("TokenServiceType", m.Service, maxName); err != nil {
		return nil, err
	}
	if m.Service == ServiceWatchPairing && (m.PhoneUDID == "" || m.SecurityToken == "" || m.WatchUDID == "") {
		return nil, mdm.Errorf(mdm.CodeInvalid, "TokenParameters", "%s needs PhoneUDID, SecurityToken and WatchUDID", ServiceWatchPairing)
	}
	return m, nil
}

func missing(field string) error {
	return mdm.Errorf(mdm.CodeInvalid, field, "is missing")
}

func required[T string | []byte](field string, value T, limit int) error {
	switch {
	case len(value) == 0:
		return missing(field)
	case len(value) > limit:
		return mdm.Errorf(mdm.CodeInvalid, field, "is too long: at most %d bytes", limit)
	}
	return nil
}
