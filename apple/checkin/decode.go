package checkin

import (
	nanomdm "github.com/micromdm/nanomdm/mdm"

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
	w := wire{head: Header{Raw: data}}
	if err := plist.Unmarshal(data, &w, &plist.Limits{Bytes: MaxSize}); err != nil {
		return nil, err
	}
	return w.message, nil
}

// wire decodes itself: first the type, then what the type has. The library
// parses once for both. What NanoMDM has types for is read with them.
type wire struct {
	head    Header
	message Message
}

// UnmarshalPlist is called by the plist library.
func (w *wire) UnmarshalPlist(read func(any) error) error {
	var t struct {
		nanomdm.MessageType
		nanomdm.Enrollment
	}
	if err := read(&t); err != nil {
		return err
	}
	decode, ok := decoders[t.MessageType.MessageType]
	switch {
	case t.MessageType.MessageType == "":
		return missing("MessageType")
	case !ok:
		return mdm.Errorf(mdm.CodeInvalid, "MessageType", "%.40q is not a check-in message that we know", t.MessageType.MessageType)
	}
	w.head.Sender = Sender(t.Enrollment)
	var err error
	if w.head.ID, err = w.head.Sender.ID(); err != nil {
		return err
	}
	m, err := decode(w.head, read)
	if err != nil {
		return err
	}
	w.message = m
	return nil
}

// decoders is never written to.
var decoders = map[string]func(Header, func(any) error) (Message, error){
	TypeAuthenticate:          authenticate,
	TypeTokenUpdate:           tokenUpdate,
	TypeCheckOut:              checkOut,
	TypeSetBootstrapToken:     setBootstrapToken,
	TypeGetBootstrapToken:     getBootstrapToken,
	TypeUserAuthenticate:      userAuthenticate,
	TypeDeclarativeManagement: declarativeManagement,
	TypeGetToken:              getToken,
}

func authenticate(h Header, read func(any) error) (Message, error) {
	var v struct {
		nanomdm.Authenticate
		DeviceName, Model, ModelName, ProductName string
		OSVersion, BuildVersion, IMEI, MEID       string
	}
	if err := read(&v); err != nil {
		return nil, err
	}
	if h.ID.Channel() != mdm.DeviceChannel {
		return nil, mdm.Errorf(mdm.CodeInvalid, "UserID", "Authenticate comes from the device channel only")
	}
	if err := required("Topic", v.Topic, maxName); err != nil {
		return nil, err
	}
	return &Authenticate{
		Header: h, Topic: v.Topic, SerialNumber: v.SerialNumber,
		DeviceName: v.DeviceName, Model: v.Model, ModelName: v.ModelName, ProductName: v.ProductName,
		OSVersion: v.OSVersion, BuildVersion: v.BuildVersion, IMEI: v.IMEI, MEID: v.MEID,
	}, nil
}

func tokenUpdate(h Header, read func(any) error) (Message, error) {
	var v struct {
		nanomdm.TokenUpdate
		AwaitingConfiguration, NotOnConsole bool
	}
	if err := read(&v); err != nil {
		return nil, err
	}
	if err := required("Topic", v.Topic, maxName); err != nil {
		return nil, err
	}
	if err := required("PushMagic", v.PushMagic, maxName); err != nil {
		return nil, err
	}
	if err := required("Token", string(v.Token), maxToken); err != nil {
		return nil, err
	}
	return &TokenUpdate{
		Header: h, Topic: v.Topic, Token: v.Token, PushMagic: v.PushMagic, UnlockToken: v.UnlockToken,
		AwaitingConfiguration: v.AwaitingConfiguration, NotOnConsole: v.NotOnConsole,
	}, nil
}

func checkOut(h Header, read func(any) error) (Message, error) {
	var v struct{ Topic string }
	if err := read(&v); err != nil {
		return nil, err
	}
	return &CheckOut{Header: h, Topic: v.Topic}, nil
}

func setBootstrapToken(h Header, read func(any) error) (Message, error) {
	var v struct {
		nanomdm.BootstrapToken
		AwaitingConfiguration bool
	}
	if err := read(&v); err != nil {
		return nil, err
	}
	return &SetBootstrapToken{
		Header: h, BootstrapToken: v.BootstrapToken.BootstrapToken, AwaitingConfiguration: v.AwaitingConfiguration,
	}, nil
}

func getBootstrapToken(h Header, read func(any) error) (Message, error) {
	var v struct{ AwaitingConfiguration bool }
	if err := read(&v); err != nil {
		return nil, err
	}
	return &GetBootstrapToken{Header: h, AwaitingConfiguration: v.AwaitingConfiguration}, nil
}

func userAuthenticate(h Header, read func(any) error) (Message, error) {
	var v struct{ DigestResponse string }
	if err := read(&v); err != nil {
		return nil, err
	}
	if h.ID.Channel() != mdm.UserChannel {
		return nil, missing("UserID")
	}
	return &UserAuthenticate{Header: h, DigestResponse: v.DigestResponse}, nil
}

func declarativeManagement(h Header, read func(any) error) (Message, error) {
	var v struct {
		Endpoint string
		Data     []byte
	}
	if err := read(&v); err != nil {
		return nil, err
	}
	if err := required("Endpoint", v.Endpoint, maxText); err != nil {
		return nil, err
	}
	return &DeclarativeManagement{Header: h, Endpoint: v.Endpoint, Data: v.Data}, nil
}

func getToken(h Header, read func(any) error) (Message, error) {
	var v struct {
		TokenServiceType string
		TokenParameters  *nanomdm.TokenParameters
	}
	if err := read(&v); err != nil {
		return nil, err
	}
	if err := required("TokenServiceType", v.TokenServiceType, maxName); err != nil {
		return nil, err
	}
	m := &GetToken{Header: h, Service: v.TokenServiceType}
	if p := v.TokenParameters; p != nil {
		m.PhoneUDID, m.SecurityToken, m.WatchUDID = p.PhoneUDID, p.SecurityToken, p.WatchUDID
	}
	if m.Service == ServiceWatchPairing && (m.PhoneUDID == "" || m.SecurityToken == "" || m.WatchUDID == "") {
		return nil, mdm.Errorf(mdm.CodeInvalid, "TokenParameters", "%s needs PhoneUDID, SecurityToken and WatchUDID", ServiceWatchPairing)
	}
	return m, nil
}

func missing(field string) error {
	return mdm.Errorf(mdm.CodeInvalid, field, "is missing")
}

func required(field, value string, limit int) error {
	switch {
	case value == "":
		return missing(field)
	case len(value) > limit:
		return mdm.Errorf(mdm.CodeInvalid, field, "is too long: at most %d bytes", limit)
	}
	return nil
}
