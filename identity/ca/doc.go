// Package ca is the built-in certificate authority: it issues device identities
// over any [crypto.Signer], so that the key may live in memory, in a module or
// at a cloud provider.
//
// A leaf says what it is for in one URI of its subject alternative name, which
// nobody but the authority writes; subject and extensions of a request are
// ignored. An MDM identity names the life of the enrollment that it speaks for,
//
//	keelson://mdm/v1/<tenant>/<enrollment>/<generation>
//
// and survives what happens to servers: after a database restore, a device still
// says which enrollment it is. Every other leaf (Wi-Fi, VPN, the key of the SCEP
// endpoint) is
//
//	keelson://leaf/v1/<purpose>
//	keelson://leaf/v1/<purpose>/<tenant>/<enrollment>/<generation>
//
// and never passes for an MDM identity. Both forms stand in certificates that
// devices keep for a year, so they cannot be changed.
//
// [CA] implements mdm.CA. [Verifier] judges a certificate that a device presents.
// The profile of the leaves follows RFC 5280; key usages of elliptic-curve keys
// follow RFC 5480, section 3.
package ca
