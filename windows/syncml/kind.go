package syncml

// Kind names a command as its element does. A command that this package does
// not know keeps its name, so that it can be answered with status 406.
type Kind string

// The kinds that device management uses.
const (
	Add      Kind = "Add"
	Replace  Kind = "Replace"
	Get      Kind = "Get"
	Delete   Kind = "Delete"
	Exec     Kind = "Exec"
	Atomic   Kind = "Atomic"
	Sequence Kind = "Sequence"
	Alert    Kind = "Alert"
	Status   Kind = "Status"
	Results  Kind = "Results"
)

// SyncHdr is not a command; it is what a Status for a whole message names.
const SyncHdr = "SyncHdr"

// Known reports whether this package reads and writes the kind.
func (k Kind) Known() bool {
	switch k {
	case Add, Replace, Get, Delete, Exec, Atomic, Sequence, Alert, Status, Results:
		return true
	}
	return false
}

// container reports whether a command of this kind holds commands.
func (k Kind) container() bool { return k == Atomic || k == Sequence }

// nodeCommand reports whether the kind acts on nodes of the device's tree.
func (k Kind) nodeCommand() bool {
	switch k {
	case Add, Replace, Get, Delete, Exec:
		return true
	}
	return false
}
