package ca

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"io"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// DefaultValidity is how long a leaf lives unless [Options] say otherwise.
const DefaultValidity = 365 * 24 * time.Hour

// Backdate is how far before the present a certificate begins, for devices
// whose clock is late.
const Backdate = 10 * time.Minute

// Options are the optional settings of a [CA]. A nil *Options means all zeros.
type Options struct {
	// Validity is how long a leaf lives; it never outlives the authority's own
	// certificate. Zero means [DefaultValidity]; negative is refused.
	Validity time.Duration
	// Retired are earlier authorities whose leaves still count, during a
	// roll-over. They are returned by [CA.Roots] and sign nothing.
	Retired []*x509.Certificate
	// Clock tells the time. Nil means the machine's clock.
	Clock mdm.Clock
	// Rand is the source of serial numbers and of whatever the signer draws
	// from it. Nil means crypto/rand. It must be safe for concurrent use.
	Rand io.Reader
}

// CA is a certificate authority. It is safe for concurrent use when its signer
// is, as those of the standard library are.
type CA struct {
	cert     *x509.Certificate
	signer   crypto.Signer
	retired  []*x509.Certificate
	validity time.Duration
	clock    mdm.Clock
	rand     io.Reader
}

var _ mdm.CA = (*CA)(nil)

// New returns an authority that signs with signer under cert. It refuses, as a
// [mdm.CodeInvalid] error, a certificate that may not sign certificates, a key
// that does not belong to it, and a key that [CheckKey] refuses. The certificate
// may itself be signed by another authority; leaves are still judged against it
// alone.
func New(cert *x509.Certificate, signer crypto.Signer, o *Options) (*CA, error) {
	if o == nil {
		o = &Options{}
	}
	if err := checkAuthority(cert); err != nil {
		return nil, err
	}
	if signer == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "signer", "an authority needs the private key of its certificate")
	}
	if !samePublicKey(cert.PublicKey, signer.Public()) {
		return nil, mdm.Errorf(mdm.CodeInvalid, "signer", "the private key does not belong to the authority's certificate")
	}
	if o.Validity < 0 {
		return nil, mdm.Errorf(mdm.CodeInvalid, "validity", "a leaf cannot live for a negative time: leave it zero for a year")
	}
	for _, r := range o.Retired {
		if err := checkAuthority(r); err != nil {
			return nil, err
		}
	}
	c := &CA{
		cert:     cert,
		signer:   signer,
		retired:  slices.Clone(o.Retired),
		validity: o.Validity,
		clock:    o.Clock,
		rand:     o.Rand,
	}
	if c.validity == 0 {
		c.validity = DefaultValidity
	}
	if c.clock == nil {
		c.clock = mdm.SystemClock{}
	}
	if c.rand == nil {
		c.rand = rand.Reader
	}
	return c, nil
}

// Certificate returns the authority's own certificate, which is not to be
// changed.
func (c *CA) Certificate() *x509.Certificate { return c.cert }

// Signer returns the authority's private key, so that an authority with an RSA
// key can serve SCEP itself.
func (c *CA) Signer() crypto.Signer { return c.signer }

// Roots returns the certificate in use and then the retired ones. One authority
// serves every tenant: the name in a leaf tells them apart.
func (c *CA) Roots(context.Context, mdm.TenantID) ([]*x509.Certificate, error) {
	return append([]*x509.Certificate{c.cert}, c.retired...), nil
}

func checkAuthority(cert *x509.Certificate) error {
	switch {
	case cert == nil:
		return mdm.Errorf(mdm.CodeInvalid, "certificate", "an authority needs a certificate")
	case !cert.BasicConstraintsValid || !cert.IsCA:
		return mdm.Errorf(mdm.CodeInvalid, "certificate", "not the certificate of an authority: its basic constraints do not say CA")
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return mdm.Errorf(mdm.CodeInvalid, "certificate", "the key usage does not allow signing certificates")
	}
	return CheckKey(cert.PublicKey)
}
