package cms

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/internal/ber"
	"github.com/keelson-mdm/keelson/mdm"
)

// byLibrary is the oracle: the library, behind internal/ber.
func byLibrary(message, content []byte) (leaf *x509.Certificate, err error) {
	defer func() {
		if r := recover(); r != nil {
			leaf, err = nil, fmt.Errorf("panic: %v", r)
		}
	}()
	der, err := ber.Definite(message)
	if err != nil {
		return nil, err
	}
	p7, err := pkcs7.Parse(der)
	if err != nil {
		return nil, err
	}
	if len(p7.Content) != 0 {
		return nil, errors.New("not detached")
	}
	if leaf = p7.GetOnlySigner(); leaf == nil {
		return nil, errors.New("no signer")
	}
	p7.Content = content
	return leaf, p7.Verify()
}

// inPlace is what is compared with it.
func inPlace(message, content []byte) (*x509.Certificate, error) {
	s, err := Parse(message)
	if err != nil {
		return nil, err
	}
	leaf, err := s.Parse()
	if err != nil {
		return nil, err
	}
	if err := s.Verify(leaf.PublicKey, content); err != nil {
		return nil, err
	}
	if at, ok := s.Made(); ok && (at.Before(leaf.NotBefore) || at.After(leaf.NotAfter)) {
		return nil, errors.New("made at another time")
	}
	return leaf, nil
}

// The structures as the library reads them, for what is strange in a message.
type (
	libContentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,optional,tag:0"`
	}
	libSignedData struct {
		Version      int
		Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
		ContentInfo  libContentInfo
		Certificates asn1.RawValue   `asn1:"optional,tag:0"`
		CRLs         asn1.RawValue   `asn1:"optional,tag:1"`
		Signers      []libSignerInfo `asn1:"set"`
	}
	libSignerInfo struct {
		Version int
		SID     struct {
			Issuer asn1.RawValue
			Serial *big.Int
		}
		Digest    pkix.AlgorithmIdentifier
		Attrs     []libAttribute `asn1:"optional,tag:0"`
		Signature pkix.AlgorithmIdentifier
		Value     []byte
		Unsigned  []libAttribute `asn1:"optional,tag:1"`
	}
	libAttribute struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue `asn1:"set"`
	}
)

