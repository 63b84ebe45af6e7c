package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

// TestAddresses: what is no route is a problem as well, and nothing redirects.
func TestAddresses(t *testing.T) {
	w := newWorld(t, choices{})
	out := newGolden(t, "problems.json")
	for _, c := range []struct {
		request
		status int
		allow  string
	}{
		{request{get, "/", "", nil}, 404, ""},
		{request{get, "/nothing", "", nil}, 404, ""},
		{request{get, "/hosts/", "", nil}, 404, ""},
		{request{get, "//hosts", "", nil}, 404, ""},
		{request{get, "/hosts/../teams", "", nil}, 404, ""},
		{request{post, "/hosts/x/", "{}", nil}, 404, ""},
		{request{post, "/hosts", "{}", nil}, 405, "GET, HEAD"},
		{request{"OPTIONS", "/hosts/x", "", nil}, 405, "DELETE, GET, HEAD, PATCH"},
		{request{"PROPFIND", "/teams", "", nil}, 405, "GET, HEAD, POST"},
		{request{get, "/hosts/by-external/x", "", nil}, 405, "PUT"},
		{request{put, "/enrollments", "{}", nil}, 405, "GET, HEAD, POST"},
	} {
		rec := w.do(c.request)
		require.Equal(t, c.status, rec.Code, c.path)
		require.Equal(t, mediaProblem, rec.Header().Get("Content-Type"))
		require.Equal(t, c.allow, rec.Header().Get("Allow"))
		out.add(w, c.method+" "+c.path, rec)
	}
	for _, c := range []struct {
		name string
		err  error
	}{
		{"unauthenticated", errors.New("x")},
		{"unavailable", mdm.CodeUnavailable},
		{"busy for a while", &mdm.Error{Code: mdm.CodeBusy, Message: "too many requests", RetryAfter: 1500 * time.Millisecond}},
		{"internal", mdm.WrapError(mdm.CodeInternal, "password", "hunter2", errors.New("hunter2"))},
		{"out of time", mdm.WrapError(mdm.CodeUnavailable, "", "", context.DeadlineExceeded)},
	} {
		w.api.o.Authenticate = func(*http.Request) (mdm.Actor, error) { return mdm.Actor{}, c.err }
		out.add(w, c.name, w.do(request{get, "/teams", "", nil}))
	}
	w = furnished(t)
	for _, q := range []request{
		{del, "/commands/$left", "", nil},
		{patch, "/profiles/$dock", `{"name":"x"}`, map[string]string{"If-Match": `"2"`}},
		{patch, "/profiles/$dock", `{"nmae":"x"}`, nil},
		{patch, "/profiles/$dock", `{`, nil},
		{put, "/profiles/$dock/content", `x`, map[string]string{"Content-Type": "text/plain"}},
		{get, "/hosts?cursor=x", "", nil},
	} {
		out.add(w, q.method+" "+q.path+" "+q.body, w.do(q))
	}
	out.compare()
}

// TestProblems: the table from errors to answers.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		code   mdm.Code
		wait   time.Duration
	}{
		{"typed", mdm.Errorf(mdm.CodeInvalid, "a", "b"), 422, mdm.CodeInvalid, 0},
		{"wrapped", fmt.Errorf("x: %w", mdm.Errorf(mdm.CodeNotFound, "", "b")), 404, mdm.CodeNotFound, 0},
		{"untyped", errors.New("x"), 500, mdm.CodeInternal, 0},
		{"code that nobody knows", mdm.Errorf("x", "", ""), 500, mdm.CodeInternal, 0},
		{"out of time", fmt.Errorf("x: %w", context.DeadlineExceeded), 503, mdm.CodeUnavailable, defaultRetry},
		{"conflict", mdm.Errorf(mdm.CodeConflict, "", "b"), 409, mdm.CodeConflict, 0},
		{"conflict for a while", &mdm.Error{Code: mdm.CodeConflict, RetryAfter: time.Second}, 409, mdm.CodeConflict, time.Second},
		{"busy", mdm.CodeBusy, 429, mdm.CodeBusy, defaultRetry},
		{"negative wait", &mdm.Error{Code: mdm.CodeInvalid, RetryAfter: -1}, 422, mdm.CodeInvalid, 0},
		{"method", CodeMethod, 405, CodeMethod, 0},
		{"precondition", mdm.CodePrecondition, 412, mdm.CodePrecondition, 0},
	} {
		p, wait := problemOf(c.err)
		require.Equal(t, c.status, p.Status, c.name)
		require.Equal(t, c.code, p.Code, c.name)
		require.Equal(t, c.wait, wait, c.name)
		require.NotEmpty(t, p.Detail, c.name)
		require.Equal(t, http.StatusText(c.status), p.Title)
	}
}

