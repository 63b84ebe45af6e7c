package ber

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
)

// element is one in DER.
func element(tag byte, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(head(nil, tag, len(body)), body...)
}

// streamed re-encodes DER as a streaming encoder would: indefinite lengths, and
// OCTET STRINGs in parts when split is set.
func streamed(t require.TestingT, der []byte, split bool) []byte {
	var out []byte
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		require.NoError(t, err)
		tag := der[0]
		switch {
		case v.IsCompound:
			out = append(append(append(out, tag, 0x80), streamed(t, v.Bytes, split)...), 0, 0)
		case split && tag == octetString && len(v.Bytes) > 1:
			half := len(v.Bytes) / 2
			out = append(out, octetStringInParts, 0x80)
			out = append(out, element(octetString, v.Bytes[:half])...)
			out = append(out, element(octetString, v.Bytes[half:])...)
			out = append(out, 0, 0)
		default:
			out = append(out, v.FullBytes...)
		}
		der = rest
	}
	return out
}

func TestDefiniteRestoresDER(t *testing.T) {
	leaf := rapid.Custom(func(r *rapid.T) []byte {
		tag := rapid.SampledFrom([]byte{0x02, octetString, 0x0c, 0x13, 0x80, 0x81}).Draw(r, "tag")
		return element(tag, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(r, "body"))
	})
	var tree func(depth int) *rapid.Generator[[]byte]
	tree = func(depth int) *rapid.Generator[[]byte] {
		if depth == 0 {
			return leaf
		}
		return rapid.OneOf(leaf, rapid.Custom(func(r *rapid.T) []byte {
			tag := rapid.SampledFrom([]byte{0x30, 0x31, 0xa0, 0xa1}).Draw(r, "tag")
			return element(tag, rapid.SliceOfN(tree(depth-1), 0, 4).Draw(r, "children")...)
		}))
	}
	rapid.Check(t, func(r *rapid.T) {
		der := tree(5).Draw(r, "der")
		for _, in := range [][]byte{der, streamed(r, der, false), streamed(r, der, true)} {
			got, err := Definite(in)
			require.NoError(r, err)
			require.Equal(r, der, got)
		}
	})
}

func TestDefinite(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 70_000)
	for name, c := range map[string]struct{ in, want []byte }{
		"a primitive":             {[]byte{0x05, 0x00}, []byte{0x05, 0x00}},
		"a length of 127":         {element(0x04, long[:127]), element(0x04, long[:127])},
		"a length of 128":         {element(0x04, long[:128]), element(0x04, long[:128])},
		"a length of 256":         {element(0x04, long[:256]), element(0x04, long[:256])},
		"a length of 70000":       {element(0x04, long), element(0x04, long)},
		"a length in excess":      {[]byte{0x04, 0x82, 0x00, 0x01, 9}, []byte{0x04, 0x01, 9}},
		"an outer one in excess":  {[]byte{0x30, 0x83, 0, 0, 3, 0x02, 0x01, 9}, []byte{0x30, 3, 0x02, 0x01, 9}},
		"an empty indefinite":     {[]byte{0x30, 0x80, 0, 0}, []byte{0x30, 0x00}},
		"one within a definite":   {[]byte{0x30, 0x04, 0x31, 0x80, 0, 0}, []byte{0x30, 0x02, 0x31, 0x00}},
		"zeros that are content":  {[]byte{0x30, 0x80, 0x04, 0x02, 0, 0, 0, 0}, []byte{0x30, 0x04, 0x04, 0x02, 0, 0}},
		"no parts":                {[]byte{0x24, 0x80, 0, 0}, []byte{0x04, 0x00}},
		"parts within parts":      {[]byte{0x24, 0x80, 0x24, 0x80, 0x04, 1, 'a', 0, 0, 0x04, 1, 'b', 0, 0}, []byte{0x04, 2, 'a', 'b'}},
		"parts of an implicit":    {[]byte{0xa0, 0x80, 0x04, 1, 'a', 0, 0}, []byte{0xa0, 3, 0x04, 1, 'a'}},
		"long parts":              {append(append([]byte{0x24, 0x80}, bytes.Repeat(element(0x04, long[:1000]), 70)...), 0, 0), element(0x04, long)},
		"indefinite beyond 65535": {append(append([]byte{0x30, 0x80}, element(0x04, long)...), 0, 0), element(0x30, element(0x04, long))},
	} {
		t.Run(name, func(t *testing.T) {
			before := bytes.Clone(c.in)
			got, err := Definite(c.in)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Equal(t, before, c.in, "the input is not written to")
		})
	}
}

