package command

import (
	"fmt"

	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

// SourceDeclarative is the Source of a profile that Declarative Management
// installed.
const SourceDeclarative = "Declarative Device Management"

// InstalledProfile is one profile as a device reports it (profile.list.yaml).
type InstalledProfile struct {
	Identifier        string // never empty
	UUID              string
	Version           int64
	DisplayName       string
	Organization      string
	Description       string
	RemovalDisallowed bool
	HasPasscode       bool // for removal
	Encrypted         bool // then Payloads is empty
	// Managed is whether the MDM service installed it. Nil when the device
	// does not say, as Macs and supervised devices do not.
	Managed *bool
	// Source is [SourceDeclarative], or empty (iOS 18, macOS 15 and later).
	Source   string
	Signers  [][]byte // certificates in DER, the signer's first; empty when not signed
	Payloads []InstalledPayload
}

// InstalledPayload is one payload of an [InstalledProfile].
type InstalledPayload struct {
	Type         string
	Identifier   string
	UUID         string // empty before iOS 17, macOS 14 and tvOS 17
	Version      int64
	DisplayName  string
	Organization string
	Description  string
}

// ParseProfileList reads the answer to [ProfileList], in the device's order. A
// device without profiles gives an empty list. An answer that has no list, as an
// error has none, is a [mdm.CodeInvalid] error, and so is a list with an entry
// that names no profile: neither says that something is absent.
func ParseProfileList(raw []byte) ([]InstalledProfile, error) {
	var found []any
	if err := plist.Fields(raw, &plist.Limits{Bytes: MaxResult}, plist.Field{Key: "ProfileList", Into: &found}); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "ProfileList", "is missing: this is not the answer to a ProfileList")
	}
	list := make([]InstalledProfile, len(found))
	for i, profile := range found {
		if err := list[i].read(profile); err != nil {
			return nil, err
		}
		if list[i].Identifier == "" {
			return nil, mdm.Errorf(mdm.CodeInvalid, fmt.Sprintf("ProfileList[%d].PayloadIdentifier", i), "is missing")
		}
	}
	return list, nil
}

// read reads an entry of a list.
func (p *InstalledProfile) read(entry any) error {
	var signers, payloads []any
	err := plist.Pick(entry,
		plist.Field{Key: "PayloadIdentifier", Into: &p.Identifier},
		plist.Field{Key: "PayloadUUID", Into: &p.UUID},
		plist.Field{Key: "PayloadVersion", Into: &p.Version},
		plist.Field{Key: "PayloadDisplayName", Into: &p.DisplayName},
		plist.Field{Key: "PayloadOrganization", Into: &p.Organization},
		plist.Field{Key: "PayloadDescription", Into: &p.Description},
		plist.Field{Key: "PayloadRemovalDisallowed", Into: &p.RemovalDisallowed},
		plist.Field{Key: "HasRemovalPasscode", Into: &p.HasPasscode},
		plist.Field{Key: "IsEncrypted", Into: &p.Encrypted},
		plist.Field{Key: "IsManaged", Into: &p.Managed},
		plist.Field{Key: "Source", Into: &p.Source},
		plist.Field{Key: "SignerCertificates", Into: &signers},
		plist.Field{Key: "PayloadContent", Into: &payloads},
	)
	if err != nil {
		return err
	}
	for _, s := range signers {
		der, err := plist.Data(s)
		if err != nil {
			return err
		}
		p.Signers = append(p.Signers, der)
	}
	for _, payload := range payloads {
		var l InstalledPayload
		err := plist.Pick(payload,
			plist.Field{Key: "PayloadType", Into: &l.Type},
			plist.Field{Key: "PayloadIdentifier", Into: &l.Identifier},
			plist.Field{Key: "PayloadUUID", Into: &l.UUID},
			plist.Field{Key: "PayloadVersion", Into: &l.Version},
			plist.Field{Key: "PayloadDisplayName", Into: &l.DisplayName},
			plist.Field{Key: "PayloadOrganization", Into: &l.Organization},
			plist.Field{Key: "PayloadDescription", Into: &l.Description},
		)
		if err != nil {
			return err
		}
		p.Payloads = append(p.Payloads, l)
	}
	return nil
}
