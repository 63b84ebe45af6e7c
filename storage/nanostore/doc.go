// Package nanostore gives NanoMDM's storage over this library's store, so that a
// NanoMDM server, or a part of one, runs on the same database: its devices are
// hosts and enrollments, its commands stand in the one queue, and its secrets are
// sealed. A [Storage] is a handle on one tenant.
//
// What NanoMDM keeps is kept where it belongs: hosts and lives in lifecycle's
// tables, commands in the queue's, push tokens, bootstrap and unlock tokens in
// apple's. What has no place there (the check-in messages as they came, the tally
// of token updates, associations of certificates, push certificates) is in the
// tables of this package's own [Store].
//
// The tenant belongs to NanoMDM: it does what the protocol and lifecycle packages
// do for other tenants, and writes their tables in their place. A [keelson] server
// may share the database, and not the tenant: the devices' certificates are
// NanoMDM's to judge, and none of them opens a door of the library's own.
//
// Where NanoMDM's own stores differ from each other, or from a rule of this
// library, it is this way:
//
//   - A command is queued for channels that are known, enrolled or not; others are
//     an error in the map. It is handed out to an enrolled channel only.
//   - A CommandUUID stands for one command of a channel for ever. Queueing it again
//     is an error of that channel, in the map, and other channels get it.
//   - A new Authenticate ends what waits, for the device and its users. In the
//     history it is canceled and not lost.
//   - Clearing a device's queue clears those of its users.
//   - A report on a command that is not known is put aside, up to 16 a channel, and
//     is no error: the device would send it for ever.
//   - The last certificate hash that was associated with a channel is the one that
//     is associated; earlier ones are on record, as [Storage.HasCertHash] tells.
//   - Push information is that of enrolled channels.
//   - Unlock tokens are escrowed, also when a later TokenUpdate has none.
//   - A certificate and key that are no pair are refused when they are stored.
//   - When a device was last seen is told to [Config.Seen], and not written on each
//     poll.
//
// [keelson]: https://pkg.go.dev/github.com/keelson-mdm/keelson
package nanostore
