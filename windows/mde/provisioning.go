package mde

import (
	"crypto/x509"
	"regexp"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// Provisioning is what every provisioning document of an enrollment has. All
// fields are required.
type Provisioning struct {
	// Type decides where the certificate goes: with the user, or with the
	// device.
	Type EnrollmentType
	// Roots are the roots of the identity CA. The one that Leaf chains to is
	// delivered, alone: [MS-MDE2] clients take one.
	Roots []*x509.Certificate
	// Leaf is the device's new certificate. The device finds it again by its
	// subject, which must be exactly one common name, unless
	// [ProvisioningOptions.Subject] says what to look for.
	Leaf *x509.Certificate
	// ProviderID names this server on the device, in every LocURI that it has
	// there, and can never be changed: 1 to 64 letters, digits, dots, hyphens
	// and underscores.
	ProviderID string
	// ManagementURL is the https URL of management sessions.
	ManagementURL string
	// EntDMID is our name for the enrollment. It is what renewal needs, and
	// what the device sends as client-request-id.
	EntDMID string
	// Device is what the device proves itself with (APPSRV), and Server what
	// this server does (CLIENT), both by digest. See [NewAppAuth].
	Device, Server AppAuth
}

// ProvisioningOptions is what a provisioning document may have. Nil is the zero
// value.
type ProvisioningOptions struct {
	// Intermediate issued the leaf; nil when a root did.
	Intermediate *x509.Certificate
	// Subject is the distinguished name to find the leaf by, such as
	// "CN=Tester,O=Example". Empty means that of the leaf.
	Subject string
	// Renewal configures the renewal of the certificate. Zero leaves it out,
	// as a server must that would refuse to renew; the device tries all the
	// same, 42 days before the end.
	Renewal Renewal
	// Name is the server's name as users see it. Empty means the ProviderID.
	Name string
	// UPN and DeviceName are shown on the device; empty leaves them out.
	UPN, DeviceName string
	// Poll is how often the device calls. Nil means [DefaultPoll].
	Poll *Poll
	// SyncApplicationVersion is the version of the management protocol. Empty
	// means "3.0", the first that says why a command failed.
	SyncApplicationVersion string
}

// providerID is what needs no escaping in XML, in a LocURI or in the registry.
var providerID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// NewProvisioningDoc makes the document that enrolls a device ([MS-MDE2]
// 2.2.9.1). It has three characteristics and no others, since Windows fails an
// enrollment over those it does not expect. What a device would stumble over
// is [mdm.CodeInvalid]: a leaf that does not chain to a root that is
// delivered, or a nonce that was forgotten.
func NewProvisioningDoc(p Provisioning, o *ProvisioningOptions) (*ProvisioningDoc, error) {
	if o == nil {
		o = &ProvisioningOptions{}
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	certs, err := p.certificateStore(o)
	if err != nil {
		return nil, err
	}
	app, err := p.application(o)
	if err != nil {
		return nil, err
	}
	client, err := p.client(o)
	if err != nil {
		return nil, err
	}
	return &ProvisioningDoc{Characteristics: []Characteristic{certs, app, client}}, nil
}

func (p Provisioning) check() error {
	if p.Type != EnrollmentFull && p.Type != EnrollmentDevice {
		return mdm.Errorf(mdm.CodeInvalid, "Type", "the enrollment type %q is neither Full nor Device", p.Type)
	}
	if !providerID.MatchString(p.ProviderID) {
		return mdm.Errorf(mdm.CodeInvalid, "ProviderID", "the provider id is not 1 to 64 letters, digits, dots, hyphens and underscores")
	}
	if _, err := httpsURL("ManagementURL", p.ManagementURL); err != nil {
		return err
	}
	for _, v := range []struct{ field, value string }{
		{"EntDMID", p.EntDMID}, {"Device.Name", p.Device.Name}, {"Device.Secret", p.Device.Secret}, {"Server.Secret", p.Server.Secret},
	} {
		if v.value == "" {
			return mdm.Errorf(mdm.CodeInvalid, v.field, "%s is required", v.field)
		}
		if err := checkText(v.field, v.value); err != nil {
			return err
		}
	}
	if strings.Contains(p.Device.Name, ":") {
		return mdm.Errorf(mdm.CodeInvalid, "Device.Name", "the name of a credential must not have a colon")
	}
	if p.Device.Nonce == ([16]byte{}) || p.Server.Nonce == ([16]byte{}) || p.Device.Nonce == p.Server.Nonce {
		return mdm.Errorf(mdm.CodeInvalid, "Device.Nonce", "each credential needs a random nonce of its own")
	}
	if p.Device.Secret == p.Server.Secret {
		return mdm.Errorf(mdm.CodeInvalid, "Device.Secret", "each credential needs a secret of its own")
	}
	return nil
}

// sessionVersion is what the SyncApplicationVersion node accepts.
var sessionVersion = regexp.MustCompile(`^(\d\.)?\d$`)

// client is DMClient: what the device remembers about itself, and when it
// calls.
func (p Provisioning) client(o *ProvisioningOptions) (Characteristic, error) {
	none := Characteristic{}
	provider := Characteristic{Type: p.ProviderID}
	for _, v := range []struct{ name, value string }{{"UPN", o.UPN}, {"EntDeviceName", o.DeviceName}, {"EntDMID", p.EntDMID}} {
		if v.value == "" {
			continue
		}
		if err := checkText(v.name, v.value); err != nil {
			return none, err
		}
		provider.Parms = append(provider.Parms, text(v.name, v.value))
	}
	version := o.SyncApplicationVersion
	if version == "" {
		version = "3.0"
	}
	if !sessionVersion.MatchString(version) {
		return none, mdm.Errorf(mdm.CodeInvalid, "SyncApplicationVersion", "the version is not a digit, or two with a dot")
	}
	provider.Parms = append(provider.Parms, text("SyncApplicationVersion", version))
	poll := DefaultPoll()
	if o.Poll != nil {
		poll = *o.Poll
	}
	if err := poll.check(); err != nil {
		return none, err
	}
	provider.Characteristics = []Characteristic{poll.characteristic()}
	return node("DMClient", node("Provider", provider)), nil
}
