package mobileconfig

import (
	"net/url"

	"github.com/keelson-mdm/keelson/mdm"
)

// SCEP is how a device gets its identity (com.apple.security.scep.yaml). The
// key is always RSA, stays on the device, and is for this payload alone.
type SCEP struct {
	// URL is required. Devices append "?operation=" to it blindly, so it has
	// no query.
	URL string
	// Name tells authorities apart; empty means none.
	Name string
	// Challenge is the one-time secret. It is kept out of logs and JSON.
	Challenge string `json:"-"`
	// Subject is the name to ask for, as pairs of an attribute (C, L, ST, O,
	// OU, CN or a dotted OID) and its value. Nil means the organization, if
	// any, and the common name "Device Identity": an authority should ignore
	// it.
	Subject [][2]string
	// CAFingerprint is a digest of the authority's certificate (DER): MD5,
	// SHA-1 or SHA-256, told by its length. Nil means none. Apple documents
	// no algorithm; SHA-1 is what its tools write.
	CAFingerprint []byte
	KeySize       int // 2048 or 4096; zero means 2048
	KeyUsage      int // 1 sign, 4 encrypt, 5 both; zero means 5
}

func (s *SCEP) validate() error {
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return mdm.Errorf(mdm.CodeInvalid, "SCEP.URL", "must be an absolute http or https URL without user")
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return mdm.Errorf(mdm.CodeInvalid, "SCEP.URL", "must have no query: devices append their own")
	}
	switch len(s.CAFingerprint) {
	case 0, 16, 20, 32:
	default:
		return mdm.Errorf(mdm.CodeInvalid, "SCEP.CAFingerprint", "must be a digest of 16, 20 or 32 bytes")
	}
	switch s.KeySize {
	case 0, 2048, 4096:
	default:
		return mdm.Errorf(mdm.CodeInvalid, "SCEP.KeySize", "must be 2048 or 4096")
	}
	switch s.KeyUsage {
	case 0, 1, 4, 5:
	default:
		return mdm.Errorf(mdm.CodeInvalid, "SCEP.KeyUsage", "must be 1 (sign), 4 (encrypt) or 5 (both)")
	}
	for _, pair := range s.Subject {
		if pair[0] == "" || pair[1] == "" {
			return mdm.Errorf(mdm.CodeInvalid, "SCEP.Subject", "each part has an attribute and a value")
		}
	}
	return nil
}

func (s *SCEP) content(organization string) map[string]any {
	c := map[string]any{
		"URL":                s.URL,
		"Key Type":           "RSA",
		"Keysize":            orElseInt(s.KeySize, 2048), // the schema's default is 1024
		"Key Usage":          orElseInt(s.KeyUsage, 5),
		"KeyIsExtractable":   false,
		"AllowAllAppsAccess": false,
	}
	if s.Name != "" {
		c["Name"] = s.Name
	}
	if s.Challenge != "" {
		c["Challenge"] = s.Challenge
	}
	if len(s.CAFingerprint) > 0 {
		c["CAFingerprint"] = s.CAFingerprint
	}
	subject := s.Subject
	if subject == nil {
		if organization != "" {
			subject = append(subject, [2]string{"O", organization})
		}
		subject = append(subject, [2]string{"CN", "Device Identity"})
	}
	// A sequence of relative names, each a set of pairs: one pair each.
	var names []any
	for _, pair := range subject {
		names = append(names, []any{[]string{pair[0], pair[1]}})
	}
	if names != nil {
		c["Subject"] = names
	}
	return c
}

// String keeps the challenge out of logs.
func (s SCEP) String() string { return "SCEP " + s.URL }

// GoString keeps the challenge out of logs.
func (s SCEP) GoString() string { return s.String() }

func orElseInt(n, other int) int {
	if n == 0 {
		return other
	}
	return n
}
