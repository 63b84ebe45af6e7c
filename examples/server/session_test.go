package main

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// visit returns a request with the cookie that a response set.
func visit(w *httptest.ResponseRecorder) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	return r
}

func TestSessions(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s, err := newSessions("the token of an administrator", clock)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	s.begin(w)
	c := w.Result().Cookies()[0]
	require.True(t, c.Secure && c.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.Equal(t, "/", c.Path)
	require.Empty(t, c.Domain, "__Host- cookies have none")
	require.True(t, s.valid(visit(w)))
	require.False(t, s.valid(httptest.NewRequest(http.MethodGet, "/", nil)))

	other, err := newSessions("the token of an administrator", clock)
	require.NoError(t, err)
	require.True(t, other.valid(visit(w)), "another instance, or after a restart")
	changed, err := newSessions("another token of an administrator", clock)
	require.NoError(t, err)
	require.False(t, changed.valid(visit(w)), "the token has changed")

	b, err := base64.RawURLEncoding.DecodeString(c.Value)
	require.NoError(t, err)
	for i := range b {
		b[i] ^= 1
		forged := httptest.NewRequest(http.MethodGet, "/", nil)
		forged.AddCookie(&http.Cookie{Name: c.Name, Value: base64.RawURLEncoding.EncodeToString(b)})
		require.False(t, s.valid(forged), "byte %d", i)
		b[i] ^= 1
	}

	now = now.Add(sessionLife - time.Second)
	require.True(t, s.valid(visit(w)))
	now = now.Add(2 * time.Second)
	require.False(t, s.valid(visit(w)), "its time is over")
}

func TestLoginLeadsNowhereElse(t *testing.T) {
	for next, want := range map[string]string{
		"/hosts?q=a&platform=ios": "/hosts?q=a&platform=ios",
		"":                        "/", "https://evil.example": "/", "//evil.example": "/", "///evil.example": "/",
		`/\evil.example`: "/", "javascript:alert(1)": "/", "hosts": "/", "/%zz": "/", "/\\/evil.example": "/",
		"/a\r\nSet-Cookie: b": "/",
	} {
		require.Equal(t, want, local(next), "%q", next)
	}
}
