package adminapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

// The defaults of [Options].
const (
	DefaultBase         = "/api/v1"
	DefaultOpenAPIPath  = "/api/openapi.json"
	DefaultReasonHeader = "X-Reason"
	DefaultChallenge    = "Bearer"
	// DefaultMaxBody has room for 2 MiB of content in base64 and what is around
	// it.
	DefaultMaxBody = (2<<20)*4/3 + 64<<10
)

// Options are the choices of an [API].
type Options struct {
	// Authenticate tells who calls. An [*mdm.Error] is answered by its code
	// (CodeUnavailable when the users cannot be looked up); every other error
	// is answered 401, and its text goes nowhere. It is required unless
	// AllowAnonymous is set.
	Authenticate func(*http.Request) (mdm.Actor, error)
	// AllowAnonymous lets everybody who reaches the handler do everything that
	// the Authorizer allows, as an actor of kind "anonymous". It is for an API
	// behind something that authenticates, and for trying things out.
	AllowAnonymous bool
	// Challenge is the WWW-Authenticate header of a 401. Empty means
	// [DefaultChallenge].
	Challenge string

	// Tenant tells the tenant that a request is about, which must exist and
	// which the caller may enter; the actor is in the request's context. Nil
	// means the default tenant.
	Tenant func(*http.Request) mdm.TenantID
	// ReasonHeader is the request header that becomes [mdm.Actor].Reason.
	// Empty means [DefaultReasonHeader].
	ReasonHeader string
	// CrossOrigin refuses writes that a browser makes for a page of another
	// origin. Nil trusts the own origin only; clients that are no browsers are
	// never refused.
	CrossOrigin *http.CrossOriginProtection

	// Base is the path in front of every route, as the handler sees it and as
	// clients are told it; "/" means none. Empty means [DefaultBase].
	Base string
	// OpenAPIPath is where the OpenAPI document is. Empty means
	// [DefaultOpenAPIPath].
	OpenAPIPath string
	// MaxBody bounds a request's body, in bytes. 0 means [DefaultMaxBody].
	MaxBody int64
	// Log receives what went wrong on our side, without bodies, names or
	// queries. Nil discards.
	Log *slog.Logger
}

// API is the JSON API. It is safe for concurrent use.
type API struct {
	m      *keelson.MDM
	o      Options
	prefix string // Base without a slash at the end
	mux    *http.ServeMux
	types  *shapes
	doc    []byte
	docTag string
}

// New checks the options and makes an API. Wrong options are [mdm.CodeInvalid]
// errors.
func New(m *keelson.MDM, o *Options) (*API, error) {
	if m == nil {
		return nil, mdm.Errorf(mdm.CodeInvalid, "m", "an MDM is required: keelson.New")
	}
	a := &API{m: m}
	if o != nil {
		a.o = *o
	}
	if err := a.o.check(); err != nil {
		return nil, err
	}
	a.prefix = strings.TrimSuffix(a.o.Base, "/")
	a.types = newShapes()
	rs := routes()
	prepare(rs, a.types)
	a.mux = http.NewServeMux()
	for i := range rs {
		r := &rs[i]
		a.mux.HandleFunc(r.method+" "+a.prefix+r.path, func(w http.ResponseWriter, q *http.Request) { a.serve(w, q, r) })
	}
	if a.match(http.MethodGet, &url.URL{Path: a.o.OpenAPIPath}) {
		return nil, mdm.Errorf(mdm.CodeInvalid, "OpenAPIPath", "a route of the API is there")
	}
	doc, err := a.describe(rs)
	if err != nil {
		return nil, mdm.WrapError(mdm.CodeInternal, "", "the API cannot be described", err)
	}
	sum := sha256.Sum256(doc)
	a.doc, a.docTag = doc, `"`+base64.RawURLEncoding.EncodeToString(sum[:9])+`"`
	return a, nil
}

func (o *Options) check() error {
	switch {
	case o.Authenticate == nil && !o.AllowAnonymous:
		return mdm.Errorf(mdm.CodeInvalid, "Authenticate", "say who calls, or set AllowAnonymous to let everybody in")
	case o.Authenticate != nil && o.AllowAnonymous:
		return mdm.Errorf(mdm.CodeInvalid, "AllowAnonymous", "Authenticate is set: one of the two")
	case o.MaxBody < 0:
		return mdm.Errorf(mdm.CodeInvalid, "MaxBody", "a bound is above zero; 0 is the default")
	}
	for _, f := range []struct{ at, value *string }{
		{&o.Base, ptr(DefaultBase)}, {&o.OpenAPIPath, ptr(DefaultOpenAPIPath)},
		{&o.ReasonHeader, ptr(DefaultReasonHeader)}, {&o.Challenge, ptr(DefaultChallenge)},
	} {
		if *f.at == "" {
			*f.at = *f.value
		}
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Base != "/" && !plainPath(o.Base) {
		return mdm.Errorf(mdm.CodeInvalid, "Base", "a base is / or /some/path, of letters, digits and -._~")
	}
	if !plainPath(o.OpenAPIPath) {
		return mdm.Errorf(mdm.CodeInvalid, "OpenAPIPath", "a path is /some/path, of letters, digits and -._~")
	}
	if !isToken(o.ReasonHeader) {
		return mdm.Errorf(mdm.CodeInvalid, "ReasonHeader", "not the name of a header")
	}
	if scheme, _, _ := strings.Cut(o.Challenge, " "); !isToken(scheme) || strings.ContainsAny(o.Challenge, "\r\n") {
		return mdm.Errorf(mdm.CodeInvalid, "Challenge", "a challenge begins with a scheme, such as Bearer (RFC 9110, 11.6.1)")
	}
	if o.CrossOrigin == nil {
		o.CrossOrigin = http.NewCrossOriginProtection()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func ptr[T any](v T) *T { return &v }

// plainPath reports whether p is an absolute path that means the same in a URL,
// in a pattern and in a document.
func plainPath(p string) bool {
	if len(p) < 2 || p[0] != '/' || path.Clean(p) != p {
		return false
	}
	return strings.Trim(p, "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~") == ""
}

// isToken reports whether s is a token of HTTP (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// Register mounts the API and its description.
func (a *API) Register(mux *http.ServeMux) {
	mux.Handle(a.prefix+"/", a)
	mux.HandleFunc("GET "+a.o.OpenAPIPath, a.OpenAPI)
}

// OpenAPI serves the description of the API, an OpenAPI 3.1 document. It is the
// same for everybody and asks nobody who they are.
func (a *API) OpenAPI(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", mediaJSON)
	w.Header().Set("ETag", a.docTag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.doc))
}

// ServeHTTP serves the routes below [Options].Base, and the description.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == a.o.OpenAPIPath && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		a.OpenAPI(w, r)
		return
	}
	secure(w.Header())
	r, err := a.enter(r)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	at := r.URL.EscapedPath()
	if path.Clean(at) != at || r.RequestURI == "*" { // what a ServeMux would redirect or answer itself
		a.refuse(w, r, mdm.Errorf(mdm.CodeNotFound, "", "no such address"))
		return
	}
	if !a.match(r.Method, r.URL) {
		a.stray(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// secure keeps answers out of caches and browsers from making anything of them.
func secure(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
}

func (a *API) serve(w http.ResponseWriter, r *http.Request, at *route) {
	c := &call{api: a, route: at, w: w, r: r, tenant: tenantFrom(r.Context(), a.m)}
	if err := c.readQuery(); err != nil {
		a.refuse(w, r, err)
		return
	}
	rep, err := at.do(c)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	a.answer(w, r, at, rep)
}
