package plist_test

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

var update = flag.Bool("update", false, "write the golden files")

// tool returns the path of an external program.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

func sample() map[string]any {
	return map[string]any{
		"array": []any{"one", true, false, int64(2), []any{}, map[string]any{"deep": "er"}},
		"data":  []byte{0, 1, 2, 0xff},
		"date":  time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
		"int":   int64(-42),
		"real":  3.25,
		"text":  "grüße & <tags>\n\ttwo 😀",
		"true":  true,
	}
}

func TestMarshalGolden(t *testing.T) {
	got, err := plist.Marshal(sample())
	require.NoError(t, err)
	golden := filepath.Join("testdata", "sample.plist")
	if *update {
		require.NoError(t, os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

// TestPlistutil has another implementation read what we write, and us read what
// it writes.
func TestPlistutil(t *testing.T) {
	bin := tool(t, "plistutil")
	xml, err := plist.Marshal(sample())
	require.NoError(t, err)
	run := func(in []byte, format string) []byte {
		cmd := exec.Command(bin, "-i", "-", "-o", "-", "-f", format)
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.Output()
		require.NoError(t, err)
		return out
	}
	binary := run(xml, "bin")
	require.True(t, bytes.HasPrefix(binary, []byte("bplist00")))
	for _, data := range [][]byte{xml, binary, run(xml, "xml"), run(binary, "xml")} {
		got, err := plist.Dict(data, nil)
		require.NoError(t, err)
		got["date"] = got["date"].(time.Time).UTC()
		require.Equal(t, sample(), got)
	}
}

type decodesItself struct{ seen string }

func (d *decodesItself) UnmarshalPlist(f func(any) error) error {
	if err := f(&d.seen); err != nil {
		return err
	}
	return mdm.Errorf(mdm.CodeUnsupported, "x", "not this one")
}

func TestUnmarshalInto(t *testing.T) {
	var v struct {
		Name string `plist:"N"`
		N    int64
		At   time.Time `plist:",omitempty"`
	}
	require.NoError(t, plist.Unmarshal([]byte("<dict><key>N</key><string>x</string><key>Other</key><true/></dict>"), &v, nil))
	require.Equal(t, "x", v.Name)

	err := plist.Unmarshal([]byte("<dict><key>N</key><data>c2VjcmV0</data></dict>"), &v, nil)
	require.ErrorIs(t, err, mdm.CodeMalformed)
	require.ErrorContains(t, err, "expected a string")
	require.NotContains(t, err.Error(), "secret")

	var own decodesItself
	err = plist.Unmarshal([]byte("<string>me</string>"), &own, nil)
	require.ErrorIs(t, err, mdm.CodeUnsupported)
	require.Equal(t, "me", own.seen)

	for _, bad := range []any{nil, v, (*string)(nil)} {
		require.ErrorIs(t, plist.Unmarshal([]byte("<true/>"), bad, nil), mdm.CodeInternal)
	}
	_, err = plist.Dict([]byte("<array/>"), nil)
	require.ErrorContains(t, err, "must be a dictionary, not an array")
}

func TestMarshalRefused(t *testing.T) {
	type inner struct{ P *string }
	type loop struct{ Next *loop }
	ring := &loop{}
	ring.Next = ring
	for name, c := range map[string]struct {
		v    any
		path string
	}{
		"nil":                {nil, ""},
		"nil pointer":        {(*inner)(nil), ""},
		"nil field":          {inner{}, "P"},
		"nil in a slice":     {map[string]any{"a": []any{1, nil}}, "a[1]"},
		"nil map value":      {map[string]any{"a": map[string]any{"b": nil}}, "a.b"},
		"nil embedded":       {struct{ *inner }{}, ""},
		"a ring":             {ring, ""},
		"a control":          {map[string]any{"a": "x\x00y"}, "a"},
		"a control in a key": {map[string]any{"x\x01": "y"}, ""},
		"not UTF-8":          {[]string{"\xff"}, "[0]"},
		"a far year":         {struct{ T time.Time }{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "T"},
		"a channel":          {map[string]any{"a": make(chan int)}, ""},
		"integer keys":       {map[int]string{1: "a"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := plist.Marshal(c.v)
			require.ErrorIs(t, err, mdm.CodeInvalid)
			require.Nil(t, out)
			if c.path != "" {
				var e *mdm.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, c.path, e.Field)
			}
		})
	}
}

func TestMarshalOmits(t *testing.T) {
	got, err := plist.Marshal(struct {
		A *string `plist:",omitempty"`
		B *string `plist:"-"`
		c *string
		D []string `plist:",omitempty"`
		E []string
	}{})
	require.NoError(t, err)
	v, err := plist.Dict(got, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"E": []any{}}, v)
}

// values draws trees of everything that a property list can hold.
func values(depth int) *rapid.Generator[any] {
	text := rapid.StringMatching(`[ -~\n\t\r\x{a0}-\x{2ff}\x{1f600}]{0,12}`)
	leaves := []*rapid.Generator[any]{
		text.AsAny(), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(),
		rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "data") }),
		rapid.Custom(func(t *rapid.T) any {
			return time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "time"), 0).UTC()
		}),
	}
	if depth == 0 {
		return rapid.OneOf(leaves...)
	}
	return rapid.OneOf(append(leaves,
		rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(values(depth-1), 0, 4).Draw(t, "array") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.MapOfN(text, values(depth-1), 0, 4).Draw(t, "dict") }),
	)...)
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]any{"v": values(3).Draw(t, "value")}
		data, err := plist.Marshal(want)
		require.NoError(t, err)
		got, err := plist.Dict(data, nil)
		require.NoError(t, err)
		require.Equal(t, want, got)
		again, err := plist.Marshal(got)
		require.NoError(t, err)
		require.Equal(t, string(data), string(again))
	})
}

