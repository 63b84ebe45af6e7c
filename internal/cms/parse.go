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
	r := reader{b: message, end: len(message)}
	outer := r.open(tagSequence)
	if string(r.oid()) != oidSignedData {
		r.fail(errShape)
	}
	explicit := r.open(tag0)
	data := r.open(tagSequence)
	s.signedData(&r)
	r.leave(data)
	r.leave(explicit)
	r.leave(outer)
	if r.more() {
		r.fail(errShape)
	}
	return s, r.err
}

// maxVersion bounds a version, in octets.
const maxVersion = 8

// signedData reads what stands in
//
//	SignedData ::= SEQUENCE {
//	  version, digestAlgorithms SET OF, encapContentInfo,
//	  certificates [0] IMPLICIT OPTIONAL, crls [1] IMPLICIT OPTIONAL, signerInfos SET OF }
func (s *Signature) signedData(r *reader) {
	r.integer(maxVersion)
	l := r.enter(tagSet)
	for r.more() {
		r.named(5)
	}
	r.leave(l)
	r.content()
	if !r.is(tag0) {
		r.fail(oneSigner())
	}
	s.certificates = r.body(tag0)
	if r.is(tag1) {
		r.fail(malformed("the signature carries a revocation list, which has no place here"))
	}
	l = r.enter(tagSet)
	if !r.more() {
		r.fail(oneSigner())
	}
	s.signer(r)
	if r.more() {
		r.fail(oneSigner())
	}
	r.leave(l)
}

// named reads an object identifier with a value of any kind, or none, in a
// SEQUENCE. The value is that many levels deep.
func (r *reader) named(depth int) {
	l := r.enter(tagSequence)
	r.oid()
	if r.more() {
		r.skip(depth)
	}
	r.leave(l)
}

// content reads an encapContentInfo that encapsulates nothing.
func (r *reader) content() {
	l := r.open(tagSequence)
	if string(r.oid()) != oidData {
		r.fail(malformed("the signature is of another type of content than data"))
	}
	if !r.ends(l) {
		r.fail(malformed("the signature carries a content of its own: it must be detached"))
	}
	r.leave(l)
}

// signer reads a
//
//	SignerInfo ::= SEQUENCE {
//	  version, sid, digestAlgorithm, signedAttrs [0] IMPLICIT OPTIONAL,
//	  signatureAlgorithm, signature OCTET STRING, unsignedAttrs [1] IMPLICIT OPTIONAL }
func (s *Signature) signer(r *reader) {
	l := r.enter(tagSequence)
	r.integer(maxVersion)
	if !r.is(tagSequence) {
		r.fail(oneSigner()) // named by its key and not by its certificate
	}
	s.find(r)
	if s.hash = digestOf(r.algorithm()); s.hash == 0 {
		r.fail(malformed("the signature is of a kind that is not accepted"))
	}
	if r.is(tag0) {
		s.attributes(r)
	}
	var hash crypto.Hash
	if s.scheme, hash = schemeOf(r.algorithm()); s.scheme == 0 || hash != 0 && hash != s.hash {
		r.fail(malformed("the signature is of a kind that is not accepted"))
	}
	s.value = r.body(tagOctetString)
	if r.more() {
		l := r.enter(tag1)
		for r.more() {
			r.named(7)
		}
		r.leave(l)
	}
	r.leave(l)
}

// find reads an IssuerAndSerialNumber and finds the certificate of that name.
func (s *Signature) find(r *reader) {
	l := r.enter(tagSequence)
	issuer := r.skip(6)
	serial := r.integer(len(r.b))
	r.leave(l)
	s.Alone = true
	for c := (reader{b: s.certificates, end: len(s.certificates)}); c.more(); {
		certificate := c.full(tagSequence)
		s.Alone = s.Alone && !c.more()
		i, n := namesOf(&c, certificate)
		switch {
		case c.err != nil:
			r.fail(c.err)
		case !bytes.Equal(i, issuer) || !bytes.Equal(n, serial):
		case s.Certificate == nil:
			s.Certificate = certificate
		case !bytes.Equal(s.Certificate, certificate):
			r.fail(malformed("the signature carries two certificates of its signer"))
		}
	}
	if s.Certificate == nil {
		r.fail(oneSigner())
	}
}

// namesOf returns the issuer and the serial number of a
//
//	Certificate ::= SEQUENCE { tbsCertificate SEQUENCE {
//	  version [0] EXPLICIT OPTIONAL, serialNumber, signature, issuer, … }, … }
//
// What is wrong with it, all certificates are told.
func namesOf(all *reader, certificate []byte) (issuer, serial []byte) {
	if all.err != nil {
		return nil, nil
	}
	r := reader{b: certificate, end: len(certificate)}
	r.enter(tagSequence)
	r.enter(tagSequence)
	if r.is(tag0) {
		r.body(tag0)
	}
	serial = r.integer(len(certificate))
	r.body(tagSequence)
	from := r.at
	_, n := r.any()
	if r.err != nil {
		all.fail(r.err)
		return nil, nil
	}
	return certificate[from : r.at+n], serial
}

// attributes reads the signed attributes.
func (s *Signature) attributes(r *reader) {
	from := r.at
	set := r.enter(tag0)
	typed, ordered := false, true
	var before []byte
	for r.more() {
		begins := r.at
		l := r.enter(tagSequence)
		id := r.oid()
		value := r.at
		r.skip(7)
		r.leave(l)
		if r.err != nil {
			return
		}
		attribute := r.b[begins:r.at]
		ordered = ordered && bytes.Compare(before, attribute) <= 0
		before = attribute
		v := reader{b: r.b, at: value, end: r.at}
		values := v.enter(tagSet)
		switch string(id) {
		case oidContentType:
			v.once(typed)
			if typed = true; string(v.oid()) != oidData {
				v.fail(errShape)
			}
			v.leave(values)
		case oidMessageDigest:
			v.once(s.digest != nil)
			s.digest = v.body(tagOctetString)
			v.leave(values)
		case oidSigningTime:
			v.once(s.timed)
			s.timed, s.time = true, v.time()
			v.leave(values)
		}
		if v.err != nil {
			r.fail(v.err)
			return
		}
	}
	if !typed || s.digest == nil {
		r.fail(malformed("the signature does not say what it is of"))
		return
	}
	s.signed = r.b[from:r.at]
	if !ordered {
		s.signed = sorted(s.signed)
	}
	r.leave(set)
}

func (r *reader) once(had bool) {
	if had {
		r.fail(malformed("the signature says something twice"))
	}
}

// sorted returns a SET OF with its elements as DER orders them: what is signed,
// however it was sent.
func sorted(set []byte) []byte {
	r := reader{b: set, end: len(set)}
	r.enter(tag0)
	head := r.at
	var all [][]byte
	for r.more() {
		all = append(all, r.full(tagSequence))
	}
	slices.SortFunc(all, bytes.Compare)
	return append(slices.Clone(set[:head]), slices.Concat(all...)...)
}

func oneSigner() error {
	return malformed("the signature must have one signer, named by issuer and serial number, with its certificate")
}

func malformed(why string) error { return mdm.Errorf(mdm.CodeMalformed, "", "%s", why) }
