// Package syncml is the wire format of a Windows management session: OMA-DM 1.2
// SyncML over XML ([MS-MDM] 2.2, and the SyncML Representation Protocol 1.2
// with its Device Management usage). It knows no HTTP, no session and no
// storage.
//
// [Decode] reads what a device sends. It is tolerant where real devices and
// peers differ (namespace 1.1, 1.2 or none, any prefix, a byte-order mark,
// CDATA, elements in any order, numbers that are none) and strict where
// tolerance would be dangerous: no document type, no processing instruction,
// bounds on size, depth and count. [Encode] writes what a device reads. It
// builds the bytes from the tree, escapes every value, keeps the element order
// of the document type definition, and refuses what would make a device reject
// the whole message, because one malformed command then blocks all others.
//
// [Replies] finds the answers to what was sent, and [Outcome] says what a
// status code means for a command.
//
// WBXML is not spoken; [CheckMediaType] refuses it.
package syncml
