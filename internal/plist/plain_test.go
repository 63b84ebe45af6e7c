package plist

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	lib "github.com/micromdm/plist"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
)

// byTokens is [Dict] as it is where nobody vouches: the scan by tokens, and the
// library.
func byTokens(data []byte, limits *Limits) (map[string]any, error) {
	l := limits.orDefault()
	if len(data) > l.Bytes {
		return nil, l.tooBig()
	}
	data = bytes.TrimPrefix(data, []byte(byteOrderMark))
	if err := scanXML(data, l); err != nil {
		return nil, err
	}
	var v any
	if err := decode(data, &v); err != nil {
		return nil, err
	}
	d, ok := signed(v).(map[string]any)
	if !ok {
		return nil, errors.New("no dictionary")
	}
	return d, nil
}

// fields is what is asked for in the tests, and the same for the library.
type fields struct {
	S, T string
	B, C bool
	N    int64
	D, E []byte
	A    []any
	M    map[string]any
}

func (v *fields) list() []Field {
	return []Field{
		{"S", &v.S}, {"T", &v.T}, {"B", &v.B}, {"C", &v.C}, {"N", &v.N},
		{"D", &v.D}, {"E", &v.E}, {"A", &v.A}, {"M", &v.M},
	}
}

// normal undoes what differs by contract: the library gives nested positive
// integers as uint64, and whether empty data is nil depends on its white space.
func (v *fields) normal() fields {
	n := *v
	for _, b := range []*[]byte{&n.D, &n.E} {
		if len(*b) == 0 {
			*b = nil
		}
	}
	n.A, _ = signed(n.A).([]any)
	n.M, _ = signed(n.M).(map[string]any)
	return n
}

// agrees holds what is read in place against the library: the same values, or
// both refuse.
func agrees(t require.TestingT, data []byte, limits *Limits) {
	want, refused := byTokens(data, limits)
	trimmed := bytes.TrimPrefix(data, []byte(byteOrderMark))
	if l := limits.orDefault(); len(data) <= l.Bytes && vouched(trimmed, l) {
		require.NoError(t, scanXML(trimmed, l), "%q was vouched for", data)
		var v any
		require.NoError(t, decode(trimmed, &v), "%q was vouched for", data)
	}
	if got, ok := plainDict(data, limits); ok {
		require.NoError(t, refused, "%q", data)
		require.Equal(t, want, got, "%q", data)
	}
	if bytes.HasPrefix(trimmed, []byte(binaryMagic)) {
		return
	}
	var got, theirs fields
	err := Fields(data, limits, got.list()...)
	if refused != nil {
		require.Error(t, err, "%q", data)
		return
	}
	if lib.Unmarshal(trimmed, &theirs) != nil {
		require.ErrorIs(t, err, mdm.CodeMalformed, "%q", data)
		return
	}
	for _, key := range []string{"D", "E"} {
		// The library takes an array without elements for data without bytes.
		if list, is := want[key].([]any); is && len(list) == 0 {
			require.ErrorIs(t, err, mdm.CodeMalformed, "%q", data)
			return
		}
	}
	require.NoError(t, err, "%q", data)
	require.Equal(t, theirs.normal(), got.normal(), "%q", data)
}

// TestPlain: what devices and the usual writers send is vouched for, so that it
// is read once and in place.
func TestPlain(t *testing.T) {
	const begin = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
`
	const end = "\n</plist>\n"
	docs := map[string]string{
		"values": begin + `<dict><key>S</key><string>a</string><key>B</key><true/><key>C</key><false/><key>N</key><integer>-12</integer>
			<key>D</key><data>
			aGVs
			bG8=
			</data><key>A</key><array><real>1.5e3</real><date>2026-11-23T08:00:00Z</date><dict/><array/><string/></array><key>M</key><dict><key></key><data/></dict></dict>` + end,
		"entities":       begin + `<dict><key>S</key><string>&lt;AT&amp;T&gt; &quot;&apos;&#10;&#x1F600;&#34;</string></dict>` + end,
		"other scripts":  begin + "<dict><key>S</key><string>grüße 😀</string><key>é</key><string>\t\n</string></dict>" + end,
		"without a head": "<plist><dict></dict></plist>",
		"in one line":    `<?xml version="1.0"?><plist version="1.0"><array><integer>0</integer></array></plist>`,
	}
	for _, pattern := range []string{"testdata/*.plist", "../../apple/*/testdata/*.plist"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, f := range files {
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			if !bytes.HasPrefix(b, []byte(binaryMagic)) && !strings.Contains(f, "raw-bare") {
				docs[f] = string(b)
			}
		}
	}
	written, err := Marshal(map[string]any{"S": "x & y", "D": []byte("data"), "A": []any{1.25, int64(7)}, "B": true})
	require.NoError(t, err)
	docs["what we write"] = string(written)
	for name, doc := range docs {
		t.Run(name, func(t *testing.T) {
			require.True(t, vouched([]byte(doc), (*Limits)(nil).orDefault()))
			agrees(t, []byte(doc), nil)
			// Cut off, or with one byte gone, it is judged as by the library.
			for i := range len(doc) {
				if len(doc) > 500 && i%17 > 0 { // each takes as long as the library
					continue
				}
				agrees(t, []byte(doc[:i]), nil)
				agrees(t, []byte(doc[:i]+doc[i+1:]), nil)
			}
		})
	}
}