func TestHead(t *testing.T) {
	w := furnished(t)
	head, full := w.do(request{"HEAD", "/profiles/$dock", "", nil}), w.do(request{get, "/profiles/$dock", "", nil})
	require.Equal(t, 200, head.Code)
	require.Equal(t, full.Header(), head.Header())
}

// broken makes every body fail in the middle.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBodyThatBreaksOff(t *testing.T) {
	w := newWorld(t, choices{})
	r := httptest.NewRequest(post, "/api/v1/teams", broken{})
	r.Header.Set("Authorization", bearer)
	r.Header.Set("Content-Type", mediaJSON)
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	require.Equal(t, 400, rec.Code)
	require.Equal(t, mdm.CodeMalformed, problem(t, rec.Body.Bytes()).Code)
	require.NotContains(t, rec.Body.String(), "EOF")
}

// TestMaxBody: the bound holds for every kind of body, and at it all is well.
func TestMaxBody(t *testing.T) {
	const limit = 200
	w := newWorld(t, choices{options: func(o *Options) { o.MaxBody = limit }})
	long, longType := form("content", strings.Repeat("x", limit))
	for _, q := range []request{
		{post, "/teams", `{"name":"` + strings.Repeat("x", limit) + `"}`, nil},
		{post, "/profiles", strings.Repeat("x", limit+1), map[string]string{"Content-Type": mediaXML}},
		{post, "/profiles", long, longType},
	} {
		require.Equal(t, http.StatusRequestEntityTooLarge, w.do(q).Code)
	}
	fits := `{"name":"x"}`
	require.Equal(t, 201, w.do(request{post, "/teams", fits + strings.Repeat(" ", limit-len(fits)), nil}).Code)
}

// TestFailuresAreLoggedAndNotTold: the cause of a 500 is in the log and nowhere
// else; a caller that has gone is no failure.
func TestFailuresAreLoggedAndNotTold(t *testing.T) {
	var log bytes.Buffer
	j := &judge{}
	w := newWorld(t, choices{
		config:  func(c *keelson.Config) { c.Authorizer = j },
		options: func(o *Options) { o.Log = slog.New(slog.NewJSONHandler(&log, nil)) },
	})
	j.err = mdm.WrapError(mdm.CodeInternal, "", "message", errors.New("the cause"))
	rec := w.do(request{get, "/hosts?search=mac", "", nil})
	require.Equal(t, 500, rec.Code)
	require.NotContains(t, rec.Body.String(), "cause")
	require.Contains(t, log.String(), "the cause")
	require.Contains(t, log.String(), "GET /api/v1/hosts")
	require.NotContains(t, log.String(), "search")
	log.Reset()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, get, "/api/v1/hosts", nil)
	r.Header.Set("Authorization", bearer)
	w.api.ServeHTTP(httptest.NewRecorder(), r)
	require.Empty(t, log.String())
}

// TestSecretsAreNotLogged: whatever happens to requests that carry secrets, the
// log has none of them, at any level.
func TestSecretsAreNotLogged(t *testing.T) {
	var log bytes.Buffer
	level := slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})
	faults := 0
	w := newWorld(t, choices{
		config:  func(c *keelson.Config) { c.Log = slog.New(level) },
		options: func(o *Options) { o.Log = slog.New(level) },
	})
	w.furnish()
	secret := "PAP3RCL1P"
	content := strings.ReplaceAll(strings.ReplaceAll(string(dock), "com.example.dock", "com.example.secret"), "<string>Dock</string>", "<string>"+secret+"</string>")
	var links []string
	for _, q := range []request{
		{post, "/profiles", content, map[string]string{"Content-Type": mediaApple}},
		{post, "/profiles", `{"content":"` + b64([]byte(content)) + `"}`, nil},
		{post, "/profiles", content[:400], map[string]string{"Content-Type": mediaApple}},
		{post, "/profiles", `{"content":"` + secret + `"`, nil},
		{post, "/profiles", `{"content":"` + secret + `","` + "x" + `":1}`, nil},
		{post, "/hosts/$mac/commands", `{"kind":"Raw","content":"` + b64([]byte(secret)) + `"}`, nil},
		{post, "/hosts/$mac/commands", `{"kind":"Raw","content":"` + b64([]byte(secret)) + `"}`, map[string]string{"Authorization": "Bearer " + secret}},
		{get, "/commands/$answered/answer", "", nil},
		{post, "/enrollments", `{}`, nil},
	} {
		rec := w.do(q)
		if rec.Code >= 400 {
			faults++
			require.NotContains(t, rec.Body.String(), secret)
		}
		if strings.HasSuffix(q.path, "/enrollments") {
			var l keelson.Link
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &l))
			links = append(links, l.URL[strings.LastIndex(l.URL, "/")+1:])
		}
	}
	require.Positive(t, faults)
	require.Len(t, links, 1)
	for _, s := range append(links, secret, b64([]byte(secret)), "correct-horse") {
		require.NotContains(t, log.String(), s)
	}
}
