package mobileconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// ReservedIdentifierPrefix begins the identifiers of the profiles that the
// server makes itself. It stands in devices and cannot be changed later.
const ReservedIdentifierPrefix = "com.github.keelson-mdm."

// Policy says what an administrator's profile may not have. A nil Policy and
// its zero value are the strictest.
type Policy struct {
	// ReservedPrefixes are beginnings of identifiers that belong to the server,
	// at the top level and in payloads. They are compared without case and up
	// to a dot: "com.example" covers com.example and com.example.x, and not
	// com.examples. Nil means [ReservedIdentifierPrefix] alone; an empty list
	// reserves nothing.
	ReservedPrefixes []string
	// Allow lists payload types that are let through although the table of
	// refused types has them, for an application that does without the
	// setting that would make them. com.apple.mdm cannot be allowed.
	Allow []string
}

const (
	mdmType       = "com.apple.mdm"
	fileVaultType = "com.apple.MCX.FileVault2"
	mcxType       = "com.apple.MCX"
	prefsType     = "com.apple.ManagedClient.preferences"
)

// refused are the payload types that may not be uploaded, with what to do
// instead. It is never written to.
var refused = map[string]string{
	mdmType:       "this payload enrolls a device: the server makes it",
	fileVaultType: "use the disk-encryption setting: it escrows the key as well",
	"com.apple.security.FDERecoveryKeyEscrow": "use the disk-encryption setting: the server must hold the key that opens what is escrowed",
	"com.apple.security.FDERecoveryRedirect":  "macOS 10.13 and later ignore this payload: use the disk-encryption setting",
}

// fileVaultKeys are the settings of com.apple.MCX that fight over FileVault
// (com.apple.MCX(FileVault2).yaml).
var fileVaultKeys = []string{"dontAllowFDEDisable", "dontAllowFDEEnable", "DestroyFVKeyOnStandby"}

// Check reports, as a [mdm.CodeForbidden] error with a path, what the policy
// does not let an administrator upload. An encrypted profile is refused with
// [mdm.CodeUnsupported]: it hides what would have to be checked.
func (p *Profile) Check(policy *Policy) error {
	if policy == nil {
		policy = &Policy{}
	}
	if p.Encrypted {
		return mdm.Errorf(mdm.CodeUnsupported, "IsEncrypted", "an encrypted profile cannot be checked: upload it unencrypted")
	}
	if err := policy.identifier(p.Identifier, "PayloadIdentifier"); err != nil {
		return err
	}
	for i := range p.Payloads {
		path := fmt.Sprintf("PayloadContent[%d].", i)
		l := &p.Payloads[i]
		if err := policy.identifier(l.Identifier, path+"PayloadIdentifier"); err != nil {
			return err
		}
		if err := policy.payloadType(l.Type, path+"PayloadType"); err != nil {
			return err
		}
		if err := policy.settings(l, path); err != nil {
			return err
		}
	}
	return nil
}

func (c *Policy) identifier(id, path string) error {
	prefixes := c.ReservedPrefixes
	if prefixes == nil {
		prefixes = []string{ReservedIdentifierPrefix}
	}
	for _, reserved := range prefixes {
		reserved = strings.TrimSuffix(reserved, ".")
		rest, ok := cutPrefixFold(id, reserved)
		if ok && reserved != "" && (rest == "" || rest[0] == '.') {
			return mdm.Errorf(mdm.CodeForbidden, path, "identifiers beginning with %q belong to the server: choose another", reserved)
		}
	}
	return nil
}

func (c *Policy) payloadType(t, path string) error {
	why, ok := refused[t]
	if !ok || t != mdmType && slices.Contains(c.Allow, t) {
		return nil
	}
	return mdm.Errorf(mdm.CodeForbidden, path, "payloads of type %s may not be uploaded: %s", t, why)
}

// settings finds refused settings in the two payload types that carry the
// settings of others.
func (c *Policy) settings(l *Payload, path string) error {
	switch l.Type {
	case mcxType:
		return c.mcx(l.fields, path)
	case prefsType:
		domains, _ := l.fields["PayloadContent"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(domains)) {
			at := path + "PayloadContent." + name
			if err := c.payloadType(name, at); err != nil {
				return err
			}
			domain, _ := domains[name].(map[string]any)
			if name != mcxType {
				continue
			}
			for _, how := range []string{"Forced", "Set-Once"} {
				list, _ := domain[how].([]any)
				for i, item := range list {
					entry, _ := item.(map[string]any)
					settings, _ := entry["mcx_preference_settings"].(map[string]any)
					if err := c.mcx(settings, fmt.Sprintf("%s.%s[%d].mcx_preference_settings.", at, how, i)); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (c *Policy) mcx(settings map[string]any, path string) error {
	for _, key := range fileVaultKeys {
		if _, ok := settings[key]; ok {
			return c.payloadType(fileVaultType, path+key)
		}
	}
	return nil
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
