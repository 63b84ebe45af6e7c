// Package scep is the server side of the Simple Certificate Enrolment Protocol,
// RFC 8894: one [Handler] for one URL, over an [Issuer] that decides and signs.
//
//	device ──GetCACaps──►  AES, SHA-256, POST, Renewal, SCEPStandard
//	device ──GetCACert──►  the certificate to encrypt to
//	device ──PKIOperation──► open, check ──► Issuer ──► CertRep
//
// Three outcomes of a PKIOperation are kept apart, because a device acts on the
// difference:
//
//   - a decision, yes or no, is HTTP 200 with a signed CertRep; a no carries a
//     failInfo and nothing of its cause;
//   - a fault is HTTP 503, so that the device asks again. The Issuer
//     has to be idempotent per challenge and key;
//   - bytes to which no CertRep can be made are HTTP 400.
//
// Replies are always AES-128-CBC and SHA-256, whatever the request used and
// whatever the process-wide defaults of the PKCS #7 library are: envelopes and
// signatures of replies are encoded here, and nothing global is read or set.
// Requests have to use AES and SHA-2 as well, unless [Options] say otherwise.
//
// Message types and certificate lists come from github.com/smallstep/scep,
// signatures of requests are verified by github.com/smallstep/pkcs7. Input is
// re-encoded with bounds before that library sees it: its own conversion from
// BER takes time exponential in the size of a hostile message.
//
// CertPoll (20), GetCert, GetCRL and GetNextCACert are refused: no request is
// ever pending here.
package scep
