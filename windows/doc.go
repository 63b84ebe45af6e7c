// Package windows is Windows MDM over HTTP: MS-MDE2 enrollment and OMA-DM
// management sessions ([MS-MDE2], [MS-XCEP], [MS-WSTEP], [MS-MDM], OMA DM 1.2).
// Its wire formats are in windows/mde and windows/syncml; this package decides
// who may speak, what is recorded, and what is sent.
//
// # Enrollment
//
// A device asks [Server.Discovery] where to go, [Server.Policy] what certificate
// to request, and [Server.Enroll] for the certificate and the provisioning
// document. Its person's password counts, and nothing that the device says about
// itself: each enrollment begins a new channel with a name of its own, so that a
// cloned machine never takes another's place. The enrollment is provisional
// until the first session with the new certificate confirms it. A renewal is let
// in by the certificate that it replaces, which stays good until then.
//
// # One message
//
// [Server.Manage] takes one message of a device and answers it. What the message
// changes is one unit of work, the answer leaves after its commit, and the next
// message may come to any replica:
//
//	who is calling ──► the same message again? ──► its answer, again
//	      │                     │ no
//	      │                     ▼
//	      │        what it says to commands that left: outcomes are filed
//	      │                     ▼
//	      │        alerts, facts
//	      │                     ▼
//	      │        the next commands ──► the session is saved with the answer
//	      ▼
//	refused: statuses 401, no command, nothing changed
//
// The caller is known by its certificate, and the channel is pinned to exactly
// that one; the name in the message must be the one that enrolled. The session
// is found by (enrollment, SessionID). A device that repeats a message, because
// the answer was lost, gets the same answer and nothing runs twice. A message 1
// in a session that is under way begins it again: what had left and was not
// answered leaves again, as the same queue entries. A session in which nothing
// happens leaves nothing behind in the store.
//
// # One command
//
// A queue entry of the kind [mdm.KindSyncML] is a fragment with one or several
// commands, each with one or several nodes. It ends once, when all are answered:
//
//	handed out ──► sent ──► answered ──► ended, and its owner is told
//	    ▲           │  │        │
//	    │           │  │        └──► mended: an Add that found its node (418)
//	    │           │  │             leaves as a Replace, in the same session
//	    │           │  └──► in a message that was rejected whole: leaves alone,
//	    │           │       and ends when that is rejected too
//	    │           └──► passed over, or not executed: waits
//	    └──────────────────────┘ in the next session
//
// The worst status decides, and the history names the node that caused it: not
// the Atomic (507), nor the siblings that were rolled back for it (216). A Delete
// that finds nothing is a success. A Get is a question, and every status is an
// answer to it; what was read is told as an [mdm.Observation]. An entry that
// cannot be sent at all ends as [mdm.OutcomeUnrenderable], and others go on.
//
// Commands about ./User nodes need the enrolled user at the device: unless the
// session's login status says "user" they are held, and the first session that
// does brings them. A command that may leave only once ([mdm.Once]) is not held,
// not mended and not sent again: it ends with what the device said the first
// time.
//
// # What is not spoken
//
// WBXML (answered 415), server-to-device authentication by digest, message
// signatures, and outbound chunks of large objects, which Windows does not take.
// Of the ways to sign in, only the person's password is taken.
package windows
