package cms

import (
	"bytes"
	"crypto"
	"errors"
	"slices"
	"time"

	"github.com/keelson-mdm/keelson/internal/ber"
	"github.com/keelson-mdm/keelson/mdm"
)

// Signature is a detached signature by one signer. It refers to the message that
// it was parsed from, which must not be changed. It says nothing until [Signature.Verify]
// has held it against a key.
type Signature struct {
	// Certificate is the signer's, in DER as far as its own head goes and not
	// read any further: see [Signature.Parse].
	Certificate []byte
	// Alone reports that the message has no other certificate.
	Alone bool

	certificates []byte // all of them
	scheme       scheme
	hash         crypto.Hash
	signed       []byte // the signed attributes: a SET OF, in DER but for its tag; nil when there are none
	digest       []byte // of the content, among the attributes
	timed        bool
	time         time.Time
	value        []byte
}

// Parse reads a message. Errors are [mdm.CodeMalformed], and say what is wrong.
func Parse(message []byte) (Signature, error) {
	s, err := walk(message)
	if errors.Is(err, errForm) {
		var der []byte
		if der, err = ber.Definite(message); err != nil {
			return Signature{}, err
		}
		s, err = walk(der)
	}
	if err != nil {
		return Signature{}, explain(err)
	}
	return s, nil
}

// explain keeps what has been said, and says in general what has not.
func explain(err error) error {
	var said *mdm.Error
	if errors.As(err, &said) {
		return err
	}
	return mdm.WrapError(mdm.CodeMalformed, "", "the signature cannot be decoded", err)
}

// walk reads
//
//	ContentInfo ::= SEQUENCE { contentType, content [0] EXPLICIT SignedData }
func walk(message []byte) (s Signature, err error) {
	outer, b, err := enter(message, tagSequence)
	if err != nil {
		return s, err
	}
	id, b, err := oid(b)
	if err != nil {
		return s, err
	}
	if string(id) != oidSignedData {
		return s, errShape
	}
	explicit, b, err := enter(b, tag0)
	if err != nil {
		return s, err
	}
	data, b, err := enter(b, tagSequence)
	if err != nil {
		return s, err
	}
	if b, err = s.signedData(b); err != nil {
		return s, err
	}
	for _, l := range [...]level{data, explicit, outer} {
		if b, err = l.leave(b); err != nil {
			return s, err
		}
	}
	if len(b) > 0 {
		return s, errShape
	}
	return s, nil
}

// signedData reads what stands in
//
//	SignedData ::= SEQUENCE {
//	  version, digestAlgorithms SET OF, encapContentInfo,
//	  certificates [0] IMPLICIT OPTIONAL, crls [1] IMPLICIT OPTIONAL, signerInfos SET OF }
//
// and returns what follows the last of them.
func (s *Signature) signedData(b []byte) ([]byte, error) {
	_, b, err := integer(b, maxVersion)
	if err != nil {
		return nil, err
	}
	digests, b, err := want(b, tagSet)
	if err != nil {
		return nil, err
	}
	for d := digests.body; len(d) > 0; {
		if d, err = named(d, 5); err != nil {
			return nil, err
		}
	}
	if b, err = content(b); err != nil {
		return nil, err
	}
	if !at(b, tag0) {
		return nil, oneSigner()
	}
	certificates, b, err := want(b, tag0)
	if err != nil {
		return nil, err
	}
	s.certificates = certificates.body
	if at(b, tag1) {
		return nil, malformed("the signature carries a revocation list, which has no place here")
	}
	signers, b, err := want(b, tagSet)
	if err != nil {
		return nil, err
	}
	return b, s.signers(signers.body)
}

// maxVersion bounds a version, in octets.
const maxVersion = 8

// named cuts an object identifier with a value of any kind, or none, in a
// SEQUENCE off b. The value is that many levels deep.
func named(b []byte, depth int) ([]byte, error) {
	e, b, err := want(b, tagSequence)
	if err != nil {
		return nil, err
	}
	_, value, err := oid(e.body)
	if err == nil && len(value) > 0 {
		_, value, err = anything(value, depth)
	}
	if err == nil && len(value) > 0 {
		err = errShape
	}
	return b, err
}

// content reads an encapContentInfo that encapsulates nothing.
func content(b []byte) ([]byte, error) {
	l, b, err := enter(b, tagSequence)
	if err != nil {
		return nil, err
	}
	id, b, err := oid(b)
	switch {
	case err != nil:
		return nil, err
	case string(id) != oidData:
		return nil, malformed("the signature is of another type of content than data")
	case !l.ends(b):
		return nil, malformed("the signature carries a content of its own: it must be detached")
	}
	return l.leave(b)
}

// signers reads the one
//
//	SignerInfo ::= SEQUENCE {
//	  version, sid, digestAlgorithm, signedAttrs [0] IMPLICIT OPTIONAL,
//	  signatureAlgorithm, signature OCTET STRING, unsignedAttrs [1] IMPLICIT OPTIONAL }
func (s *Signature) signers(b []byte) error {
	if len(b) == 0 {
		return oneSigner()
	}
	info, rest, err := want(b, tagSequence)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return oneSigner()
	}
	_, b, err = integer(info.body, maxVersion)
	if err != nil {
		return err
	}
	if !at(b, tagSequence) {
		return oneSigner() // named by its key and not by its certificate
	}
	name, b, err := want(b, tagSequence)
	if err != nil {
		return err
	}
	if err := s.find(name.body); err != nil {
		return err
	}
	id, b, err := algorithm(b)
	if err != nil {
		return err
	}
	if s.hash = digestOf(id); s.hash == 0 {
		return malformed("the signature is of a kind that is not accepted")
	}
	if at(b, tag0) {
		if b, err = s.attributes(b); err != nil {
			return err
		}
	}
	if id, b, err = algorithm(b); err != nil {
		return err
	}
	var hash crypto.Hash
	if s.scheme, hash = schemeOf(id); s.scheme == 0 || hash != 0 && hash != s.hash {
		return malformed("the signature is of a kind that is not accepted")
	}
	value, b, err := want(b, tagOctetString)
	if err != nil {
		return err
	}
	s.value = value.body
	if len(b) == 0 {
		return nil
	}
	unsigned, b, err := want(b, tag1)
	if err != nil {
		return err
	}
	for u := unsigned.body; len(u) > 0; {
		if u, err = named(u, 7); err != nil {
			return err
		}
	}
	if len(b) > 0 {
		return errShape
	}
	return nil
}

