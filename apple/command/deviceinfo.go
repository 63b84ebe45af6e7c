package command

import (
	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

// DeviceInfo is the answer to [DeviceInformation]. What was not asked, not told,
// or told in a type other than the schema's is empty or nil; Responses has
// everything as it came.
type DeviceInfo struct {
	UDID, ProvisioningUDID                        string
	SerialNumber, IMEI, MEID                      string
	DeviceName, HostName, LocalHostName           string
	OSVersion, SupplementalOSVersionExtra         string
	BuildVersion, SupplementalBuildVersion        string
	ModelName, Model, ModelNumber, ProductName    string
	SoftwareUpdateDeviceID, TimeZone              string
	WiFiMAC, BluetoothMAC, EthernetMAC            string
	IsAppleSilicon, IsSupervised, IsMultiUser     *bool
	IsActivationLockEnabled, IsMDMLostModeEnabled *bool
	AwaitingConfiguration                         *bool
	SystemIntegrityProtectionEnabled              *bool
	PINRequiredForEraseDevice                     *bool
	PINRequiredForDeviceLock                      *bool
	// DeviceCapacity and AvailableDeviceCapacity are in gigabytes of 10^9
	// bytes, before macOS 12 of 2^30.
	DeviceCapacity, AvailableDeviceCapacity *float64
	// BatteryLevel is from 0 to 1, or -1 when it cannot be told.
	BatteryLevel *float64
	// DevicePropertiesAttestation is a chain of certificates in DER, the leaf
	// first. It has not been verified.
	DevicePropertiesAttestation [][]byte
	// Responses are all answers by the schema's names.
	Responses map[string]any
}

// ParseDeviceInformation reads the answer to [DeviceInformation]. One that has
// no QueryResponses, as an error has none, is a [mdm.CodeInvalid] error.
func ParseDeviceInformation(raw []byte) (*DeviceInfo, error) {
	root, err := plist.Dict(raw, &plist.Limits{Bytes: MaxResult})
	if err != nil {
		return nil, err
	}
	r, ok := root["QueryResponses"].(map[string]any)
	if !ok {
		return nil, mdm.Errorf(mdm.CodeInvalid, "QueryResponses", "is missing: this is not the answer to a DeviceInformation")
	}
	d := &DeviceInfo{Responses: r}
	for _, text := range [...]struct {
		name string
		into *string
	}{
		{"UDID", &d.UDID}, {"ProvisioningUDID", &d.ProvisioningUDID},
		{"SerialNumber", &d.SerialNumber}, {"IMEI", &d.IMEI}, {"MEID", &d.MEID},
		{"DeviceName", &d.DeviceName}, {"HostName", &d.HostName}, {"LocalHostName", &d.LocalHostName},
		{"OSVersion", &d.OSVersion}, {"SupplementalOSVersionExtra", &d.SupplementalOSVersionExtra},
		{"BuildVersion", &d.BuildVersion}, {"SupplementalBuildVersion", &d.SupplementalBuildVersion},
		{"ModelName", &d.ModelName}, {"Model", &d.Model}, {"ModelNumber", &d.ModelNumber}, {"ProductName", &d.ProductName},
		{"SoftwareUpdateDeviceID", &d.SoftwareUpdateDeviceID}, {"TimeZone", &d.TimeZone},
		{"WiFiMAC", &d.WiFiMAC}, {"BluetoothMAC", &d.BluetoothMAC}, {"EthernetMAC", &d.EthernetMAC},
	} {
		*text.into, _ = r[text.name].(string)
	}
	for _, flag := range [...]struct {
		name string
		into **bool
	}{
		{"IsAppleSilicon", &d.IsAppleSilicon}, {"IsSupervised", &d.IsSupervised}, {"IsMultiUser", &d.IsMultiUser},
		{"IsActivationLockEnabled", &d.IsActivationLockEnabled}, {"IsMDMLostModeEnabled", &d.IsMDMLostModeEnabled},
		{"AwaitingConfiguration", &d.AwaitingConfiguration},
		{"SystemIntegrityProtectionEnabled", &d.SystemIntegrityProtectionEnabled},
		{"PINRequiredForEraseDevice", &d.PINRequiredForEraseDevice},
		{"PINRequiredForDeviceLock", &d.PINRequiredForDeviceLock},
	} {
		if b, ok := r[flag.name].(bool); ok {
			*flag.into = &b
		}
	}
	for _, number := range [...]struct {
		name string
		into **float64
	}{
		{"DeviceCapacity", &d.DeviceCapacity}, {"AvailableDeviceCapacity", &d.AvailableDeviceCapacity},
		{"BatteryLevel", &d.BatteryLevel},
	} {
		switch v := r[number.name].(type) {
		case float64:
			*number.into = &v
		case int64: // a whole number may come as an integer
			f := float64(v)
			*number.into = &f
		}
	}
	d.DevicePropertiesAttestation = certificates(r[attestationQuery])
	return d, nil
}

// certificates returns a chain only when all of it is data.
func certificates(v any) [][]byte {
	list, _ := v.([]any)
	var chain [][]byte
	for _, c := range list {
		der, ok := c.([]byte)
		if !ok {
			return nil
		}
		chain = append(chain, der)
	}
	return chain
}

// Facts returns what the device claims about itself.
func (d *DeviceInfo) Facts() mdm.HostFacts {
	model := d.ProductName
	if model == "" {
		model = d.Model
	}
	return mdm.HostFacts{
		Platform:   checkin.PlatformOf(d.ProductName, d.ModelName),
		Serial:     clip(d.SerialNumber, maxName),
		HardwareID: clip(d.UDID, maxName),
		Name:       clip(d.DeviceName, maxName),
		Model:      clip(model, maxName),
		OSVersion:  clip(d.OSVersion, maxName),
	}
}
