package cms

import "crypto"

// The object identifiers, as they are encoded.
const (
	oidData          = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
	oidSignedData    = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
	oidContentType   = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"
	oidMessageDigest = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"
	oidSigningTime   = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05"

	rsaArc   = "\x2a\x86\x48\x86\xf7\x0d\x01\x01" // and one octet
	ecdsaArc = "\x2a\x86\x48\xce\x3d\x04\x03"     // and one octet, for SHA-2
)

// scheme is a way to sign.
type scheme uint8

const (
	rsaPKCS1 scheme = iota + 1
	ecdsaASN1
)

// digestOf returns the hash that a digestAlgorithm names, or 0. SHA-1 is what
// devices in use sign with.
func digestOf(id []byte) crypto.Hash {
	switch string(id) {
	case "\x2b\x0e\x03\x02\x1a":
		return crypto.SHA1
	case "\x60\x86\x48\x01\x65\x03\x04\x02\x01":
		return crypto.SHA256
	case "\x60\x86\x48\x01\x65\x03\x04\x02\x02":
		return crypto.SHA384
	case "\x60\x86\x48\x01\x65\x03\x04\x02\x03":
		return crypto.SHA512
	}
	return 0
}

// schemeOf returns what a signatureAlgorithm names: the scheme, 0 for none that is
// accepted, and the hash, 0 when it leaves that to the digestAlgorithm.
func schemeOf(id []byte) (scheme, crypto.Hash) {
	switch string(id) {
	case rsaArc + "\x01":
		return rsaPKCS1, 0
	case rsaArc + "\x05":
		return rsaPKCS1, crypto.SHA1
	case rsaArc + "\x0b":
		return rsaPKCS1, crypto.SHA256
	case rsaArc + "\x0c":
		return rsaPKCS1, crypto.SHA384
	case rsaArc + "\x0d":
		return rsaPKCS1, crypto.SHA512
	case "\x2a\x86\x48\xce\x3d\x04\x01":
		return ecdsaASN1, crypto.SHA1
	case ecdsaArc + "\x02":
		return ecdsaASN1, crypto.SHA256
	case ecdsaArc + "\x03":
		return ecdsaASN1, crypto.SHA384
	case ecdsaArc + "\x04":
		return ecdsaASN1, crypto.SHA512
	}
	return 0, 0
}

// algorithm reads an AlgorithmIdentifier that has NULL for parameters, or none.
func (r *reader) algorithm() []byte {
	l := r.enter(tagSequence)
	id := r.oid()
	if r.more() && r.head(tagNull) > 0 {
		r.fail(errShape)
	}
	r.leave(l)
	return id
}
