// Package lifecycle keeps hosts, enrollments and their generations, decides
// what a new life, a renewal and a leave-taking clean up, and delivers events
// to the application from an outbox.
//
// Protocol packages say what a device did ([mdm.SignalAuthenticated],
// [mdm.SignalConfirmed], [mdm.SignalCheckedOut]); [Service.Apply] turns that into
// a [Transition], in the same unit of work, and the other rooms clean up after
// it by its kind. Authenticate is provisional: the life that it announces begins
// when a TokenUpdate, or a first Windows session, confirms it with the same
// certificate.
//
//	                 announce          confirm
//	(nothing) ──► authenticating ──────► enrolled ──┐ announce, confirm:
//	                    │                 │  ▲  ▲   │ a new life, or a renewal
//	                    │   leave, delete │  │  └───┘
//	                    └───────────────► ended
//	                                (announce, confirm: a new life)
//
// What each transition does to each kind of state stands in [CleanUps].
package lifecycle