// strange finds what is refused here although the library takes it: the list in
// the package's documentation. It reads with another decoder. Nil means that
// there is nothing of the kind.
func strange(message []byte) (found []string) {
	der, err := ber.Definite(message)
	if err != nil {
		return nil
	}
	note := func(is bool, what string) {
		if is {
			found = append(found, what)
		}
	}
	// whole reports whether a structure has nothing behind its last field: then
	// it is what its fields come to.
	whole := func(v any, full []byte, params string) bool {
		again, err := asn1.MarshalWithParams(v, params)
		return err == nil && bytes.Equal(again, full)
	}
	var ci libContentInfo
	if _, err := asn1.Unmarshal(der, &ci); err != nil {
		return nil
	}
	var sd libSignedData
	if _, err := asn1.Unmarshal(ci.Content.Bytes, &sd); err != nil || len(sd.Signers) != 1 {
		return nil
	}
	si := sd.Signers[0]
	note(!sd.ContentInfo.Type.Equal(pkcs7.OIDData), "type of content")
	note(len(sd.ContentInfo.Content.FullBytes) > 0, "a content")
	note(len(sd.CRLs.FullBytes) > 0, "revocation list")
	for _, a := range []pkix.AlgorithmIdentifier{si.Digest, si.Signature} {
		p := a.Parameters.FullBytes
		note(len(p) > 0 && !bytes.Equal(p, asn1.NullBytes), "parameters")
	}
	hash := digestOf(encoded(si.Digest.Algorithm))
	note(hash == 0, "digest named by something else")
	scheme, own := schemeOf(encoded(si.Signature.Algorithm))
	note(scheme == 0, "signature algorithm named by something else")
	note(own != 0 && own != hash, "two digests")
	times := make(map[string]int)
	for _, a := range si.Attrs {
		id := a.Type.String()
		times[id]++
		var value asn1.RawValue
		rest, err := asn1.Unmarshal(a.Value.Bytes, &value)
		note(a.Value.Tag != asn1.TagSet || err != nil || len(rest) > 0, "values of an attribute")
		switch {
		case a.Type.Equal(pkcs7.OIDAttributeContentType):
			var id asn1.ObjectIdentifier
			_, err := asn1.Unmarshal(a.Value.Bytes, &id)
			note(err != nil || !id.Equal(pkcs7.OIDData), "content-type")
		case a.Type.Equal(pkcs7.OIDAttributeSigningTime):
			r := reader{b: a.Value.Bytes, end: len(a.Value.Bytes)}
			r.time()
			note(r.err != nil, "signing time")
		}
	}
	note(si.Attrs != nil && len(si.Attrs) == 0, "empty attributes")
	if len(si.Attrs) > 0 {
		note(times[pkcs7.OIDAttributeContentType.String()] != 1, "content-type")
		note(times[pkcs7.OIDAttributeMessageDigest.String()] > 1, "two digests of the content")
		note(times[pkcs7.OIDAttributeSigningTime.String()] > 1, "two times")
	}
	certificates, _ := x509.ParseCertificates(sd.Certificates.Bytes)
	same := make(map[string]bool)
	for _, c := range certificates {
		note(!bytes.Contains(message, c.Raw), "a certificate that is not in DER")
		if bytes.Equal(c.RawIssuer, si.SID.Issuer.FullBytes) && c.SerialNumber.Cmp(si.SID.Serial) == 0 {
			same[string(c.Raw)] = true
		}
	}
	note(len(same) > 1, "two certificates")
	note(!whole(ci, der, "") || !whole(sd, ci.Content.Bytes, ""), "something behind the last field")
	return found
}

// encoded is the content of an object identifier's encoding.
func encoded(id asn1.ObjectIdentifier) []byte {
	b, err := asn1.Marshal(id)
	if err != nil {
		return nil
	}
	return b[2:]
}

// agrees holds both readings against each other: what is accepted in place the
// library accepts, with the same certificate; what it accepts is accepted, or is
// one of the listed differences.
func agrees(t require.TestingT, message, content []byte) (accepted bool) {
	want, refused := byLibrary(message, content)
	got, err := inPlace(message, content)
	if err == nil {
		if refused != nil {
			require.NoError(t, refused, "%x is accepted in place", message)
		}
		require.Equal(t, want.Raw, got.Raw)
		return true
	}
	require.Nil(t, got)
	if refused == nil {
		require.NotEmpty(t, strange(message), "refused in place: %v: %x", err, message)
	}
	return false
}

// mutated is every message with one byte changed, in a few ways, and some that
// lack a byte or the end.
func mutated(message []byte, each func([]byte)) {
	m := bytes.Clone(message)
	for i, was := range message {
		for _, to := range []byte{was ^ 1, was ^ 0x20, 0x80, byte(i)} {
			if m[i] = to; to != was {
				each(m)
			}
		}
		m[i] = was
		if i%7 == 0 {
			each(append(bytes.Clone(message[:i]), message[i+1:]...))
			each(message[:i])
		}
	}
}

