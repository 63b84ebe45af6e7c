// Package queue is the one command queue, for both platforms.
//
// An entry belongs to an enrollment channel and to the generation under which
// it was queued. Its content is stored once by hash and sealed. Entries leave by
// lane, then by sequence; a resource key keeps two entries on the same thing in
// order even across NotNow, while others may overtake.
//
// # How an entry lives
//
//	          Enqueue
//	             │
//	             ▼   hand-out sets the sent mark     report
//	          waiting ─────────────────────────► sent ──────► done
//	             │                                │  ▲
//	cancel, supersede, expire                NotNow  │ hand-out again
//	             │                                ▼  │
//	             └──────► done                   held
//
// The sent mark is part of the hand-out statement and decides what leaves, so
// cancel and supersede answer truthfully: an entry without the mark has not
// left and can be taken back, one with it may have been executed. A lost reply
// makes delivery unknowable, so a [mdm.Repeatable] entry leaves again, as the
// same command, until it is answered; exactly one outcome is recorded.
package queue
