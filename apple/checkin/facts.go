package checkin

import (
	"strings"
	"unicode/utf8"

	"github.com/keelson-mdm/keelson/mdm"
)

// Facts returns what the device claims about itself.
func (a *Authenticate) Facts() mdm.HostFacts {
	p := PlatformOf(a.ProductName, a.ModelName)
	if p == "" && (a.Model != "" || a.ModelName != "") {
		p = mdm.MacOS // no other system sends these here (authenticate.yaml)
	}
	model := a.ProductName
	if model == "" {
		model = a.Model
	}
	return mdm.HostFacts{
		Platform:   p,
		Serial:     clip(a.SerialNumber),
		HardwareID: a.ID.Device,
		Name:       clip(a.DeviceName),
		Model:      clip(model),
		OSVersion:  clip(a.OSVersion),
	}
}

// PlatformOf tells the platform from what Apple calls ProductName
// ("iPhone14,5") and ModelName ("MacBook Pro"), either of which may be empty. It
// returns "" for what is none of ours, such as a watch.
func PlatformOf(productName, modelName string) mdm.Platform {
	for _, name := range []string{productName, modelName} {
		for _, k := range products {
			if strings.HasPrefix(name, k.prefix) {
				return k.platform
			}
		}
	}
	return ""
}

// products is never written to. The last ones are virtual Macs.
var products = []struct {
	prefix   string
	platform mdm.Platform
}{
	{"iPhone", mdm.IOS},
	{"iPod", mdm.IOS},
	{"iPad", mdm.IPadOS},
	{"AppleTV", mdm.TVOS},
	{"Apple TV", mdm.TVOS},
	{"Mac", mdm.MacOS},
	{"iMac", mdm.MacOS},
	{"Xserve", mdm.MacOS},
	{"VirtualMac", mdm.MacOS},
	{"VMware", mdm.MacOS},
	{"Parallels", mdm.MacOS},
}

// clip cuts a claim to what is reasonable to keep: 255 bytes, at a character.
func clip(s string) string {
	const limit = 255
	if len(s) <= limit {
		return s
	}
	s = s[:limit]
	for len(s) > 0 && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}
