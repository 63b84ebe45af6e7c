package identity

import (
	"slices"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Kind is why an enrollment profile is handed out.
type Kind string

// The kinds of intent.
const (
	KindNew       Kind = "new"
	KindRenewal   Kind = "renewal"
	KindMigration Kind = "migration"
)

// Way is the road by which a device comes.
type Way string

// The ways.
const (
	Manual    Way = "manual"     // a profile that a person installs
	OnPremise Way = "on-premise" // Windows, user name and password
	ADE       Way = "ade"
)

// Intent is a stored decision to let a device in, or a batch of them.
type Intent struct {
	ID   mdm.IntentID
	Kind Kind
	Way  Way
	// Link and Challenge are the SHA-256 of the two secrets: what stands in
	// the enrollment URL, and what stands in the profile.
	Link      mdm.Hash
	Challenge mdm.Hash
	// Platform, Serials and HardwareIDs are what is expected of the device;
	// empty expects nothing. Serials and hardware ids compare without case.
	Platform    mdm.Platform
	Serials     []string
	HardwareIDs []string
	Person      string // who authenticated; empty if nobody
	Team        mdm.TeamKey
	// Quota is how many devices may enroll, Used how many have.
	Quota int
	Used  int
	// Issued counts certificates; [Intent.MaxIssued] bounds it.
	Issued int
	// Enrollment and Generation are set for a renewal: the life that goes on.
	Enrollment mdm.EnrollmentID
	Generation mdm.Generation
	Actor      mdm.Actor // who asked for it, and why
	CreatedAt  time.Time
	ExpiresAt  time.Time
	Revoked    bool
	RevokedBy  mdm.Actor // who withdrew it, and why; zero when nobody has
}

// MaxIssued is how many certificates may be issued for an intent: devices
// retry with new keys until the first Authenticate, but not for ever.
func (i *Intent) MaxIssued() int { return 8 * max(i.Quota, 1) }

// IntentState says whether a further device may come by an intent, and if not,
// why.
type IntentState string

// The states. Of several reasons, the first of these is told.
const (
	IntentOpen      IntentState = "open"
	IntentWithdrawn IntentState = "withdrawn"
	IntentUsedUp    IntentState = "used_up"
	IntentExpired   IntentState = "expired"
)

// State returns where the intent stands. Stores list by the same rule.
func (i *Intent) State(now time.Time) IntentState {
	switch {
	case i.Revoked:
		return IntentWithdrawn
	case i.Used >= max(i.Quota, 1):
		return IntentUsedUp
	case !now.Before(i.ExpiresAt):
		return IntentExpired
	}
	return IntentOpen
}

// Open reports, as a [mdm.CodeChallenge] error, why no further device may come
// by this intent; nil means that one may.
func (i *Intent) Open(now time.Time) error {
	switch i.State(now) {
	case IntentWithdrawn:
		return mdm.Errorf(mdm.CodeChallenge, "intent", "this enrollment was withdrawn: ask for a new one")
	case IntentUsedUp:
		return mdm.Errorf(mdm.CodeChallenge, "intent", "this enrollment has been used: ask for a new one")
	case IntentExpired:
		return mdm.Errorf(mdm.CodeChallenge, "intent", "this enrollment has expired: ask for a new one")
	}
	return nil
}

// Given reports whether the secret of the intent was given to somebody. That of
// an on-premise enrollment, or of a renewal, was told to nobody: such an intent is
// used by the request that makes it.
func (i *Intent) Given() bool { return i.Way != OnPremise && i.Kind != KindRenewal }

// Expects reports, as a [mdm.CodeIdentity] error, how the device differs from
// the one that the intent was made for. A device that does not tell what is
// expected of it differs.
func (i *Intent) Expects(f mdm.HostFacts) error {
	switch {
	case i.Platform != "" && i.Platform != f.Platform:
		return mdm.Errorf(mdm.CodeIdentity, "platform", "this enrollment is for another platform")
	case !expected(i.Serials, f.Serial):
		return mdm.Errorf(mdm.CodeIdentity, "serial", "this enrollment is for another device")
	case !expected(i.HardwareIDs, f.HardwareID):
		return mdm.Errorf(mdm.CodeIdentity, "hardware_id", "this enrollment is for another device")
	}
	return nil
}

func expected(list []string, have string) bool {
	return len(list) == 0 || have != "" && slices.ContainsFunc(list, func(want string) bool { return strings.EqualFold(have, want) })
}
