package ca

import (
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Reason says why a [Verifier] refused a certificate. It stands in the chain of
// the returned error: errors.Is(err, ca.Expired).
type Reason string

// The reasons.
const (
	// Foreign: no authority that counts has signed it, or it is no certificate
	// that could have been.
	Foreign Reason = "foreign"
	// Expired: one of ours, but it or its authority is past its end.
	Expired Reason = "expired"
	// NotYetValid: one of ours whose time has not come; some clock is wrong.
	NotYetValid Reason = "not_yet_valid"
	// WrongPurpose: one of ours, issued for something else.
	WrongPurpose Reason = "wrong_purpose"
)

// Error makes a reason usable as the target of errors.Is.
func (r Reason) Error() string { return string(r) }

// ReasonOf returns why err refused a certificate, "" when it did not.
func ReasonOf(err error) Reason {
	var r Reason
	errors.As(err, &r)
	return r
}

// MaxLeaf bounds the certificates that a [Verifier] looks at, in bytes of DER.
const MaxLeaf = 16 << 10

// VerifierOptions are the optional settings of a [Verifier]. A nil
// *VerifierOptions means all zeros.
type VerifierOptions struct {
	// Intermediates may stand between a leaf and a root. They come from here
	// alone and never from the peer, which bounds the work. Nil means none.
	Intermediates []*x509.Certificate
	// AllowUnnamed lets in leaves without a name of ours, which is what an
	// outside CA issues; an mdm.Admitter has to judge them. Leaves of ours for
	// another purpose stay refused. Zero refuses them all.
	AllowUnnamed bool
}

// Verifier judges certificates that devices present as their MDM identity. It is
// safe for concurrent use.
type Verifier struct {
	roots, intermediates *x509.CertPool
	allowUnnamed         bool
}

// NewVerifier returns a verifier that trusts roots: those of [CA.Roots] or of an
// outside CA. It fails when there are none.
func NewVerifier(roots []*x509.Certificate, o *VerifierOptions) (*Verifier, error) {
	if o == nil {
		o = &VerifierOptions{}
	}
	if len(roots) == 0 || slices.Contains(roots, nil) || slices.Contains(o.Intermediates, nil) {
		return nil, mdm.Errorf(mdm.CodeInvalid, "roots", "device identities are verified against at least one authority, and none may be nil")
	}
	v := &Verifier{roots: x509.NewCertPool(), intermediates: x509.NewCertPool(), allowUnnamed: o.AllowUnnamed}
	for _, c := range roots {
		v.roots.AddCert(c)
	}
	for _, c := range o.Intermediates {
		v.intermediates.AddCert(c)
	}
	return v, nil
}

// Verify reports whether leaf is an MDM identity of a trusted authority at the
// given time: chain, validity, client authentication, and the name that says it
// is not for Wi-Fi or the like. A refusal is a [mdm.CodeIdentity] error with a
// [Reason]. It says nothing of revocation, nor of which device presents it.
func (v *Verifier) Verify(leaf *x509.Certificate, at time.Time) error {
	_, err := v.Judge(leaf, at)
	return err
}

// Span is a time, with both its ends.
type Span struct{ From, To time.Time }

// Contains reports whether t is in it.
func (s Span) Contains(t time.Time) bool { return !t.Before(s.From) && !t.After(s.To) }

// Judge is [Verifier.Verify] that also says how long the verdict stands: at every
// time in the span, which contains the given one, the same leaf passes again. When
// it is refused the span is zero.
func (v *Verifier) Judge(leaf *x509.Certificate, at time.Time) (Span, error) {
	if leaf == nil || len(leaf.Raw) == 0 || len(leaf.Raw) > MaxLeaf {
		return Span{}, refuse(Foreign, "not a certificate that an authority of ours has issued")
	}
	if at.IsZero() {
		at = time.Unix(0, 0) // x509 would take zero for the present
	}
	chains, err := v.chain(leaf, at)
	if err != nil {
		return Span{}, v.explain(leaf, at)
	}
	if err := v.purpose(leaf); err != nil {
		return Span{}, err
	}
	return longest(chains), nil
}

// purpose refuses what was issued for something else.
func (v *Verifier) purpose(leaf *x509.Certificate) error {
	switch {
	case leaf.IsCA:
		return refuse(WrongPurpose, "this is the certificate of an authority, not of a device")
	case !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth):
		return refuse(WrongPurpose, "the certificate is not for client authentication")
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return refuse(WrongPurpose, "the certificate's key may not sign")
	}
	_, named, err := ParseName(leaf)
	if err != nil {
		return refuse(WrongPurpose, "the certificate carries a malformed name")
	}
	_, _, other, err := ParseLeaf(leaf)
	switch {
	case other || err != nil:
		return refuse(WrongPurpose, "the certificate was issued for another purpose than MDM")
	case !named && !v.allowUnnamed:
		return refuse(WrongPurpose, "the certificate does not name an enrollment")
	}
	return nil
}

// longest returns the time in which all certificates of a chain are valid: of the
// chain that lasts longest. Every chain is valid at the time that was asked for.
func longest(chains [][]*x509.Certificate) (long Span) {
	for i, chain := range chains {
		s := Span{chain[0].NotBefore, chain[0].NotAfter}
		for _, c := range chain[1:] {
			if c.NotBefore.After(s.From) {
				s.From = c.NotBefore
			}
			if c.NotAfter.Before(s.To) {
				s.To = c.NotAfter
			}
		}
		if i == 0 || s.To.After(long.To) {
			long = s
		}
	}
	return long
}

// explain tells a stranger from a certificate that is ours at another time:
// every leaf that chains does so in the middle of its own life.
func (v *Verifier) explain(leaf *x509.Certificate, at time.Time) error {
	middle := leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)
	switch {
	case !v.chains(leaf, middle):
		return refuse(Foreign, "no authority that counts here has issued the certificate")
	case at.Before(leaf.NotBefore):
		return refuse(NotYetValid, "the certificate is not valid yet: check the clocks")
	}
	return refuse(Expired, "the certificate, or the authority that issued it, has expired: enroll again")
}

func (v *Verifier) chains(leaf *x509.Certificate, at time.Time) bool {
	_, err := v.chain(leaf, at)
	return err == nil
}

func (v *Verifier) chain(leaf *x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	return leaf.Verify(x509.VerifyOptions{
		Roots:         v.roots,
		Intermediates: v.intermediates,
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
}

func refuse(r Reason, message string) error {
	return mdm.WrapError(mdm.CodeIdentity, "certificate", message, r)
}
