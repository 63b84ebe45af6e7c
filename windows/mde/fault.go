package mde

import (
	"errors"

	"github.com/keelson-mdm/keelson/mdm"
)

// Subcode is why a request is refused, as the device understands it ([MS-MDE2]
// 2.2.10).
type Subcode string

// The subcodes.
const (
	SubMessageFormat      Subcode = "MessageFormat"
	SubAuthentication     Subcode = "Authentication"
	SubAuthorization      Subcode = "Authorization"
	SubCertificateRequest Subcode = "CertificateRequest"
	SubEnrollmentServer   Subcode = "EnrollmentServer"
	SubInternal           Subcode = "InternalServiceFault"
	SubInvalidSecurity    Subcode = "InvalidSecurity"
)

// ErrorType refines a [Subcode]: with one, Windows tells the user what to do.
type ErrorType string

// The error types.
const (
	ErrorDeviceCapReached      ErrorType = "DeviceCapReached"      // the user has too many devices
	ErrorDeviceNotSupported    ErrorType = "DeviceNotSupported"    // this platform or version is not
	ErrorNotSupported          ErrorType = "NotSupported"          // device management is not, in general
	ErrorNotEligibleToRenew    ErrorType = "NotEligibleToRenew"    // the certificate cannot be renewed; enroll again
	ErrorInMaintenance         ErrorType = "InMaintenance"         // try again later
	ErrorUserLicense           ErrorType = "UserLicense"           // the user's license forbids it
	ErrorInvalidEnrollmentData ErrorType = "InvalidEnrollmentData" // the server may be set up wrong
	// ErrorCustomServer shows the user the fault's Reason, from Windows 10 20H2.
	ErrorCustomServer ErrorType = "CustomServerError"
)

// Fault refuses a request. Whether it goes out with the HTTP status 500, as
// SOAP has it, or 200, as some servers do, is for the HTTP handler to decide.
type Fault struct {
	Operation Operation // which request is refused; names the reply's action
	Subcode   Subcode   // empty means [SubInternal]
	// Reason is shown in the device's event log, and to the user with
	// [ErrorCustomServer]. Control characters are dropped, and all after 500.
	Reason string
	// ErrorType is optional.
	ErrorType ErrorType
	// TraceID is written to the device's log, for support to find the same
	// attempt in the server's: the activity id, usually. It is sent only with
	// an ErrorType.
	TraceID string
}

// FaultFor returns the fault that answers err in op. The subcode is that of
// [mdm.Code.Answer], or [SubCertificateRequest] where the field at fault is
// [FieldCSR]. The message of an [mdm.Error] is passed on; that of any other
// error, or of an internal one, is not.
func FaultFor(op Operation, err error, traceID string) Fault {
	code := mdm.CodeOf(err)
	f := Fault{
		Operation: op,
		Subcode:   Subcode(code.Answer().SOAP),
		Reason:    "The server could not do this now. Try again later.",
		TraceID:   traceID,
	}
	var e *mdm.Error
	if errors.As(err, &e) {
		if e.Message != "" && e.Code != mdm.CodeInternal {
			f.Reason = e.Message
		}
		if e.Field == FieldCSR && f.Subcode == SubMessageFormat {
			f.Subcode = SubCertificateRequest
		}
	}
	switch code {
	case mdm.CodeNotAdmitted:
		f.ErrorType = ErrorCustomServer
	case mdm.CodeBusy, mdm.CodeUnavailable:
		f.ErrorType = ErrorInMaintenance
	case mdm.CodeUnsupported:
		if f.Subcode == SubMessageFormat {
			f.ErrorType = ErrorDeviceNotSupported
		}
	}
	return f
}

// HRESULT is the number that Windows shows for the fault, for an operator to
// find a user's screenshot in a log; zero when there is none.
func (f Fault) HRESULT() uint32 {
	if n, ok := errorTypes[f.ErrorType]; ok {
		return n
	}
	return subcodes[f.subcode()].hresult
}

// Encode writes the fault. It cannot fail for any value of the fields, since
// it is what everything else falls back on; the error is that of the writer.
func (f Fault) Encode(r Reply) ([]byte, error) {
	doc, _, body := newReply(f.Operation.replyAction(), r)
	fault := body.CreateElement("s:Fault")
	code := fault.CreateElement("s:Code")
	addText(code, "s:Value", "s:Receiver")
	sub := f.subcode()
	addText(code.CreateElement("s:Subcode"), "s:Value", subcodes[sub].prefix+":"+string(sub))
	reason := []rune(plainText(f.Reason))
	text := fault.CreateElement("s:Reason").CreateElement("s:Text")
	text.CreateAttr("xml:lang", "en-US")
	text.SetText(string(reason[:min(len(reason), 500)]))
	if _, ok := errorTypes[f.ErrorType]; ok {
		detail := fault.CreateElement("s:Detail").CreateElement("DeviceEnrollmentServiceError")
		detail.CreateAttr("xmlns", nsEnroll)
		addText(detail, "ErrorType", string(f.ErrorType))
		addText(detail, "Message", text.Text())
		addText(detail, "TraceId", plainText(f.TraceID))
	}
	return doc.WriteToBytes()
}

// subcode is the one sent: a value that devices do not know is an internal
// fault to them.
func (f Fault) subcode() Subcode {
	if _, ok := subcodes[f.Subcode]; ok {
		return f.Subcode
	}
	return SubInternal
}

// subcodes is never written to. The prefixes are those of [MS-MDE2] 2.2.10,
// declared by every envelope.
var subcodes = map[Subcode]struct {
	prefix  string
	hresult uint32
}{
	SubMessageFormat:      {"s", 0x80180001},
	SubAuthentication:     {"s", 0x80180002},
	SubAuthorization:      {"s", 0x80180003},
	SubCertificateRequest: {"s", 0x80180004},
	SubEnrollmentServer:   {"s", 0x80180005},
	SubInternal:           {"a", 0x80180006},
	SubInvalidSecurity:    {"a", 0x80180007},
}

// errorTypes is never written to.
var errorTypes = map[ErrorType]uint32{
	ErrorDeviceCapReached:      0x80180013,
	ErrorDeviceNotSupported:    0x80180014,
	ErrorNotSupported:          0x80180015,
	ErrorNotEligibleToRenew:    0x80180016,
	ErrorInMaintenance:         0x80180017,
	ErrorUserLicense:           0x80180018,
	ErrorInvalidEnrollmentData: 0x80180019,
	ErrorCustomServer:          0x80180032,
}
