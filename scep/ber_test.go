package scep

import (
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

const octetString, octetStringInParts = 0x04, 0x24

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
			for _, part := range [][]byte{v.Bytes[:half], v.Bytes[half:]} {
				octets, err := asn1.Marshal(part)
				if err != nil {
					panic(err)
				}
				out = append(out, octets...)
			}
			out = append(out, 0, 0)
		default:
			out = append(out, v.FullBytes...)
		}
		der = rest
	}
	return out
}

// A child that runs past its parent makes a lenient decoder read what follows
// twice, at each level: this message costs the PKCS #7 library 2^30 steps.
func TestBomb(t *testing.T) {
	var bomb []byte
	for i := range 30 {
		bomb = append(bomb, 0x30, 0x02, 0x30, byte(4*(29-i)))
	}
	_, err := toDER(bomb)
	require.ErrorIs(t, err, mdm.CodeMalformed)
	require.Equal(t, "message", err.(*mdm.Error).Field)

	e := newEndpoint(t, nil)
	require.Equal(t, 400, e.post(bomb).Code)
	w := e.post(e.build(message{envelope: bomb}))
	require.Equal(t, 200, w.Code, "the same, within a signed message")
}