// TestNotPlain: what is well formed and odd is left to the scan by tokens, and
// means what it always has.
func TestNotPlain(t *testing.T) {
	in := func(s string) string { return `<plist version="1.0"><dict>` + s + `</dict></plist>` }
	many := ""
	for i := range plainKeys + 1 {
		many += fmt.Sprintf("<key>k%d</key><true/>", i)
	}
	for name, doc := range map[string]string{
		"a comment":         in("<!-- x -->"),
		"CDATA":             in("<key>S</key><string><![CDATA[<&>]]></string>"),
		"a long entity":     in("<key>S</key><string>&#x00000041;</string>"),
		"an odd tag":        in("<key>S</key><string >x</string >"),
		"a carriage return": in("<key>S</key><string>a\r\nb</string>"),
		"a bare >":          in("<key>S</key><string>a>b</string>"),
		"an entity in key":  in("<key>&lt;</key><true/>"),
		"a long true":       in("<key>B</key><true></true>"),
		"a huge integer":    in("<key>N</key><integer>9223372036854775807</integer>"),
		"spaces":            in("<key>N</key><integer> 1 </integer>"),
		"an empty real":     in("<key>x</key><real></real>"),
		"infinity":          in("<key>x</key><real>inf</real>"),
		"many keys":         in(many),
		"no plist":          "<dict><key>S</key><string>x</string></dict>",
		"an attribute":      `<plist version="1.0" a="b"><dict/></plist>`,
		"another version":   `<?xml version="1.0" standalone="yes"?><plist version="1.0"><dict/></plist>`,
	} {
		t.Run(name, func(t *testing.T) {
			require.False(t, vouched([]byte(doc), (*Limits)(nil).orDefault()))
			_, err := byTokens([]byte(doc), nil)
			require.NoError(t, err)
			agrees(t, []byte(doc), nil)
		})
	}
}

// TestPlainLimits: the limits are where they were.
func TestPlainLimits(t *testing.T) {
	nest := func(n int) string {
		return `<plist version="1.0"><dict><key>A</key>` + strings.Repeat("<array>", n) + strings.Repeat("</array>", n) + `</dict></plist>`
	}
	for name, c := range map[string]struct {
		doc    string
		limits Limits
		ok     bool
	}{
		"bytes":        {nest(1), Limits{Bytes: len(nest(1))}, true},
		"a byte more":  {nest(1), Limits{Bytes: len(nest(1)) - 1}, false},
		"depth":        {nest(3), Limits{Depth: 4}, true},
		"a level more": {nest(4), Limits{Depth: 4}, false},
		"all levels":   {nest(DefaultDepth - 1), Limits{}, true},
		"one too many": {nest(DefaultDepth), Limits{}, false},
		"beyond ours":  {nest(100), Limits{Depth: 200}, true},
		"items":        {nest(2), Limits{Items: 4}, true},
		"an item more": {nest(2), Limits{Items: 3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			agrees(t, []byte(c.doc), &c.limits)
			var v fields
			err := Fields([]byte(c.doc), &c.limits, v.list()...)
			_, other := Dict([]byte(c.doc), &c.limits)
			if c.ok {
				require.NoError(t, err)
				require.NoError(t, other)
				return
			}
			require.ErrorIs(t, err, mdm.CodeTooLarge)
			require.ErrorIs(t, other, mdm.CodeTooLarge)
		})
	}
}

