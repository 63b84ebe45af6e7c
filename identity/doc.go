// Package identity answers who is calling and why it is here.
//
// Every enrollment begins with an [Intent]: a stored decision to let a device
// in, with what is expected of it. The intent's one-time challenge goes into
// the enrollment profile; the certificate that is issued for the challenge
// remembers the intent, and the certificate is pinned to the one channel that
// first authenticates with it. So at Authenticate the presented certificate
// says with certainty whether this is a new enrollment or a renewal, which
// person authenticated, and that the certificate was issued to this device:
// a certificate issued to device A cannot check in as B.
//
// # How a certificate lives
//
//	reserved ──► issued ──► bound ──► superseded
//	(a key asked)      (Authenticate)  (the next one was confirmed,
//	                                    or the enrollment ended)
//
// A certificate of our CA that the database does not know, or that it knows as
// superseded, is judged by the name in its SAN: [TrustOrphan] after a restored
// database, [TrustRolledBack] after a reverted snapshot. Neither is handed
// anything secret or destructive.
package identity
