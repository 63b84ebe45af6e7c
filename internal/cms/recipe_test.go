package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// signerOf is a key with its certificate, of which nobody judges the issuer.
type signerOf struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newSigner(key crypto.Signer, serial int64) signerOf {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "a device"},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return signerOf{key, cert}
}

// The signers of all tests.
var (
	withRSA = sync.OnceValue(func() signerOf {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return newSigner(key, 7)
	})
	withECDSA = sync.OnceValue(func() signerOf {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return newSigner(key, 300)
	})
)

// el is an element with the shortest length.
func el(tag byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(header(tag, len(body)), body...)
}

// indefinite is an element without a length.
func indefinite(tag byte, parts ...[]byte) []byte {
	return append(append([]byte{tag, 0x80}, bytes.Join(parts, nil)...), 0, 0)
}

func oidOf(id string) []byte { return el(tagOID, []byte(id)) }

var null = []byte{5, 0}

// named is an AlgorithmIdentifier.
func algorithmOf(id string, parameters ...[]byte) []byte {
	return el(tagSequence, append([][]byte{oidOf(id)}, parameters...)...)
}

const (
	sha1ID   = "\x2b\x0e\x03\x02\x1a"
	sha256ID = "\x60\x86\x48\x01\x65\x03\x04\x02\x01"
	sha384ID = "\x60\x86\x48\x01\x65\x03\x04\x02\x02"
	sha512ID = "\x60\x86\x48\x01\x65\x03\x04\x02\x03"
)

// recipe is a message with all that can be strange about one. Its zero value,
// completed by make, is what a tidy encoder writes.
type recipe struct {
	by      signerOf
	content []byte
	hash    crypto.Hash // 0 means SHA-256

	device  bool // outer levels with indefinite lengths
	noAttrs bool
	// attrs are the signed attributes in DER; nil means content-type,
	// message-digest and signing-time. They are signed in DER's order.
	attrs    [][]byte
	shuffled bool // and sent in another

	digests      []byte // the SET of digestAlgorithms
	contentInfo  []byte
	certificates []byte // what stands in [0]; nil means the signer's
	noCerts      bool
	crls         []byte
	signers      func(one []byte) []byte // what stands in the SET

	version, signerVersion []byte
	sid                    []byte
	digest, signature      []byte // the algorithms
	value                  func([]byte) []byte
	unsigned               []byte
	behindSigner, behind   []byte
	behindContentInfo      []byte
	kind                   string // of the ContentInfo
}

func attribute(id string, values ...[]byte) []byte {
	return el(tagSequence, oidOf(id), el(tagSet, values...))
}

func (r *recipe) sum(b []byte) []byte { return digest(nil, r.hash, b) }

func (r *recipe) typeAttr() []byte { return attribute(oidContentType, oidOf(oidData)) }
func (r *recipe) digestAttr() []byte {
	return attribute(oidMessageDigest, el(tagOctetString, r.sum(r.content)))
}
func timeAttr(tag byte, at string) []byte {
	return attribute(oidSigningTime, el(tag, []byte(at)))
}

// write makes the message.
func (r recipe) write(t testing.TB) []byte {
	t.Helper()
	if r.hash == 0 {
		r.hash = crypto.SHA256
	}
	if r.by.cert == nil {
		r.by = withRSA()
	}
	or := func(b *[]byte, def []byte) {
		if *b == nil {
			*b = def
		}
	}
	digestID := map[crypto.Hash]string{crypto.SHA1: sha1ID, crypto.SHA256: sha256ID, crypto.SHA384: sha384ID, crypto.SHA512: sha512ID}[r.hash]
	or(&r.digest, algorithmOf(digestID, null))
	or(&r.digests, el(tagSet, r.digest))
	if _, ok := r.by.key.(*rsa.PrivateKey); ok {
		or(&r.signature, algorithmOf(rsaArc+"\x01", null))
	} else {
		or(&r.signature, algorithmOf(map[crypto.Hash]string{
			crypto.SHA1: "\x2a\x86\x48\xce\x3d\x04\x01", crypto.SHA256: ecdsaArc + "\x02", crypto.SHA384: ecdsaArc + "\x03", crypto.SHA512: ecdsaArc + "\x04",
		}[r.hash]))
	}
	or(&r.version, el(tagInteger, []byte{1}))
	or(&r.signerVersion, el(tagInteger, []byte{1}))
	serial, err := asn1.Marshal(r.by.cert.SerialNumber)
	require.NoError(t, err)
	or(&r.sid, el(tagSequence, r.by.cert.RawIssuer, serial))
	or(&r.certificates, r.by.cert.Raw)

	signed := r.content
	var attrs []byte
	if !r.noAttrs {
		if r.attrs == nil {
			r.attrs = [][]byte{r.typeAttr(), r.digestAttr(), timeAttr(tagUTCTime, "260601120000Z")}
		}
		sorted := slices.Clone(r.attrs)
		slices.SortFunc(sorted, bytes.Compare)
		signed = el(tagSet, sorted...)
		attrs = el(tag0, sorted...)
		if r.shuffled {
			slices.Reverse(sorted)
			attrs = el(tag0, sorted...)
		}
	}
	value, err := r.by.key.Sign(rand.Reader, r.sum(signed), r.hash)
	require.NoError(t, err)
	if r.value != nil {
		value = r.value(value)
	}
	one := el(tagSequence, r.signerVersion, r.sid, r.digest, attrs, r.signature, el(tagOctetString, value), r.unsigned, r.behindSigner)
	if r.signers != nil {
		one = r.signers(one)
	}
	certificates := el(tag0, r.certificates)
	if r.noCerts {
		certificates = nil
	}
	outer := el
	if r.device {
		outer = indefinite
	}
	or(&r.contentInfo, outer(tagSequence, oidOf(oidData)))
	if r.kind == "" {
		r.kind = oidSignedData
	}
	return outer(tagSequence, oidOf(r.kind),
		outer(tag0, outer(tagSequence, r.version, r.digests, r.contentInfo, certificates, r.crls, el(tagSet, one), r.behind)), r.behindContentInfo)
}

// element is one in DER.
type element struct {
	tag        byte
	body, full []byte
}

// cut cuts the first one off b.
func cut(t require.TestingT, b []byte) (element, []byte) {
	r := reader{b: b, end: len(b)}
	tag, n := r.any()
	require.NoError(t, r.err)
	return element{tag, b[r.at : r.at+n], b[:r.at+n]}, b[r.at+n:]
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

// streamed re-encodes DER with indefinite lengths everywhere, and strings in parts
// when split is set.
func streamed(t require.TestingT, der []byte, split bool) []byte {
	var out []byte
	for len(der) > 0 {
		e, rest := cut(t, der)
		switch {
		case e.tag&constructed != 0:
			out = append(out, indefinite(e.tag, streamed(t, e.body, split))...)
		case split && e.tag == tagOctetString && len(e.body) > 1:
			half := len(e.body) / 2
			out = append(out, indefinite(e.tag|constructed, el(tagOctetString, e.body[:half]), el(tagOctetString, e.body[half:]))...)
		default:
			out = append(out, e.full...)
		}
		der = rest
	}
	return out
}
