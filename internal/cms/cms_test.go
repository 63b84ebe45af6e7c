package cms

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
)

// TestAccepts: all that is accepted, in every encoding.
func TestAccepts(t *testing.T) {
	content := []byte("a message")
	for name, r := range map[string]recipe{
		"RSA, SHA-1":        {hash: crypto.SHA1},
		"RSA, SHA-256":      {hash: crypto.SHA256},
		"RSA, SHA-384":      {hash: crypto.SHA384},
		"RSA, SHA-512":      {hash: crypto.SHA512},
		"RSA with its hash": {signature: algorithmOf(rsaArc+"\x0b", null)},
		"no parameters":     {digest: algorithmOf(sha256ID), signature: algorithmOf(rsaArc + "\x01")},
		"ECDSA, SHA-1":      {by: withECDSA(), hash: crypto.SHA1},
		"ECDSA, SHA-256":    {by: withECDSA(), hash: crypto.SHA256},
		"ECDSA, SHA-512":    {by: withECDSA(), hash: crypto.SHA512},
		"no attributes":     {noAttrs: true},
		"as devices sign":   {noAttrs: true, hash: crypto.SHA1, device: true, signature: algorithmOf(rsaArc+"\x05", null)},
		"unsorted":          {shuffled: true},
		"others beside it":  {certificates: append(bytes.Clone(withECDSA().cert.Raw), withRSA().cert.Raw...)},
		"twice the same":    {certificates: append(bytes.Clone(withRSA().cert.Raw), withRSA().cert.Raw...)},
		"unsigned too":      {unsigned: el(tag1, attribute("\x2a\x03\x04", el(tagSequence, null)))},
		"other digests":     {digests: el(tagSet, algorithmOf("\x2a\x03", el(tagSequence, null)), algorithmOf("\x2a\x04"))},
		"no digests listed": {digests: el(tagSet)},
		"version 3":         {version: el(tagInteger, []byte{3})},
	} {
		t.Run(name, func(t *testing.T) {
			r.content = content
			message := r.write(t)
			require.True(t, agrees(t, message, content))
			require.False(t, agrees(t, message, []byte("a messagf")))
			s, err := Parse(message)
			require.NoError(t, err)
			require.Equal(t, name != "others beside it" && name != "twice the same", s.Alone)
			for _, split := range []bool{false, true} {
				if r.device {
					break // streamed reads DER
				}
				require.True(t, agrees(t, streamed(t, message, split), content))
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	content := []byte("a message")
	damaged := bytes.Clone(withECDSA().cert.Raw)
	damaged[len(damaged)/2] ^= 0xff
	damaged[9] ^= 0x10
	for name, c := range map[string]struct {
		recipe
		says string
	}{
		"not signed data":          {recipe{kind: oidData}, "not built"},
		"a content":                {recipe{contentInfo: el(tagSequence, oidOf(oidData), el(tag0, el(tagOctetString, content)))}, "must be detached"},
		"no certificate":           {recipe{noCerts: true}, "one signer"},
		"the certificate of other": {recipe{certificates: withECDSA().cert.Raw}, "one signer"},
		"no signer":                {recipe{signers: func([]byte) []byte { return nil }}, "one signer"},
		"two signers":              {recipe{signers: func(one []byte) []byte { return append(bytes.Clone(one), one...) }}, "one signer"},
		"named by its key":         {recipe{sid: []byte{0x80, 1, 7}}, "one signer"},
		"an unknown digest":        {recipe{digest: algorithmOf("\x60\x86\x48\x01\x65\x03\x04\x02\x04", null)}, "kind that is not accepted"},
		"MD5":                      {recipe{digest: algorithmOf("\x2a\x86\x48\x86\xf7\x0d\x02\x05", null)}, "kind that is not accepted"},
		"PSS":                      {recipe{signature: algorithmOf(rsaArc + "\x0a")}, "kind that is not accepted"},
		"no digest of the content": {recipe{attrs: [][]byte{attribute(oidContentType, oidOf(oidData))}}, "what it is of"},
		"a revocation list":        {recipe{crls: el(tag1, el(tagSequence))}, "revocation list"},
	} {
		t.Run(name, func(t *testing.T) {
			c.content = content
			message := c.write(t)
			require.False(t, agrees(t, message, content))
			_, err := Parse(message)
			require.ErrorIs(t, err, mdm.CodeMalformed)
			require.ErrorContains(t, err, c.says)
		})
	}
	for name, r := range map[string]recipe{
		"the digest of another content": {attrs: [][]byte{attribute(oidContentType, oidOf(oidData)), attribute(oidMessageDigest, el(tagOctetString, digest(nil, crypto.SHA256, nil)))}},
		"the signature of another kind": {signature: algorithmOf(ecdsaArc + "\x02")},
		"a signature that was changed":  {value: func(v []byte) []byte { v[9] ^= 1; return v }},
		"no signature":                  {value: func([]byte) []byte { return nil }},
		"made before the certificate":   {attrs: [][]byte{attribute(oidContentType, oidOf(oidData)), attribute(oidMessageDigest, el(tagOctetString, digest(nil, crypto.SHA256, content))), timeAttr(tagUTCTime, "250601120000Z")}},
		"made after it":                 {attrs: [][]byte{attribute(oidContentType, oidOf(oidData)), attribute(oidMessageDigest, el(tagOctetString, digest(nil, crypto.SHA256, content))), timeAttr(tagTime, "20280601120000Z")}},
		"a damaged one beside it":       {certificates: append(bytes.Clone(withRSA().cert.Raw), damaged...)},
	} {
		t.Run(name, func(t *testing.T) {
			r.content = content
			message := r.write(t)
			_, refused := byLibrary(message, content)
			require.Error(t, refused)
			require.False(t, agrees(t, message, content))
		})
	}
}

// A key of another kind has made no signature.
func TestVerifyWithOtherKeys(t *testing.T) {
	content := []byte("a message")
	s, err := Parse(recipe{content: content}.write(t))
	require.NoError(t, err)
	require.NoError(t, s.Verify(withRSA().key.Public(), content))
	edwards, _, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	for _, key := range []crypto.PublicKey{nil, edwards, withECDSA().key.Public(), newSigner(withECDSA().key, 9).cert} {
		require.ErrorIs(t, s.Verify(key, content), mdm.CodeUnauthenticated)
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"\x17\x0d260601120000Z":   "2026-06-01T12:00:00Z",
		"\x17\x0d490101000000Z":   "2049-01-01T00:00:00Z",
		"\x17\x0d500101000000Z":   "1950-01-01T00:00:00Z",
		"\x17\x0d991231235959Z":   "1999-12-31T23:59:59Z",
		"\x18\x0f20500229000000Z": "", "\x18\x0f20520229000000Z": "2052-02-29T00:00:00Z",
		"\x17\x0d260631120000Z": "", "\x17\x0d261301120000Z": "", "\x17\x0d260001120000Z": "", "\x17\x0d260600120000Z": "",
		"\x17\x0d260601240000Z": "", "\x17\x0d260601126000Z": "", "\x17\x0d260601120060Z": "", "\x17\x0d260601120000z": "",
		"\x17\x0d26060112000/Z": "", "\x17\x0d:60601120000Z": "", "\x17\x0f20260601120000Z": "", "\x18\x0d260601120000Z": "", "\x17\x00": "", "": "",
	} {
		r := reader{b: []byte(text), end: len(text)}
		got := r.time()
		if want == "" {
			require.Error(t, r.err, text)
			continue
		}
		require.NoError(t, r.err, text)
		require.Equal(t, want, got.Format(time.RFC3339))
	}
}

// Whatever the elements, a message that is read in place means what it means when
// it has been re-encoded.
func TestEncodings(t *testing.T) {
	content := []byte("a message")
	der := recipe{content: content, by: withECDSA()}.write(t)
	rapid.Check(t, func(r *rapid.T) {
		var again func(b []byte) []byte
		again = func(b []byte) (out []byte) {
			for len(b) > 0 {
				e, rest := cut(r, b)
				b = rest
				if bytes.Equal(e.full, withECDSA().cert.Raw) { // which is signed as it is
					out = append(out, e.full...)
					continue
				}
				body := e.body
				if e.tag&constructed != 0 {
					body = again(body)
				}
				switch k := rapid.IntRange(0, 9).Draw(r, "form"); {
				case k == 0 && e.tag&constructed != 0:
					out = append(out, indefinite(e.tag, body)...)
				case k == 1:
					out = append(append(out, e.tag, 0x83, byte(len(body)>>16), byte(len(body)>>8), byte(len(body))), body...)
				case k == 2 && e.tag == tagOctetString:
					out = append(out, indefinite(e.tag|constructed, el(tagOctetString, body))...)
				default:
					out = append(out, el(e.tag, body)...)
				}
			}
			return out
		}
		require.True(r, agrees(r, again(der), content))
	})
}

// TestAllocations: reading takes none, and verifying what one verification takes.
func TestAllocations(t *testing.T) {
	content := bytes.Repeat([]byte("a message "), 30)
	for name, r := range map[string]recipe{
		"tidy":            {},
		"as devices sign": {noAttrs: true, hash: crypto.SHA1, device: true},
		"ECDSA":           {by: withECDSA()},
	} {
		t.Run(name, func(t *testing.T) {
			r.content = content
			message := r.write(t)
			s, err := Parse(message)
			require.NoError(t, err)
			require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = Parse(message) }))
			if r.by.cert == nil {
				r.by = withRSA()
			}
			signed, algorithm := content, x509.SHA256WithRSA
			switch {
			case r.hash == crypto.SHA1:
				algorithm = x509.SHA1WithRSA
			case r.by == withECDSA():
				algorithm = x509.ECDSAWithSHA256
			}
			if s.signed != nil {
				signed = append([]byte{tagSet}, s.signed[1:]...)
			}
			once := testing.AllocsPerRun(10, func() { require.NoError(t, r.by.cert.CheckSignature(algorithm, signed, s.value)) })
			require.LessOrEqual(t, testing.AllocsPerRun(10, func() { require.NoError(t, s.Verify(r.by.cert.PublicKey, content)) }), once)
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for name, r := range map[string]recipe{"tidy": {}, "as-devices-sign": {noAttrs: true, hash: crypto.SHA1, device: true}} {
		r.content = []byte("a message")
		message := r.write(b)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := Parse(message)
				require.NoError(b, err)
			}
		})
	}
}
