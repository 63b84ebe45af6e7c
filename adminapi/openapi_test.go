package adminapi

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// served is the document as a client gets it.
func (w *world) served() map[string]any {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, httptest.NewRequest(get, DefaultOpenAPIPath, nil))
	require.Equal(w.t, 200, rec.Code)
	var doc map[string]any
	require.NoError(w.t, json.Unmarshal(rec.Body.Bytes(), &doc))
	return doc
}

// dig goes down into a document.
func dig(v any, path ...string) any {
	for _, p := range path {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = o[p]
	}
	return v
}

// operationOf finds a route's operation in the document.
func operationOf(doc map[string]any, id string) map[string]any {
	for _, at := range doc["paths"].(map[string]any) {
		for _, o := range at.(map[string]any) {
			if dig(o, "operationId") == id {
				return o.(map[string]any)
			}
		}
	}
	return nil
}

// conforms holds an answer against what the document says of its route: status,
// headers, media type, and every field of the body.
func (w *world) conforms(id string, rec *httptest.ResponseRecorder) {
	w.t.Helper()
	doc := w.served()
	rs := dig(operationOf(doc, id), "responses")
	r := dig(rs, strconv.Itoa(rec.Code))
	require.NotNil(w.t, r, "%s is not said to answer %d", id, rec.Code)
	r = deref(doc, r)
	for _, h := range []string{"ETag", "Location"} {
		require.Equal(w.t, dig(r, "headers", h) != nil, rec.Header().Get(h) != "", h)
	}
	require.Equal(w.t, "no-store", rec.Header().Get("Cache-Control"))
	require.Equal(w.t, "nosniff", rec.Header().Get("X-Content-Type-Options"))
	content, _ := dig(r, "content").(map[string]any)
	if len(content) == 0 {
		require.Empty(w.t, rec.Body.String())
		require.Empty(w.t, rec.Header().Get("Content-Type"))
		return
	}
	m, _, err := mime.ParseMediaType(rec.Header().Get("Content-Type"))
	require.NoError(w.t, err)
	require.Contains(w.t, content, m)
	shape := dig(content[m], "schema")
	if shape == nil {
		return
	}
	var v any
	require.NoError(w.t, json.Unmarshal(rec.Body.Bytes(), &v))
	require.Empty(w.t, invalid(doc, shape, "$", v))
}

func deref(doc map[string]any, v any) any {
	if ref, ok := dig(v, "$ref").(string); ok {
		return dig(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return v
}

// invalid is a validator of its own: it returns what is wrong with a value, and
// takes a field that the schema does not have to be wrong. It knows no keyword
// beyond those it handles.
func invalid(doc map[string]any, shape any, at string, v any) string {
	s, ok := deref(doc, shape).(map[string]any)
	if !ok {
		return at + ": no schema"
	}
	known := []string{"type", "description", "format", "contentEncoding", "contentMediaType", "enum", "minLength", "maxLength", "minimum", "maximum", "items", "maxItems", "properties", "required", "minProperties", "additionalProperties"}
	for k := range s {
		if !slices.Contains(known, k) {
			return at + ": unknown keyword " + k
		}
	}
	if e, ok := s["enum"].([]any); ok && !slices.Contains(e, v) {
		return at + ": not in enum"
	}
	number := func(k string) float64 { n, _ := s[k].(float64); return n }
	switch v := v.(type) {
	case string:
		n := float64(len([]rune(v)))
		if s["type"] != "string" || n < number("minLength") || s["maxLength"] != nil && n > number("maxLength") {
			return at + ": string"
		}
		if _, err := time.Parse(time.RFC3339, v); s["format"] == "date-time" && err != nil {
			return at + ": time"
		}
		if s["contentEncoding"] == "base64" && !regexp.MustCompile(`^[A-Za-z0-9+/]*={0,2}$`).MatchString(v) {
			return at + ": base64"
		}
	case float64:
		if s["type"] != "integer" || v != float64(int64(v)) || v < number("minimum") || s["maximum"] != nil && v > number("maximum") {
			return at + ": number"
		}
	case bool:
		if s["type"] != "boolean" {
			return at + ": boolean"
		}
	case []any:
		if s["type"] != "array" || s["maxItems"] != nil && float64(len(v)) > number("maxItems") {
			return at + ": array"
		}
		for i, e := range v {
			if bad := invalid(doc, s["items"], at+"["+strconv.Itoa(i)+"]", e); bad != "" {
				return bad
			}
		}
	case map[string]any:
		if s["type"] != "object" || float64(len(v)) < number("minProperties") {
			return at + ": object"
		}
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				return at + "." + name.(string) + ": required"
			}
		}
		for name, e := range v {
			field := dig(s, "properties", name)
			if field == nil {
				field = s["additionalProperties"]
			}
			if bad := invalid(doc, field, at+"."+name, e); bad != "" {
				return bad
			}
		}
	default:
		return at + ": null"
	}
	return ""
}

