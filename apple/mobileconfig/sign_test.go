package mobileconfig_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/mobileconfig"
	"github.com/keelson-mdm/keelson/mdm"
)

// hsm hides what a key is made of.
type hsm struct{ crypto.Signer }

func TestSign(t *testing.T) {
	openssl := tool(t, "openssl")
	for name, key := range map[string]crypto.Signer{
		"RSA": rsaKey(t), "ECDSA": ecKey(t), "an RSA key in an HSM": hsm{rsaKey(t)}, "an ECDSA key in an HSM": hsm{ecKey(t)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSigner(t, key)
			data := readFile(t, "vendor.mobileconfig")
			signed, err := mobileconfig.Sign(data, s.cert, s.key, []*x509.Certificate{s.issuer})
			require.NoError(t, err)

			// Another implementation accepts it, with nothing but the root.
			in := filepath.Join(t.TempDir(), "signed.der")
			require.NoError(t, os.WriteFile(in, signed, 0o600))
			root := writePEM(t, certificateBlock(s.root))
			out := run(t, nil, openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", in, "-CAfile", root, "-purpose", "any")
			require.Equal(t, data, out)
			require.Contains(t, string(run(t, nil, openssl, "cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in", in)), "sha256")
			require.NotContains(t, string(run(t, nil, openssl, "cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in", in)), "sha1")

			content, signer, err := mobileconfig.Verify(signed)
			require.NoError(t, err)
			require.Equal(t, data, content)
			require.True(t, signer.Equal(s.cert))

			p, err := mobileconfig.Parse(signed)
			require.NoError(t, err)
			require.True(t, p.Signed())
			require.True(t, p.Signer.Equal(s.cert))
			require.Equal(t, "com.example.office", p.Identifier)
			require.Equal(t, data, p.Content)
		})
	}
}

func TestSignLargest(t *testing.T) {
	s := newSigner(t, ecKey(t))
	data := bytes.Repeat([]byte("x"), mobileconfig.MaxSize)
	signed, err := mobileconfig.Sign(data, s.cert, s.key, []*x509.Certificate{s.issuer})
	require.NoError(t, err)
	content, _, err := mobileconfig.Verify(signed)
	require.NoError(t, err)
	require.Equal(t, data, content)
}

func TestSignRefused(t *testing.T) {
	s := newSigner(t, ecKey(t))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	e := newSigner(t, ed)
	signed, err := mobileconfig.Sign([]byte("x"), s.cert, s.key, nil)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		data []byte
		cert *x509.Certificate
		key  crypto.Signer
		code mdm.Code
	}{
		"nothing":        {nil, s.cert, s.key, mdm.CodeInvalid},
		"too large":      {make([]byte, mobileconfig.MaxSize+1), s.cert, s.key, mdm.CodeTooLarge},
		"signed twice":   {signed, s.cert, s.key, mdm.CodeInvalid},
		"no key":         {[]byte("x"), s.cert, nil, mdm.CodeInvalid},
		"no certificate": {[]byte("x"), nil, s.key, mdm.CodeInvalid},
		"another key":    {[]byte("x"), s.cert, ecKey(t), mdm.CodeInvalid},
		"Ed25519":        {[]byte("x"), e.cert, e.key, mdm.CodeUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mobileconfig.Sign(c.data, c.cert, c.key, nil)
			require.ErrorIs(t, err, c.code)
		})
	}
}

