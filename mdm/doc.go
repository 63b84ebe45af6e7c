// Package mdm is the vocabulary of Keelson and its ports: tenants, hosts,
// enrollments, commands, results, events, the unit of work, and the small
// interfaces through which an application plugs in its own certificate
// authority, push service, identity provider, clock and metrics.
//
// It is a leaf: it imports nothing of Keelson's, does no I/O, and every other
// package may import it.
//
// # Identifiers
//
// A thing has up to three names. Its public id ([HostID], [CommandID], …) is an
// opaque UUIDv7 and appears in APIs, events and logs. Its key ([HostKey], …) is
// an integer that the database makes; it never leaves the process and is what
// rows, sets and plans are made of. Its natural key (a UDID, a DeviceID, a
// payload identifier) belongs to the platform. The Go types are distinct, so
// that one cannot be passed for another.
//
// # Generations and revisions
//
// A [Generation] counts the lives of an enrollment: it is drawn from a rising
// sequence of the store when a certificate for a new enrollment is issued. A
// [Revision] counts the contents of a profile. Results carry the generation
// under which their command was queued; what arrives late from an older one is
// recorded and changes no status.
package mdm
