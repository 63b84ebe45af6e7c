package apns

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sideshow/apns2"

	"github.com/keelson-mdm/keelson/mdm"
)

const (
	maxRetryAfter = 24 * time.Hour
	maxFaultText  = 300 // bytes of a fault's text that are kept

	// remoteAlert is the Op that crypto/tls gives to every alert of the other
	// side.
	remoteAlert = "remote error"
)

// Causes of a context that this package ends itself.
var (
	errTimeout = errors.New("timeout")
	errClosed  = errors.New("closed")
)

// classifyAnswer turns an answer of APNs into an outcome. The status decides;
// a body that could not be read leaves resp without a reason.
func classifyAnswer(ex *exchange, resp *apns2.Response, now time.Time) Outcome {
	o := Outcome{HTTPStatus: ex.status, ID: ex.id, Wait: retryAfter(ex.retryAfter, now)}
	if resp != nil {
		o.Reason = knownShape(resp.Reason)
	}
	switch {
	case ex.status == http.StatusOK:
		return Outcome{Status: Delivered, HTTPStatus: ex.status, ID: ex.id}
	case ex.status == http.StatusGone, ex.status == http.StatusBadRequest && o.Reason.isOfToken():
		o.Status = TokenGone
		if resp != nil && !resp.Timestamp.IsZero() {
			o.GoneSince = resp.Timestamp.UTC()
		}
	case ex.status == http.StatusTooManyRequests, ex.status >= http.StatusInternalServerError, o.Reason == ReasonIdleTimeout:
		o.Status = Retry
	default:
		o.Status = Failed
	}
	if o.Reason == "" {
		o.Reason = reasonOf(ex.status)
	}
	if o.Status != Retry {
		o.Wait = 0
	}
	o.Err = answerError(o)
	return o
}

// reasonOf stands in for the reason of an answer that came without one.
func reasonOf(status int) Reason {
	switch status {
	case http.StatusGone:
		return ReasonUnregistered
	case http.StatusTooManyRequests:
		return ReasonTooManyRequests
	case http.StatusServiceUnavailable:
		return ReasonServiceUnavailable
	default:
		return ReasonUnrecognized
	}
}

func answerError(o Outcome) *mdm.Error {
	switch {
	case o.Status == TokenGone:
		return mdm.Errorf(mdm.CodeNotFound, "token", "APNs does not know the token (%s): wait for the device's next TokenUpdate, or check its enrollment", o.Reason)
	case o.Status == Retry && o.HTTPStatus == http.StatusTooManyRequests:
		err := mdm.Errorf(mdm.CodeBusy, "", "APNs has had too many pushes for this device (%s)", o.Reason)
		err.RetryAfter = o.Wait
		return err
	case o.Status == Retry:
		err := mdm.Errorf(mdm.CodeUnavailable, "", "APNs answered %d (%s)", o.HTTPStatus, o.Reason)
		err.RetryAfter = o.Wait
		return err
	case o.Reason.condemnsCertificate():
		return mdm.Errorf(mdm.CodeForbidden, "certificate", "APNs refuses the push certificate (%s): renew it, or use the production host", o.Reason)
	default:
		return mdm.Errorf(mdm.CodeInvalid, "", "APNs refused the push with status %d (%s)", o.HTTPStatus, o.Reason)
	}
}

// isOfToken reports whether the token is dead, or was never one.
func (r Reason) isOfToken() bool {
	return r == ReasonBadDeviceToken || r == ReasonUnregistered || r == ReasonExpiredToken
}

// condemnsCertificate reports whether every push with the certificate will be
// answered like this one.
func (r Reason) condemnsCertificate() bool {
	switch r {
	case ReasonBadCertificate, ReasonBadCertificateEnvironment, ReasonCertificateRefused, ReasonServerUntrusted:
		return true
	}
	return false
}

// classifyFault turns a request without an answer into an outcome. n's secrets
// are kept out of it.
func classifyFault(ctx context.Context, err error, n *apns2.Notification) Outcome {
	var (
		untrusted *tls.CertificateVerificationError
		operation *net.OpError
	)
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errClosed), errors.Is(err, errClosed):
		return Outcome{Status: Retry, Reason: ReasonClosed,
			Err: mdm.WrapError(mdm.CodeUnavailable, "", "the pusher is closed", errClosed)}
	case errors.Is(cause, errTimeout):
		return Outcome{Status: Retry, Reason: ReasonTimeout,
			Err: mdm.WrapError(mdm.CodeUnavailable, "", "APNs did not answer in time", errTimeout)}
	case cause != nil:
		return Outcome{Status: Retry, Reason: ReasonCanceled,
			Err: mdm.WrapError(mdm.CodeUnavailable, "", "the push was given up before it was answered", ctx.Err())}
	case errors.As(err, &untrusted), errors.Is(err, errNoHTTP2):
		return Outcome{Status: Failed, Reason: ReasonServerUntrusted,
			Err: mdm.WrapError(mdm.CodeForbidden, "root_cas", "what answers is not APNs, or its certificate is not trusted: something stands between this server and Apple, or the roots are wrong", faultOf(err, n))}
	case errors.As(err, &operation) && operation.Op == remoteAlert:
		return Outcome{Status: Failed, Reason: ReasonCertificateRefused,
			Err: mdm.WrapError(mdm.CodeForbidden, "certificate", "APNs refused the connection: the push certificate is revoked or was not issued by Apple", faultOf(err, n))}
	default:
		return Outcome{Status: Retry, Reason: ReasonConnection,
			Err: mdm.WrapError(mdm.CodeUnavailable, "", "the connection to APNs could not be made or broke", faultOf(err, n))}
	}
}

// fault is the text of a transport's error. The error itself is dropped: a
// *url.Error holds the path, and so the token.
type fault string

func (f fault) Error() string { return string(f) }

// faultOf keeps the bounded text of err's cause, without what is secret in n.
func faultOf(err error, n *apns2.Notification) error {
	var request *url.Error
	for errors.As(err, &request) && request.Err != nil {
		err = request.Err
		request = nil
	}
	text := err.Error()
	if n != nil && n.DeviceToken != "" {
		text = strings.ReplaceAll(text, n.DeviceToken, "[token]")
	}
	if len(text) > maxFaultText {
		text = strings.ToValidUTF8(text[:maxFaultText], "") + "…"
	}
	return fault(text)
}

// knownShape returns a reason of the kind that Apple gives, [ReasonUnrecognized]
// for anything else: a foreign text is not passed on.
func knownShape(reason string) Reason {
	if reason == "" {
		return ""
	}
	for i := range len(reason) {
		c := reason[i] | 0x20
		if c < 'a' || c > 'z' {
			return ReasonUnrecognized
		}
	}
	if len(reason) > 40 {
		return ReasonUnrecognized
	}
	return Reason(reason)
}

// retryAfter reads the header (RFC 9110, 10.2.3) in either form. What cannot be
// read, or has passed, is zero; what is longer than a day is a day.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