func TestErrorsQuoteNoValues(t *testing.T) {
	secret := "correct-horse-battery"
	for _, kind := range []string{"integer", "real", "date", "data", "true", "dict", "array", "key", "set"} {
		for _, around := range []string{"%", "<dict><key>a</key>%</dict>", "<array>%</array>"} {
			data := strings.ReplaceAll(around, "%", "<"+kind+">"+secret+"</"+kind+">")
			var v struct {
				A int64 `plist:"a"`
			}
			err := plist.Unmarshal([]byte(data), &v, nil)
			require.Error(t, err)
			require.NotContains(t, err.Error(), secret)
		}
	}
}

func FuzzDict(f *testing.F) {
	xml, err := plist.Marshal(sample())
	require.NoError(f, err)
	f.Add(xml)
	f.Add([]byte(head + "<dict><key>MessageType</key><string>Authenticate</string></dict>" + tail))
	f.Add([]byte("\xef\xbb\xbf<dict/>"))
	f.Add(build(aDict, "\x51k", "\x09"))
	f.Add(build("\xd2\x00\x01\x00\x02\x00\x03\x00\x04", "\x51a", "\x61\x00b", float(0x33, 7e8), "\x4f\x10\x10"+strings.Repeat("x", 16)))
	f.Add(build("\xa1\x00\x00"))
	limits := &plist.Limits{Bytes: 1 << 16, Depth: 16, Items: 4096}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := plist.Dict(data, limits)
		if err != nil {
			require.Contains(t, []mdm.Code{mdm.CodeMalformed, mdm.CodeTooLarge}, mdm.CodeOf(err))
			require.Nil(t, got)
			return
		}
		// What was read can be written, and says the same.
		out, err := plist.Marshal(got)
		require.NoError(t, err)
		again, err := plist.Dict(out, nil)
		require.NoError(t, err)
		require.Equal(t, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(again)))
	})
}

// BenchmarkUnmarshal reads a check-in message, guarded.
func BenchmarkUnmarshal(b *testing.B) {
	data := []byte(head + "<dict><key>Status</key><string>Idle</string><key>UDID</key><string>66ADE930-5FDF-5EC4-8429-15640684C489</string></dict>" + tail)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var v struct{ Status, UDID string }
		if err := plist.Unmarshal(data, &v, nil); err != nil {
			b.Fatal(err)
		}
	}
}
