package adminapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write golden files anew")

// golden gathers what one file of testdata holds.
type golden struct {
	t    testing.TB
	file string
	got  map[string]shown
}

// shown is an answer as a golden file shows it.
type shown struct {
	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Body   any               `json:"body,omitempty"`
}

func newGolden(t testing.TB, file string) *golden {
	return &golden{t, filepath.Join("testdata", file), make(map[string]shown)}
}

// What differs from run to run.
var (
	uuid   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	secret = regexp.MustCompile(`(/apple/enroll/)[\w-]{43}`)
	next   = regexp.MustCompile(`("next":)"[^"]+"`) // a cursor, or words of the engine's
)

func (w *world) settle(s string) string {
	s = next.ReplaceAllString(secret.ReplaceAllString(w.blank(s), `${1}<secret>`), `${1}"<next>"`)
	return uuid.ReplaceAllStringFunc(s, func(id string) string {
		if id == nobody {
			return id
		}
		return "<id>"
	})
}

func (g *golden) add(w *world, name string, rec *httptest.ResponseRecorder) {
	s := shown{Status: rec.Code, Header: make(map[string]string)}
	for _, h := range []string{"Content-Type", "Content-Disposition", "ETag", "Location", "Retry-After", "WWW-Authenticate", "Allow"} {
		if v := rec.Header().Get(h); v != "" {
			s.Header[h] = w.settle(v)
		}
	}
	if body := w.settle(rec.Body.String()); json.Valid([]byte(body)) {
		s.Body = json.RawMessage(body)
	} else if body != "" {
		s.Body = body
	}
	g.got[name] = s
}

// compare holds what was gathered against the file; -update writes it.
func (g *golden) compare() {
	g.t.Helper()
	if *update {
		compareFile(g.t, g.file, g.got)
		return
	}
	data, err := os.ReadFile(g.file)
	require.NoError(g.t, err)
	var want map[string]shown
	require.NoError(g.t, json.Unmarshal(data, &want))
	for name, got := range g.got {
		w, ok := want[name]
		require.True(g.t, ok, "%s is not in %s: run with -update", name, g.file)
		a, err := json.MarshalIndent(w, "", "  ")
		require.NoError(g.t, err)
		b, err := json.MarshalIndent(got, "", "  ")
		require.NoError(g.t, err)
		require.JSONEq(g.t, string(a), string(b), name)
	}
	require.Len(g.t, want, len(g.got), "%s has what no test makes: run with -update", g.file)
}

func compareFile(t testing.TB, file string, v any) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	require.NoError(t, e.Encode(v))
	if *update {
		require.NoError(t, os.WriteFile(file, b.Bytes(), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}
