package mde

import (
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// EnrollmentType is whom an enrollment is for ([MS-MDE2] 3.4.4.1.1.1).
type EnrollmentType string

// The types.
const (
	EnrollmentFull   EnrollmentType = "Full"   // a user and the device; the certificate lives with the user
	EnrollmentDevice EnrollmentType = "Device" // the device alone
)

// ContextItem is one thing that a device says about itself.
type ContextItem struct {
	Name, Value string
}

// AdditionalContext is what a device says about itself when it asks for a
// certificate: a list in the order sent, where a name may come more than once
// (MAC, IMEI) and names that we do not know are kept. None of it is
// authenticated. Names are matched exactly, and values are trimmed.
type AdditionalContext []ContextItem

// Get returns the first value of a name, or "".
func (c AdditionalContext) Get(name string) string {
	for _, i := range c {
		if i.Name == name {
			return i.Value
		}
	}
	return ""
}

// All returns every value of a name in the order sent, duplicates included.
func (c AdditionalContext) All(name string) []string {
	var out []string
	for _, i := range c {
		if i.Name == name {
			out = append(out, i.Value)
		}
	}
	return out
}

// Bool returns a value that is true or false in any letter case: devices send
// both "true" and "True". It reports whether there was one.
func (c AdditionalContext) Bool(name string) (value, ok bool) {
	v := c.Get(name)
	switch {
	case strings.EqualFold(v, "true"):
		return true, true
	case strings.EqualFold(v, "false"):
		return false, true
	}
	return false, false
}

// DeviceID is the name by which the device will call itself in every
// management session.
func (c AdditionalContext) DeviceID() string { return c.Get("DeviceID") }

// HWDevID is the hardware's id, 64 hexadecimal digits; clones share it.
func (c AdditionalContext) HWDevID() string { return c.Get("HWDevID") }

// EnrollmentType is whom the enrollment is for, or "" when not said.
func (c AdditionalContext) EnrollmentType() EnrollmentType {
	return EnrollmentType(c.Get("EnrollmentType"))
}

// DeviceName is the computer's name.
func (c AdditionalContext) DeviceName() string { return c.Get("DeviceName") }

// OSVersion is the version of Windows, four numbers with dots.
func (c AdditionalContext) OSVersion() string { return c.Get("OSVersion") }

// readContext reads the items and refuses a contradiction in those that decide
// whom the enrollment is for.
func readContext(e *element) (AdditionalContext, error) {
	var c AdditionalContext
	for _, item := range e.all(nsAuth, "ContextItem") {
		v, err := item.value(nsAuth, "Value")
		if err != nil {
			return nil, err
		}
		c = append(c, ContextItem{Name: item.attr("Name"), Value: v})
	}
	for _, name := range []string{"DeviceID", "EnrollmentType", "HWDevID", "DeviceName", "OSVersion"} {
		values := c.All(name)
		for _, v := range values {
			if v != values[0] {
				return nil, mdm.Errorf(mdm.CodeMalformed, name, "%s is given more than once, with different values", name)
			}
			if err := checkText(name, v); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// require checks what an enrollment cannot be without.
func (c AdditionalContext) require() error {
	if c.DeviceID() == "" {
		return mdm.Errorf(mdm.CodeInvalid, "DeviceID", "the request names no DeviceID")
	}
	if n := len(c.DeviceID()); n > 128 {
		return mdm.Errorf(mdm.CodeTooLarge, "DeviceID", "the DeviceID has %d bytes; the limit is 128", n)
	}
	switch c.EnrollmentType() {
	case EnrollmentFull, EnrollmentDevice:
		return nil
	case "":
		return mdm.Errorf(mdm.CodeInvalid, "EnrollmentType", "the request names no EnrollmentType")
	}
	return mdm.Errorf(mdm.CodeUnsupported, "EnrollmentType", "the EnrollmentType is neither Full nor Device")
}
