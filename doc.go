// Package keelson adds device management to a Go server: Apple MDM and Windows
// MDM over HTTP, and one engine that decides which configuration profiles each
// host should carry, brings them there, and proves that it did.
//
//	m, err := keelson.New(keelson.Config{
//		URL:     "https://mdm.example.com",
//		Store:   store,   // sqlstore.Open over your own *sql.DB
//		CA:      authority,
//		Keyring: keys,
//		Topic:   "com.apple.mgmt.External.…",
//	})
//	m.Register(mux)    // takes only the paths that devices use
//	err = m.Run(ctx)   // plans, delivers events, wakes devices
//
// Administration is a Go API: [MDM.Profiles], [MDM.Hosts], [MDM.Commands],
// [MDM.Enrollments], [MDM.Teams] and [MDM.Labels] for the default tenant,
// [MDM.Tenant] for another. Package adminapi puts a JSON API over it, and
// examples/server is a complete server with a dashboard.
//
// # What is whose
//
// Storage, certificate authority, push, identity provider, authorization and
// clocks are ports ([Config]); the packages under this one do one thing each and
// may be used on their own. docs/architecture.md says where what is.
package keelson