// find finds the signer's certificate by an IssuerAndSerialNumber.
func (s *Signature) find(name []byte) error {
	issuer, b, err := anything(name, 6)
	if err != nil {
		return err
	}
	serial, b, err := integer(b, len(b))
	if err != nil {
		return err
	}
	if len(b) > 0 {
		return errShape
	}
	s.Alone = true
	for c := s.certificates; len(c) > 0; {
		certificate, rest, err := want(c, tagSequence)
		if err != nil {
			return err
		}
		s.Alone = s.Alone && len(rest) == 0
		c = rest
		i, n, err := namesOf(certificate.body)
		switch {
		case err != nil:
			return err
		case !bytes.Equal(i, issuer.full) || !bytes.Equal(n, serial.body):
		case s.Certificate == nil:
			s.Certificate = certificate.full
		case !bytes.Equal(s.Certificate, certificate.full):
			return malformed("the signature carries two certificates of its signer")
		}
	}
	if s.Certificate == nil {
		return oneSigner()
	}
	return nil
}

// namesOf returns the issuer and the serial number of what stands in
//
//	Certificate ::= SEQUENCE { tbsCertificate SEQUENCE {
//	  version [0] EXPLICIT OPTIONAL, serialNumber, signature, issuer, … }, … }
func namesOf(certificate []byte) (issuer, serial []byte, err error) {
	tbs, _, err := want(certificate, tagSequence)
	if err != nil {
		return nil, nil, err
	}
	b := tbs.body
	if at(b, tag0) {
		if _, b, err = next(b); err != nil {
			return nil, nil, err
		}
	}
	number, b, err := integer(b, len(b))
	if err != nil {
		return nil, nil, err
	}
	if _, b, err = want(b, tagSequence); err != nil {
		return nil, nil, err
	}
	name, _, err := next(b)
	return name.full, number.body, err
}

// attributes reads the signed attributes.
func (s *Signature) attributes(b []byte) ([]byte, error) {
	set, rest, err := want(b, tag0)
	if err != nil {
		return nil, err
	}
	s.signed = set.full
	typed, ordered := false, true
	var before []byte
	for b = set.body; len(b) > 0; {
		var a element
		if a, b, err = want(b, tagSequence); err != nil {
			return nil, err
		}
		ordered = ordered && bytes.Compare(before, a.full) <= 0
		before = a.full
		id, values, err := oid(a.body)
		if err != nil {
			return nil, err
		}
		one, values, err := anything(values, 7)
		if err == nil && (len(values) > 0 || one.tag != tagSet) {
			err = errShape
		}
		if err != nil {
			return nil, err
		}
		switch string(id) {
		case oidContentType:
			if err = once(typed); err == nil {
				typed, err = true, isData(one.body)
			}
		case oidMessageDigest:
			if err = once(s.digest != nil); err == nil {
				s.digest, err = only(one.body, tagOctetString)
			}
		case oidSigningTime:
			if err = once(s.timed); err == nil {
				s.timed = true
				s.time, err = timeOf(one.body)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if !typed || s.digest == nil {
		return nil, malformed("the signature does not say what it is of")
	}
	if !ordered {
		s.signed = sorted(set.body)
	}
	return rest, nil
}

func once(had bool) error {
	if had {
		return malformed("the signature says something twice")
	}
	return nil
}

// only returns what the one element in b holds, which is of that tag.
func only(b []byte, tag byte) ([]byte, error) {
	e, rest, err := want(b, tag)
	if err == nil && len(rest) > 0 {
		err = errShape
	}
	return e.body, err
}

func isData(b []byte) error {
	id, rest, err := oid(b)
	if err == nil && (len(rest) > 0 || string(id) != oidData) {
		err = errShape
	}
	return err
}

// sorted returns a SET OF these elements as DER orders them: what is signed,
// however it was sent. Lengths stay as they are.
func sorted(body []byte) []byte {
	var all [][]byte
	size := 0
	for b := body; len(b) > 0; {
		e, rest, err := next(b)
		if err != nil {
			return nil // it was read before
		}
		all, b = append(all, e.full), rest
		size += len(e.full)
	}
	slices.SortFunc(all, bytes.Compare)
	return slices.Concat(append([][]byte{header(tag0, size)}, all...)...)
}

// header is a tag and a length of the fewest octets.
func header(tag byte, n int) []byte {
	switch {
	case n < 0x80:
		return []byte{tag, byte(n)}
	case n < 1<<8:
		return []byte{tag, 0x81, byte(n)}
	case n < 1<<16:
		return []byte{tag, 0x82, byte(n >> 8), byte(n)}
	default:
		return []byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}
	}
}

func oneSigner() error {
	return malformed("the signature must have one signer, named by issuer and serial number, with its certificate")
}

func malformed(why string) error { return mdm.Errorf(mdm.CodeMalformed, "", "%s", why) }
