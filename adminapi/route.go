package adminapi

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/keelson-mdm/keelson/mdm"
)

// route is one row of the table that mounts the API and describes it.
type route struct {
	method, path string
	id           string // operationId; never changes
	summary      string
	query        []param
	header       []string // names of headers that it looks at, see headers
	in           any      // zero value of the JSON body; nil takes none
	raw          []string // other media types that the body may have
	out          any      // zero value of the JSON answer; nil has none
	media        []string // of an answer that is no JSON
	status       int      // of success
	etag         bool     // the answer has an ETag
	located      bool     // the answer has a Location
	codes        []mdm.Code
	example      any // of in
	answer       any // example of out
	do           func(*call) (reply, error)

	inShape, outShape *schema // made by prepare
}

// param is a query parameter.
type param struct {
	name, about string
	shape       *schema
	list        bool // may stand more than once
}

// prepare makes the schemas that requests are checked by and the document shows.
// Those of requests come first: a type that is in both is closed.
func prepare(rs []route, types *shapes) {
	for i := range rs {
		if r := &rs[i]; r.in != nil {
			r.inShape = types.of(reflect.TypeOf(r.in), true)
		}
	}
	for i := range rs {
		if r := &rs[i]; r.out != nil {
			r.outShape = types.of(reflect.TypeOf(r.out), false)
		}
	}
}

// wildcards are the names in braces in the path, in order.
func (r *route) wildcards() []string {
	var out []string
	for part := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			out = append(out, strings.TrimSuffix(name, "}"))
		}
	}
	return out
}

// problems are the codes that the route may answer with, by its shape and its
// own list. What an application's Authenticate and Authorizer answer may add to
// them.
func (r *route) problems() []mdm.Code {
	out := []mdm.Code{
		mdm.CodeMalformed, mdm.CodeUnauthenticated, mdm.CodeForbidden, mdm.CodeInvalid,
		mdm.CodeInternal, mdm.CodeUnavailable,
	}
	if len(r.wildcards()) > 0 {
		out = append(out, mdm.CodeNotFound)
	}
	if r.in != nil {
		out = append(out, mdm.CodeTooLarge, mdm.CodeUnsupported)
	}
	if slices.Contains(r.header, headerIfMatch) {
		out = append(out, mdm.CodePrecondition)
	}
	for _, c := range r.codes {
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// routes is the table.
func routes() []route {
	return slices.Concat(hostRoutes(), commandRoutes(), profileRoutes(), teamRoutes(), labelRoutes(), enrollmentRoutes(), summaryRoutes())
}

// Headers that routes look at.
const (
	headerIfMatch     = "If-Match"
	headerIdempotency = "Idempotency-Key"
)

const (
	get, put, post, patch, del = http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete
)
