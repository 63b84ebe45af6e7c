// Package adminapi is the JSON API over the Go API of package keelson, for
// dashboards, scripts and other languages. It decides nothing: each route is one
// call of the Go API, which is judged by [keelson.Config]'s Authorizer as every
// other. Who calls is told by the application's own [Options].Authenticate.
//
//	api, err := adminapi.New(m, &adminapi.Options{Authenticate: whoCalls})
//	api.Register(mux)
//
// # What callers may rely on
//
// Errors are application/problem+json (RFC 9457) with a stable "code", the
// "field" that is wrong, and a "detail" for people; see [Problem]. Causes stay in
// the log. The status of a code is that of [mdm.Code.Answer].
//
// Input is strict: an unknown field, an unknown query parameter, a name that
// stands twice or a null is refused by name, and changes nothing.
//
// A profile's ETag is its revision, which counts contents: a new name or scope
// does not raise it. If-Match refuses a change of another revision with 412.
//
// Cursors are opaque, and are good as long as what they point at is kept. It is
// "next" that tells the end of a list, and not a page that is short. A command
// with an Idempotency-Key is queued once for each key and host.
//
// The routes, their parameters and bodies are described by an OpenAPI 3.1
// document ([API.OpenAPI]), which is made from the very table that mounts them;
// requests are checked by the schemas that it shows.
//
// # Browsers
//
// An application that authenticates by cookie is protected against requests that
// other sites make browsers send: see [Options].CrossOrigin. Profiles and answers
// of devices are sent as attachments that no browser renders.
package adminapi
