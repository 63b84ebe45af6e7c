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
// A profile's ETag is its edit, which rises with every change of name, scope or
// content; its counts of hosts are not part of it. If-Match is compared in the
// unit of work that changes or deletes: of two callers with the same ETag one
// wins, and the other is answered 412 and has changed nothing.
//
// Cursors are opaque, and are good as long as what they point at is kept. It is
// "next" that tells the end of a list, and not a page that is short.
//
// A command with an Idempotency-Key is queued once for each key and host: the same
// request is answered what the first was, whatever became of the command since, and
// another request with that key is refused with 422. When the first is being taken
// at this very moment, a second may be answered 409, and may be sent again.
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
