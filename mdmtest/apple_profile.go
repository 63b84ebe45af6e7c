package mdmtest

import (
	"bytes"
	"crypto/x509"
	"time"
)

// configProfile is a configuration profile that a device would accept.
type configProfile struct {
	raw      []byte // as delivered, signature and all
	signers  []*x509.Certificate
	dict     map[string]any
	unknown  []string // top-level keys that the schema does not know
	payloads []map[string]any
	anchors  []*x509.Certificate // of the certificate payloads
}

func (p *configProfile) identifier() string { return str(p.dict, "PayloadIdentifier") }
func (p *configProfile) uuid() string       { return str(p.dict, "PayloadUUID") }

// ofType returns the payloads of one type.
func (p *configProfile) ofType(payloadType string) []map[string]any {
	var out []map[string]any
	for _, pl := range p.payloads {
		if str(pl, "PayloadType") == payloadType {
			out = append(out, pl)
		}
	}
	return out
}

// expires returns when the device removes the profile by itself; zero is never.
func (p *configProfile) expires(installed time.Time) time.Time {
	at, _ := p.dict["RemovalDate"].(time.Time)
	var seconds float64
	switch d := p.dict["DurationUntilRemoval"].(type) {
	case float64:
		seconds = d
	case uint64:
		seconds = float64(d)
	case int64:
		seconds = float64(d)
	default:
		return at
	}
	if by := installed.Add(time.Duration(seconds * float64(time.Second))); at.IsZero() || by.Before(at) {
		return by
	}
	return at
}

// parseProfile reads a profile, plain or CMS-signed, and checks what every
// profile must satisfy (Apple's schema, TopLevel and CommonPayloadKeys). The
// signature has to verify; whether its signer is trusted is not asked, as a
// device installs a profile of an unknown signer too, marked "Unverified".
func parseProfile(raw []byte) (*configProfile, error) {
	p := &configProfile{raw: bytes.Clone(raw)}
	content := raw
	if !looksLikeXML(raw) {
		p7, err := parseCMS(raw)
		if err == nil {
			err = guard(p7.Verify)
		}
		if err != nil {
			return nil, refuse(domainProfile, 1004, "neither a property list nor a validly signed one: %w", err)
		}
		content, p.signers = p7.Content, p7.Certificates
	}
	var err error
	if p.dict, err = decodePlist(content); err != nil {
		return nil, refuse(domainProfile, 1000, "malformed profile: %w", err)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.anchors, err = p.certificates()
	return p, err
}

func looksLikeXML(raw []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("<"))
}

func (p *configProfile) check() (err error) {
	if p.unknown, err = checkKeys(p.dict, "profile", topLevelKeys); err != nil {
		return err
	}
	if str(p.dict, "PayloadType") != "Configuration" {
		return refuse(domainProfile, 1010, "profile: PayloadType is %q, not Configuration", str(p.dict, "PayloadType"))
	}
	if v, _ := asInt(p.dict["PayloadVersion"]); v != 1 {
		return refuse(domainProfile, 1001, "profile: PayloadVersion is %d, not 1", v)
	}
	if p.identifier() == "" || p.uuid() == "" {
		return refuse(domainProfile, 1002, "profile: PayloadIdentifier and PayloadUUID must not be empty")
	}
	if scope, ok := p.dict["PayloadScope"]; ok && scope != "System" && scope != "User" {
		return refuse(domainProfile, 1010, "profile: PayloadScope is %q, neither System nor User", scope)
	}
	if target, ok := asInt(p.dict["TargetDeviceType"]); ok && (target < 0 || target > 6) {
		return refuse(domainProfile, 1010, "profile: TargetDeviceType %d is not one of 0 to 6", target)
	}
	if flag(p.dict, "IsEncrypted") {
		return refuse(domainProfile, 1006, "profile: the simulator cannot read encrypted profiles")
	}
	list, ok := p.dict["PayloadContent"].([]any)
	if !ok {
		return refuse(domainProfile, 1002, "profile: the required key %q is missing", "PayloadContent")
	}
	uuids, identifiers := map[string]bool{p.uuid(): true}, make(map[string]bool)
	for _, v := range list {
		pl, ok := v.(map[string]any)
		if !ok {
			return refuse(domainProfile, 1003, "profile: PayloadContent holds something that is not a dictionary")
		}
		where := "payload " + str(pl, "PayloadIdentifier")
		if _, err := checkKeys(pl, where, commonKeys); err != nil {
			return err
		}
		if v, _ := asInt(pl["PayloadVersion"]); v != 1 {
			return refuse(domainProfile, 1001, "%s: PayloadVersion is %d, not 1", where, v)
		}
		id, uuid := str(pl, "PayloadIdentifier"), str(pl, "PayloadUUID")
		switch {
		case id == "" || uuid == "" || str(pl, "PayloadType") == "":
			return refuse(domainProfile, 1002, "%s: PayloadType, PayloadIdentifier and PayloadUUID must not be empty", where)
		case uuids[uuid]:
			return refuse(domainProfile, 1007, "the PayloadUUID %q appears twice", uuid)
		case identifiers[id]:
			return refuse(domainProfile, 1008, "the PayloadIdentifier %q appears twice", id)
		}
		uuids[uuid], identifiers[id] = true, true
		p.payloads = append(p.payloads, pl)
	}
	return nil
}

// targets refuses a profile that says it is for another kind of device.
func (p *configProfile) targets(kind AppleKind) error {
	own := map[AppleKind]int64{AppleIPhone: 1, AppleMac: 5}[kind]
	if target, ok := asInt(p.dict["TargetDeviceType"]); ok && target != 0 && target != own {
		return refuse(domainInstall, 4001, "the profile is for the device type %d, and this is a %s", target, kind)
	}
	return nil
}

// certificates returns the anchors in the certificate payloads of the profile.
func (p *configProfile) certificates() ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for _, t := range []string{"com.apple.security.root", "com.apple.security.pkcs1"} {
		for _, pl := range p.ofType(t) {
			der, ok := pl["PayloadContent"].([]byte)
			if !ok {
				return nil, refuse(domainProfile, 1003, "%s: PayloadContent is not data", t)
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, refuse(domainCertificate, 9000, "%s: PayloadContent is not a DER certificate: %w", t, err)
			}
			out = append(out, cert)
		}
	}
	return out, nil
}
