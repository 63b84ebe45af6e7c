package mdmtest

import (
	"maps"
	"slices"
)

// commandSpec is what the schema says of a command.
type commandSpec struct {
	right int64 // the access right that it takes; 0 for none
	to    string
	keys  map[string]commandKey
}

// commandKey is a key of a command.
type commandKey struct {
	rule
	on    AppleKind // the only kind that has it; empty means both
	among []string  // the values of a string; nil means any
}

// commandSpecs are the commands that a device executes by itself, from Apple's
// published schema (mdm/commands). None of these is ever written to.
var commandSpecs = map[string]commandSpec{
	"InstallProfile": {rightInstall, "install profiles", map[string]commandKey{"Payload": {rule: rule{"data", true}}}},
	"RemoveProfile":  {rightInstall, "remove profiles", map[string]commandKey{"Identifier": {rule: rule{"string", true}}}},
	"ProfileList":    {rightInspect, "inspect profiles", map[string]commandKey{"ManagedOnly": {rule: rule{"boolean", false}}}},
	"DeviceInformation": {0, "", map[string]commandKey{
		"Queries": {rule: rule{"array", true}}, "DeviceAttestationNonce": {rule: rule{"data", false}},
	}},
	"DeviceConfigured": {},
	"DeviceLock": {rightLock, "lock the device", map[string]commandKey{
		"Message":     {rule: rule{"string", false}},
		"PhoneNumber": {rule: rule{"string", false}},
		"PIN":         {rule: rule{"string", false}, on: AppleMac},
	}},
	"EraseDevice": {rightErase, "erase the device", map[string]commandKey{
		"PIN":                    {rule: rule{"string", false}, on: AppleMac},
		"ObliterationBehavior":   {rule: rule{"string", false}, on: AppleMac, among: []string{"Default", "DoNotObliterate", "ObliterateWithWarning", "Always"}},
		"PreserveDataPlan":       {rule: rule{"boolean", false}, on: AppleIPhone},
		"DisallowProximitySetup": {rule: rule{"boolean", false}, on: AppleIPhone},
		"ReturnToService":        {rule: rule{"dictionary", false}, on: AppleIPhone},
	}},
}

// judgeCommand checks a command that the device executes by itself: the access
// right first, then the keys. A key of the
// wrong type is the error that a device reports; a key that the device does not
// have is a violation, as the device ignores it and does not do what was meant.
func (a *Apple) judgeCommand(cmd *command) error {
	spec := commandSpecs[cmd.requestType]
	if spec.right != 0 {
		if err := a.need(spec.right, spec.to); err != nil {
			return err
		}
	}
	table := spec.keys
	for _, name := range slices.Sorted(maps.Keys(table)) {
		k := table[name]
		v, present := cmd.body[name]
		switch {
		case !present && k.required:
			return badCommand("%s without %s", cmd.requestType, name)
		case !present, k.on != "" && k.on != a.kind:
		case kindOf(v) != k.kind:
			return badCommand("%s: %s has type %s, not %s", cmd.requestType, name, kindOf(v), k.kind)
		case k.among != nil && !slices.Contains(k.among, str(cmd.body, name)):
			return badCommand("%s: %s is %q, not one of %q", cmd.requestType, name, v, k.among)
		case name == "PIN" && len(str(cmd.body, name)) != 6:
			return badCommand("%s with a PIN that has not six characters", cmd.requestType)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cmd.body)) {
		k, has := table[name]
		if name != "RequestType" && name != "RequestRequiresNetworkTether" && (!has || k.on != "" && k.on != a.kind) {
			a.violate(cmd.requestType, "the key %q, which this kind of device does not have", name)
		}
	}
	for _, v := range anys(cmd.body, "Queries") {
		if kindOf(v) != "string" {
			return badCommand("%s: Queries holds a value of type %s, not string", cmd.requestType, kindOf(v))
		}
	}
	return nil
}

// anys returns an array member, or nil.
func anys(dict map[string]any, key string) []any {
	list, _ := dict[key].([]any)
	return list
}
