package mobileconfig

import (
	"crypto/x509"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Bounds of what is read.
const (
	// MaxSize bounds a profile as it is uploaded, signature included.
	MaxSize = 1 << 20
	// MaxSigned bounds what [Verify] reads: a profile of MaxSize with the
	// signature and the certificates that [Sign] put around it.
	MaxSigned = MaxSize + 256<<10
	// MaxIdentifier bounds PayloadIdentifier and PayloadUUID, in bytes.
	MaxIdentifier = 255
)

// Scope says for whom a Mac installs a profile.
type Scope string

// The scopes.
const (
	System Scope = "System"
	User   Scope = "User"
)

// Channel returns the channel over which a profile of this scope is installed.
func (s Scope) Channel() mdm.Channel {
	if s == User {
		return mdm.UserChannel
	}
	return mdm.DeviceChannel
}

// Profile is what is known of a configuration profile. It is not changed after
// [Parse] made it.
type Profile struct {
	// Identifier is what a device tells profiles apart by: a profile replaces
	// the one with the same identifier. 1 to [MaxIdentifier] bytes.
	Identifier string
	// UUID is for Apple to look at only: its content means nothing. An editor
	// may keep it while the content changes.
	UUID         string
	DisplayName  string // empty when the profile has none; the schema does not require it
	Description  string
	Organization string
	// Scope is System when the profile does not say: Apple's documentation
	// names no default, a fleet's profiles are meant for its machines, and the
	// servers that profiles come from read it that way.
	Scope Scope
	// ScopeStated is set when the profile says its scope itself.
	ScopeStated bool
	// RemovalDisallowed is PayloadRemovalDisallowed.
	RemovalDisallowed bool
	// Encrypted is set when the payloads are encrypted for one device. Then
	// Payloads is empty and nothing is known of them.
	Encrypted bool
	// RemovalDate and DurationUntilRemoval are when the device removes the
	// profile by itself; zero means never. See [Profile.Expiry].
	RemovalDate          time.Time
	DurationUntilRemoval time.Duration
	// Payloads are in the profile's order.
	Payloads []Payload
	// Signer is the certificate whose key made the signature, nil when the
	// profile is not signed. The signature has been verified; who the signer
	// is, and whether to trust it, has not.
	Signer *x509.Certificate
	// Content is the property list itself: the uploaded bytes, or what is
	// inside the signature.
	Content []byte
}

// Payload is one entry of PayloadContent.
type Payload struct {
	Type        string
	Identifier  string
	UUID        string
	DisplayName string
	Version     int64

	fields map[string]any
}

// Signed reports whether the profile came signed.
func (p *Profile) Signed() bool { return p.Signer != nil }

// Name returns the name for people: the display name, or else the identifier.
func (p *Profile) Name() string {
	if p.DisplayName != "" {
		return p.DisplayName
	}
	return p.Identifier
}

// Expiry returns when a device that installed the profile at the given time
// removes it by design, and false when it does not: the earlier of RemovalDate
// and DurationUntilRemoval (TopLevel.yaml).
func (p *Profile) Expiry(installed time.Time) (time.Time, bool) {
	at := p.RemovalDate
	if p.DurationUntilRemoval > 0 {
		if t := installed.Add(p.DurationUntilRemoval); at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at, !at.IsZero()
}

// Has reports whether a payload of the profile has the role.
func (p *Profile) Has(r Role) bool {
	for i := range p.Payloads {
		if Classify(p.Payloads[i].Type).Role == r {
			return true
		}
	}
	return false
}

// Single returns the types of the profile's payloads that may exist only once
// on a device of the platform, each once, in the profile's order.
func (p *Profile) Single(on mdm.Platform) []string {
	var types []string
	seen := make(map[string]bool)
	for i := range p.Payloads {
		t := p.Payloads[i].Type
		if Classify(t).Single(on) && !seen[t] {
			seen[t] = true
			types = append(types, t)
		}
	}
	return types
}
