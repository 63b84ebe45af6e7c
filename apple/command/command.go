package command

import (
	"slices"

	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

// Bounds of what is encoded, in bytes.
const (
	// MaxPayload bounds the profile of an [InstallProfile], signature included.
	MaxPayload = 2 << 20
	maxUUID    = 255
	maxName    = 255
)

// Command is one of the command types of this package, and nothing else; for
// any other command there is [Raw].
type Command interface {
	// RequestType returns the command's name on the wire.
	RequestType() string
	// fields returns what stands beside the RequestType, in a new map, or why
	// the command cannot be sent.
	fields() (map[string]any, error)
}

// Encode writes a command. The UUID names it in the result; it is the caller's
// part to make it unique. Equal commands give equal bytes. A command that cannot
// be sent gives a [mdm.CodeInvalid] error with a field.
func Encode(commandUUID string, c Command) ([]byte, error) {
	if commandUUID == "" || len(commandUUID) > maxUUID {
		return nil, mdm.Errorf(mdm.CodeInvalid, "CommandUUID", "must have 1 to %d bytes", maxUUID)
	}
	if c == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "Command", "is missing")
	}
	fields, err := c.fields()
	if err != nil {
		return nil, err
	}
	fields["RequestType"] = c.RequestType()
	return plist.Marshal(map[string]any{"CommandUUID": commandUUID, "Command": fields})
}

// InstallProfile installs a profile, or replaces the one with the same
// identifier. Payload is the profile byte for byte, signed or not.
type InstallProfile struct {
	Payload []byte
}

// RequestType returns "InstallProfile".
func (InstallProfile) RequestType() string { return mdm.KindInstallProfile }

func (c InstallProfile) fields() (map[string]any, error) {
	switch {
	case len(c.Payload) == 0:
		return nil, mdm.Errorf(mdm.CodeInvalid, "Payload", "is missing")
	case len(c.Payload) > MaxPayload:
		return nil, mdm.Errorf(mdm.CodeTooLarge, "Payload", "may have at most %d bytes", MaxPayload)
	}
	return map[string]any{"Payload": c.Payload}, nil
}

// RemoveProfile removes the profile with a PayloadIdentifier.
type RemoveProfile struct {
	Identifier string
}

// RequestType returns "RemoveProfile".
func (RemoveProfile) RequestType() string { return mdm.KindRemoveProfile }

func (c RemoveProfile) fields() (map[string]any, error) {
	if c.Identifier == "" {
		return nil, mdm.Errorf(mdm.CodeInvalid, "Identifier", "is missing")
	}
	return map[string]any{"Identifier": c.Identifier}, nil
}

// ProfileList asks for the installed profiles of the channel.
type ProfileList struct {
	// ManagedOnly leaves out what others installed (macOS 10.15, iOS 13, tvOS
	// 13 and later; a user enrollment always does).
	ManagedOnly bool
}

// RequestType returns "ProfileList".
func (ProfileList) RequestType() string { return mdm.KindProfileList }

func (c ProfileList) fields() (map[string]any, error) {
	if !c.ManagedOnly {
		return map[string]any{}, nil
	}
	return map[string]any{"ManagedOnly": true}, nil
}

const attestationQuery = "DevicePropertiesAttestation"

// DeviceInformation asks for facts by the names of Apple's schema
// (information.device.yaml). A device leaves out what it does not know or may
// not tell.
type DeviceInformation struct {
	Queries []string // required, each once
	// AttestationNonce asks for a fresh attestation; at most 32 bytes, only
	// with the query DevicePropertiesAttestation. Nil takes a cached one.
	AttestationNonce []byte
}

// RequestType returns "DeviceInformation".
func (DeviceInformation) RequestType() string { return mdm.KindDeviceInformation }

func (c DeviceInformation) fields() (map[string]any, error) {
	if len(c.Queries) == 0 {
		return nil, mdm.Errorf(mdm.CodeInvalid, "Queries", "is missing")
	}
	for i, q := range c.Queries {
		if q == "" || len(q) > maxName || slices.Contains(c.Queries[:i], q) {
			return nil, mdm.Errorf(mdm.CodeInvalid, "Queries", "query %d is empty, too long, or stands twice", i)
		}
	}
	f := map[string]any{"Queries": c.Queries}
	if len(c.AttestationNonce) > 0 {
		if len(c.AttestationNonce) > 32 || !slices.Contains(c.Queries, attestationQuery) {
			return nil, mdm.Errorf(mdm.CodeInvalid, "AttestationNonce", "has at most 32 bytes and needs the query %s", attestationQuery)
		}
		f["DeviceAttestationNonce"] = c.AttestationNonce
	}
	return f, nil
}
