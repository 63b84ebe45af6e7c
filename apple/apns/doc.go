// Package apns wakes Apple devices over the Apple Push Notification service, so
// that they poll the server.
//
// A [Pusher] belongs to one topic, which is to say to one push certificate:
//
//	p, err := apns.New(cert, nil)
//	outcomes := p.Push(ctx, []apns.Target{{Token: token, Magic: magic, Topic: topic}})
//
// [Pusher.Port] and [NewPort] make it an [mdm.Pusher].
//
// # What a push means
//
// A push carries no command: it says "poll". Pushing twice is harmless, since
// APNs keeps one notification per device and topic, and a lost push loses
// nothing that a later one does not bring. So a fault of a connection is always
// tried again, and a dead token makes an enrollment suspect and never ends it.
//
// # Connections
//
// Messages and their headers are those of sideshow/apns2; the HTTP client is
// not. APNs takes quick opening and closing of connections for an attack, and
// the standard client, cold, opens a connection for every waiting request. Here
// one connection is opened at a time; it carries a single request until that
// is answered, which shows that the certificate is accepted (in TLS 1.3 a
// refusal only shows in the first answer) and how many requests it takes at
// once; and another one is opened only when all are full, up to
// [Options.MaxConns]. When the first request of a connection fails, everybody
// who waited for it fails with it, and the call tries again only after a pause.
//
//	          acquire
//	(none) ----------> dialing --ok--> one request --answered--> shared
//	   ^                  |                 |                      |
//	   |                  | fails           | fails                | GOAWAY, broken,
//	   |                  v                 v                      v silent
//	   +---- all who wait fail alike, ------+                   retired: closes
//	         each retries after a pause                         when its last
//	                                                            request ends
//
// A connection that Apple is closing is replaced at once and does not count
// against the limit while its last requests end; what it leaves unanswered goes
// over the next one.
//
// Sources: Apple, "Establishing a connection to APNs", "Sending notification
// requests to APNs", "Handling notification responses from APNs", "Sending MDM
// commands to a device", and the MDM payload, whose topic begins with
// com.apple.mgmt.
package apns
