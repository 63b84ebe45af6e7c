package adminapi

import (
	"encoding/base64"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
)

func TestParseTags(t *testing.T) {
	for in, want := range map[string][]string{
		`"1"`:            {`"1"`},
		`"1","2"`:        {`"1"`, `"2"`},
		`, "1" ,,	"2" ,`: {`"1"`, `"2"`},
		`W/"1", "2"`:     {`W/"1"`, `"2"`},
		`""`:             {`""`},
		`"a,b"`:          {`"a,b"`},
		``:               nil,
		`1`:              nil,
		`"1`:             nil,
		`"`:              nil,
		`W/`:             nil,
		`W/1`:            nil,
		`w/"1"`:          nil,
		`"1" "2"`:        nil,
		`"1""2"`:         nil,
		`*, "1"`:         nil,
		`"1", 2`:         nil,
	} {
		got, ok := parseTags(in)
		require.Equal(t, want != nil, ok, in)
		if ok {
			require.Equal(t, want, got, in)
		}
	}
}

func TestIfMatch(t *testing.T) {
	many := `"1"`
	for range maxTags {
		many += `,"1"`
	}
	for _, c := range []struct {
		headers []string
		edits   []mdm.Edit
		bad     bool
	}{
		{nil, nil, false},
		{[]string{"*"}, nil, false},
		{[]string{`"7"`}, []mdm.Edit{7}, false},
		{[]string{`"7"`, `"8"`}, []mdm.Edit{7, 8}, false},
		{[]string{`"07", "+7", "-7", "0", "7.0", "", W/"7"`}, make([]mdm.Edit, 7), false},
		{[]string{`"99999999999999999999"`}, make([]mdm.Edit, 1), false},
		{[]string{`W/"7", "7"`}, []mdm.Edit{0, 7}, false},
		{[]string{""}, nil, true},
		{[]string{many}, nil, true},
	} {
		r := httptest.NewRequest(patch, "/", nil)
		for _, h := range c.headers {
			r.Header.Add(headerIfMatch, h)
		}
		edits, err := (&call{r: r}).ifMatch()
		require.Equal(t, c.bad, err != nil, c.headers)
		require.Equal(t, c.edits, edits, c.headers)
	}
}

func TestCursors(t *testing.T) {
	id, err := parseCursor(hostCursor, cursor(hostCursor, nobody))
	require.NoError(t, err)
	require.Equal(t, nobody, id)
	for _, bad := range []string{
		"x", "=", cursor(commandCursor, nobody), cursor(hostCursor, "x"), cursor(hostCursor, ""), cursor("", nobody),
		base64.StdEncoding.EncodeToString([]byte(hostCursor+nobody)) + "=", cursor(hostCursor, nobody) + "A",
	} {
		_, err := parseCursor(hostCursor, bad)
		require.ErrorIs(t, err, mdm.CodeMalformed, bad)
	}
}

// TestPageProperties: pages lose nothing and repeat nothing.
func TestPageProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOf(rapid.StringMatching("[a-z]{1,3}")).Draw(t, "all")
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		var walked []string
		for rest := all; ; {
			got, next := page(rest[:min(len(rest), limit+1)], limit, hostCursor, func(s string) string { return s })
			require.NotNil(t, got)
			require.LessOrEqual(t, len(got), limit)
			walked = append(walked, got...)
			rest = rest[len(got):]
			require.Equal(t, len(rest) == 0, next == "")
			if next == "" {
				break
			}
			require.Equal(t, cursor(hostCursor, got[len(got)-1]), next)
		}
		require.Len(t, walked, len(all))
		for i := range all {
			require.Equal(t, all[i], walked[i])
		}
	})
}

// TestParseJSON: what is refused beyond what encoding/json refuses, and where.
func TestParseJSON(t *testing.T) {
	for in, want := range map[string]struct {
		code  mdm.Code
		field string
	}{
		`{"a":[1,{"b":true}],"c":null}`:      {},
		` 7 `:                                {},
		`[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]`:   {},
		`[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]`: {mdm.CodeTooLarge, "[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]"},
		`{"a":1,"a":1}`:                      {mdm.CodeInvalid, "a"},
		`{"a":[0,{"b":1,"b":1}]}`:            {mdm.CodeInvalid, "a[1].b"},
		`{"a":1,"\u0061":1}`:                 {mdm.CodeInvalid, "a"},
		``:                                   {mdm.CodeMalformed, ""},
		`{`:                                  {mdm.CodeMalformed, ""},
		`[`:                                  {mdm.CodeMalformed, ""},
		`[1,]`:                               {mdm.CodeMalformed, ""},
		`{"a" 1}`:                            {mdm.CodeMalformed, ""},
		`{1:1}`:                              {mdm.CodeMalformed, ""},
		`{"a":1]`:                            {mdm.CodeMalformed, ""},
		`[}`:                                 {mdm.CodeMalformed, ""},
		`{}x`:                                {mdm.CodeMalformed, ""},
		`{} {}`:                              {mdm.CodeMalformed, ""},
		"\xff":                               {mdm.CodeMalformed, ""},
		`NaN`:                                {mdm.CodeMalformed, ""},
	} {
		_, err := parseJSON([]byte(in))
		require.Equal(t, want.code, mdm.CodeOf(err), in)
		if err != nil {
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, want.field, e.Field, in)
		}
	}
}
