package lifecycle

import (
	"github.com/keelson-mdm/keelson/mdm"
)

// TransitionKind says what happened to an enrollment.
type TransitionKind string

// The transitions.
const (
	None      TransitionKind = ""           // no enrollment changed
	Announced TransitionKind = "announced"  // a new life, or a renewed certificate, has authenticated
	NewLife   TransitionKind = "new_life"   // it was confirmed: the enrollment begins anew
	Renewed   TransitionKind = "renewed"    // the same life goes on with another certificate
	TurnedOff TransitionKind = "turned_off" // the device left, or was sent away
	HostGone  TransitionKind = "host_gone"  // the host was deleted
)

// Transition is what lifecycle decided, for the other rooms to follow.
type Transition struct {
	Kind TransitionKind
	Host mdm.Host
	// Enrollment is as it stands after the transition. Its Next is a life that
	// goes on to be announced: that certificate is not to be retired.
	Enrollment mdm.Enrollment
	// Ended are other channels of the host that the transition ended: the
	// host's earlier enrollment, when it came back under another natural key.
	// They are cleaned up as [TurnedOff].
	Ended []mdm.Enrollment
}

// Item is a kind of state that a transition may clean up.
type Item string

// The items, and what may happen to them.
const (
	ItemQueue          Item = "queue"
	ItemProfiles       Item = "profiles"
	ItemBootstrapToken Item = "bootstrap_token"
	ItemUnlockToken    Item = "unlock_token"
	ItemPushInfo       Item = "push_info"
	ItemPerson         Item = "person"
	ItemCertificates   Item = "certificates"
)

// Treatment is what a transition does to an [Item].
type Treatment string

// The treatments.
const (
	Keep    Treatment = "keep"
	Clear   Treatment = "clear"
	Cancel  Treatment = "cancel" // ended in the history, never deleted
	Stale   Treatment = "stale"  // kept, and marked as of an ended life
	Replace Treatment = "replace"
	Retire  Treatment = "retire" // superseded: kept as known, trusted for nothing
)

// CleanUps is the table of what each transition does to each item; it is empty
// for those that clean up nothing. A device that leaves, or that is deleted,
// never destroys what may be the only copy: escrowed secrets go stale.
func CleanUps(k TransitionKind) map[Item]Treatment {
	switch k {
	case NewLife:
		return map[Item]Treatment{
			ItemQueue: Cancel, ItemProfiles: Clear, ItemBootstrapToken: Clear,
			ItemUnlockToken: Replace, ItemPushInfo: Replace, ItemPerson: Replace, ItemCertificates: Retire,
		}
	case Renewed:
		return map[Item]Treatment{
			ItemQueue: Keep, ItemProfiles: Keep, ItemBootstrapToken: Keep,
			ItemUnlockToken: Keep, ItemPushInfo: Replace, ItemPerson: Keep, ItemCertificates: Retire,
		}
	case TurnedOff:
		return map[Item]Treatment{
			ItemQueue: Cancel, ItemProfiles: Clear, ItemBootstrapToken: Stale,
			ItemUnlockToken: Stale, ItemPushInfo: Clear, ItemPerson: Keep, ItemCertificates: Retire,
		}
	case HostGone:
		return map[Item]Treatment{
			ItemQueue: Cancel, ItemProfiles: Clear, ItemBootstrapToken: Stale,
			ItemUnlockToken: Stale, ItemPushInfo: Clear, ItemPerson: Clear, ItemCertificates: Retire,
		}
	default:
		return map[Item]Treatment{}
	}
}