func TestFieldsOfWrongType(t *testing.T) {
	for key, value := range map[string]string{
		"S": "<data>c2VjcmV0</data>", "B": "<string>true</string>", "N": "<real>1.5</real>",
		"D": "<string>aGVsbG8=</string>", "A": "<dict/>", "M": "<array/>",
	} {
		for _, root := range []string{"<plist>%s</plist>", "%s"} { // read in place, and not
			var v fields
			doc := fmt.Sprintf(root, "<dict><key>"+key+"</key>"+value+"<key>T</key><string>t</string></dict>")
			err := Fields([]byte(doc), nil, v.list()...)
			require.ErrorIs(t, err, mdm.CodeMalformed, key)
			require.ErrorContains(t, err, "expected ")
			require.NotContains(t, err.Error(), "secret")
		}
	}
	var v fields
	require.ErrorIs(t, Fields([]byte("<plist><array/></plist>"), nil, v.list()...), mdm.CodeMalformed)
	require.ErrorIs(t, Pick("a string", v.list()...), mdm.CodeMalformed)
	require.NoError(t, Pick(map[string]any(nil), v.list()...))
	require.NoError(t, Pick(map[string]any{"N": uint64(1 << 63)}, v.list()...))
	require.Equal(t, int64(-1<<63), v.N, "as the library has it")
}

// documents draws what is nearly a property list: of pieces that are right most
// of the time.
func documents() *rapid.Generator[string] {
	pick := func(r *rapid.T, what string, of ...string) string { return rapid.SampledFrom(of).Draw(r, what) }
	chars := []string{"", "a", "key", "&amp;", "&lt;b", "&#x41;", "&#13;&#x1F600;", "&#xD800;", "&#0;", "&#xfffe;", "&#x;", "&#1114112;", "&nope;", "é", "\xff", "]]>", ">", "\r\n", "\n\t ", "<!---->", "\x00", "\u00a0"}
	scalar := func(r *rapid.T) string {
		s := strings.Join(rapid.SliceOfN(rapid.SampledFrom(chars), 0, 2).Draw(r, "chars"), "")
		return pick(r, "scalar", "<string>"+s+"</string>", "<string/>", "<true/>", "<false/>", "<true></true>",
			"<integer>12</integer>", "<integer>-0</integer>", "<integer>007</integer>", "<integer>99999999999999999999</integer>", "<integer/>",
			"<real>1e5</real>", "<real>-.5</real>", "<real>1e999</real>", "<real>.</real>", "<real/>",
			"<date>2026-02-28T23:59:59Z</date>", "<date>2026-02-29T00:00:00Z</date>", "<date>2026-02-28T24:00:00Z</date>", "<date/>",
			"<data>YQ==</data>", "<data> YW\nI=\t</data>", "<data>YQ=</data>", "<data>YR==</data>", "<data>Y Q = =</data>", "<data/>", "<data> </data>", "<data>"+s+"</data>",
			"<key>k</key>", "<set/>", "</dict>", s)
	}
	var value func(r *rapid.T, depth int) string
	value = func(r *rapid.T, depth int) string {
		k := rapid.IntRange(0, 9).Draw(r, "kind")
		if depth == 0 || k > 4 {
			return scalar(r)
		}
		gap := pick(r, "gap", "", "\n\t", " ", "\r\n", "x", "<!-- c -->")
		var b strings.Builder
		if k > 2 {
			for range rapid.IntRange(0, 3).Draw(r, "n") {
				b.WriteString(value(r, depth-1) + gap)
			}
			return pick(r, "array", "<array>"+b.String()+"</array>", "<array>"+b.String()+"</array>", "<array/>")
		}
		for range rapid.IntRange(0, 4).Draw(r, "n") {
			name := pick(r, "name", "S", "T", "B", "C", "N", "D", "E", "A", "M", "x", "", "&amp;", "é")
			b.WriteString("<key>" + name + "</key>" + gap + value(r, depth-1))
		}
		return pick(r, "dict", "<dict>"+b.String()+"</dict>", "<dict>"+b.String()+"</dict>", "<dict/>")
	}
	return rapid.Custom(func(r *rapid.T) string {
		head := pick(r, "head", "", `<?xml version="1.0" encoding="UTF-8"?>`, "\xef\xbb\xbf"+`<?xml version="1.0"?>`+"\n", `<?xml version="1.0" encoding="latin1"?>`)
		doctype := pick(r, "doctype", "", `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://x">`, `<!DOCTYPE plist [<!ENTITY a "b">]>`, `<!DOCTYPE plist ">">`)
		open := pick(r, "plist", `<plist version="1.0">`, "<plist>", "<plist a='1'>", "")
		shut := pick(r, "end", "</plist>", "</plist>\n", "</plist><true/>", "")
		return head + doctype + open + value(r, 3) + shut
	})
}

