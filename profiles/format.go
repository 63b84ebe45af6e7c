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
	// Nodes are the things on the device that the profile owns: LocURIs on
	// Windows, nothing on Apple.
	Nodes []Node
	// Provable is the highest rung of evidence that observation can reach;
	// [Accepted] means that nothing can be read back.
	Provable Evidence
	Warnings []string // for the person who uploads
	// Unreadable says, for people, why the content cannot be read or parsed.
	// Nothing but Hash is known then, and nothing can be proven. Empty when it
	// can.
	Unreadable string
	// Raw is what the [Format] keeps for itself.
	Raw any
}

// Node is a thing on a device that profiles own: two are the same when their
// keys are equal. Address is how the device is told of it.
type Node struct {
	Key     string
	Address string
}

// Leftovers are nodes that an instruction deletes, and those that it must not
// touch while it does: what other profiles of the device own.
type Leftovers struct {
	Drop []Node
	Keep []Node
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
	// Install instructs a device to carry doc. What is left over from earlier
	// contents is deleted first.
	Install(doc *Document, content []byte, left Leftovers) (Instruction, error)
	// Remove instructs a device to carry the slot no more. It returns false
	// when there is nothing to send.
	Remove(identifier string, left Leftovers) (Instruction, bool, error)
	// Observe asks what the device carries. It returns false when nothing of
	// docs can be observed.
	Observe(docs []*Document) (Instruction, bool, error)
	// Conflicts returns the nodes to which a and b write different values, as a
	// names them.
	Conflicts(a, b *Document) []Node
	// Judge says what an observation proves about doc. Missing tells, for
	// people, what was lacking, and is empty when evidence is what doc can
	// prove. A nil doc asks only whether the slot is filled: missing is then
	// empty when it is. A false ok means that the observation says nothing.
	Judge(identifier string, doc *Document, o *mdm.Observation) (e Evidence, missing string, ok bool)
}
