package plist_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

const (
	head = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
`
	tail = "\n</plist>\n"
)

func TestXML(t *testing.T) {
	want := map[string]any{
		"a": []any{true, false, map[string]any{}},
		"d": time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
		"b": []byte("hello"), "i": int64(-3), "j": int64(7), "u": uint64(1 << 63),
		"r": 0.5, "s": "x & <y>z", "": "no name",
	}
	body := `<dict><key>a</key><array><true/><false></false><dict/></array>
		<key>d</key><date>2026-11-23T08:00:00Z</date>
		<key>b</key><data>
			aGVs
			bG8=
		</data>
		<key>i</key><integer>-3</integer> <key>j</key><integer> 7 </integer>
		<key>u</key><integer>9223372036854775808</integer>
		<key>r</key><real>0.5</real><!-- a comment -->
		<key>s</key><string>x &amp; <![CDATA[<y>]]><!-- and -->z</string>
		<key></key><string>no name</string></dict>`
	for name, data := range map[string]string{
		"plain":           head + body + tail,
		"byte-order mark": "\xef\xbb\xbf" + head + body + tail,
		"bare root":       body,
		"comments around": "<!-- a -->" + head + body + tail + "<!-- b -->\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := plist.Dict([]byte(data), nil)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestXMLRefused(t *testing.T) {
	in := func(s string) string { return head + s + tail }
	for name, c := range map[string]struct{ data, says string }{
		"nothing":                {"", "neither XML nor binary"},
		"JSON":                   {`{"PayloadType": "x"}`, "neither XML nor binary"},
		"only a header":          {head[:38], "neither XML nor binary"},
		"HTML":                   {"<html><body/></html>", "<html> is not an element"},
		"cut off":                {head + "<dict>", "<dict> is not closed"},
		"cut off in a tag":       {head + "<dict", "unexpected EOF"},
		"empty plist":            {in(""), "<plist> is empty"},
		"two values":             {in("<true/><true/>"), "more than one value"},
		"after the end":          {in("<true/>") + "<true/>", "follows the end"},
		"text after the end":     {in("<true/>") + "x", "follows the end"},
		"NUL after the end":      {in("<true/>") + "\x00", "illegal character"},
		"a second document":      {in("<true/>") + in("<true/>"), "declaration"},
		"plist in plist":         {in("<plist><true/></plist>"), "<plist> stands inside"},
		"key without value":      {in("<dict><key>a</key></dict>"), "no value"},
		"two keys":               {in("<dict><key>a</key><key>b</key><true/></dict>"), "no value"},
		"value without key":      {in("<dict><true/></dict>"), "has no <key>"},
		"two values for a key":   {in("<dict><key>a</key><true/><true/></dict>"), "has no <key>"},
		"a key twice":            {in("<dict><key>a</key><true/><key><!---->&#97;</key><true/></dict>"), `"a" stands twice`},
		"key in array":           {in("<array><key>a</key></array>"), "outside of a <dict>"},
		"key as root":            {"<key>a</key>", "outside of a <dict>"},
		"element in string":      {in("<string>a<true/>b</string>"), "<true> stands inside <string>"},
		"element in key":         {in("<dict><key>a<true/></key><true/></dict>"), "stands inside <key>"},
		"element in true":        {in("<true><string/></true>"), "stands inside <true>"},
		"text in true":           {in("<true>no</true>"), "between the elements"},
		"text in dict":           {in("<dict>no</dict>"), "between the elements"},
		"text in array":          {in("<array>no</array>"), "between the elements"},
		"text in plist":          {in("no<true/>"), "between the elements"},
		"unknown element":        {in("<set/>"), "<set> is not an element"},
		"a namespace":            {in(`<x:dict xmlns:x="y"/>`), "is not an element"},
		"wrong end":              {in("<dict></array>"), "closes nothing"},
		"only an end":            {"</dict>", "closes nothing"},
		"instruction inside":     {in("<dict><?x y?></dict>"), "declaration"},
		"own entity":             {`<!DOCTYPE plist [<!ENTITY e "x">]><plist><string>&e;</string></plist>`, "invalid character entity"},
		"not UTF-8":              {in("<string>\xff</string>"), "invalid UTF-8"},
		"UTF-16":                 {"\xff\xfe<\x00d\x00", "UTF-8"},
		"declared as ISO 8859-1": {`<?xml version="1.0" encoding="ISO-8859-1"?><plist><true/></plist>`, "UTF-8"},
		"hexadecimal integer":    {in("<integer>0x1f</integer>"), "cannot be read"},
		"too large an integer":   {in("<integer>18446744073709551616</integer>"), "cannot be read"},
		"no number":              {in("<real>one</real>"), "cannot be read"},
		"no date":                {in("<date>today</date>"), "cannot be read"},
		"no base64":              {in("<data>#</data>"), "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			var v any
			err := plist.Unmarshal([]byte(c.data), &v, nil)
			require.ErrorIs(t, err, mdm.CodeMalformed)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestLineIsTold(t *testing.T) {
	var v any
	err := plist.Unmarshal([]byte(head+"<dict>\n<key>a</key>\n</dict>"+tail), &v, nil)
	require.ErrorContains(t, err, "line 6:")
}

func TestLimits(t *testing.T) {
	var v any
	nested := strings.Repeat("<array>", 3) + strings.Repeat("</array>", 3)
	for name, c := range map[string]struct {
		data   string
		limits plist.Limits
		ok     bool
	}{
		"bytes":          {"<true/>", plist.Limits{Bytes: 7}, true},
		"a byte more":    {"<true/> ", plist.Limits{Bytes: 7}, false},
		"depth":          {nested, plist.Limits{Depth: 3}, true},
		"a level more":   {nested, plist.Limits{Depth: 2}, false},
		"items":          {"<dict><key>a</key><true/></dict>", plist.Limits{Items: 3}, true},
		"an item more":   {"<dict><key>a</key><true/></dict>", plist.Limits{Items: 2}, false},
		"side by side":   {"<array><array/><array/><array/></array>", plist.Limits{Depth: 2}, true},
		"default depth":  {strings.Repeat("<array>", plist.DefaultDepth) + strings.Repeat("</array>", plist.DefaultDepth), plist.Limits{}, true},
		"a level deeper": {strings.Repeat("<array>", plist.DefaultDepth+1) + strings.Repeat("</array>", plist.DefaultDepth+1), plist.Limits{}, false},
		"never closed":   {strings.Repeat("<array>", 500_000), plist.Limits{}, false},
		"many items":     {"<array>" + strings.Repeat("<true/>", plist.DefaultItems) + "</array>", plist.Limits{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := plist.Unmarshal([]byte(c.data), &v, &c.limits)
			if c.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, mdm.CodeTooLarge)
			}
		})
	}
}
