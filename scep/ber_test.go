package scep

import (
	"bytes"
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
)

// streamed re-encodes DER as a streaming encoder would: indefinite lengths, and
// OCTET STRINGs in parts when split is set.
func streamed(der []byte, split bool) []byte {
	var out []byte
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			panic(err) // the input is ours
		}
		tag := der[0]
		switch {
		case v.IsCompound:
			out = append(append(append(out, tag, 0x80), streamed(v.Bytes, split)...), 0, 0)
		case split && tag == octetString && len(v.Bytes) > 1:
			half := len(v.Bytes) / 2
			out = append(out, octetStringInParts, 0x80)
			out = appendHeadAndBody(out, octetString, v.Bytes[:half])
			out = appendHeadAndBody(out, octetString, v.Bytes[half:])
			out = append(out, 0, 0)
		default:
			out = append(out, v.FullBytes...)
		}
		der = rest
	}
	return out
}

func TestToDERRoundTrip(t *testing.T) {
	leaf := rapid.Custom(func(r *rapid.T) []byte {
		tag := rapid.SampledFrom([]byte{0x02, octetString, 0x0c, 0x13, 0x80, 0x81}).Draw(r, "tag")
		return appendHeadAndBody(nil, tag, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(r, "body"))
	})
	var tree func(depth int) *rapid.Generator[[]byte]
	tree = func(depth int) *rapid.Generator[[]byte] {
		if depth == 0 {
			return leaf
		}
		return rapid.OneOf(leaf, rapid.Custom(func(r *rapid.T) []byte {
			parts := rapid.SliceOfN(tree(depth-1), 0, 4).Draw(r, "children")
			tag := rapid.SampledFrom([]byte{0x30, 0x31, 0xa0, 0xa1}).Draw(r, "tag")
			return appendHeadAndBody(nil, tag, bytes.Join(parts, nil))
		}))
	}
	rapid.Check(t, func(r *rapid.T) {
		der := tree(5).Draw(r, "der")
		for _, in := range [][]byte{der, streamed(der, false), streamed(der, true)} {
			got, err := toDER(in)
			require.NoError(r, err)
			require.Equal(r, der, got)
		}
	})
}

func TestToDERRefuses(t *testing.T) {
	for name, in := range map[string][]byte{
		"nothing":                             {},
		"a tag alone":                         {0x30},
		"a tag of two octets":                 {0x3f, 0x20, 0x00},
		"end of contents":                     {0x00, 0x00},
		"end of contents in a definite":       {0x30, 0x02, 0x00, 0x00},
		"a body that is missing":              {0x04, 0x01},
		"a child longer than its parent":      {0x30, 0x02, 0x04, 0x01, 0x00},
		"a length of five octets":             {0x04, 0x85, 0, 0, 0, 0, 1, 0},
		"a length of many octets":             {0x04, 0xff, 0, 0, 0, 0, 1, 0},
		"a length that is cut":                {0x04, 0x82, 0x01},
		"a huge length":                       {0x04, 0x84, 0xff, 0xff, 0xff, 0xff, 0},
		"an indefinite primitive":             {0x04, 0x80, 0x00, 0x00},
		"an indefinite without an end":        {0x30, 0x80, 0x04, 0x00},
		"something behind":                    {0x30, 0x00, 0x00},
		"parts of another type":               {0x24, 0x03, 0x02, 0x01, 0x00},
		"parts of another type, indefinitely": {0x24, 0x80, 0x02, 0x01, 0x00, 0x00, 0x00},
	} {
		out, err := toDER(in)
		require.ErrorIs(t, err, mdm.CodeMalformed, name)
		require.Nil(t, out)
	}
}

func TestToDERDepth(t *testing.T) {
	nest := func(n int) []byte {
		b := []byte{0x04, 0x00}
		for range n - 1 {
			b = appendHeadAndBody(nil, 0x30, b)
		}
		return b
	}
	_, err := toDER(nest(maxDepth))
	require.NoError(t, err)
	_, err = toDER(nest(maxDepth + 1))
	require.ErrorIs(t, err, mdm.CodeTooLarge)
	_, err = toDER(bytes.Repeat([]byte{0x30, 0x80}, MaxMessage/2))
	require.ErrorIs(t, err, mdm.CodeTooLarge)
}

// A child that runs past its parent makes a lenient decoder read what follows
// twice, at each level: this message costs the PKCS #7 library 2^30 steps.
func TestToDERBomb(t *testing.T) {
	var bomb []byte
	for i := range 30 {
		bomb = append(bomb, 0x30, 0x02, 0x30, byte(4*(29-i)))
	}
	_, err := toDER(bomb)
	require.ErrorIs(t, err, mdm.CodeMalformed)

	e := newEndpoint(t, nil)
	require.Equal(t, 400, e.post(bomb).Code)
	w := e.post(e.build(message{envelope: bomb}))
	require.Equal(t, 200, w.Code, "the same, within a signed message")
}

func TestToDERLargest(t *testing.T) {
	wide := appendHeadAndBody(nil, 0x30, bytes.Repeat([]byte{0x04, 0x00}, (MaxMessage-8)/2))
	allocs := testing.AllocsPerRun(1, func() {
		_, err := toDER(wide)
		require.NoError(t, err)
	})
	require.Less(t, allocs, 100.0, "a message of many small elements costs no allocation for each")
}

func FuzzToDER(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 0xff, 0x00, 0x00, 0x00, 0x00})
	f.Add([]byte{0x30, 0x02, 0x30, 0x00})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > MaxMessage {
			return
		}
		out, err := toDER(in)
		if err != nil {
			require.NotEqual(t, mdm.CodeInternal, mdm.CodeOf(err))
			return
		}
		require.LessOrEqual(t, len(out), len(in)+4, "re-encoding does not grow the input")
		again, err := toDER(out)
		require.NoError(t, err)
		require.Equal(t, out, again)
	})
}
