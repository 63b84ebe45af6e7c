package mde

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// Renewal configures the automatic renewal of the device's certificate over
// mutual TLS.
type Renewal struct {
	// Days before the end of the certificate that renewal begins: 1 to 1000,
	// and 40 to 60 are advised. Required.
	Days int
	// RetryDays is between attempts, no more than Days. Zero means 4, or Days
	// if that is less.
	RetryDays int
	// URL is where to renew; empty means what discovery says.
	URL string
}

// Thumbprint is the name of a certificate in a Windows store: the SHA-1 of its
// DER in 40 uppercase hexadecimal digits.
func Thumbprint(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// store is the store of the device's certificate, a node under My.
func (p Provisioning) store() string {
	if p.Type == EnrollmentDevice {
		return "System"
	}
	return "User"
}

// certificateStore is CertificateStore: the root, the intermediate if there is
// one, the leaf, and its renewal.
func (p Provisioning) certificateStore(o *ProvisioningOptions) (Characteristic, error) {
	none := Characteristic{}
	if p.Leaf == nil {
		return none, mdm.Errorf(mdm.CodeInvalid, "Leaf", "the device's certificate is required")
	}
	under := p.Leaf
	if o.Intermediate != nil {
		if err := p.Leaf.CheckSignatureFrom(o.Intermediate); err != nil {
			return none, mdm.WrapError(mdm.CodeInvalid, "Intermediate", "the device's certificate was not issued by the intermediate", err)
		}
		under = o.Intermediate
	}
	root := issuer(under, p.Roots)
	if root == nil {
		return none, mdm.Errorf(mdm.CodeInvalid, "Roots", "the device's certificate chains to none of the self-signed roots")
	}
	store := Characteristic{Type: "CertificateStore", Characteristics: []Characteristic{
		node("Root", node("System", certificate(root))),
	}}
	if o.Intermediate != nil {
		store.Characteristics = append(store.Characteristics, node("CA", node("System", certificate(o.Intermediate))))
	}
	my := node("My", node(p.store(), certificate(p.Leaf), node("PrivateKeyContainer")))
	if o.Renewal != (Renewal{}) {
		renew, err := o.Renewal.characteristic()
		if err != nil {
			return none, err
		}
		my.Characteristics = append(my.Characteristics, node("WSTEP", renew))
	}
	store.Characteristics = append(store.Characteristics, my)
	return store, nil
}

// issuer returns the self-signed root that issued c, or nil.
func issuer(c *x509.Certificate, roots []*x509.Certificate) *x509.Certificate {
	for _, r := range roots {
		if r != nil && bytes.Equal(r.RawIssuer, r.RawSubject) && c.CheckSignatureFrom(r) == nil {
			return r
		}
	}
	return nil
}

func node(typ string, kids ...Characteristic) Characteristic {
	return Characteristic{Type: typ, Characteristics: kids}
}

func certificate(c *x509.Certificate) Characteristic {
	return Characteristic{Type: Thumbprint(c), Parms: []Parm{
		{Name: "EncodedCertificate", Value: base64.StdEncoding.EncodeToString(c.Raw)},
	}}
}

func (r Renewal) characteristic() (Characteristic, error) {
	none := Characteristic{}
	if r.Days < 1 || r.Days > 1000 {
		return none, mdm.Errorf(mdm.CodeInvalid, "Renewal.Days", "renewal must begin 1 to 1000 days before the end")
	}
	if r.RetryDays == 0 {
		r.RetryDays = min(4, r.Days)
	}
	if r.RetryDays < 1 || r.RetryDays > r.Days {
		return none, mdm.Errorf(mdm.CodeInvalid, "Renewal.RetryDays", "renewal must be tried again after 1 to %d days", r.Days)
	}
	c := Characteristic{Type: "Renew", Parms: []Parm{
		boolean("ROBOSupport", true),
		integer("RenewPeriod", r.Days),
		integer("RetryInterval", r.RetryDays),
	}}
	if r.URL != "" {
		if _, err := httpsURL("Renewal.URL", r.URL); err != nil {
			return none, err
		}
		c.Parms = append(c.Parms, text("ServerURL", r.URL))
	}
	return c, nil
}
