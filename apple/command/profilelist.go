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
	var v struct {
		ProfileList []struct {
			PayloadIdentifier        string
			PayloadUUID              string
			PayloadVersion           int64
			PayloadDisplayName       string
			PayloadOrganization      string
			PayloadDescription       string
			PayloadRemovalDisallowed bool
			HasRemovalPasscode       bool
			IsEncrypted              bool
			IsManaged                *bool
			Source                   string
			SignerCertificates       [][]byte
			PayloadContent           []struct {
				PayloadType         string
				PayloadIdentifier   string
				PayloadUUID         string
				PayloadVersion      int64
				PayloadDisplayName  string
				PayloadOrganization string
				PayloadDescription  string
			}
		}
	}
	if err := plist.Unmarshal(raw, &v, &plist.Limits{Bytes: MaxResult}); err != nil {
		return nil, err
	}
	if v.ProfileList == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "ProfileList", "is missing: this is not the answer to a ProfileList")
	}
	list := make([]InstalledProfile, len(v.ProfileList))
	for i, p := range v.ProfileList {
		if p.PayloadIdentifier == "" {
			return nil, mdm.Errorf(mdm.CodeInvalid, fmt.Sprintf("ProfileList[%d].PayloadIdentifier", i), "is missing")
		}
		list[i] = InstalledProfile{
			Identifier: p.PayloadIdentifier, UUID: p.PayloadUUID, Version: p.PayloadVersion,
			DisplayName: p.PayloadDisplayName, Organization: p.PayloadOrganization, Description: p.PayloadDescription,
			RemovalDisallowed: p.PayloadRemovalDisallowed, HasPasscode: p.HasRemovalPasscode, Encrypted: p.IsEncrypted,
			Managed: p.IsManaged, Source: p.Source, Signers: p.SignerCertificates,
		}
		for _, l := range p.PayloadContent {
			list[i].Payloads = append(list[i].Payloads, InstalledPayload{
				Type: l.PayloadType, Identifier: l.PayloadIdentifier, UUID: l.PayloadUUID, Version: l.PayloadVersion,
				DisplayName: l.PayloadDisplayName, Organization: l.PayloadOrganization, Description: l.PayloadDescription,
			})
		}
	}
	return list, nil
}
