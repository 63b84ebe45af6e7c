package profiles

import (
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Limits of definitions.
const (
	MaxContent = 1 << 20 // bytes of one profile
	MaxName    = 255     // bytes of a name
)

// Team is a scope for definitions. Key 0 is "no team", which always exists and
// is never inherited by hosts that have a team.
type Team struct {
	Key  mdm.TeamKey
	ID   mdm.TeamID // empty for no team
	Name string     // unique without case
	// Version rises with every change of what the team's hosts should carry.
	Version int64
}

// Label is a named set of hosts. Its members are set by hand; a host that was
// never spoken of has the label's Default.
type Label struct {
	Key     mdm.LabelKey
	ID      mdm.LabelID
	Name    string // unique without case
	Default Tri
}

// Family is the kind of a profile's content.
type Family string

// The families.
const (
	AppleProfile   Family = "apple"
	WindowsProfile Family = "windows"
)

// Covers reports whether hosts of platform p understand the family.
func (f Family) Covers(p mdm.Platform) bool {
	return f == AppleProfile && p.Apple() || f == WindowsProfile && p == mdm.Windows
}

// Scope says which hosts of the team a profile reaches: those that have all of
// IncludeAll, any of IncludeAny (when not empty), and none of ExcludeAny. Empty
// lists do not narrow; Platforms empty means every platform of the family.
type Scope struct {
	IncludeAll []mdm.LabelKey
	IncludeAny []mdm.LabelKey
	ExcludeAny []mdm.LabelKey
	Platforms  []mdm.Platform
}

// SlotKey is the row key of an interned slot name. A slot is what a device
// tells profiles apart by.
type SlotKey int64

// Profile is a definition, with its current content.
type Profile struct {
	Key    mdm.ProfileKey
	ID     mdm.ProfileID
	Team   mdm.TeamKey
	Family Family
	// Identifier is the slot's name: the PayloadIdentifier on Apple; on Windows
	// it is chosen at creation and never changes. Unique in the team.
	Identifier string
	Slot       SlotKey
	Name       string // for people; unique in the team without case
	Scope      Scope
	Revision   mdm.Revision // 1 at first, rises when the content changes
	Edit       mdm.Edit     // 1 at first, rises with every change; counted by the store
	Content    mdm.Hash
	Size       int
	CreatedAt  time.Time
	UpdatedAt  time.Time // of content, name or scope
	Actor      mdm.Actor // of the last write
}

// Definitions are all profiles of one team, as of one version. Immutable.
type Definitions struct {
	Team     mdm.TeamKey
	Version  int64
	Profiles []Profile // in key order
}
