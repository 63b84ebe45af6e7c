package mobileconfig

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

// DefaultEnrollmentIdentifier is the identifier of the enrollment profile. It
// stands in devices and cannot be changed later.
const DefaultEnrollmentIdentifier = ReservedIdentifierPrefix + "enrollment"

// AccessRights are what a server may do on the devices it manages, as bits
// (com.apple.mdm.yaml).
type AccessRights int64

// The rights, by Apple's numbers.
const (
	InspectProfiles AccessRights = 1 << iota
	InstallProfiles              // needs InspectProfiles
	LockDevice                   // and remove its passcode
	EraseDevice
	QueryDevice
	QueryNetwork
	InspectProvisioning
	InstallProvisioning // needs InspectProvisioning
	InspectApplications
	QueryRestrictions
	QuerySecurity
	ChangeSettings
	ManageApplications

	AllRights AccessRights = 1<<13 - 1
)

// The capabilities that a server may announce.
const (
	PerUserConnections = "com.apple.mdm.per-user-connections"
	BootstrapToken     = "com.apple.mdm.bootstraptoken"
	GetToken           = "com.apple.mdm.token"
)

// Enrollment is an enrollment profile: the MDM payload, the identity that it
// uses, and the certificates that a device must trust to reach the server.
//
// A certificate is renewed by delivering the profile again (Apple: replace the
// profile before any certificate in it expires). Payloads are updated in place
// when their identifiers and UUIDs stay, which they do while Identifier and Seed
// stay. Devices refuse an update that changes certain other fields, see
// [Enrollment.CheckUpdate]; so an enrollment's fields are to be stored when they
// are first rendered, and its renewals rendered from what was stored.
type Enrollment struct {
	// Identifier is the profile's PayloadIdentifier; payloads append to it.
	// Empty means [DefaultEnrollmentIdentifier].
	Identifier string
	// Seed goes into the UUIDs. It must be the same for all that a device is
	// ever handed: the enrollment's id, or the tenant's where one profile
	// serves many devices. Empty makes the UUIDs depend on Identifier alone.
	Seed string

	DisplayName  string // empty means "Device Management"
	Description  string // empty means none
	Organization string // empty means none
	// RemovalDisallowed asks that people cannot remove the profile. Devices
	// heed it when they are supervised.
	RemovalDisallowed bool

	ServerURL  string // required, https; never changes
	CheckInURL string // https; empty means ServerURL; never changes
	Topic      string // required, of the push certificate; never changes
	// AccessRights zero means [AllRights]. An update may only take away.
	AccessRights AccessRights
	// Capabilities nil means [PerUserConnections] and [BootstrapToken].
	Capabilities []string
	// NoSignMessage stops devices from signing each request with their
	// identity (Mdm-Signature, about 2 KB). It is for servers that see the
	// identity in TLS.
	NoSignMessage bool
	// NoCheckOut stops devices from saying that they leave.
	NoCheckOut bool

	SCEP SCEP
	// AnchorCertificates are trusted by the device once the profile is
	// installed: the CA of the server's own certificate, when it is a private
	// one. Self-signed ones become roots, others intermediates.
	AnchorCertificates []*x509.Certificate
}

