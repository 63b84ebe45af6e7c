// Package apple is Apple MDM over HTTP: the enrollment profile, check-in, and
// commands and results on the device channel, after Apple's "Device Management"
// documentation and schema.
//
// [Server] hands out http.Handlers and mounts none: an application decides on
// its routes, and [Server] is told which URLs it announces. Who sends a message is
// found out before anything in it is read, application code (admission) runs
// next, and then one unit of work records what the device did. Engines join that
// unit through [mdm.Sink].
//
// # What a device is answered
//
// Every status is one of [mdm.DeviceStatuses]. A device whose identity does not
// hold gets 400 and nothing else: a 401 or an unsuitable 403 would make an
// honest device remove its enrollment, for which a restored database or a wrong
// clock on the server is no reason. What may succeed later is answered with 503
// or 429 and a Retry-After.
//
// # What never blocks a device's queue
//
// A command that cannot be written, an answer that cannot be decoded, an engine
// that does not take a result in: each ends the one command that it is about, and
// the next one leaves.
package apple
