package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// CodeMethod: the address exists, and not for this method (405). HTTP brings it,
// and [package mdm] does not have it; it is as stable as those codes.
const CodeMethod mdm.Code = "method_not_allowed"

const (
	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
)

// defaultRetry is told to callers of something that is busy or down when nobody
// knows better.
const defaultRetry = 5 * time.Second

// Problem is the body of every error, an RFC 9457 problem details object. Type
// is always about:blank; Code is what programs look at. Fields are added, never
// changed.
type Problem struct {
	Type   string   `json:"type"`
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Code   mdm.Code `json:"code"`
	// Field is the path of the input that is wrong, such as
	// "scope.include_all[2]", or the name of a header or query parameter.
	Field string `json:"field,omitempty"`
	// Detail says what was wrong and what to do.
	Detail string `json:"detail"`
	// Answer says, of a command that could not be taken back, whether it is
	// too_late or had ended.
	Answer string `json:"answer,omitempty"`
}

// uncancelable is a command that could not be taken back.
type uncancelable struct {
	answer string
	err    error
}

func (u uncancelable) Error() string { return u.err.Error() }
func (u uncancelable) Unwrap() error { return u.err }

// statusOf is the HTTP status of a code.
func statusOf(c mdm.Code) int {
	if c == CodeMethod {
		return http.StatusMethodNotAllowed
	}
	return c.Answer().Admin
}

// problemOf is what a caller is told of an error: never its cause. The duration
// is how long to wait before trying again, 0 when nothing is known to change.
func problemOf(err error) (Problem, time.Duration) {
	var e *mdm.Error
	if !errors.As(err, &e) {
		e = &mdm.Error{Code: mdm.CodeOf(err)}
		if errors.Is(err, context.DeadlineExceeded) {
			e.Code = mdm.CodeUnavailable
		}
	}
	status := statusOf(e.Code)
	p := Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: e.Code, Field: e.Field, Detail: e.Message}
	if status == http.StatusInternalServerError {
		p.Code, p.Field, p.Detail = mdm.CodeInternal, "", "something went wrong on our side; the server's log says what"
	}
	if p.Detail == "" {
		p.Detail = general(p.Code)
	}
	var u uncancelable
	if errors.As(err, &u) {
		p.Answer = u.answer
	}
	wait := e.RetryAfter
	if wait <= 0 && (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
		wait = defaultRetry
	}
	return p, max(wait, 0)
}

// general is the detail of an error that brought none.
func general(c mdm.Code) string {
	switch c {
	case mdm.CodeNotFound:
		return "there is no such thing in this tenant"
	case mdm.CodeUnauthenticated:
		return "say who you are"
	case mdm.CodeForbidden:
		return "you may not do this"
	case mdm.CodeUnavailable, mdm.CodeBusy:
		return "try again later"
	}
	return strings.ReplaceAll(string(c), "_", " ")
}

// refuse answers with a problem.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, wait := problemOf(err)
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		a.o.Log.ErrorContext(r.Context(), "an administrative request failed", "route", r.Pattern, "method", r.Method, "code", string(p.Code), "error", err)
	}
	body, err := json.Marshal(p)
	if err != nil { // cannot be: all fields are strings and a number
		http.Error(w, http.StatusText(p.Status), p.Status)
		return
	}
	h := w.Header()
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", a.o.Challenge)
	}
	if wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10))
	}
	h.Set("Content-Type", mediaProblem)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the caller is gone
}

// stray answers what is for no route: 405 when another method is.
func (a *API) stray(w http.ResponseWriter, r *http.Request) {
	var allow []string
	for _, m := range methods() {
		if a.match(m, r.URL) {
			allow = append(allow, m)
		}
	}
	if len(allow) == 0 {
		a.refuse(w, r, mdm.Errorf(mdm.CodeNotFound, "", "no such address"))
		return
	}
	if slices.Contains(allow, http.MethodGet) {
		allow = append(allow, http.MethodHead)
		slices.Sort(allow)
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	a.refuse(w, r, mdm.Errorf(CodeMethod, "", "this address takes %s", strings.Join(allow, ", ")))
}

// methods are those that routes have, sorted.
func methods() []string {
	return []string{http.MethodDelete, http.MethodGet, http.MethodPatch, http.MethodPost, http.MethodPut}
}

// match reports whether a route takes the method there.
func (a *API) match(method string, u *url.URL) bool {
	_, pattern := a.mux.Handler(&http.Request{Method: method, URL: u})
	return pattern != ""
}
