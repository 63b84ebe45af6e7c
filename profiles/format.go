package profiles

import (
	"github.com/keelson-mdm/keelson/mdm"
)

// Class orders deliveries.
type Class string

// The classes.
const (
	// Plain profiles have no order.
	Plain Class = "plain"
	// Connectivity profiles (Wi-Fi, VPN, proxy, DNS) and Trust profiles
	// (roots) are installed and acknowledged before a predecessor of their
	// class is removed, so that no device loses its way back.
	Connectivity Class = "connectivity"
	Trust        Class = "trust"
)

// Document is a profile's content, parsed: what planning and evidence need to
// know of it. Immutable.
type Document struct {
	Hash       mdm.Hash
	Identifier string // PayloadIdentifier; empty on Windows
	Name       string // PayloadDisplayName; empty on Windows
	UUID       string // PayloadUUID; empty on Windows
	Class      Class
	// Nodes are the things on the device that the profile owns, in canonical
	// form: LocURIs on Windows, nothing on Apple.
	Nodes []string
	// Provable is the highest rung of evidence that observation can reach;
	// [Accepted] means that nothing can be read back.
	Provable Evidence
	Warnings []string // for the person who uploads
	// Raw is what the [Format] keeps for itself.
	Raw any
}

// Instruction is a command for a device, before it is queued.
type Instruction struct {
	Kind    string // one of the mdm.Kind constants
	Content []byte
}

// Format knows one family of content. It is pure and safe for concurrent use;
// the face makes it from the platform's packages.
type Format interface {
	// Parse checks content as an administrator uploads it. Errors are
	// [*mdm.Error] with the path of what is wrong.
	Parse(content []byte) (*Document, error)
	// Install instructs a device to carry doc. Nodes in drop, left over from
	// earlier contents, are deleted first.
	Install(doc *Document, content []byte, drop []string) (Instruction, error)
	// Remove instructs a device to carry the slot no more. drop are the nodes
	// to delete. It returns false when there is nothing to send.
	Remove(identifier string, drop []string) (Instruction, bool, error)
	// Observe asks what the device carries. It returns false when nothing of
	// docs can be observed.
	Observe(docs []*Document) (Instruction, bool, error)
	// Judge says what an observation proves about doc. Missing tells, for
	// people, what was lacking, and is empty when evidence is what doc can
	// prove. A nil doc asks only whether the slot is filled: missing is then
	// empty when it is. A false ok means that the observation says nothing.
	Judge(identifier string, doc *Document, o *mdm.Observation) (e Evidence, missing string, ok bool)
}
