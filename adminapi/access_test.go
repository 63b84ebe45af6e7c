package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

// problem decodes a refusal.
func problem(t testing.TB, body []byte) Problem {
	t.Helper()
	var p Problem
	require.NoError(t, json.Unmarshal(body, &p), string(body))
	return p
}

// happyRows has one row that succeeds for each route.
func happyRows() []row {
	var out []row
	for _, c := range rows() {
		if c.code == "" && !slices.ContainsFunc(out, func(r row) bool { return r.route == c.route }) {
			out = append(out, c)
		}
	}
	return out
}

// TestStrangersAreAsked: no route answers anybody who does not say who they are,
// and nothing changes.
func TestStrangersAreAsked(t *testing.T) {
	w := furnished(t)
	before := w.do(request{get, "/summary", "", nil}).Body.String()
	for _, c := range happyRows() {
		q := c.request
		q.header = map[string]string{"Content-Type": c.header["Content-Type"], "Authorization": ""}
		rec := w.do(q)
		require.Equal(t, http.StatusUnauthorized, rec.Code, c.route)
		require.Equal(t, "Bearer", rec.Header().Get("WWW-Authenticate"))
		require.Equal(t, mdm.CodeUnauthenticated, problem(t, rec.Body.Bytes()).Code)
		require.NotContains(t, rec.Body.String(), "EOF")
		w.conforms(c.route, rec)
	}
	require.Equal(t, before, w.do(request{get, "/summary", "", nil}).Body.String())
	rec := w.do(request{get, "/nothing", "", map[string]string{"Authorization": ""}})
	require.Equal(t, http.StatusUnauthorized, rec.Code, "strangers are not told what there is")
}

// TestAuthenticationErrors: what the application says deliberately is passed on,
// everything else is a 401 that tells nothing.
func TestAuthenticationErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		detail string
	}{
		"typed":        {mdm.Errorf(mdm.CodeForbidden, "", "this token is read only"), 403, "this token is read only"},
		"bare code":    {mdm.CodeUnavailable, 503, "try again later"},
		"wrapped":      {fmt.Errorf("look up: %w", mdm.WrapError(mdm.CodeUnavailable, "", "the directory is down", errors.New("dial ldap"))), 503, "the directory is down"},
		"any other":    {errors.New("token abc is unknown"), 401, "say who you are"},
		"unknown code": {mdm.Errorf("odd", "", "abc"), 500, "something went wrong on our side; the server's log says what"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, choices{options: func(o *Options) {
				o.Authenticate = func(*http.Request) (mdm.Actor, error) { return mdm.Actor{}, c.err }
				o.Challenge = `Basic realm="x"`
			}})
			rec := w.do(request{get, "/teams", "", nil})
			require.Equal(t, c.status, rec.Code)
			require.Equal(t, c.detail, problem(t, rec.Body.Bytes()).Detail)
			require.NotContains(t, rec.Body.String(), "ldap")
			require.NotContains(t, rec.Body.String(), "abc")
			require.Equal(t, c.status == 401, rec.Header().Get("WWW-Authenticate") == `Basic realm="x"`)
		})
	}
}

// judge is an Authorizer that remembers and may refuse.
type judge struct {
	seen []judged
	err  error
}

type judged struct {
	who    mdm.Actor
	tenant mdm.TenantID
	action mdm.Action
}

func (j *judge) Authorize(_ context.Context, who mdm.Actor, t mdm.TenantID, a mdm.Action, _ string) error {
	j.seen = append(j.seen, judged{who, t, a})
	return j.err
}

// TestAuthorizerRefuses: every route is judged, and what is refused has done
// nothing.
func TestAuthorizerRefuses(t *testing.T) {
	j := &judge{}
	w := newWorld(t, choices{config: func(c *keelson.Config) { c.Authorizer = j }})
	w.furnish()
	before := w.do(request{get, "/summary", "", nil}).Body.String()
	j.err = mdm.Errorf(mdm.CodeForbidden, "", "ci may only look")
	for _, c := range happyRows() {
		j.seen = nil
		rec := w.do(c.request)
		require.Equal(t, http.StatusForbidden, rec.Code, "%s: %s", c.route, rec.Body.String())
		require.Equal(t, "ci may only look", problem(t, rec.Body.Bytes()).Detail)
		require.Len(t, j.seen, 1, c.route)
		require.Equal(t, "ci", j.seen[0].who.Name)
		w.conforms(c.route, rec)
	}
	j.err = nil
	require.Equal(t, before, w.do(request{get, "/summary", "", nil}).Body.String())
}

// TestWhoAndWhy: actor and reason reach the Authorizer and the definition.
func TestWhoAndWhy(t *testing.T) {
	j := &judge{}
	w := newWorld(t, choices{config: func(c *keelson.Config) { c.Authorizer = j }})
	rec := w.do(request{post, "/profiles?name=Screen", string(lockScreen), map[string]string{"Content-Type": mediaXML, "X-Reason": "ticket 7: Zürich"}})
	require.Equal(t, 201, rec.Code, rec.Body.String())
	want := mdm.Actor{Kind: "token", Name: "ci", Reason: "ticket 7: Zürich"}
	var p keelson.Profile
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
	require.Equal(t, want, p.Actor)
	require.Equal(t, judged{want, mdm.DefaultTenant, "profiles.write"}, j.seen[0])

	for _, bad := range []string{"a\tb", string([]byte{0xff}), string(make([]rune, 513))} {
		rec = w.do(request{get, "/teams", "", map[string]string{"X-Reason": bad}})
		require.Equal(t, 422, rec.Code)
		require.Equal(t, "X-Reason", problem(t, rec.Body.Bytes()).Field)
	}
}

