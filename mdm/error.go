package mdm

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Code is a stable, machine-readable name of what went wrong. Codes are part of
// the API: one may be added, none changes its meaning or its answers.
type Code string

// The codes. What each audience is answered stands in one table, [Code.Answer].
const (
	CodeInvalid         Code = "invalid"          // a value is wrong; Field says which
	CodeMalformed       Code = "malformed"        // bytes that cannot be decoded at all
	CodeTooLarge        Code = "too_large"        // a size, depth or count bound was exceeded
	CodeUnsupported     Code = "unsupported"      // well-formed, but not something that we speak
	CodeNotFound        Code = "not_found"        // the thing named does not exist in this tenant
	CodeConflict        Code = "conflict"         // it exists already, or changed meanwhile
	CodeUnauthenticated Code = "unauthenticated"  // no usable proof of who is calling
	CodeForbidden       Code = "forbidden"        // who is calling is known and may not do this
	CodeIdentity        Code = "identity"         // a certificate that is not this device's identity
	CodeChallenge       Code = "challenge"        // an enrollment challenge that is used up, expired or foreign
	CodeNotAdmitted     Code = "not_admitted"     // the application refused this device
	CodeTooLate         Code = "too_late"         // the command has left, or has ended
	CodeUnresolved      Code = "unresolved_value" // a per-device value could not be filled in
	CodeUnavailable     Code = "unavailable"      // a transient fault; the same request may succeed later
	CodeBusy            Code = "busy"             // over a limit of rate or concurrency; RetryAfter says when
	CodeInternal        Code = "internal"         // a defect of ours
)

// The codes of requests that are conditional, or are made again.
const (
	// CodePrecondition: the thing has changed since the caller looked at it.
	// Look again; the same request will not succeed later.
	CodePrecondition Code = "precondition_failed"
	// CodeKeyReused: the idempotency key was used for another request.
	CodeKeyReused Code = "idempotency_key_reused"
)

// Error is the one error type that crosses a package boundary of Keelson with a
// meaning. Message is safe to show to the caller: it holds no secret and no
// foreign bytes beyond a quoted name. Err is the cause, for logs only.
//
// Match with [errors.Is] against a bare code, errors.Is(err, mdm.CodeNotFound),
// or with [errors.As] for the whole value.
type Error struct {
	Code    Code
	Field   string // which input, as a path such as "labels.include_all[2]"; empty when none
	Message string // what was wrong and what to do
	// RetryAfter is how long to wait before the same request makes sense.
	// Zero means that the audience's default applies.
	RetryAfter time.Duration
	Err        error
}

// Errorf returns an [*Error] with a formatted message. To keep a cause that the
// caller must not see, use [WrapError].
func Errorf(code Code, field, format string, args ...any) *Error {
	return &Error{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// WrapError gives err a code and a message that is safe to show, and keeps err
// as the cause. A nil err gives a nil error.
func WrapError(code Code, field, message string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: code, Field: field, Message: message, Err: err}
}

func (e *Error) Error() string {
	s := string(e.Code)
	if e.Field != "" {
		s += " (" + e.Field + ")"
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is this error's code.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c == e.Code
}

// Error makes a bare code usable as the target of [errors.Is].
func (c Code) Error() string { return string(c) }

// CodeOf returns the code of err: the outermost [*Error] in its chain, or
// [CodeInternal] for any other non-nil error, or "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	var c Code
	if errors.As(err, &c) {
		return c
	}
	return CodeInternal
}

// Transient reports whether what failed may succeed when it is tried again: err
// has a code whose [Answer] says so.
func Transient(err error) bool { return err != nil && CodeOf(err).Answer().Transient }

// Answer is what each audience is told about a [Code].
type Answer struct {
	// Device is the HTTP status for an Apple device or an OMA-DM session. It
	// is always one of [DeviceStatuses]: never 401 and never a 403 or 404, on
	// which an honest device may remove its own enrollment.
	Device int
	// SOAP is the subcode of an MS-MDE2 fault ([MS-MDE2] 2.2.9).
	SOAP string
	// Admin is the HTTP status of the JSON API.
	Admin int
	// Transient is set when the same request may succeed later.
	Transient bool
}

// Answer returns the row of the table for c; an unknown code answers as
// [CodeInternal].
func (c Code) Answer() Answer {
	if a, ok := answers[c]; ok {
		return a
	}
	return answers[CodeInternal]
}

// answers is never written to.
var answers = map[Code]Answer{
	CodeInvalid:         {Device: http.StatusBadRequest, SOAP: "MessageFormat", Admin: http.StatusUnprocessableEntity},
	CodeMalformed:       {Device: http.StatusBadRequest, SOAP: "MessageFormat", Admin: http.StatusBadRequest},
	CodeTooLarge:        {Device: http.StatusRequestEntityTooLarge, SOAP: "MessageFormat", Admin: http.StatusRequestEntityTooLarge},
	CodeUnsupported:     {Device: http.StatusUnsupportedMediaType, SOAP: "MessageFormat", Admin: http.StatusUnsupportedMediaType},
	CodeNotFound:        {Device: http.StatusBadRequest, SOAP: "MessageFormat", Admin: http.StatusNotFound},
	CodeConflict:        {Device: http.StatusServiceUnavailable, SOAP: "EnrollmentServer", Admin: http.StatusConflict, Transient: true},
	CodeUnauthenticated: {Device: http.StatusBadRequest, SOAP: "Authentication", Admin: http.StatusUnauthorized},
	CodeForbidden:       {Device: http.StatusBadRequest, SOAP: "Authorization", Admin: http.StatusForbidden},
	CodeIdentity:        {Device: http.StatusBadRequest, SOAP: "Authentication", Admin: http.StatusForbidden},
	CodeChallenge:       {Device: http.StatusBadRequest, SOAP: "Authentication", Admin: http.StatusForbidden},
	CodeNotAdmitted:     {Device: http.StatusBadRequest, SOAP: "Authorization", Admin: http.StatusForbidden},
	CodeTooLate:         {Device: http.StatusBadRequest, SOAP: "EnrollmentServer", Admin: http.StatusConflict},
	CodePrecondition:    {Device: http.StatusBadRequest, SOAP: "MessageFormat", Admin: http.StatusPreconditionFailed},
	CodeKeyReused:       {Device: http.StatusBadRequest, SOAP: "MessageFormat", Admin: http.StatusUnprocessableEntity},
	CodeUnresolved:      {Device: http.StatusServiceUnavailable, SOAP: "EnrollmentServer", Admin: http.StatusUnprocessableEntity},
	CodeUnavailable:     {Device: http.StatusServiceUnavailable, SOAP: "EnrollmentServer", Admin: http.StatusServiceUnavailable, Transient: true},
	CodeBusy:            {Device: http.StatusTooManyRequests, SOAP: "EnrollmentServer", Admin: http.StatusTooManyRequests, Transient: true},
	CodeInternal:        {Device: http.StatusServiceUnavailable, SOAP: "EnrollmentServer", Admin: http.StatusInternalServerError},
}

// DeviceStatuses lists every HTTP status that a device may be sent over MDM
// check-in, command and management URLs. 410 is the answer to UserAuthenticate
// that declines a network user.
func DeviceStatuses() []int {
	return []int{
		http.StatusOK, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusGone,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusTooManyRequests, http.StatusServiceUnavailable,
	}
}
