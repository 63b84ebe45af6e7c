package checkin

import "log/slog"

// The message types, as they stand in MessageType.
const (
	TypeAuthenticate          = "Authenticate"
	TypeTokenUpdate           = "TokenUpdate"
	TypeCheckOut              = "CheckOut"
	TypeSetBootstrapToken     = "SetBootstrapToken"
	TypeGetBootstrapToken     = "GetBootstrapToken"
	TypeUserAuthenticate      = "UserAuthenticate"
	TypeDeclarativeManagement = "DeclarativeManagement"
	TypeGetToken              = "GetToken"
)

// Message is one of the eight pointer types below, and nothing else.
type Message interface {
	// MessageType returns one of the Type constants.
	MessageType() string
	// Head returns what all messages have.
	Head() *Header
	sealed()
}

// Header is what all messages have.
type Header struct {
	Sender Sender
	ID     ID     // of Sender
	Raw    []byte // the message as it came; not copied
}

// Head returns h.
func (h *Header) Head() *Header { return h }

func (h *Header) sealed() {}

// String tells who sent the message, and none of its secrets.
func (h *Header) String() string { return "message from " + h.ID.String() }

// GoString is String.
func (h *Header) GoString() string { return h.String() }

// LogValue is String.
func (h *Header) LogValue() slog.Value { return slog.StringValue(h.String()) }

// Authenticate begins an enrollment, or its renewal. It comes from the device
// channel only.
type Authenticate struct {
	Header
	Topic        string
	SerialNumber string // empty in a user enrollment
	DeviceName   string // macOS only
	Model        string // macOS only, such as "MacBookPro18,3"
	ModelName    string // macOS only, such as "MacBook Pro"
	ProductName  string // such as "iPhone14,5"
	OSVersion    string
	BuildVersion string
	IMEI         string
	MEID         string
}

// TokenUpdate tells how to wake the channel; the first one completes the
// enrollment.
type TokenUpdate struct {
	Header
	Topic     string
	Token     []byte
	PushMagic string
	// UnlockToken clears the passcode of an iPhone or iPad. Nil means that
	// none was sent, and that an earlier one stays good.
	UnlockToken []byte
	// AwaitingConfiguration is set while Setup Assistant waits for
	// DeviceConfigured, or UserConfigured on a user channel of Shared iPad.
	AwaitingConfiguration bool
	NotOnConsole          bool // user channel of a Mac
}

// CheckOut tells, at best effort, that the enrollment profile was removed.
type CheckOut struct {
	Header
	Topic string
}

// SetBootstrapToken escrows the bootstrap token of a Mac.
type SetBootstrapToken struct {
	Header
	// BootstrapToken empty means that the one kept is to be removed.
	BootstrapToken        []byte
	AwaitingConfiguration bool
}

// GetBootstrapToken asks for what [SetBootstrapToken] escrowed. The answer is
// [EncodeBootstrapToken].
type GetBootstrapToken struct {
	Header
	AwaitingConfiguration bool
}

// UserAuthenticate asks whether a network user of a Mac may have a channel.
type UserAuthenticate struct {
	Header
	// DigestResponse is empty in the first of two messages.
	DigestResponse string
}

// DeclarativeManagement carries a request of Declarative Management.
type DeclarativeManagement struct {
	Header
	// Endpoint is "tokens", "declaration-items", "status" or
	// "declaration/<kind>/<identifier>"; not checked further than its length.
	Endpoint string
	Data     []byte // JSON; nil means none
}

// The services that tokens are asked for.
const (
	ServiceMAID         = "com.apple.maid"
	ServiceWatchPairing = "com.apple.watch.pairing"
)

// GetToken asks for a token for a service. The answer is [EncodeToken].
type GetToken struct {
	Header
	Service string // usually one of the Service constants
	// The parameters are for [ServiceWatchPairing], which has all three.
	PhoneUDID     string
	SecurityToken string
	WatchUDID     string
}

// MessageType returns [TypeAuthenticate].
func (*Authenticate) MessageType() string { return TypeAuthenticate }

// MessageType returns [TypeTokenUpdate].
func (*TokenUpdate) MessageType() string { return TypeTokenUpdate }

// MessageType returns [TypeCheckOut].
func (*CheckOut) MessageType() string { return TypeCheckOut }

// MessageType returns [TypeSetBootstrapToken].
func (*SetBootstrapToken) MessageType() string { return TypeSetBootstrapToken }

// MessageType returns [TypeGetBootstrapToken].
func (*GetBootstrapToken) MessageType() string { return TypeGetBootstrapToken }

// MessageType returns [TypeUserAuthenticate].
func (*UserAuthenticate) MessageType() string { return TypeUserAuthenticate }

// MessageType returns [TypeDeclarativeManagement].
func (*DeclarativeManagement) MessageType() string { return TypeDeclarativeManagement }

// MessageType returns [TypeGetToken].
func (*GetToken) MessageType() string { return TypeGetToken }
