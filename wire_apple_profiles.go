package keelson

import (
	"bytes"

	"github.com/keelson-mdm/keelson/apple/mobileconfig"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// appleFormat lets the engine understand Apple's profiles. Pure.
type appleFormat struct{}

var _ profiles.Format = appleFormat{}

// Parse refuses what may not be uploaded, and profiles for a user, whose
// channel is not managed.
func (appleFormat) Parse(content []byte) (*profiles.Document, error) {
	p, err := mobileconfig.Parse(content)
	if err != nil {
		return nil, err
	}
	if err := p.Check(nil); err != nil {
		return nil, err
	}
	if p.Scope != mobileconfig.System {
		return nil, mdm.Errorf(mdm.CodeUnsupported, "PayloadScope", "this server manages devices and not their users: set PayloadScope to System")
	}
	d := &profiles.Document{
		Identifier: p.Identifier, Name: p.Name(), UUID: p.UUID,
		Class: profiles.Plain, Provable: profiles.VersionMatched, Raw: p,
	}
	switch {
	case p.Has(mobileconfig.Connectivity):
		d.Class = profiles.Connectivity
	case p.Has(mobileconfig.Trust):
		d.Class = profiles.Trust
	}
	if p.UUID == "" {
		d.Provable = profiles.Present
	}
	if !p.ScopeStated {
		d.Warnings = append(d.Warnings, "PayloadScope is missing and taken to be System")
	}
	if p.Encrypted {
		d.Warnings = append(d.Warnings, "the payloads are encrypted for one device; every other will refuse them")
	}
	return d, nil
}

// Install sends the profile as it was uploaded; a device replaces what has the
// same identifier.
func (appleFormat) Install(_ *profiles.Document, content []byte, _ profiles.Leftovers) (profiles.Instruction, error) {
	return profiles.Instruction{Kind: mdm.KindInstallProfile, Content: content}, nil
}

// Remove names the slot.
func (appleFormat) Remove(identifier string, _ profiles.Leftovers) (profiles.Instruction, bool, error) {
	return profiles.Instruction{Kind: mdm.KindRemoveProfile, Content: []byte(identifier)}, true, nil
}

// Observe asks for the managed profiles, whatever the documents.
func (appleFormat) Observe([]*profiles.Document) (profiles.Instruction, bool, error) {
	return profiles.Instruction{Kind: mdm.KindProfileList}, true, nil
}

// Conflicts finds none: on Apple's devices profiles own no nodes.
func (appleFormat) Conflicts(_, _ *profiles.Document) []profiles.Node { return nil }

// Judge looks for the slot in a complete list, and at the UUID in it.
func (appleFormat) Judge(identifier string, doc *profiles.Document, o *mdm.Observation) (profiles.Evidence, string, bool) {
	if !o.Complete {
		return profiles.NoEvidence, "", false
	}
	for _, it := range o.Items {
		if it.Identifier != identifier {
			continue
		}
		switch {
		case doc == nil || doc.UUID == "":
			return profiles.Present, "", true
		case bytes.EqualFold([]byte(it.UUID), []byte(doc.UUID)):
			return profiles.VersionMatched, "", true
		default:
			return profiles.Present, "the device carries another version of this profile", true
		}
	}
	return profiles.NoEvidence, "the device does not carry this profile", true
}
