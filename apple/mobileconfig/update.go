package mobileconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// CheckUpdate reports, as a [mdm.CodeConflict] error with the field, why a
// device that carries old would refuse e in its place, or would not update it in
// place (com.apple.mdm.yaml, "When updating the payload").
func (e *Enrollment) CheckUpdate(old *Enrollment) error {
	for _, f := range []struct{ field, was, is string }{
		{"Identifier", old.identifier(), e.identifier()},
		{"Seed", old.Seed, e.Seed},
		{"Topic", old.Topic, e.Topic},
		{"ServerURL", old.ServerURL, e.ServerURL},
		{"CheckInURL", old.CheckInURL, e.CheckInURL},
	} {
		if f.was != f.is {
			return mdm.Errorf(mdm.CodeConflict, f.field, "must stay as it was when the device enrolled: enroll again to change it")
		}
	}
	if e.rights()&^old.rights() != 0 {
		return mdm.Errorf(mdm.CodeConflict, "AccessRights", "an update cannot add rights: enroll again to add them")
	}
	if slices.Contains(e.capabilities(), PerUserConnections) != slices.Contains(old.capabilities(), PerUserConnections) {
		return mdm.Errorf(mdm.CodeConflict, "Capabilities", "%s can be neither added nor removed: enroll again to change it", PerUserConnections)
	}
	return nil
}

// payloadUUID derives a UUID (RFC 9562, version 8) from SHA-256, in the capital
// letters of Apple's tools. Devices hold on to the result: the derivation cannot
// be changed later.
func payloadUUID(identifier, seed, part string) string {
	sum := sha256.Sum256([]byte("keelson payload\x00" + identifier + "\x00" + seed + "\x00" + part))
	b := sum[:16]
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	s := strings.ToUpper(hex.EncodeToString(b))
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
