package scep

import (
	"errors"
	"net/http"

	smallscep "github.com/smallstep/scep"

	"github.com/keelson-mdm/keelson/mdm"
)

// refusal is a decision against a request, with what its CertRep will say.
type refusal struct {
	info smallscep.FailInfo
	err  error
}

func refuse(info smallscep.FailInfo, err error) error { return &refusal{info: info, err: err} }

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// later reports whether err is answered with "try again": when the table of
// mdm.Code answers devices so. That includes faults of ours, which a device had
// better ask about again than take for a refusal.
func later(err error) bool {
	status := mdm.CodeOf(err).Answer().Device
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

// failInfoOf returns the failInfo for err, or false when the device had better
// ask again. The table (RFC 8894, section 3.2.1.4.4) stands at [Issuer].
func failInfoOf(err error) (smallscep.FailInfo, bool) {
	if r := (*refusal)(nil); errors.As(err, &r) {
		return r.info, true
	}
	if later(err) {
		return "", false
	}
	switch mdm.CodeOf(err) {
	case mdm.CodeUnsupported:
		return smallscep.BadAlg, true
	case mdm.CodeMalformed:
		return smallscep.BadMessageCheck, true
	case mdm.CodeIdentity, mdm.CodeNotFound:
		return smallscep.BadCertID, true
	}
	return smallscep.BadRequest, true
}
