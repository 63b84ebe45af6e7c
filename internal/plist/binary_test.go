package plist_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

// build lays out a binary property list from raw objects, the first being the
// root. References and offsets take two bytes.
func build(objects ...string) []byte {
	b := []byte("bplist00")
	var table []byte
	for _, o := range objects {
		table = binary.BigEndian.AppendUint16(table, uint16(len(b)))
		b = append(b, o...)
	}
	start := uint64(len(b))
	b = append(b, table...)
	b = append(b, 0, 0, 0, 0, 0, 0, 2, 2)
	b = binary.BigEndian.AppendUint64(b, uint64(len(objects)))
	b = binary.BigEndian.AppendUint64(b, 0)
	return binary.BigEndian.AppendUint64(b, start)
}

// with returns b with the byte at i (from the end when negative) changed.
func with(b []byte, i int, to byte) []byte {
	if i < 0 {
		i += len(b)
	}
	b[i] = to
	return b
}

func float(marker byte, f float64) string {
	return string(binary.BigEndian.AppendUint64([]byte{marker}, math.Float64bits(f)))
}

const (
	anArray = "\xa1\x00\x01" // of the second object
	aDict   = "\xd1\x00\x01\x00\x02"
)

func TestBinary(t *testing.T) {
	got, err := plist.Dict(build("\xd3\x00\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\x06",
		"\x51n", "\x51r", "\x61\x00u", "\x13\xff\xff\xff\xff\xff\xff\xff\xff", float(0x23, 1.5), "\x62\xd8\x3d\xde\x00"), nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"n": int64(-1), "r": 1.5, "u": "😀"}, got)

	high, ones := strings.Repeat("\x00", 8), strings.Repeat("\xff", 8)
	for object, want := range map[string]any{
		"\x08": false, "\x10\xff": int64(255), "\x11\xff\xff": int64(65535),
		"\x14" + high + ones: uint64(math.MaxUint64), "\x14" + ones + ones: int64(-1), "\x14" + high + high: int64(0),
		"\x22\x3f\xc0\x00\x00": 1.5, "\x42xy": []byte("xy"), "\xa0": []any{}, "\xd0": map[string]any{},
		float(0x33, 0.5): time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		got, err := plist.Dict(build(aDict, "\x51v", object), nil)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"v": want}, got)
	}

	var v struct{ N int64 }
	require.NoError(t, plist.Unmarshal(build(aDict, "\x51N", "\x13"+ones), &v, nil))
	require.EqualValues(t, -1, v.N)
}

