package mdmtest

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
)

// profileList answers ProfileList. The enrollment profile counts as installed by
// MDM only once a renewal installed it: that is the schema's wording, "profiles
// that MDM has installed".
func (a *Apple) profileList(body map[string]any) (answer, error) {
	ack := answer{status: statusAcknowledged}
	list := []any{}
	for _, p := range a.current() {
		if flag(body, "ManagedOnly") && !p.managed {
			continue
		}
		list = append(list, a.profileItem(p))
	}
	ack.keys = map[string]any{"ProfileList": list}
	return ack, nil
}

// profileItem describes one profile.
func (a *Apple) profileItem(p *installed) map[string]any {
	item := copyKeys(p.profile.dict, "PayloadUUID", "PayloadIdentifier", "PayloadVersion",
		"PayloadDisplayName", "PayloadOrganization", "PayloadDescription")
	for _, key := range []string{"PayloadRemovalDisallowed", "HasRemovalPasscode", "IsEncrypted"} {
		item[key] = flag(p.profile.dict, key)
	}
	if len(p.profile.signers) > 0 {
		var signers []any
		for _, cert := range p.profile.signers {
			signers = append(signers, slices.Clone(cert.Raw))
		}
		item["SignerCertificates"] = signers
	}
	if a.kind == AppleIPhone && !a.opts.Supervised { // not on a Mac, nor when supervised
		item["IsManaged"] = p.managed
	}
	content := []any{}
	for _, pl := range p.profile.payloads {
		content = append(content, copyKeys(pl, "PayloadType", "PayloadVersion", "PayloadIdentifier", "PayloadUUID",
			"PayloadDisplayName", "PayloadDescription", "PayloadOrganization"))
	}
	item["PayloadContent"] = content
	return item
}

func copyKeys(from map[string]any, keys ...string) map[string]any {
	out := make(map[string]any)
	for _, key := range keys {
		if v, ok := from[key]; ok {
			out[key] = v
		}
	}
	return out
}

// deviceInformation answers the queries that it knows and that the access rights
// allow, and leaves out the others, as a device does.
func (a *Apple) deviceInformation(body map[string]any) (answer, error) {
	ack := answer{status: statusAcknowledged}
	known := a.facts()
	responses := make(map[string]any)
	for _, query := range strs(body, "Queries") {
		f, ok := known[query]
		if ok && (f.right == 0 || a.need(f.right, query) == nil) {
			responses[query] = f.value
		}
	}
	ack.keys = map[string]any{"QueryResponses": responses}
	return ack, nil
}

// fact is one thing that DeviceInformation can ask for.
type fact struct {
	value any
	right int64 // access right that it takes; 0 for none
}

// facts is what this kind of device knows about itself: queries, platforms and
// access rights are those of the schema.
func (a *Apple) facts() map[string]fact {
	st, o := a.state(), &a.opts
	sum := sha256.Sum256([]byte(st.udid))
	address := func(i int) string {
		return fmt.Sprintf("a4:83:e7:%02x:%02x:%02x", sum[i], sum[i+1], sum[i+2])
	}
	facts := map[string]fact{
		"UDID":                       {st.udid, 0},
		"AwaitingConfiguration":      {st.awaiting, 0},
		"MDMOptions":                 {map[string]any{}, 0},
		"SoftwareUpdateDeviceID":     {o.Model, 0},
		"DeviceName":                 {o.Name, rightDeviceInfo},
		"OSVersion":                  {o.OSVersion, rightDeviceInfo},
		"BuildVersion":               {o.BuildVersion, rightDeviceInfo},
		"SupplementalBuildVersion":   {o.BuildVersion, rightDeviceInfo},
		"ModelName":                  {a.modelName(), rightDeviceInfo},
		"Model":                      {o.Model, rightDeviceInfo},
		"ModelNumber":                {"MK1A3LL/A", rightDeviceInfo},
		"ProductName":                {o.Model, rightDeviceInfo},
		"SerialNumber":               {st.serial, rightDeviceInfo},
		"DeviceCapacity":             {494.38, rightDeviceInfo},
		"AvailableDeviceCapacity":    {100 + float64(sum[0]), rightDeviceInfo},
		"BatteryLevel":               {0.5 + float64(sum[1])/512, rightDeviceInfo},
		"IsSupervised":               {o.Supervised, rightDeviceInfo},
		"IsActivationLockEnabled":    {false, rightDeviceInfo},
		"iTunesStoreAccountIsActive": {false, rightApps},
		"WiFiMAC":                    {address(2), rightNetworkInfo},
		"BluetoothMAC":               {address(5), rightNetworkInfo},
	}
	own := map[string]fact{
		"IsMultiUser":                   {false, rightDeviceInfo},
		"IsDeviceLocatorServiceEnabled": {false, rightDeviceInfo},
		"IsCloudBackupEnabled":          {false, rightDeviceInfo},
		"IsMDMLostModeEnabled":          {false, rightDeviceInfo},
		"IsDoNotDisturbInEffect":        {false, rightDeviceInfo},
		"DiagnosticSubmissionEnabled":   {false, rightDeviceInfo},
		"AppAnalyticsEnabled":           {false, rightDeviceInfo},
		"TimeZone":                      {"America/Los_Angeles", rightDeviceInfo},
		"DataRoamingEnabled":            {false, rightNetworkInfo},
		"PersonalHotspotEnabled":        {false, rightNetworkInfo},
	}
	if a.kind == AppleMac {
		own = map[string]fact{
			"ProvisioningUDID":                 {fmt.Sprintf("00008122-%X", sum[8:16]), 0},
			"HostName":                         {"host-" + st.serial + ".local", rightDeviceInfo},
			"LocalHostName":                    {"host-" + st.serial, rightDeviceInfo},
			"IsAppleSilicon":                   {true, rightDeviceInfo},
			"HasBattery":                       {true, rightDeviceInfo},
			"IsActivationLockSupported":        {true, rightDeviceInfo},
			"SystemIntegrityProtectionEnabled": {true, rightDeviceInfo},
			"SupportsLOMDevice":                {false, rightDeviceInfo},
			"SupportsiOSAppInstalls":           {true, rightDeviceInfo},
			"PINRequiredForEraseDevice":        {false, rightDeviceInfo},
			"PINRequiredForDeviceLock":         {false, rightDeviceInfo},
			"EACSPreflight":                    {"success", rightDeviceInfo},
			"EthernetMAC":                      {address(8), rightNetworkInfo},
		}
	}
	maps.Copy(facts, own)
	return facts
}
