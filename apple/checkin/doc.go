// Package checkin reads the check-in messages of Apple's MDM protocol
// (mdm/checkin of the published device management schema): [Decode] gives one of
// eight message types, [Sender.ID] says which enrollment channel speaks.
//
// What a message says is a claim. Who may say it is decided by the certificate
// that came with it, elsewhere.
//
// Decoding is bounded and never panics; errors are [*mdm.Error]. Nothing here
// keeps state, and everything is safe for concurrent use. Messages hold secrets
// (tokens); their String method says only who sent them.
package checkin