// Validate reports, as a [mdm.CodeInvalid] error with a field, why the profile
// cannot be rendered.
func (e *Enrollment) Validate() error {
	if e.Identifier != "" {
		if why := badName(e.Identifier); why != "" {
			return mdm.Errorf(mdm.CodeInvalid, "Identifier", "the identifier %s", why)
		}
	}
	if e.Seed != "" {
		if why := badName(e.Seed); why != "" {
			return mdm.Errorf(mdm.CodeInvalid, "Seed", "the seed %s", why)
		}
	}
	if err := httpsURL("ServerURL", e.ServerURL); err != nil {
		return err
	}
	if e.CheckInURL != "" {
		if err := httpsURL("CheckInURL", e.CheckInURL); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(e.Topic, "com.apple.mgmt.") {
		return mdm.Errorf(mdm.CodeInvalid, "Topic", "must be the topic of the push certificate (its UID), which begins with com.apple.mgmt.")
	}
	r := e.rights()
	switch {
	case r < 0 || r > AllRights:
		return mdm.Errorf(mdm.CodeInvalid, "AccessRights", "must be from 1 to %d", AllRights)
	case r&InstallProfiles != 0 && r&InspectProfiles == 0:
		return mdm.Errorf(mdm.CodeInvalid, "AccessRights", "installing profiles (2) needs inspecting them (1)")
	case r&InstallProvisioning != 0 && r&InspectProvisioning == 0:
		return mdm.Errorf(mdm.CodeInvalid, "AccessRights", "installing provisioning profiles (128) needs inspecting them (64)")
	}
	capabilities := e.capabilities()
	for i, c := range capabilities {
		if c == "" || slices.Contains(capabilities[:i], c) {
			return mdm.Errorf(mdm.CodeInvalid, "Capabilities", "each capability stands once and is not empty")
		}
	}
	for i, c := range e.AnchorCertificates {
		if c == nil || len(c.Raw) == 0 {
			return mdm.Errorf(mdm.CodeInvalid, "AnchorCertificates", "certificate %d is not a parsed one", i)
		}
		for _, other := range e.AnchorCertificates[:i] {
			if c.Equal(other) {
				return mdm.Errorf(mdm.CodeInvalid, "AnchorCertificates", "certificate %d stands twice", i)
			}
		}
	}
	return e.SCEP.validate()
}

// Render writes the profile, unsigned. Equal enrollments give equal bytes.
func (e *Enrollment) Render() ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	id := e.identifier()
	identity := e.payload("com.apple.security.scep", ".scep", "Device identity")
	identity["PayloadContent"] = e.SCEP.content(e.Organization)

	payload := e.payload(mdmType, ".mdm", "Device management")
	payload["IdentityCertificateUUID"] = identity["PayloadUUID"]
	payload["ServerURL"] = e.ServerURL
	if e.CheckInURL != "" {
		payload["CheckInURL"] = e.CheckInURL
	}
	payload["Topic"] = e.Topic
	payload["AccessRights"] = int64(e.rights())
	payload["SignMessage"] = !e.NoSignMessage
	payload["CheckOutWhenRemoved"] = !e.NoCheckOut
	payload["ServerCapabilities"] = e.capabilities()

	// Certificates come first: what follows may need them.
	var content []any
	for _, c := range e.AnchorCertificates {
		content = append(content, e.anchor(c))
	}
	content = append(content, identity, payload)

	profile := map[string]any{
		"PayloadType":              "Configuration",
		"PayloadVersion":           1,
		"PayloadIdentifier":        id,
		"PayloadUUID":              payloadUUID(id, e.Seed, ""),
		"PayloadScope":             string(System),
		"PayloadDisplayName":       orElse(e.DisplayName, "Device Management"),
		"PayloadRemovalDisallowed": e.RemovalDisallowed,
		"PayloadContent":           content,
	}
	if e.Description != "" {
		profile["PayloadDescription"] = e.Description
	}
	if e.Organization != "" {
		profile["PayloadOrganization"] = e.Organization
	}
	return plist.Marshal(profile)
}

// payload begins a payload. Part goes into its identifier and UUID.
func (e *Enrollment) payload(kind, part, name string) map[string]any {
	id := e.identifier()
	return map[string]any{
		"PayloadType":        kind,
		"PayloadVersion":     1,
		"PayloadIdentifier":  id + part,
		"PayloadUUID":        payloadUUID(id, e.Seed, part),
		"PayloadDisplayName": name,
	}
}

// anchor makes a certificate's payload. Its names depend on the certificate
// and not on its place, so that the others stay when one comes or goes.
func (e *Enrollment) anchor(c *x509.Certificate) map[string]any {
	kind := "com.apple.security.pkcs1"
	if string(c.RawIssuer) == string(c.RawSubject) {
		kind = "com.apple.security.root"
	}
	sum := sha256.Sum256(c.Raw)
	p := e.payload(kind, ".anchor."+hex.EncodeToString(sum[:8]), "Server certificate")
	p["PayloadContent"] = c.Raw
	return p
}

func (e *Enrollment) identifier() string { return orElse(e.Identifier, DefaultEnrollmentIdentifier) }

func (e *Enrollment) rights() AccessRights {
	if e.AccessRights == 0 {
		return AllRights
	}
	return e.AccessRights
}

func (e *Enrollment) capabilities() []string {
	if e.Capabilities == nil {
		return []string{PerUserConnections, BootstrapToken}
	}
	return e.Capabilities
}

func httpsURL(field, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return mdm.Errorf(mdm.CodeInvalid, field, "must be an absolute https URL without user or fragment")
	}
	return nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
