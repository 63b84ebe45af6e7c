package checkin

import (
	"strings"
	"unicode"
	"unicode/utf8"

	nanomdm "github.com/micromdm/nanomdm/mdm"

	"github.com/keelson-mdm/keelson/mdm"
)

// Sender is how a device names itself in every check-in message and command
// result. It converts to and from NanoMDM's Enrollment.
type Sender struct {
	UDID             string // forbidden in a user enrollment
	UserID           string // a user channel's; all F on Shared iPad
	UserShortName    string // on Shared iPad the Managed Apple Account
	UserLongName     string
	EnrollmentID     string // instead of UDID in a user enrollment
	EnrollmentUserID string // a user channel's, in a user enrollment
}

var _ = Sender(nanomdm.Enrollment{}) // the conversion is part of the contract

// Type is the kind of an enrollment channel.
type Type string

// The types, by NanoMDM's names.
const (
	Device               Type = "Device"
	User                 Type = "User"
	UserEnrollmentDevice Type = "User Enrollment (Device)"
	UserEnrollment       Type = "User Enrollment"
	SharedIPad           Type = "Shared iPad"
)

// Bounds of an identifier, in bytes. Apple's are UUIDs and shorter; a Managed
// Apple Account is an e-mail address.
const (
	MaxDeviceID = 64
	MaxUserID   = 170
)

// ID is a [Sender], normalized. Two senders are the same channel exactly when
// their IDs are equal.
type ID struct {
	Type   Type
	Device string // UDID or EnrollmentID; the id of the device channel
	User   string // the user's part; empty on a device channel
}

// ID says which channel speaks:
//
//	UDID                             the device
//	UDID, UserID                     a user of a Mac
//	UDID, UserID all F, short name   a user of a Shared iPad, by short name
//	EnrollmentID                     the device, in a user enrollment
//	EnrollmentID, EnrollmentUserID   a user, in a user enrollment
//
// A UDID wins over an EnrollmentID. Identifiers are taken as they are, case
// included. It fails with [mdm.CodeInvalid] when there is none, or when one is
// too long or has characters that would make it read as another.
func (s Sender) ID() (ID, error) {
	id := ID{Type: Device, Device: s.UDID}
	device, user := "UDID", ""
	switch {
	case s.UDID != "" && strings.EqualFold(s.UserID, nanomdm.SharediPadUserID):
		id.Type, id.User, user = SharedIPad, s.UserShortName, "UserShortName"
	case s.UDID != "" && s.UserID != "":
		id.Type, id.User, user = User, s.UserID, "UserID"
	case s.UDID != "":
	case s.EnrollmentID != "":
		id.Type, id.Device, device = UserEnrollmentDevice, s.EnrollmentID, "EnrollmentID"
		if s.EnrollmentUserID != "" {
			id.Type, id.User, user = UserEnrollment, s.EnrollmentUserID, "EnrollmentUserID"
		}
	default:
		return ID{}, mdm.Errorf(mdm.CodeInvalid, "UDID", "the message names no device: UDID or EnrollmentID is needed")
	}
	// A colon separates the two parts.
	if !plain(id.Device, MaxDeviceID) || strings.Contains(id.Device, ":") {
		return ID{}, mdm.Errorf(mdm.CodeInvalid, device, "must have at most %d bytes without spaces, colons and control characters", MaxDeviceID)
	}
	if user != "" && !plain(id.User, MaxUserID) {
		return ID{}, mdm.Errorf(mdm.CodeInvalid, user, "must have 1 to %d bytes without spaces and control characters", MaxUserID)
	}
	return id, nil
}

func plain(s string, limit int) bool {
	return s != "" && len(s) <= limit && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}

// String returns the normalized id: the device's, with ":" and the user's on a
// user channel.
func (i ID) String() string {
	if i.User == "" {
		return i.Device
	}
	return i.Device + ":" + i.User
}

// Parent returns the device channel that a user channel belongs to, or the
// device channel itself.
func (i ID) Parent() ID {
	switch i.Type {
	case User, SharedIPad:
		return ID{Type: Device, Device: i.Device}
	case UserEnrollment:
		return ID{Type: UserEnrollmentDevice, Device: i.Device}
	}
	return i
}

// Channel returns which of the two channels it is.
func (i ID) Channel() mdm.Channel {
	if i.User == "" {
		return mdm.DeviceChannel
	}
	return mdm.UserChannel
}

// Natural returns the natural key of the channel.
func (i ID) Natural() mdm.Natural { return mdm.AppleNatural(i.String()) }
