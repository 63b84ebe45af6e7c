package adminapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// What the document consists of, as OpenAPI 3.1 names it
// (https://spec.openapis.org/oas/v3.1.1.html).

type document struct {
	OpenAPI    string                           `json:"openapi"`
	Info       docInfo                          `json:"info"`
	Servers    []docServer                      `json:"servers"`
	Security   []map[string][]string            `json:"security,omitempty"`
	Paths      map[string]map[string]*operation `json:"paths"`
	Components components                       `json:"components"`
}

type docInfo struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

type docServer struct {
	URL string `json:"url"`
}

type components struct {
	Schemas         map[string]*schema        `json:"schemas"`
	Responses       map[string]docResponse    `json:"responses"`
	Headers         map[string]docHeader      `json:"headers"`
	SecuritySchemes map[string]securityScheme `json:"securitySchemes,omitempty"`
}

type securityScheme struct {
	Type        string `json:"type"`
	Scheme      string `json:"scheme"`
	Description string `json:"description"`
}

type operation struct {
	ID         string                 `json:"operationId"`
	Summary    string                 `json:"summary"`
	Tags       []string               `json:"tags"`
	Parameters []docParameter         `json:"parameters,omitempty"`
	Body       *docBody               `json:"requestBody,omitempty"`
	Responses  map[string]docResponse `json:"responses"`
}

type docParameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description,omitempty"`
	Required    bool    `json:"required,omitempty"`
	Schema      *schema `json:"schema"`
}

type docBody struct {
	Required bool                `json:"required"`
	Content  map[string]docMedia `json:"content"`
}

type docMedia struct {
	Schema  *schema `json:"schema,omitempty"`
	Example any     `json:"example,omitempty"`
}

type docResponse struct {
	Ref         string               `json:"$ref,omitempty"`
	Description string               `json:"description,omitempty"`
	Headers     map[string]docHeader `json:"headers,omitempty"`
	Content     map[string]docMedia  `json:"content,omitempty"`
}

type docHeader struct {
	Ref         string  `json:"$ref,omitempty"`
	Description string  `json:"description,omitempty"`
	Schema      *schema `json:"schema,omitempty"`
}

// describe makes the document of the routes.
func (a *API) describe(rs []route) ([]byte, error) {
	a.types.of(reflect.TypeFor[Problem](), false)
	d := document{
		OpenAPI: "3.1.1",
		Info: docInfo{
			Title: "Keelson", Version: "1",
			Description: "Administration of managed devices. Errors are problems (RFC 9457) with a stable code. The request header " +
				a.o.ReasonHeader + " says why something is done, and is kept with it.",
		},
		Servers: []docServer{{URL: a.o.Base}},
		Paths:   make(map[string]map[string]*operation),
		Components: components{
			Schemas: a.types.named,
			Responses: map[string]docResponse{"Problem": {
				Description: "A problem", Content: map[string]docMedia{mediaProblem: {Schema: &schema{Ref: refPrefix + "Problem"}}},
			}},
			Headers: map[string]docHeader{
				"ETag":     {Description: "The edit, for If-Match.", Schema: &schema{Type: "string"}},
				"Location": {Description: "Where the new thing is.", Schema: &schema{Type: "string", Format: "uri-reference"}},
			},
		},
	}
	if !a.o.AllowAnonymous {
		scheme, _, _ := strings.Cut(a.o.Challenge, " ")
		d.Security = []map[string][]string{{"caller": {}}}
		d.Components.SecuritySchemes = map[string]securityScheme{"caller": {
			Type: "http", Scheme: strings.ToLower(scheme), Description: "As the application authenticates its callers.",
		}}
	}
	for i := range rs {
		r := &rs[i]
		if d.Paths[r.path] == nil {
			d.Paths[r.path] = make(map[string]*operation)
		}
		d.Paths[r.path][strings.ToLower(r.method)] = r.describe()
	}
	return json.Marshal(d)
}

func (r *route) describe() *operation {
	o := &operation{
		ID: r.id, Summary: r.summary, Tags: []string{strings.Split(r.path, "/")[1]},
		Responses: map[string]docResponse{strconv.Itoa(r.status): r.success(), "default": {Ref: "#/components/responses/Problem"}},
	}
	for _, c := range r.problems() {
		o.Responses[strconv.Itoa(statusOf(c))] = docResponse{Ref: "#/components/responses/Problem"}
	}
	for _, name := range r.wildcards() {
		o.Parameters = append(o.Parameters, docParameter{Name: name, In: "path", Required: true, Schema: &schema{Type: "string"}})
	}
	for _, p := range r.query {
		shape := p.shape
		if p.list {
			shape = &schema{Type: "array", Items: shape}
		}
		o.Parameters = append(o.Parameters, docParameter{Name: p.name, In: "query", Description: p.about, Schema: shape})
	}
	for _, h := range r.header {
		o.Parameters = append(o.Parameters, docParameter{Name: h, In: "header", Description: headers()[h], Schema: &schema{Type: "string"}})
	}
	if r.in != nil {
		o.Body = &docBody{Required: true, Content: map[string]docMedia{mediaJSON: {Schema: r.inShape, Example: r.example}}}
		for _, m := range r.raw {
			o.Body.Content[m] = docMedia{}
		}
		if slices.Contains(r.raw, mediaForm) {
			o.Body.Content[mediaForm] = docMedia{Schema: formShape(r.query)}
		}
	}
	return o
}

// success is the answer when all is well.
func (r *route) success() docResponse {
	out := docResponse{Description: http.StatusText(r.status)}
	header := func(name string) {
		if out.Headers == nil {
			out.Headers = make(map[string]docHeader)
		}
		out.Headers[name] = docHeader{Ref: "#/components/headers/" + name}
	}
	if r.etag {
		header("ETag")
	}
	if r.located {
		header("Location")
	}
	for _, m := range r.media {
		if out.Content == nil {
			out.Content = make(map[string]docMedia)
		}
		out.Content[m] = docMedia{}
	}
	if r.out != nil {
		out.Content = map[string]docMedia{mediaJSON: {Schema: r.outShape, Example: r.answer}}
	}
	return out
}

// formShape describes an upload by form: the content, and what query parameters
// say of a raw one.
func formShape(params []param) *schema {
	s := &schema{
		Type: "object", Required: []string{contentPart}, Additional: false,
		Properties: map[string]*schema{contentPart: {Type: "string", ContentMediaType: mediaBytes, Description: "The profile."}},
	}
	for _, p := range params {
		s.Properties[p.name] = p.shape
		if p.list {
			s.Properties[p.name] = &schema{Type: "array", Items: p.shape}
		}
	}
	return s
}

// headers describe what routes look at.
func headers() map[string]string {
	return map[string]string{
		headerIfMatch:     "An ETag: refuse unless nothing of the profile has changed since.",
		headerIdempotency: "The same request for the same host with the same key queues nothing, and answers what the first did. Another request with that key is refused with 422 and idempotency_key_reused; with 409 when the first is being taken at this very moment.",
	}
}