// TestDocumentIsTheRoutes walks from the document to the mounted routes and back.
func TestDocumentIsTheRoutes(t *testing.T) {
	w := newWorld(t, choices{})
	doc := w.served()
	require.Equal(t, "3.1.1", doc["openapi"])
	require.Equal(t, DefaultBase, dig(doc["servers"].([]any)[0], "url"))
	mounted := make(map[string]string) // operationId to "METHOD path"
	for _, r := range routes() {
		require.NotContains(t, mounted, r.id)
		mounted[r.id] = r.method + " " + r.path
	}
	said := make(map[string]string)
	wildcard := regexp.MustCompile(`\{(\w+)\}`)
	for path, at := range doc["paths"].(map[string]any) {
		for method, o := range at.(map[string]any) {
			method = strings.ToUpper(method)
			said[dig(o, "operationId").(string)] = method + " " + path
			// It is there: the mux has a route of this very pattern for it.
			u := &url.URL{Path: DefaultBase + wildcard.ReplaceAllString(path, "x")}
			_, pattern := w.api.mux.Handler(&http.Request{Method: method, URL: u})
			require.Equal(t, method+" "+DefaultBase+path, pattern)
			// Its wildcards are its path parameters.
			var want, have []string
			for _, m := range wildcard.FindAllStringSubmatch(path, -1) {
				want = append(want, m[1])
			}
			ps, _ := dig(o, "parameters").([]any)
			for _, p := range ps {
				if dig(p, "in") == "path" {
					require.Equal(t, true, dig(p, "required"))
					have = append(have, dig(p, "name").(string))
				}
			}
			require.Equal(t, want, have)
			require.NotNil(t, dig(o, "responses", "default"))
		}
	}
	require.Equal(t, mounted, said)
}

// TestExamplesFit validates what the document shows against its own schemas.
func TestExamplesFit(t *testing.T) {
	w := newWorld(t, choices{})
	doc := w.served()
	seen := 0
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if ex, ok := v["example"]; ok && v["schema"] != nil {
				seen++
				require.Empty(t, invalid(doc, v["schema"], at, ex))
			}
			if ref, ok := v["$ref"].(string); ok {
				require.NotNil(t, deref(doc, v), ref)
			}
			for k, e := range v {
				walk(at+"/"+k, e)
			}
		case []any:
			for _, e := range v {
				walk(at, e)
			}
		}
	}
	walk("", doc)
	want := 0
	for _, r := range routes() {
		if r.in != nil {
			require.NotNil(t, r.example, r.id)
			want++
		}
		if r.out != nil {
			require.NotNil(t, r.answer, r.id)
			want++
		}
	}
	require.Equal(t, want, seen)
}

// TestEveryProblemCodeIsInTheDocument: what routes may answer is in the enum.
func TestEveryProblemCodeIsInTheDocument(t *testing.T) {
	w := newWorld(t, choices{})
	enum := dig(w.served(), "components", "schemas", "Problem", "properties", "code", "enum").([]any)
	for _, r := range routes() {
		for _, c := range r.problems() {
			require.Contains(t, enum, string(c))
			require.GreaterOrEqual(t, statusOf(c), 400)
		}
	}
}

func TestDocumentGolden(t *testing.T) {
	compareFile(t, "testdata/openapi.json", newWorld(t, choices{}).served())
}

// TestDocumentIsForEverybody: nobody is asked who they are, and it may be cached
// if it is asked for again.
func TestDocumentIsForEverybody(t *testing.T) {
	w := newWorld(t, choices{options: func(o *Options) { o.Base, o.OpenAPIPath, o.ReasonHeader = "/mdm/admin", "/mdm/openapi.json", "X-Why" }})
	mux := http.NewServeMux()
	w.api.Register(mux)
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, httptest.NewRequest(get, "/mdm/openapi.json", nil))
	require.Equal(t, 200, rec.Code)
	require.Contains(t, rec.Body.String(), "X-Why")
	require.Contains(t, rec.Body.String(), `"servers":[{"url":"/mdm/admin"}]`)
	again := httptest.NewRequest(get, "/mdm/openapi.json", nil)
	again.Header.Set("If-None-Match", rec.Header().Get("ETag"))
	rec = httptest.NewRecorder()
	mux.ServeHTTP(rec, again)
	require.Equal(t, http.StatusNotModified, rec.Code)
	rec = httptest.NewRecorder()
	mux.ServeHTTP(rec, httptest.NewRequest(get, "/mdm/admin/hosts", nil))
	require.Equal(t, http.StatusUnauthorized, rec.Code)
}
