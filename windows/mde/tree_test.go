package mde

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

func TestParseTreeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		code mdm.Code
	}{
		"nothing":                {"", mdm.CodeMalformed},
		"only space":             {" \r\n", mdm.CodeMalformed},
		"text":                   {"hello", mdm.CodeMalformed},
		"an open element":        {"<a>", mdm.CodeMalformed},
		"crossed elements":       {"<a><b></a></b>", mdm.CodeMalformed},
		"two roots":              {"<a/><b/>", mdm.CodeMalformed},
		"text after the root":    {"<a/>x", mdm.CodeMalformed},
		"a DTD":                  {`<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`, mdm.CodeMalformed},
		"an unknown entity":      {"<a>&x;</a>", mdm.CodeMalformed},
		"a style sheet":          {`<?xml-stylesheet href="x"?><a/>`, mdm.CodeMalformed},
		"a control character":    {"<a>\x01</a>", mdm.CodeMalformed},
		"invalid UTF-8":          {"<a>\xff</a>", mdm.CodeMalformed},
		"another encoding":       {`<?xml version="1.0" encoding="iso-8859-1"?><a/>`, mdm.CodeMalformed},
		"UTF-16 big endian":      {"\xfe\xff\x00<\x00a\x00/\x00>", mdm.CodeUnsupported},
		"UTF-16 little endian":   {"\xff\xfe<\x00a\x00/\x00>\x00", mdm.CodeUnsupported},
		"one byte too many":      {"<a>" + strings.Repeat("x", MaxRequestBytes-6) + "</a>", mdm.CodeTooLarge},
		"one level too deep":     {strings.Repeat("<a>", maxDepth+1) + strings.Repeat("</a>", maxDepth+1), mdm.CodeTooLarge},
		"one element too many":   {"<a>" + strings.Repeat("<b/>", maxElements) + "</a>", mdm.CodeTooLarge},
		"a million laughs depth": {strings.Repeat("<a>", 50_000), mdm.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseTree([]byte(c.in))
			requireCode(t, err, c.code, "")
		})
	}
}

func TestParseTreeAccepts(t *testing.T) {
	for name, in := range map[string]string{
		"the largest":            "<a>" + strings.Repeat("x", MaxRequestBytes-7) + "</a>",
		"the deepest":            strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth),
		"the widest":             "<a>" + strings.Repeat("<b/>", maxElements-1) + "</a>",
		"a byte order mark":      "\xef\xbb\xbf<a/>",
		"a declaration":          `<?xml version="1.0" encoding="UTF-8"?>` + "\r\n<a/>\r\n",
		"UTF-16 that is UTF-8":   `<?xml version="1.0" encoding="utf-16"?><a>é</a>`,
		"a comment":              "<!-- x --><a/><!-- y -->",
		"CDATA":                  "<a><![CDATA[<&]]></a>",
		"predefined entities":    "<a>&lt;&amp;&#xE9;</a>",
		"space around the root":  "\r\n  <a/>  ",
		"line ends of all kinds": "<a\r\n>\r</a\n>",
	} {
		t.Run(name, func(t *testing.T) {
			e, err := parseTree([]byte(in))
			require.NoError(t, err)
			require.Equal(t, "a", e.name.Local)
		})
	}
}

// A prefix means nothing, and a namespace everything.
func TestElementNames(t *testing.T) {
	e, err := parseTree([]byte(`<p:a xmlns:p="urn:x" xmlns:q="urn:x/" xmlns="urn:y"><q:b q:at=" 1 "> one </q:b><b>two</b><c xmlns="">three</c><p:d/><q:d/></p:a>`))
	require.NoError(t, err)
	require.True(t, e.is("urn:x", "a"))
	require.False(t, e.is("urn:y", "a"))

	v, err := e.value("urn:x", "b")
	require.NoError(t, err)
	require.Equal(t, "one", v)
	v, err = e.value("urn:y", "b")
	require.NoError(t, err)
	require.Equal(t, "two", v)
	v, err = e.value("urn:x", "c")
	require.NoError(t, err)
	require.Empty(t, v)
	_, err = e.value("urn:x", "d")
	requireCode(t, err, mdm.CodeMalformed, "d")

	b, err := e.one("urn:x", "b")
	require.NoError(t, err)
	require.Equal(t, "1", b.attr("at"))
	require.Empty(t, b.exactAttr("at"))
	require.Empty(t, e.attr("p"), "a namespace declaration is no attribute")
}