func TestBinaryRefused(t *testing.T) {
	shared := []string{"\xa2\x00\x01\x00\x01"}
	for i := 2; i < 30; i++ { // each array has the next one twice: 2^30 uses
		shared = append(shared, "\xa2\x00"+string(rune(i))+"\x00"+string(rune(i)))
	}
	shared = append(shared, "\x09")
	wide := "\xaf\x11\x01\x00" + strings.Repeat("\x00\x01", 256)

	for name, c := range map[string]struct {
		data []byte
		code mdm.Code
		says string
	}{
		"nothing but the magic":      {[]byte("bplist00"), mdm.CodeMalformed, "too short"},
		"offset size 0":              {with(build("\x09"), -26, 0), mdm.CodeMalformed, "trailer"},
		"offset size 9":              {with(build("\x09"), -26, 9), mdm.CodeMalformed, "trailer"},
		"reference size 0":           {with(build("\x09"), -25, 0), mdm.CodeMalformed, "trailer"},
		"root outside":               {with(build("\x09"), -9, 1), mdm.CodeMalformed, "trailer"},
		"table outside":              {with(build("\x09"), -8, 1), mdm.CodeMalformed, "trailer"},
		"more objects than the file": {with(build("\x09"), -24, 1), mdm.CodeTooLarge, "keys and values"},
		"bytes before the trailer":   {with(build("\x09", "\x09"), -17, 1), mdm.CodeMalformed, "does not fill"},
		"an offset into the trailer": {with(build("\x09"), -33, 200), mdm.CodeMalformed, "outside of its objects"},
		"an offset into the magic":   {with(build("\x09"), -33, 2), mdm.CodeMalformed, "outside of its objects"},
		"one reference too far":      {build("\xa1\x00\x02", "\x09"), mdm.CodeMalformed, "does not exist"},
		"a key too far":              {build("\xd1\x00\x03\x00\x01", "\x09"), mdm.CodeMalformed, "does not exist"},
		"a key that is no string":    {build(aDict, "\x09", "\x09"), mdm.CodeMalformed, "not a string"},
		"a key twice": {build("\xd2\x00\x01\x00\x02\x00\x03\x00\x03", "\x51k", "\x61\x00k", "\x09"),
			mdm.CodeMalformed, `"k" stands twice`},
		"a loop of one":        {build("\xa1\x00\x00"), mdm.CodeMalformed, "contains itself"},
		"a loop of two":        {build(anArray, "\xd1\x00\x02\x00\x00", "\x51k"), mdm.CodeMalformed, "contains itself"},
		"shared beyond count":  {build(shared...), mdm.CodeTooLarge, "keys and values"},
		"shared beyond bytes":  {build(wide, "\x4f\x12\x00\x01\x00\x00"+strings.Repeat("x", 1<<16)), mdm.CodeTooLarge, "bytes"},
		"a null":               {build("\x00"), mdm.CodeMalformed, "null"},
		"a null in an array":   {build(anArray, "\x00"), mdm.CodeMalformed, "null"},
		"a fill byte":          {build("\x0f"), mdm.CodeMalformed, "null"},
		"a UID":                {build("\x80\x01"), mdm.CodeMalformed, "unknown kind"},
		"a set":                {build("\xc1\x00\x01", "\x09"), mdm.CodeMalformed, "unknown kind"},
		"a short integer":      {build("\x13\x00"), mdm.CodeMalformed, "integer"},
		"a 32-byte integer":    {build("\x15" + strings.Repeat("\x00", 32)), mdm.CodeMalformed, "integer"},
		"a 65-bit integer":     {build("\x14" + strings.Repeat("\x01", 16)), mdm.CodeMalformed, "64 bits"},
		"a 16-bit real":        {build("\x21\x00\x00\x00\x00"), mdm.CodeMalformed, "damaged real"},
		"a short 32-bit real":  {build("\x22\x00"), mdm.CodeMalformed, "damaged real"},
		"a control character":  {build("\x62\x00a\x00\x00"), mdm.CodeMalformed, "control character"},
		"a short real":         {build("\x23\x00"), mdm.CodeMalformed, "damaged real"},
		"a short date":         {build("\x33\x00"), mdm.CodeMalformed, "damaged date"},
		"a date of no time":    {build(float(0x33, math.NaN())), mdm.CodeMalformed, "years 1 to 9999"},
		"a date after the end": {build(float(0x33, 1e18)), mdm.CodeMalformed, "years 1 to 9999"},
		"short data":           {build("\x44xy"), mdm.CodeMalformed, "cut off"},
		"a short string":       {build("\x63xy"), mdm.CodeMalformed, "cut off"},
		"a string of 2^63":     {build("\x5f\x13\x80\x00\x00\x00\x00\x00\x00\x00"), mdm.CodeMalformed, "damaged length"},
		"a length of 16 bytes": {build("\x5f\x14" + strings.Repeat("\x00", 16)), mdm.CodeMalformed, "damaged length"},
		"a length cut off":     {build("\x5f"), mdm.CodeMalformed, "damaged length"},
		"not ASCII":            {build("\x51\xe4"), mdm.CodeMalformed, "outside of ASCII"},
		"an array cut off":     {build("\xaf\x12\x00\xff\xff\xff"), mdm.CodeMalformed, "cut off"},
		"a dict cut off":       {build("\xd1\x00\x00"), mdm.CodeMalformed, "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			var v any
			err := plist.Unmarshal(c.data, &v, nil)
			require.ErrorIs(t, err, c.code)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestBinaryDepth(t *testing.T) {
	var objects []string
	for i := range 10 {
		objects = append(objects, "\xa1\x00"+string(rune(i+1)))
	}
	b := build(append(objects, "\x09")...)
	var v any
	require.NoError(t, plist.Unmarshal(b, &v, &plist.Limits{Depth: 10}))
	require.ErrorIs(t, plist.Unmarshal(b, &v, &plist.Limits{Depth: 9}), mdm.CodeTooLarge)
	require.NoError(t, plist.Unmarshal(b, &v, &plist.Limits{Items: 11}))
	require.ErrorIs(t, plist.Unmarshal(b, &v, &plist.Limits{Items: 10}), mdm.CodeTooLarge)
}
