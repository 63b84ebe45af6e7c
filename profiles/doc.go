// Package profiles is the engine: it decides which configuration profiles each
// host should carry, brings them there, and proves that it did.
//
// A [Profile] belongs to a [Team] (no team is a scope of its own) and reaches
// the hosts that its [Scope] includes. Desired and delivered state meet in one
// [Row] for each (enrollment channel, slot): a slot is what the device itself
// tells profiles apart by, the payload identifier on Apple, so that renaming,
// replacing and moving between teams are changes of what one slot should hold.
//
// # The one plan
//
// [Plan] is the only place that computes a desired set. It is a pure function
// of facts, definitions, memberships, rows and time; reconciliation,
// enrollment, dry run and [Explain] all call it. Reconciliation is a unit of
// work of its own: claim marks, load, plan, apply; a compare-and-set on the
// host's plan revision and the team's version refuses a stale plan.
//
// # What a row knows
//
//	        hand-out, answer          question, observation
//	Order n ────────────────► Ack n ────────────────────────► Seen n
//
// Every instruction has an Order: the host's plan revision that gave it, which
// only rises, over all lives of the host. The command carries (slot, order), so
// an answer or an observation is applied only if it is about the current
// instruction; what arrives late is recorded in the queue's history and changes
// no row. The status is derived, never stored: see [Classify].
//
// # What happens to a slot
//
//	nothing ──► install ──► answered ──► observed      each step again after a
//	              ▲  │          │            │         failure, with pauses, while
//	              │  │          ▼            ▼         the revision's budget lasts
//	              │  └───► remove ──► answered ──► nothing; refused: looked at, and
//	              └──────────┘                     tried again, without end
//
// New content replaces the old in place, by one install. What never left is
// taken back, what never came to the device is dropped without a command, and a
// definition that wants what the slot holds already sends nothing.
package profiles