func TestPlainAgreesWithLibrary(t *testing.T) {
	vouches := 0
	rapid.Check(t, func(r *rapid.T) {
		doc := []byte(documents().Draw(r, "document"))
		if vouched(doc, (*Limits)(nil).orDefault()) {
			vouches++
		}
		agrees(r, doc, nil)
		agrees(r, doc, &Limits{Items: 5, Depth: 2})
	})
	require.Positive(t, vouches)
}

func FuzzPlain(f *testing.F) {
	files, err := filepath.Glob("../../apple/*/testdata/*.plist")
	require.NoError(f, err)
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`<plist version="1.0"><dict><key>S</key><string>&lt;é</string><key>D</key><data>YQ==</data><key>N</key><integer>5</integer><key>A</key><array><real>1</real><date>2026-01-01T00:00:00Z</date></array></dict></plist>`))
	f.Add([]byte(`<!DOCTYPE plist "x"><plist><dict><key>M</key><dict/><key>B</key><true/></dict></plist>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		agrees(t, data, &Limits{Items: 200, Depth: 5})
	})
}

// list is a result of about 300 KB, as a list of applications is.
func list() []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>CommandUUID</key>
	<string>0190a000-0000-7000-8000-00000000000a</string>
	<key>InstalledApplicationList</key>
	<array>
`)
	for i := range 700 {
		fmt.Fprintf(&b, `		<dict>
			<key>AdHocCodeSigned</key>
			<false/>
			<key>BundleSize</key>
			<integer>%d</integer>
			<key>Identifier</key>
			<string>com.example.application-%d</string>
			<key>IsValidated</key>
			<true/>
			<key>Name</key>
			<string>Application &amp; Company %d</string>
			<key>ShortVersion</key>
			<string>1.%d</string>
			<key>Version</key>
			<string>%d</string>
		</dict>
`, i*1024, i, i, i, i)
	}
	b.WriteString("\t</array>\n\t<key>Status</key>\n\t<string>Acknowledged</string>\n\t<key>UDID</key>\n\t<string>00000000-0000-4000-8000-00000000000A</string>\n</dict>\n</plist>\n")
	return []byte(b.String())
}

// TestFieldsAllocate: what is not asked for costs nothing.
func TestFieldsAllocate(t *testing.T) {
	large := list()
	require.Greater(t, len(large), 250_000)
	var v struct{ Status, UDID, CommandUUID string }
	allocs := testing.AllocsPerRun(10, func() {
		require.NoError(t, Fields(large, nil, Field{"Status", &v.Status}, Field{"UDID", &v.UDID}, Field{"CommandUUID", &v.CommandUUID}))
	})
	require.Equal(t, "Acknowledged", v.Status)
	require.LessOrEqual(t, allocs, 4.0, "three strings")

	token := []byte(`<plist version="1.0"><dict><key>Token</key><data>` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `</data><key>B</key><true/></dict></plist>`)
	var u struct {
		Token []byte
		B     bool
	}
	allocs = testing.AllocsPerRun(10, func() {
		require.NoError(t, Fields(token, nil, Field{"Token", &u.Token}, Field{"B", &u.B}))
	})
	require.Len(t, u.Token, 32)
	require.LessOrEqual(t, allocs, 2.0)
}

func BenchmarkFields(b *testing.B) {
	large := list()
	b.SetBytes(int64(len(large)))
	b.ReportAllocs()
	var v struct{ Status, UDID, CommandUUID string }
	for b.Loop() {
		require.NoError(b, Fields(large, nil, Field{"Status", &v.Status}, Field{"UDID", &v.UDID}, Field{"CommandUUID", &v.CommandUUID}))
	}
}