// TestVerifyOpenSSL opens what another implementation signs, streamed in
// indefinite lengths included.
func TestVerifyOpenSSL(t *testing.T) {
	openssl := tool(t, "openssl")
	s := newSigner(t, rsaKey(t))
	file := writePEM(t, certificateBlock(s.cert), keyBlock(t, s.key))
	data := []byte(strings.Repeat("some content, longer than one piece of a stream\n", 1000))
	sign := func(args ...string) []byte {
		return run(t, data, openssl, append([]string{"cms", "-sign", "-binary", "-outform", "DER", "-signer", file}, args...)...)
	}
	for name, args := range map[string][]string{
		"DER":           {"-nodetach"},
		"streamed":      {"-nodetach", "-stream"},
		"SHA-512":       {"-nodetach", "-md", "sha512"},
		"no attributes": {"-nodetach", "-noattr"},
	} {
		t.Run(name, func(t *testing.T) {
			content, signer, err := mobileconfig.Verify(sign(args...))
			require.NoError(t, err)
			require.Equal(t, data, content)
			require.True(t, signer.Equal(s.cert))
		})
	}
	other := newSigner(t, ecKey(t))
	second := writePEM(t, certificateBlock(other.cert), keyBlock(t, other.key))
	for name, c := range map[string]struct {
		args []string
		code mdm.Code
	}{
		"detached":              {nil, mdm.CodeMalformed},
		"no certificate":        {[]string{"-nodetach", "-nocerts"}, mdm.CodeInvalid},
		"signed by two":         {[]string{"-nodetach", "-signer", second}, mdm.CodeUnsupported},
		"named by a key id":     {[]string{"-nodetach", "-keyid"}, mdm.CodeMalformed},
		"a digest we know not":  {[]string{"-nodetach", "-md", "sha3-256"}, mdm.CodeInvalid},
		"padded as in RSA-PSS":  {[]string{"-nodetach", "-keyopt", "rsa_padding_mode:pss"}, mdm.CodeInvalid},
		"a certificate of none": {[]string{"-nodetach", "-nocerts", "-certfile", second}, mdm.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			content, signer, err := mobileconfig.Verify(sign(c.args...))
			require.ErrorIs(t, err, c.code)
			require.Nil(t, content)
			require.Nil(t, signer)
		})
	}
}

func TestVerifyRefused(t *testing.T) {
	s := newSigner(t, ecKey(t))
	signed, err := mobileconfig.Sign([]byte("the content"), s.cert, s.key, nil)
	require.NoError(t, err)
	changed := bytes.Replace(signed, []byte("the content"), []byte("the consent"), 1)
	broken := bytes.Clone(signed)
	broken[len(broken)-1] ^= 1
	degenerate, err := pkcs7.DegenerateCertificate(s.cert.Raw)
	require.NoError(t, err)
	block, _ := pem.Decode(readFile(t, "root.pem"))

	for name, c := range map[string]struct {
		der  []byte
		code mdm.Code
	}{
		"other content":       {changed, mdm.CodeInvalid},
		"other signature":     {broken, mdm.CodeInvalid},
		"cut off":             {signed[:len(signed)-1], mdm.CodeMalformed},
		"more after it":       {append(bytes.Clone(signed), 0), mdm.CodeMalformed},
		"no signature":        {degenerate, mdm.CodeMalformed},
		"a certificate":       {block.Bytes, mdm.CodeMalformed},
		"nothing":             {nil, mdm.CodeMalformed},
		"one byte":            {[]byte{0x30}, mdm.CodeMalformed},
		"too large":           {make([]byte, mobileconfig.MaxSigned+1), mdm.CodeTooLarge},
		"nested without end":  {bytes.Repeat([]byte{0x30, 0x80}, mobileconfig.MaxSigned/2), mdm.CodeMalformed},
		"many elements":       {append([]byte{0x30, 0x80}, bytes.Repeat([]byte{0x05, 0x00}, 200_000)...), mdm.CodeMalformed},
		"primitive, endless":  {[]byte{0x04, 0x80, 0, 0}, mdm.CodeMalformed},
		"a length of 5 bytes": {[]byte{0x30, 0x85, 1, 1, 1, 1, 1}, mdm.CodeMalformed},
		"a length of 4 GB":    {[]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, mdm.CodeMalformed},
		"a long tag":          {[]byte{0x3f, 0x81, 0x01, 0x00}, mdm.CodeMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			content, signer, err := mobileconfig.Verify(c.der)
			require.ErrorIs(t, err, c.code)
			require.Nil(t, content)
			require.Nil(t, signer)
		})
	}
}

func FuzzVerify(f *testing.F) {
	s := newSigner(f, ecKey(f))
	signed, err := mobileconfig.Sign([]byte("the content"), s.cert, s.key, []*x509.Certificate{s.issuer})
	require.NoError(f, err)
	f.Add(signed)
	degenerate, err := pkcs7.DegenerateCertificate(s.cert.Raw)
	require.NoError(f, err)
	f.Add(degenerate)
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 'x', 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		content, signer, err := mobileconfig.Verify(der)
		if err != nil {
			require.Contains(t, []mdm.Code{mdm.CodeMalformed, mdm.CodeTooLarge, mdm.CodeInvalid, mdm.CodeUnsupported}, mdm.CodeOf(err))
			require.Nil(t, signer)
			return
		}
		// Nobody but the holder of the key can have signed.
		require.Equal(t, "the content", string(content))
	})
}
