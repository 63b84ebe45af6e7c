// Package lifecycle keeps hosts, enrollments and their generations, decides
// what a new life, a renewal and a leave-taking clean up, and delivers events
// to the application from an outbox.
//
// Protocol packages say what a device did ([mdm.EventAuthenticated],
// [mdm.EventConfirmed], [mdm.EventCheckedOut]); lifecycle turns that into a
// [Transition], in the same unit of work, and the other rooms clean up after
// it by [Transition.Kind]. Authenticate is provisional: the life that it
// announces begins when a TokenUpdate, or a first Windows session, confirms it
// with the same certificate.
//
// What each transition does to each kind of state stands in [CleanUps].
package lifecycle
