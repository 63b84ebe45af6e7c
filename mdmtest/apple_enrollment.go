package mdmtest

import (
	"crypto/x509"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	mdmPayloadType  = "com.apple.mdm"
	scepPayloadType = "com.apple.security.scep"
	topicPrefix     = "com.apple.mgmt."

	capPerUser        = "com.apple.mdm.per-user-connections"
	capBootstrapToken = "com.apple.mdm.bootstraptoken"
	capGetToken       = "com.apple.mdm.token"

	rightInspect      = 1    // inspect installed profiles
	rightInstall      = 2    // install and remove profiles
	rightLock         = 4    // lock, remove the passcode
	rightErase        = 8    // erase
	rightDeviceInfo   = 16   // query device information
	rightNetworkInfo  = 32   // query network information
	rightApps         = 4096 // manage apps
	allAccessRights   = 8191 // every right that the schema names
	provisioningRight = 64
	provisioningWrite = 128
)

// identityUUIDFormat is the format that the schema gives for
// IdentityCertificateUUID.
var identityUUIDFormat = regexp.MustCompile(`^[0-9A-Za-z]{8}-[0-9A-Za-z]{4}-[0-9A-Za-z]{4}-[0-9A-Za-z]{4}-[0-9A-Za-z]{12}$`)

// enrollment is an enrollment profile that a device accepted.
type enrollment struct {
	profile *configProfile
	mdm     map[string]any
	scep    map[string]any // the PayloadContent of the SCEP payload
	roots   []*x509.Certificate
	// remarks are faults that a device ignores, for the list of violations.
	remarks []string
}

func (e *enrollment) topic() string     { return str(e.mdm, "Topic") }
func (e *enrollment) serverURL() string { return str(e.mdm, "ServerURL") }
func (e *enrollment) checkInURL() string {
	if u := str(e.mdm, "CheckInURL"); u != "" {
		return u
	}
	return e.serverURL()
}
func (e *enrollment) signs() bool { return flag(e.mdm, "SignMessage") }
func (e *enrollment) can(right int64) bool {
	rights, _ := asInt(e.mdm["AccessRights"])
	return rights&right != 0
}
func (e *enrollment) capable(capability string) bool {
	return slices.Contains(strs(e.mdm, "ServerCapabilities"), capability)
}

// parseEnrollment checks an enrollment profile as a device does before it
// enrolls (Apple's schema, com.apple.mdm and com.apple.security.scep).
func parseEnrollment(raw []byte, kind AppleKind, loopback bool) (*enrollment, error) {
	p, err := parseProfile(raw)
	if err != nil {
		return nil, err
	}
	if err := p.targets(kind); err != nil {
		return nil, err
	}
	e := &enrollment{profile: p, roots: p.anchors}
	e.remark("profile", p.unknown)
	switch found := p.ofType(mdmPayloadType); len(found) {
	case 0:
		return nil, refuse(domainMDM, 12011, "the profile has no %s payload", mdmPayloadType)
	case 1:
		e.mdm = found[0]
	default:
		return nil, refuse(domainMDM, 12001, "the profile has %d %s payloads", len(found), mdmPayloadType)
	}
	for _, pl := range p.payloads {
		if t := str(pl, "PayloadType"); !strings.HasPrefix(t, "com.apple.") {
			return nil, refuse(domainMDM, 12011, "an enrollment profile with a payload of the unknown type %q", t)
		}
	}
	if err := e.checkMDM(kind, loopback); err != nil {
		return nil, err
	}
	if kind == AppleMac {
		if err := e.checkScope(); err != nil {
			return nil, err
		}
	}
	return e, e.checkIdentity()
}

func (e *enrollment) remark(where string, unknown []string) {
	for _, key := range unknown {
		e.remarks = append(e.remarks, where+": the key "+strconv.Quote(key)+" is not in the schema")
	}
}

// checkScope holds the MDM payload to the device channel of a Mac, which is the
// only one that the schema gives it. Where no scope is said, a profile that a
// person opens is taken for that person's.
func (e *enrollment) checkScope() error {
	switch e.profile.dict["PayloadScope"] {
	case "User":
		return refuse(domainMDM, 12011, "a %s payload in a profile with PayloadScope User", mdmPayloadType)
	case nil:
		e.remarks = append(e.remarks, "profile: PayloadScope is missing; a Mac is enrolled by a profile of the System")
	}
	return nil
}

