package checkin

import (
	"strings"
	"unicode"
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
		Serial:     claim(a.SerialNumber),
		HardwareID: a.ID.Device,
		Name:       claim(a.DeviceName),
		Model:      claim(model),
		OSVersion:  claim(a.OSVersion),
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

// claim makes a device's word safe to keep and to show: no control characters, and
// at most 255 bytes, cut at a character.
func claim(s string) string {
	const limit = 255
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) <= limit {
		return s
	}
	n := limit
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