func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is missing")
		}
		t.Skip("openssl is missing")
	}
	dir := t.TempDir()
	run := func(t *testing.T, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), openssl, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	content := []byte("a message")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "content"), content, 0o600))
	run(t, "req", "-x509", "-nodes", "-keyout", "other.key", "-out", "other.crt", "-subj", "/CN=other", "-newkey", "rsa:2048")
	for key, make := range map[string][]string{
		"rsa": {"-newkey", "rsa:2048"},
		"ec":  {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"},
		"384": {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"},
	} {
		run(t, append([]string{"req", "-x509", "-nodes", "-keyout", key + ".key", "-out", key + ".crt", "-subj", "/CN=" + key}, make...)...)
		for _, md := range []string{"sha1", "sha256", "sha384", "sha512"} {
			for name, more := range map[string][]string{"attrs": nil, "noattr": {"-noattr"}, "chain": {"-certfile", "other.crt"}, "nosmimecap": {"-nosmimecap"}} {
				t.Run(key+" "+md+" "+name, func(t *testing.T) {
					run(t, append([]string{"cms", "-sign", "-binary", "-md", md, "-outform", "DER", "-signer", key + ".crt", "-inkey", key + ".key", "-in", "content", "-out", "out"}, more...)...)
					message, err := os.ReadFile(filepath.Join(dir, "out"))
					require.NoError(t, err)
					require.True(t, agrees(t, message, content))
					require.False(t, agrees(t, message, []byte("another")))
					require.True(t, agrees(t, streamed(t, message, false), content))
					require.True(t, agrees(t, streamed(t, message, true), content))
				})
			}
		}
	}
	run(t, "cms", "-sign", "-binary", "-keyid", "-outform", "DER", "-signer", "ec.crt", "-inkey", "ec.key", "-in", "content", "-out", "out")
	message, err := os.ReadFile(filepath.Join(dir, "out"))
	require.NoError(t, err)
	require.False(t, agrees(t, message, content), "a signer that is named by its key")
}

// TestMutations: no byte can be changed so that one reading accepts what the
// other does not.
func TestMutations(t *testing.T) {
	content := []byte("a message")
	both := append(bytes.Clone(withRSA().cert.Raw), withECDSA().cert.Raw...)
	for name, r := range map[string]recipe{
		"RSA":                {},
		"ECDSA":              {by: withECDSA()},
		"as devices sign":    {device: true, noAttrs: true, hash: 3}, // SHA-1
		"as devices, signed": {by: withECDSA(), device: true},
		"with a chain":       {certificates: both, unsigned: el(tag1, attribute("\x2a\x03", null))},
	} {
		t.Run(name, func(t *testing.T) {
			r.content = content
			message := r.write(t)
			require.True(t, agrees(t, message, content))
			accepted := 0
			mutated(message, func(m []byte) {
				if agrees(t, m, content) {
					accepted++
				}
			})
			require.Positive(t, accepted, "what is not signed can be changed")
			mutated(content, func(c []byte) { require.False(t, agrees(t, message, c)) })
		})
	}
}

// TestDifferences: what is refused here and not by the library, one by one.
func TestDifferences(t *testing.T) {
	content := []byte("a message")
	base := recipe{content: content, hash: 5}
	digest, kind := base.digestAttr(), base.typeAttr()
	twin := newSigner(withECDSA().key, 7) // the same name and number as the RSA one
	for name, c := range map[string]struct {
		says string // by Parse; nothing when the certificate is to blame
		bend func(*recipe)
	}{
		"a certificate in BER": {"", func(r *recipe) { r.certificates = inBER(t, r.by.cert.Raw) }},
		"one beside it in BER": {"", func(r *recipe) {
			r.certificates = append(bytes.Clone(r.by.cert.Raw), inBER(t, withECDSA().cert.Raw)...)
		}},
		"another type of content": {"another type of content", func(r *recipe) { r.contentInfo = el(tagSequence, oidOf(oidSignedData)) }},
		"an empty content":        {"must be detached", func(r *recipe) { r.contentInfo = el(tagSequence, oidOf(oidData), el(tag0, el(tagOctetString))) }},
		"no content-type":         {"what it is of", func(r *recipe) { r.attrs = [][]byte{digest} }},
		"another content-type":    {"not built", func(r *recipe) { r.attrs = [][]byte{digest, attribute(oidContentType, oidOf(oidSignedData))} }},
		"two content-types":       {"twice", func(r *recipe) { r.attrs = [][]byte{kind, kind, digest} }},
		"two digests":             {"twice", func(r *recipe) { r.attrs = [][]byte{kind, digest, digest} }},
		"two values": {"not built", func(r *recipe) {
			r.attrs = [][]byte{kind, attribute(oidMessageDigest, el(tagOctetString, r.sum(content)), el(tagOctetString))}
		}},
		"two times": {"twice", func(r *recipe) {
			r.attrs = [][]byte{kind, digest, timeAttr(tagUTCTime, "260601120000Z"), timeAttr(tagUTCTime, "260601120000Z")}
		}},
		"a time without seconds": {"not built", func(r *recipe) { r.attrs = [][]byte{kind, digest, timeAttr(tagUTCTime, "2606011200Z")} }},
		"a time in another zone": {"not built", func(r *recipe) { r.attrs = [][]byte{kind, digest, timeAttr(tagUTCTime, "260601120000+0100")} }},
		"a time with a fraction": {"not built", func(r *recipe) { r.attrs = [][]byte{kind, digest, timeAttr(tagTime, "20260601120000.5Z")} }},
		"no time":                {"not built", func(r *recipe) { r.attrs = [][]byte{kind, digest, timeAttr(tagUTCTime, "yesterday")} }},
		"empty attributes": {"what it is of", func(r *recipe) {
			r.noAttrs = true
			r.digest = append(algorithmOf(sha256ID, null), el(tag0)...)
			r.digests = el(tagSet)
		}},
		"two certificates":             {"two certificates", func(r *recipe) { r.certificates = append(bytes.Clone(r.by.cert.Raw), twin.cert.Raw...) }},
		"parameters of the digest":     {"not built", func(r *recipe) { r.digest = algorithmOf(sha256ID, el(tagSequence)) }},
		"parameters of the signature":  {"not built", func(r *recipe) { r.signature = algorithmOf(rsaArc+"\x01", el(tagOctetString)) }},
		"a digest as a signature":      {"kind that is not accepted", func(r *recipe) { r.by = withECDSA(); r.digest = algorithmOf(ecdsaArc + "\x02") }},
		"a curve as a signature":       {"kind that is not accepted", func(r *recipe) { r.by = withECDSA(); r.signature = algorithmOf("\x2a\x86\x48\xce\x3d\x03\x01\x07") }},
		"a signature of other digest":  {"kind that is not accepted", func(r *recipe) { r.signature = algorithmOf(rsaArc+"\x0d", null) }},
		"something behind the signer":  {"not built", func(r *recipe) { r.behindSigner = null }},
		"something behind the signers": {"not built", func(r *recipe) { r.behind = null }},
		"something behind the content": {"not built", func(r *recipe) { r.behindContentInfo = null }},
	} {
		t.Run(name, func(t *testing.T) {
			r := base
			r.by = withRSA()
			c.bend(&r)
			message := r.write(t)
			leaf, err := byLibrary(message, content)
			require.NoError(t, err, "no difference any more")
			require.NotNil(t, leaf)
			require.NotEmpty(t, strange(message))
			s, err := Parse(message)
			if c.says == "" {
				require.NoError(t, err)
				_, err = s.Parse()
			}
			require.ErrorIs(t, err, mdm.CodeMalformed)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// inBER is a certificate with one part in BER, behind what is looked at to find it.
func inBER(t require.TestingT, certificate []byte) []byte {
	whole, _ := cut(t, certificate)
	tbs, rest := cut(t, whole.body)
	algorithm, value := cut(t, rest)
	return el(tagSequence, tbs.full, indefinite(tagSequence, algorithm.body), value)
}

func FuzzParse(f *testing.F) {
	content := []byte("a message")
	for _, r := range []recipe{
		{}, {by: withECDSA()}, {device: true, noAttrs: true, hash: 3}, {shuffled: true},
		{unsigned: el(tag1, attribute("\x2a\x03", null))}, {crls: el(tag1)},
	} {
		r.content = content
		message := r.write(f)
		f.Add(message)
		f.Add(streamed(f, recipe{content: content, by: withECDSA()}.write(f), true))
	}
	f.Add(bytes.Repeat([]byte{0x30, 0x80}, 100))
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) > 12<<10 {
			return
		}
		before := bytes.Clone(message)
		agrees(t, message, content)
		require.Equal(t, before, message, "the message is not written to")
	})
}
