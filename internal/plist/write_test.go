package plist

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
)

// trees draws what a property list can be made of, and some of what it cannot.
func trees(depth int) *rapid.Generator[any] {
	text := rapid.SampledFrom([]string{"", "a", "x & <y> \"z\" 'q'", "two\nlines\r\n\t", "grüße 😀", "\x00", "\xff", "\ufffe", "\x7f"})
	leaves := []*rapid.Generator[any]{
		text.AsAny(), rapid.Bool().AsAny(), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Int().AsAny(), rapid.Uint64().AsAny(),
		rapid.Float64().AsAny(), rapid.SampledFrom([]any{math.Inf(1), math.Inf(-1), math.NaN(), 1e21, 1e-7, 100000.0}),
		rapid.SliceOfN(rapid.Byte(), 0, 5).AsAny(), rapid.SliceOfN(text, 0, 3).AsAny(),
		rapid.SampledFrom([]any{time.Date(2026, 2, 3, 4, 5, 6, 7, time.FixedZone("x", 3600)), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("x", -3600)), time.Time{}}),
		rapid.SampledFrom([]any{[]any(nil), map[string]any(nil), []byte(nil), []string(nil), any(nil), int8(1), struct{ A string }{"a"}, []any{nil}}),
	}
	if depth > 0 {
		leaves = append(leaves,
			rapid.SliceOfN(trees(depth-1), 0, 4).AsAny(), rapid.MapOfN(text, trees(depth-1), 0, 4).AsAny(),
			rapid.SliceOfN(trees(depth-1), 0, 4).AsAny(), rapid.MapOfN(text, trees(depth-1), 0, 4).AsAny())
	}
	return rapid.OneOf(leaves...)
}

// TestWritesAsTheLibrary: byte for byte, or not at all.
func TestWritesAsTheLibrary(t *testing.T) {
	written := 0
	rapid.Check(t, func(r *rapid.T) {
		v := trees(3).Draw(r, "value")
		got, ok := writeTree(v)
		want, err := marshal(v)
		if ok {
			written++
			require.NoError(r, err)
			require.Equal(r, string(want), string(got))
		}
		all, refused := Marshal(v)
		require.Equal(r, mdm.CodeOf(err), mdm.CodeOf(refused)) // of several faults, any is told
		require.Equal(r, string(want), string(all))
	})
	require.Positive(t, written)
}

func TestWriteDepth(t *testing.T) {
	nest := func(n int) (v any) {
		v = "x"
		for range n {
			v = []any{v}
		}
		return v
	}
	_, ok := writeTree(nest(DefaultDepth))
	require.True(t, ok)
	_, ok = writeTree(nest(DefaultDepth + 1))
	require.False(t, ok, "Marshal decides")
	loop := map[string]any{}
	loop["again"] = loop
	_, err := Marshal(loop)
	require.Error(t, err)
}

// TestWriteAllocates: a command costs its bytes and the sorting of its keys.
func TestWriteAllocates(t *testing.T) {
	command := map[string]any{
		"CommandUUID": "0190a000-0000-7000-8000-00000000000a",
		"Command":     map[string]any{"RequestType": "DeviceInformation", "Queries": []string{"DeviceName", "OSVersion"}},
	}
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() {
		_, ok := writeTree(command)
		require.True(t, ok)
	}), 8.0)
}
