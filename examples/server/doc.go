// Command server is a complete device management server made of Keelson.
//
//	go run ./examples/server -demo
//
// It keeps everything in one directory: an SQLite file, the certificates that
// it makes for itself at first start, the keys, and an administrator's token. It
// prints its URL and that token, and serves
//
//	/                  the dashboard
//	/api/v1            the JSON API, described at /api/openapi.json
//	/healthz, /readyz  for whoever watches the process
//	/mdm/v1            what devices talk to
//
// With -demo, a simulated Mac, iPhone and Windows PC enroll over HTTPS, receive
// the profiles in the folder demo, and are verified within seconds. Stopped and
// started again, server and devices go on where they were.
//
// Every flag may be set in the environment as well: -apns-cert is
// KEELSON_APNS_CERT. A flag goes before the environment.
//
// The files: options.go reads the settings, data.go, certificates.go and
// database.go keep what is kept, server.go puts it together, dashboard*.go and
// page_*.go are the dashboard, and demo*.go the demonstration.
package main
