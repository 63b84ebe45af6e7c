package main

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
)

//go:embed web
var web embed.FS

// liveHeader asks for the part of a page that changes by itself.
const liveHeader = "Keelson-Live"

// dashboard is the pages for people. They stand on Keelson's Go API alone.
type dashboard struct {
	s        *server
	mdm      *keelson.MDM
	log      *slog.Logger
	pages    map[string]*template.Template
	static   string // path of the static files, with their hash in it
	sessions *sessions
	now      func() time.Time
}

func newDashboard(s *server) (_ *dashboard, err error) {
	d := &dashboard{s: s, mdm: s.mdm, log: s.log, now: time.Now}
	if d.sessions, err = newSessions(s.token, d.now); err != nil {
		return nil, err
	}
	if d.static, err = staticPath(); err != nil {
		return nil, err
	}
	return d, d.parse()
}

// parse reads the templates: every page with the layout around it.
func (d *dashboard) parse() error {
	base, err := template.New("layout").Funcs(d.funcs()).ParseFS(web, "web/layout.html", "web/parts.html")
	if err != nil {
		return err
	}
	files, err := fs.Glob(web, "web/page_*.html")
	if err != nil {
		return err
	}
	d.pages = make(map[string]*template.Template, len(files))
	for _, f := range files {
		t, err := base.Clone()
		if err != nil {
			return err
		}
		if t, err = t.ParseFS(web, f); err != nil {
			return err
		}
		d.pages[f[len("web/page_"):len(f)-len(".html")]] = t
	}
	return nil
}

// staticPath names the static files by their content, so that browsers may keep
// them for ever.
func staticPath() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(web, "web/static", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := web.ReadFile(path)
		h.Write(b)
		return err
	})
	return "/static/" + hex.EncodeToString(h.Sum(nil)[:6]) + "/", err
}

// register mounts the pages.
func (d *dashboard) register(mux *http.ServeMux) {
	site := http.NewServeMux()
	site.HandleFunc("GET /login", d.loginPage)
	site.HandleFunc("POST /login", d.login)
	site.HandleFunc("POST /logout", d.logout)
	for pattern, page := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}":                         d.overview,
		"GET /hosts":                       d.hosts,
		"GET /hosts/{host}":                d.host,
		"POST /hosts/{host}/team":          d.setTeam,
		"POST /hosts/{host}/label":         d.setLabel,
		"POST /hosts/{host}/ask":           d.askHost,
		"POST /hosts/{host}/unenroll":      d.unenroll,
		"GET /profiles":                    d.profiles,
		"GET /profiles/new":                d.uploadPage,
		"POST /profiles":                   d.upload,
		"GET /profiles/{profile}":          d.profile,
		"POST /profiles/{profile}/content": d.replace,
		"POST /profiles/{profile}/delete":  d.deleteProfile,
		"GET /groups":                      d.groups,
		"POST /teams":                      d.createTeam,
		"POST /teams/{team}/delete":        d.deleteTeam,
		"POST /labels":                     d.createLabel,
		"POST /labels/{label}/delete":      d.deleteLabel,
		"GET /enroll":                      d.enrollPage,
		"POST /enroll":                     d.makeLink,
		"POST /enroll/{link}/withdraw":     d.withdraw,
		"GET /":                            d.nowhere,
	} {
		site.HandleFunc(pattern, d.known(page))
	}
	mux.Handle("/", d.guard(site))
	files := http.StripPrefix(d.static, http.FileServerFS(sub(web, "web/static")))
	mux.HandleFunc("GET "+d.static, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	})
	if len(d.s.identity.anchors) > 0 {
		mux.HandleFunc("GET /server-ca.crt", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-x509-ca-cert")
			_, _ = w.Write(d.s.identity.anchors[0].Raw)
		})
	}
}

// sub is a folder of an embedded one; the folder exists, so it cannot fail.
func sub(f fs.FS, dir string) fs.FS {
	s, err := fs.Sub(f, dir)
	if err != nil {
		return f
	}
	return s
}

// guard sets what browsers must know, and refuses what another site sends.
func (d *dashboard) guard(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// known lets only those in who have logged in, and acts in their name.
func (d *dashboard) known(page func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !d.sessions.valid(r) {
			if isLive(r) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			to := "/login"
			if r.Method == http.MethodGet && r.URL.Path != "/" {
				to += "?next=" + url.QueryEscape(r.URL.RequestURI())
			}
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		r = r.WithContext(mdm.WithActor(r.Context(), mdm.Actor{Kind: "user", Name: "administrator", Reason: "dashboard"}))
		if err := page(w, r); err != nil {
			d.fail(w, r, err)
		}
	}
}

// isLive reports whether only the part is wanted that changes by itself.
func isLive(r *http.Request) bool { return r.Header.Get(liveHeader) != "" }

// view is what every page shows.
type view struct {
	Title string
	Nav   string // the entry of the navigation that is current; empty hides it
	Data  any
}

// render writes a page, or the part of it that changes by itself.
func (d *dashboard) render(w http.ResponseWriter, r *http.Request, status int, page string, v view) error {
	name := "layout"
	if isLive(r) {
		name = "live"
	}
	var b bytes.Buffer
	if err := d.pages[page].ExecuteTemplate(&b, name, v); err != nil {
		return fmt.Errorf("page %s: %w", page, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
	return nil
}

// fail tells a person what went wrong.
func (d *dashboard) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := explain(err)
	if status >= 500 && r.Context().Err() == nil {
		d.log.Error("a page failed", "path", r.URL.Path, "error", err)
	}
	v := view{Title: http.StatusText(status), Nav: "none", Data: text}
	if err := d.render(w, r, status, "error", v); err != nil {
		http.Error(w, text, status)
	}
}

// explain returns what a person may know of an error.
func explain(err error) (status int, text string) {
	var e *mdm.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, "The file is too large."
	case !errors.As(err, &e), e.Code == mdm.CodeInternal:
		return http.StatusInternalServerError, "Something went wrong here. The log of the server says what."
	case e.Field != "":
		return e.Code.Answer().Admin, e.Field + ": " + e.Message
	}
	return e.Code.Answer().Admin, e.Message
}

func (d *dashboard) nowhere(http.ResponseWriter, *http.Request) error {
	return mdm.Errorf(mdm.CodeNotFound, "", "There is no such page.")
}

// loginPage asks for the token.
func (d *dashboard) loginPage(w http.ResponseWriter, r *http.Request) {
	d.askToken(w, r, http.StatusOK, local(r.FormValue("next")), "")
}

func (d *dashboard) askToken(w http.ResponseWriter, r *http.Request, status int, next, wrong string) {
	v := view{Title: "Log in", Data: struct{ Next, Wrong string }{next, wrong}}
	if err := d.render(w, r, status, "login", v); err != nil {
		d.fail(w, r, err)
	}
}

func (d *dashboard) login(w http.ResponseWriter, r *http.Request) {
	next := local(r.FormValue("next"))
	if !same(r.PostFormValue("token"), d.sessions.token) {
		d.log.Warn("a login was refused", "from", r.RemoteAddr)
		d.askToken(w, r, http.StatusUnauthorized, next, "That is not the token. The server printed it when it started.")
		return
	}
	d.sessions.begin(w)
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (d *dashboard) logout(w http.ResponseWriter, r *http.Request) {
	d.sessions.end(w)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
