package adminapi

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParseJSON: what is accepted is what encoding/json makes of it.
func FuzzParseJSON(f *testing.F) {
	for _, c := range rows() {
		f.Add([]byte(c.body))
	}
	f.Add([]byte(`{"a":[1e5,-0.5,"\ud83d\ude00",null,true,{}],"b":{"c":[]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseJSON(data)
		if err != nil {
			return
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var want any
		require.NoError(t, d.Decode(&want))
		require.Equal(t, want, got)
	})
}

// FuzzDecode: every kind of body. What is accepted, written again, is accepted
// again and means the same.
func FuzzDecode(f *testing.F) {
	types := newShapes()
	rs := routes()
	prepare(rs, types)
	var bodies []route
	for _, r := range rs {
		if r.in == nil {
			continue
		}
		example, err := json.Marshal(r.example)
		require.NoError(f, err)
		f.Add(uint8(len(bodies)), example)
		for _, c := range rows() {
			if c.route == r.id && (c.header == nil || c.header["Content-Type"] == "") {
				f.Add(uint8(len(bodies)), []byte(c.body))
			}
		}
		bodies = append(bodies, r)
	}
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		r := bodies[int(n)%len(bodies)]
		first := reflect.New(reflect.TypeOf(r.in))
		if err := types.decode(r.inShape, data, first.Interface()); err != nil {
			p, _ := problemOf(err)
			require.Contains(t, []int{400, 413, 422}, p.Status)
			return
		}
		again, err := json.Marshal(first.Interface())
		require.NoError(t, err)
		second := reflect.New(reflect.TypeOf(r.in))
		require.NoError(t, json.Unmarshal(again, second.Interface()))
		third, err := json.Marshal(second.Interface())
		require.NoError(t, err)
		require.Equal(t, string(again), string(third))
	})
}

// FuzzRequest: whatever is sent to whatever route, the answer is one that the
// document says, and never a failure of ours.
func FuzzRequest(f *testing.F) {
	w := furnished(f)
	rs := routes()
	index := make(map[string]int)
	for i, r := range rs {
		index[r.id] = i
	}
	for _, c := range rows() {
		_, query, _ := strings.Cut(c.path, "?")
		if len(c.body) < 10_000 {
			f.Add(uint8(index[c.route]), query, c.header["Content-Type"], c.header[headerIfMatch], []byte(w.fill(c.body)))
		}
	}
	paths := map[string]string{"host": "$mac", "external": "asset-1", "profile": "$dock", "command": "$waiting", "team": "$team", "label": "$label", "enrollment": "$link"}
	calls := 0
	f.Fuzz(func(t *testing.T, n uint8, query, media, match string, body []byte) {
		if calls++; calls%512 == 0 {
			w = furnished(t)
		}
		at := rs[int(n)%len(rs)]
		path := at.path
		for k, v := range paths {
			path = strings.ReplaceAll(path, "{"+k+"}", w.fill(v))
		}
		r := httptest.NewRequest(at.method, "/", bytes.NewReader(body))
		r.URL = &url.URL{Path: DefaultBase + path, RawQuery: query}
		r.Header = http.Header{"Authorization": {bearer}}
		if media != "" {
			r.Header.Set("Content-Type", media)
		} else if len(body) > 0 {
			r.Header.Set("Content-Type", mediaJSON)
		}
		if match != "" {
			r.Header.Set(headerIfMatch, match)
		}
		rec := httptest.NewRecorder()
		w.api.ServeHTTP(rec, r)
		o := at.describe()
		require.Contains(t, o.Responses, strconv.Itoa(rec.Code), rec.Body.String())
		require.Less(t, rec.Code, 500, rec.Body.String())
		if rec.Code < 400 {
			return
		}
		m, _, err := mime.ParseMediaType(rec.Header().Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, mediaProblem, m)
		p := problem(t, rec.Body.Bytes())
		require.Equal(t, rec.Code, p.Status)
		require.NotEmpty(t, p.Detail)
	})
}
