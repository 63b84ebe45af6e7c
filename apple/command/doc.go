// Package command writes MDM commands for Apple devices and reads their results
// (mdm/commands of the published device management schema).
//
// [Encode] writes a typed command, or an application's own, read by [ParseRaw].
// [DecodeResult] reads what every answer has in common; [ParseProfileList] and
// [ParseDeviceInformation] read the answers of those commands from the same
// bytes. Everything is bounded and never panics on what a device sends; errors
// are [*mdm.Error]. Nothing here keeps state, and everything is safe for
// concurrent use.
package command
