package syncml

// Namespaces of SyncML 1.2. [Decode] also accepts 1.1 and none.
const (
	Namespace     = "SYNCML:SYNCML1.2"
	MetaNamespace = "syncml:metinf"

	namespace11   = "SYNCML:SYNCML1.1"
	msftNamespace = "http://schemas.microsoft.com/MobileDevice/MDM"
)

// Message is one SyncML message. The order of Commands is the order on the
// wire. A Message is plain data and safe to read concurrently.
type Message struct {
	Header   Header
	Commands []Command
	// Final marks the last message of a package. It is set on every message
	// unless a package really spans several.
	Final bool
}

// Header is SyncHdr.
type Header struct {
	// VerDTD and VerProto are "1.2" and "DM/1.2" when empty.
	VerDTD   string
	VerProto string
	// SessionID is opaque text that the device chose; it is reused.
	SessionID string
	// MsgID counts the messages of one side from 1.
	MsgID  int
	Target Location
	// Source.Name is the user name that a Cred belongs to (LocName).
	Source  Location
	RespURI string
	NoResp  bool
	Cred    *Cred // nil when absent
	Meta    Meta
}

// Location is a Target or a Source. The zero value means absent.
type Location struct {
	URI  string // LocURI, as on the wire
	Name string // LocName
}

// Meta is the meta-information that device management uses (syncml:metinf). The
// zero value means absent; so does every zero field.
type Meta struct {
	Format     string // chr, int, bool, b64, xml, node, null, bin, float
	Type       string
	Mark       string // of a generic alert: how important it is
	Size       int64  // bytes of the whole object, with MoreData
	Version    string
	NextNonce  string // base64
	MaxMsgSize int64
	MaxObjSize int64
}

// Item is one item of a command.
type Item struct {
	Target Location
	Source Location
	Meta   Meta
	// Data is the text of the Data element. When the sender put markup there
	// instead of text, it is the source of that markup; Encode escapes it.
	Data string
	// EmptyData is set when there is a Data element and it is empty. It is
	// false when Data is not empty.
	EmptyData bool
	// MoreData is set when this is a chunk and more of it follows.
	MoreData bool
}

// Command is one command of a body. Which fields a kind uses is said beside
// each; the others are zero.
type Command struct {
	Kind Kind
	// CmdID is unique within the message and not "0". Decode leaves it empty
	// when the sender gave none.
	CmdID  string
	NoResp bool
	Meta   Meta   // Add, Replace, Get, Delete, Exec, Atomic, Sequence, Results
	Items  []Item // all but Atomic and Sequence

	// Commands are the children of Atomic and Sequence.
	Commands []Command

	// Code is the number of an Alert or of a Status; 0 when the sender gave
	// none or something that is not a number.
	Code       int
	Correlator string // Alert, Exec

	// MsgRef, CmdRef, TargetRefs and SourceRefs say what a Status or a Results
	// answers. In a Results without MsgRef it is 1.
	MsgRef     int
	CmdRef     string
	TargetRefs []string
	SourceRefs []string

	// Cmd is the name of the command that a Status answers; for the header it
	// is "SyncHdr" with CmdRef "0".
	Cmd  string
	Chal *Chal // Status; nil when absent
	// OriginalError is the HRESULT behind a Status, such as "0x80070490"
	// (attribute msft:originalerror of Data). Empty when absent.
	OriginalError string
}