func TestAnonymous(t *testing.T) {
	j := &judge{}
	w := newWorld(t, choices{
		config:  func(c *keelson.Config) { c.Authorizer = j },
		options: func(o *Options) { *o = Options{AllowAnonymous: true, ReasonHeader: "X-Why"} },
	})
	rec := w.do(request{get, "/teams", "", map[string]string{"Authorization": "", "X-Why": "because"}})
	require.Equal(t, 200, rec.Code)
	require.Equal(t, mdm.Actor{Kind: "anonymous", Reason: "because"}, j.seen[0].who, "nobody passes for the application itself")
	require.Nil(t, w.served()["security"])
}

// TestTenants: a request reaches the tenant that the application names for it,
// and no other.
func TestTenants(t *testing.T) {
	w := newWorld(t, choices{options: func(o *Options) {
		o.Tenant = func(r *http.Request) mdm.TenantID {
			if mdm.ActorFrom(r.Context()).Name != "ci" {
				return "nobodys"
			}
			return mdm.TenantID(r.Header.Get("X-Tenant"))
		}
	}})
	require.NoError(t, w.m.CreateTenant(t.Context(), "acme"))
	in := func(tenant string) map[string]string { return map[string]string{"X-Tenant": tenant} }
	rec := w.do(request{put, "/hosts/by-external/a", "{}", in("acme")})
	require.Equal(t, 200, rec.Code, rec.Body.String())
	var h keelson.Host
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &h))
	require.Equal(t, 200, w.do(request{get, "/hosts/" + string(h.ID), "", in("acme")}).Code)
	require.Equal(t, 404, w.do(request{get, "/hosts/" + string(h.ID), "", in("default")}).Code)
	for _, bad := range []string{"Not A Name", "", "unknown"} {
		rec = w.do(request{get, "/teams", "", in(bad)})
		require.Equal(t, 404, rec.Code, bad)
		p := problem(t, rec.Body.Bytes())
		require.Equal(t, "tenant", p.Field)
		require.Equal(t, bad != "unknown", p.Detail == "no such tenant", "a name that is none is not asked for")
	}
}

// TestOtherOrigins: a browser that another site makes ask is refused; the same
// site, other clients, and reads are not.
func TestOtherOrigins(t *testing.T) {
	w := newWorld(t, choices{options: func(o *Options) {
		o.CrossOrigin = http.NewCrossOriginProtection()
		if err := o.CrossOrigin.AddTrustedOrigin("https://console.example.com"); err != nil {
			t.Fatal(err)
		}
	}})
	for _, c := range []struct {
		header map[string]string
		method string
		body   string
		status int
	}{
		{map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, post, `{"name":"1"}`, 403},
		{map[string]string{"Origin": "https://evil.example"}, post, `{"name":"2"}`, 403},
		{map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://console.example.com"}, post, `{"name":"3"}`, 201},
		{map[string]string{"Sec-Fetch-Site": "same-origin"}, post, `{"name":"4"}`, 201},
		{nil, post, `{"name":"5"}`, 201},
		{map[string]string{"Sec-Fetch-Site": "cross-site"}, get, "", 200},
	} {
		rec := w.do(request{c.method, "/teams", c.body, c.header})
		require.Equal(t, c.status, rec.Code, c.header)
	}
}

// TestOptions: wrong ones are found when the API is made.
func TestOptions(t *testing.T) {
	m := newWorld(t, choices{}).m
	who := func(*http.Request) (mdm.Actor, error) { return mdm.Actor{}, nil }
	for field, o := range map[string]*Options{
		"Authenticate":   nil,
		"AllowAnonymous": {Authenticate: who, AllowAnonymous: true},
		"MaxBody":        {Authenticate: who, MaxBody: -1},
		"Base":           {Authenticate: who, Base: "api/v1"},
		"OpenAPIPath":    {Authenticate: who, OpenAPIPath: "/api/v1/hosts"},
		"ReasonHeader":   {Authenticate: who, ReasonHeader: "X Reason"},
		"Challenge":      {Authenticate: who, Challenge: "Bearer\r\nX: y"},
	} {
		_, err := New(m, o)
		var e *mdm.Error
		require.ErrorAs(t, err, &e, field)
		require.Equal(t, field, e.Field)
		require.Equal(t, mdm.CodeInvalid, e.Code)
	}
	for _, bad := range []string{"/api/", "/api/../x", "/{tenant}", "/a b", "//"} {
		_, err := New(m, &Options{Authenticate: who, Base: bad})
		require.ErrorIs(t, err, mdm.CodeInvalid, bad)
		_, err = New(m, &Options{Authenticate: who, OpenAPIPath: bad})
		require.ErrorIs(t, err, mdm.CodeInvalid, bad)
	}
	_, err := New(nil, &Options{Authenticate: who})
	require.ErrorIs(t, err, mdm.CodeInvalid)
	for _, good := range []string{"/", "/a", "/a/b-c/v1.0"} {
		a, err := New(m, &Options{Authenticate: who, Base: good})
		require.NoError(t, err, good)
		mux := http.NewServeMux()
		a.Register(mux)
	}
}