func (e *enrollment) checkMDM(kind AppleKind, loopback bool) error {
	unknown, err := checkKeys(e.mdm, mdmPayloadType, commonKeys, mdmKeys)
	if err != nil {
		return err
	}
	e.remark(mdmPayloadType, unknown)
	if topic := e.topic(); !strings.HasPrefix(topic, topicPrefix) || topic == topicPrefix {
		return refuse(domainMDM, 12022, "Topic %q does not begin with %s", topic, topicPrefix)
	}
	for _, key := range []string{"ServerURL", "CheckInURL"} {
		if raw, ok := e.mdm[key].(string); ok {
			if err := checkURL(raw, key, loopback); err != nil {
				return err
			}
		}
	}
	if mode, ok := e.mdm["EnrollmentMode"]; ok {
		return refuse(domainMDM, 12011, "EnrollmentMode %q is for account-driven enrollment, which this is not", mode)
	}
	rights, ok := asInt(e.mdm["AccessRights"])
	switch {
	case !ok || rights <= 0 || rights&^allAccessRights != 0:
		return refuse(domainMDM, 12000, "AccessRights must be a sum of the rights 1 to 4096, and not 0")
	case rights&rightInstall != 0 && rights&rightInspect == 0:
		return refuse(domainMDM, 12000, "AccessRights %d has 2 (install profiles) without 1 (inspect them)", rights)
	case rights&provisioningWrite != 0 && rights&provisioningRight == 0:
		return refuse(domainMDM, 12000, "AccessRights %d has 128 (install provisioning profiles) without 64 (inspect them)", rights)
	}
	for _, key := range []string{"ServerURLPinningCertificateUUIDs", "CheckInURLPinningCertificateUUIDs"} {
		for _, uuid := range anys(e.mdm, key) {
			if !slices.ContainsFunc(e.profile.payloads, func(pl map[string]any) bool { return pl["PayloadUUID"] == uuid }) {
				return refuse(domainMDM, 12016, "%s: %v names no payload of the profile", key, uuid)
			}
		}
	}
	seen := make(map[string]bool)
	for _, c := range strs(e.mdm, "ServerCapabilities") {
		if c != capPerUser && c != capBootstrapToken && c != capGetToken {
			e.remarks = append(e.remarks, "ServerCapabilities: "+strconv.Quote(c)+" is not in the schema")
		}
		if seen[c] {
			e.remarks = append(e.remarks, "ServerCapabilities: "+strconv.Quote(c)+" appears twice")
		}
		seen[c] = true
	}
	if kind == AppleMac && !seen[capPerUser] {
		e.remarks = append(e.remarks, "ServerCapabilities: "+capPerUser+" must be present to manage Macs")
	}
	return nil
}

// checkURL refuses what a device cannot use as a ServerURL or CheckInURL.
func checkURL(raw, key string, loopback bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "":
		return refuse(domainMDM, 12011, "%s %q is not a URL with a host", key, raw)
	case u.Scheme == "http" && loopback && isLoopback(u.Hostname()):
	case !strings.HasPrefix(raw, "https://"): // in lower case, says the schema
		return refuse(domainMDM, 12011, "%s %q does not begin with https://", key, raw)
	}
	if u.Fragment != "" || strings.Contains(raw, "#") {
		return refuse(domainMDM, 12011, "%s %q has a fragment", key, raw)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// checkReplacement refuses a new MDM payload that differs from the installed
// one where the schema says that any change is an error.
func (e *enrollment) checkReplacement(next *enrollment) error {
	if e.profile.identifier() != next.profile.identifier() {
		return refuse(domainMDM, 12001, "the device is enrolled by the profile %q; %q cannot enroll it a second time",
			e.profile.identifier(), next.profile.identifier())
	}
	for _, key := range []string{"Topic", "ServerURL", "CheckInURL", "AssignedManagedAppleID", "EnrollmentMode", "RequiredAppIDForMDM"} {
		if e.mdm[key] != next.mdm[key] {
			return refuse(domainMDM, 12012, "%s of the MDM payload must not change", key)
		}
	}
	was, _ := asInt(e.mdm["AccessRights"])
	is, _ := asInt(next.mdm["AccessRights"])
	if is&^was != 0 {
		return refuse(domainMDM, 12012, "AccessRights of the MDM payload must not grow, from %d to %d", was, is)
	}
	if e.capable(capPerUser) != next.capable(capPerUser) {
		return refuse(domainMDM, 12012, "the capability %s must be neither added nor removed", capPerUser)
	}
	return nil
}
