package mdmtest

import (
	"maps"
	"slices"
	"time"
)

// kind is a property list type as Apple's schema names it.
type kind string

// rule is what the schema says of one key.
type rule struct {
	kind     kind
	required bool
}

// The keys of the payloads that enroll a device, from Apple's published schema
// (mdm/profiles: TopLevel, CommonPayloadKeys, com.apple.mdm and
// com.apple.security.scep). None of these is ever written to.
var (
	topLevelKeys = map[string]rule{
		"PayloadIdentifier":        {"string", true},
		"PayloadUUID":              {"string", true},
		"PayloadType":              {"string", true},
		"PayloadVersion":           {"integer", true},
		"PayloadContent":           {"array", false}, // required unless IsEncrypted
		"IsEncrypted":              {"boolean", false},
		"EncryptedPayloadContent":  {"data", false},
		"PayloadDescription":       {"string", false},
		"PayloadDisplayName":       {"string", false},
		"HasRemovalPasscode":       {"boolean", false},
		"PayloadOrganization":      {"string", false},
		"PayloadRemovalDisallowed": {"boolean", false},
		"PayloadScope":             {"string", false},
		"RemovalDate":              {"date", false},
		"DurationUntilRemoval":     {"real", false},
		"PayloadExpirationDate":    {"date", false},
		"TargetDeviceType":         {"integer", false},
		"ConsentText":              {"dictionary", false},
	}
	commonKeys = map[string]rule{
		"PayloadIdentifier":   {"string", true},
		"PayloadUUID":         {"string", true},
		"PayloadType":         {"string", true},
		"PayloadVersion":      {"integer", true},
		"PayloadDescription":  {"string", false},
		"PayloadDisplayName":  {"string", false},
		"PayloadOrganization": {"string", false},
	}
	mdmKeys = map[string]rule{
		"IdentityCertificateUUID":           {"string", true},
		"Topic":                             {"string", true},
		"ServerURL":                         {"string", true},
		"CheckInURL":                        {"string", false},
		"SignMessage":                       {"boolean", false},
		"AccessRights":                      {"integer", false},
		"UseDevelopmentAPNS":                {"boolean", false},
		"ManagedAppleID":                    {"string", false},
		"AssignedManagedAppleID":            {"string", false},
		"EnrollmentMode":                    {"string", false},
		"ServerURLPinningCertificateUUIDs":  {"array", false},
		"CheckInURLPinningCertificateUUIDs": {"array", false},
		"PinningRevocationCheckRequired":    {"boolean", false},
		"ServerCapabilities":                {"array", false},
		"CheckOutWhenRemoved":               {"boolean", false},
		"RequiredAppIDForMDM":               {"integer", false},
		"PromptUserToAllowBootstrapTokenForAuthentication": {"boolean", false},
	}
	scepKeys = map[string]rule{
		"URL":                {"string", true},
		"Name":               {"string", false},
		"Subject":            {"array", false},
		"Challenge":          {"string", false},
		"Keysize":            {"integer", false},
		"Key Type":           {"string", false},
		"Key Usage":          {"integer", false},
		"CAFingerprint":      {"data", false},
		"Retries":            {"integer", false},
		"RetryDelay":         {"integer", false},
		"SubjectAltName":     {"dictionary", false},
		"KeyIsExtractable":   {"boolean", false},
		"AllowAllAppsAccess": {"boolean", false},
	}
)

// checkKeys checks the types and the presence of the keys of dict. It returns
// the keys that no table knows, sorted: a device ignores those, and they are
// nearly always misspelled.
func checkKeys(dict map[string]any, where string, tables ...map[string]rule) (unknown []string, err error) {
	for _, table := range tables {
		for _, key := range slices.Sorted(maps.Keys(table)) {
			v, present := dict[key]
			switch {
			case !present && table[key].required:
				return nil, refuse(domainProfile, 1002, "%s: the required key %q is missing", where, key)
			case present && kindOf(v) != table[key].kind && !(table[key].kind == "real" && kindOf(v) == "integer"):
				return nil, refuse(domainProfile, 1003, "%s: the key %q has type %s, not %s", where, key, kindOf(v), table[key].kind)
			}
		}
	}
next:
	for _, key := range slices.Sorted(maps.Keys(dict)) {
		for _, table := range tables {
			if _, known := table[key]; known {
				continue next
			}
		}
		unknown = append(unknown, key)
	}
	return unknown, nil
}

// kindOf names the type of a decoded value as the schema does.
func kindOf(v any) kind {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int64, uint64:
		return "integer"
	case float32, float64:
		return "real"
	case []byte:
		return "data"
	case time.Time:
		return "date"
	case []any:
		return "array"
	case map[string]any:
		return "dictionary"
	}
	return "unknown"
}
