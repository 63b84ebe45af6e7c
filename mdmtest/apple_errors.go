package mdmtest

import (
	"errors"
	"fmt"
	"strings"
)

// The statuses of a report to the command URL.
const (
	statusIdle               = "Idle"
	statusAcknowledged       = "Acknowledged"
	statusError              = "Error"
	statusCommandFormatError = "CommandFormatError"
	statusNotNow             = "NotNow"
)

// Sentinels of a simulated Apple device; match with [errors.Is].
var (
	// ErrOffline is returned by everything that needs the network while
	// [Apple.SetOffline] is in force.
	ErrOffline = errors.New("mdmtest: the device is offline")
	// ErrNotEnrolled is returned by what needs an enrollment.
	ErrNotEnrolled = errors.New("mdmtest: the device has no enrollment; call Enroll first")
	// ErrReplyLost is returned by a check-in whose response was dropped on
	// request, see [Apple.LoseCheckInReply].
	ErrReplyLost = errors.New("mdmtest: the response was dropped on request")
)

// ErrorChainItem is one member of the ErrorChain of a report.
//
// The codes that a device uses on its own are those commonly seen from
// hardware; Apple publishes no complete list, so a server must not depend on
// them.
type ErrorChainItem struct {
	ErrorCode            int    `json:"error_code"`
	ErrorDomain          string `json:"error_domain"`
	LocalizedDescription string `json:"localized_description"`
	USEnglishDescription string `json:"us_english_description,omitempty"`
}

// DeviceError is a refusal by the device itself: of an enrollment profile or of
// a command. A [CommandHandler] returns one to answer with its chain.
type DeviceError struct {
	Chain []ErrorChainItem // outermost first; never empty when made by a device
	// Format makes the answer CommandFormatError instead of Error.
	Format bool
	Err    error // the cause, may be nil
}

func (e *DeviceError) Error() string {
	parts := make([]string, 0, len(e.Chain))
	for _, c := range e.Chain {
		parts = append(parts, fmt.Sprintf("%s (%s %d)", c.LocalizedDescription, c.ErrorDomain, c.ErrorCode))
	}
	if len(parts) == 0 {
		return "the device refused"
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (e *DeviceError) Unwrap() error { return e.Err }

// refuse makes a DeviceError with one member.
func refuse(domain string, code int, format string, args ...any) *DeviceError {
	err := fmt.Errorf(format, args...)
	return &DeviceError{
		Chain: []ErrorChainItem{{ErrorCode: code, ErrorDomain: domain, LocalizedDescription: err.Error(), USEnglishDescription: err.Error()}},
		Err:   errors.Unwrap(err),
	}
}

// chainOf returns the chain of err, wrapping any other error in one member.
func chainOf(err error) []ErrorChainItem {
	var de *DeviceError
	if errors.As(err, &de) && len(de.Chain) > 0 {
		return de.Chain
	}
	return refuse(domainMDM, 12010, "%s", err).Chain
}

// Error domains that devices report.
const (
	domainMDM       = "MCMDMErrorDomain"
	domainProfile   = "MCProfileErrorDomain"
	domainInstall   = "MCInstallationErrorDomain"
	domainMDMClient = "MDMClientError" // Macs

	domainCertificate = "MCCertificateErrorDomain"
)

// StatusError is an HTTP response whose status was not 200.
type StatusError struct {
	During string // what the device was doing
	URL    string
	Status int
	Body   string // the beginning of the body
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s: %s answered with status %d", e.During, e.URL, e.Status)
	if e.Body != "" {
		s += fmt.Sprintf(": %q", e.Body)
	}
	return s
}

// SCEPError is a refusal by the SCEP server, or a reply that breaks RFC 8894.
type SCEPError struct {
	// FailInfo is the failInfo of a CertRep with status FAILURE (RFC 8894
	// 3.2.1.4): "0" badAlg to "4" badCertId. Empty for any other fault.
	FailInfo string
	Text     string
	Err      error // the cause, may be nil
}

func (e *SCEPError) Error() string {
	s := "SCEP: " + e.Text
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *SCEPError) Unwrap() error { return e.Err }
