// Package apple is Apple MDM over HTTP: check-in, commands and results on the
// device channel, following Apple's "Device Management" documentation and
// schema.
package apple