func TestDefiniteRefuses(t *testing.T) {
	for name, in := range map[string][]byte{
		"nothing":                             {},
		"a tag alone":                         {0x30},
		"a tag of two octets":                 {0x3f, 0x20, 0x00},
		"end of contents":                     {0x00, 0x00},
		"end of contents in a definite":       {0x30, 0x02, 0x00, 0x00},
		"a body that is missing":              {0x04, 0x01},
		"a child longer than its parent":      {0x30, 0x02, 0x04, 0x01, 0x00},
		"a grandchild longer than its parent": {0x30, 0x06, 0x30, 0x02, 0x04, 0x02, 0x05, 0x00},
		"a length of five octets":             {0x04, 0x85, 0, 0, 0, 0, 1, 0},
		"a length of many octets":             {0x04, 0xff, 0, 0, 0, 0, 1, 0},
		"a length that is cut":                {0x04, 0x82, 0x01},
		"a huge length":                       {0x04, 0x84, 0xff, 0xff, 0xff, 0xff, 0},
		"an indefinite primitive":             {0x04, 0x80, 0x00, 0x00},
		"an indefinite without an end":        {0x30, 0x80, 0x04, 0x00},
		"an indefinite with half an end":      {0x30, 0x80, 0x04, 0x00, 0x00},
		"an end outside of its parent":        {0x30, 0x82, 0x00, 0x02, 0x31, 0x80, 0x00, 0x00},
		"something behind":                    {0x30, 0x00, 0x00},
		"something behind an indefinite":      {0x30, 0x80, 0x00, 0x00, 0x05, 0x00},
		"parts of another type":               {0x24, 0x03, 0x02, 0x01, 0x00},
		"parts of another type, indefinitely": {0x24, 0x80, 0x02, 0x01, 0x00, 0x00, 0x00},
	} {
		out, err := Definite(in)
		require.ErrorIs(t, err, mdm.CodeMalformed, name)
		require.Nil(t, out, name)
	}
}

func TestDefiniteBounds(t *testing.T) {
	nest := func(n int) []byte {
		b := []byte{0x04, 0x00}
		for range n - 1 {
			b = element(0x30, b)
		}
		return b
	}
	_, err := Definite(nest(maxDepth))
	require.NoError(t, err)
	_, err = Definite(nest(maxDepth + 1))
	require.ErrorContains(t, err, "too deep")
	_, err = Definite(bytes.Repeat([]byte{0x30, 0x80}, 1<<20))
	require.ErrorContains(t, err, "too deep")

	wide := func(n int) []byte { return element(0x30, bytes.Repeat([]byte{0x05, 0x00}, n-1)) }
	_, err = Definite(wide(maxElements))
	require.NoError(t, err)
	_, err = Definite(wide(maxElements + 1))
	require.ErrorContains(t, err, "too many elements")
}

// A child that runs past its parent makes a lenient decoder read what follows
// twice, at each level.
func bomb(levels int) []byte {
	var b []byte
	for i := range levels {
		b = append(b, 0x30, 0x02, 0x30, byte(4*(levels-1-i)))
	}
	return b
}

// objects counts what a lenient decoder would read of b: it does not hold a
// child against its parent.
func objects(b []byte, at int) (n, next int) {
	if at+2 > len(b) {
		return 0, len(b)
	}
	end := at + 2 + int(b[at+1])
	n, next = 1, at+2
	for next < end {
		m, to := objects(b, next)
		n, next = n+m, to
	}
	return n, end
}

func TestBomb(t *testing.T) {
	small, _ := objects(bomb(8), 0)
	large, _ := objects(bomb(16), 0)
	require.Greater(t, large, small*small/8, "the message is as bad as it is meant to be")
	for _, levels := range []int{8, 30} {
		_, err := Definite(bomb(levels)) // 30: the library would take 2^30 steps
		require.ErrorIs(t, err, mdm.CodeMalformed)
	}
}

// A message of many small elements costs no allocation for each.
func TestAllocations(t *testing.T) {
	wide := element(0x30, bytes.Repeat([]byte{0x04, 0x00}, 30_000))
	allocs := testing.AllocsPerRun(1, func() {
		_, err := Definite(wide)
		require.NoError(t, err)
	})
	require.Less(t, allocs, 100.0)
}

// TestOpenSSLStream reads what a streaming encoder in the wild writes.
func TestOpenSSLStream(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is missing")
		}
		t.Skip("openssl is missing")
	}
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "openssl", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	content := strings.Repeat("a profile ", 1000)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "content"), []byte(content), 0o600))
	run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=test")
	run("cms", "-sign", "-binary", "-stream", "-indef", "-nodetach", "-md", "sha256", "-in", "content", "-signer", "cert.pem", "-inkey", "key.pem", "-outform", "DER", "-out", "signed")
	message, err := os.ReadFile(filepath.Join(dir, "signed"))
	require.NoError(t, err)
	require.Equal(t, []byte{0x30, 0x80}, message[:2], "it is streamed")

	der, err := Definite(message)
	require.NoError(t, err)
	p7, err := pkcs7.Parse(der)
	require.NoError(t, err)
	require.NoError(t, p7.Verify())
	require.Equal(t, content, string(p7.Content))
}

func FuzzDefinite(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 0xff, 0x00, 0x00, 0x00, 0x00})
	f.Add([]byte{0x30, 0x02, 0x30, 0x00})
	f.Add(bomb(6))
	f.Add(streamed(f, element(0x30, element(0x02, []byte{1}), element(0x04, []byte("content"))), true))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := Definite(in)
		if err != nil {
			require.ErrorIs(t, err, mdm.CodeMalformed)
			return
		}
		require.LessOrEqual(t, len(out), len(in)+2*maxDepth, "re-encoding does not grow the input")
		again, err := Definite(out)
		require.NoError(t, err)
		require.Equal(t, out, again)
		// What is let through, a strict decoder takes as one element.
		var v asn1.RawValue
		if rest, err := asn1.Unmarshal(out, &v); err != nil {
			var structural asn1.StructuralError
			require.True(t, errors.As(err, &structural), "%v", err)
		} else {
			require.Empty(t, rest)
		}
	})
}
