package mde

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// Version is a version of the enrollment protocol, the major number in the
// high byte, so that versions compare as numbers. Zero means that a device
// named none.
type Version uint16

// The versions that mean something here ([MS-MDE2] 3.1.4.1.3.2 and its notes).
const (
	Version3 Version = 3 << 8 // Windows 10
	Version4 Version = 4 << 8 // Windows 10 1703
	Version5 Version = 5 << 8 // key attestation

	// MinVersion is the lowest that is served.
	MinVersion = Version3
	// DefaultMaxVersion is the highest that is announced unless told otherwise.
	// From 5.0 on a device attests its key, which may hold the enrollment for
	// 100 seconds, for claims that nobody here reads.
	DefaultMaxVersion = Version4
)

// ParseVersion reads a version such as "4.0" or "6".
func ParseVersion(s string) (Version, error) {
	major, minor, _ := strings.Cut(strings.TrimSpace(s), ".")
	if minor == "" {
		minor = "0"
	}
	hi, err1 := strconv.ParseUint(major, 10, 8)
	lo, err2 := strconv.ParseUint(minor, 10, 8)
	if err1 != nil || err2 != nil {
		return 0, mdm.Errorf(mdm.CodeInvalid, "RequestVersion", "the version is not a number such as 4.0")
	}
	return Version(hi<<8 | lo), nil
}

// String writes the version as the wire has it, "4.0".
func (v Version) String() string { return fmt.Sprintf("%d.%d", v>>8, v&0xff) }

// NegotiateVersion returns the version to announce to a device that asked for
// requested: the lower of that and max. A zero max is [DefaultMaxVersion].
// Devices ask for ever higher versions, which is no reason to turn them away;
// one below [MinVersion] is [mdm.CodeUnsupported].
func NegotiateVersion(requested, max Version) (Version, error) {
	if max == 0 {
		max = DefaultMaxVersion
	}
	if max < MinVersion {
		return 0, mdm.Errorf(mdm.CodeInvalid, "max", "the highest version %v is below %v, the lowest that is served", max, MinVersion)
	}
	if requested < MinVersion {
		return 0, mdm.Errorf(mdm.CodeUnsupported, "RequestVersion", "this version of Windows cannot be enrolled; update it")
	}
	return min(requested, max), nil
}
