// Package cms reads detached signatures in place: CMS SignedData (RFC 5652) of
// one signer, without the content, as devices send them with every message.
//
// [Parse] walks a message once, copies nothing and allocates next to nothing;
// [Signature.Verify] holds it against a key and the content. It is for this one
// purpose. What else is CMS (signed profiles, SCEP) goes through internal/ber and
// a library, and tests hold this reading against that one.
//
// # Encodings
//
// Devices write BER: the outer levels have indefinite lengths, as a streaming
// encoder makes them. Those are walked as they stand. A message with other
// lengths that DER does not have, or a string in parts, is re-encoded first
// ([ber.Definite]).
//
// # What is accepted
//
// RSA (PKCS #1 v1.5) and ECDSA with SHA-1, SHA-256, SHA-384 or SHA-512, with
// signed attributes or without; a signer that is named by issuer and serial
// number. SHA-1 is what devices in use sign with.
//
// What is accepted, the library accepts. It also takes, and this package refuses
// as it can mean more than one thing or nothing that a device writes:
//
//   - a content of another type than data, or one that is there and empty;
//   - signed attributes without a content-type, with one that is not data, with
//     two of a kind or two values in one, with a signing time to the fraction of
//     a second, in another zone or unreadable, or none at all between their tags;
//   - two different certificates of the signer's name and number;
//   - a certificate that is not in DER, as those are that anybody has issued;
//   - a revocation list;
//   - parameters of an algorithm, other than NULL;
//   - a digest that is named by a signature algorithm, and a signature algorithm
//     that names a curve, or another digest than the one that is used;
//   - anything behind the last field of a structure.
//
// # Bounds
//
// The caller bounds the size. The time is linear in it, but for certificates
// that are parsed; depth is bounded where something is read whose shape is not
// known.
package cms
