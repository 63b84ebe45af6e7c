// Package mobileconfig knows Apple's configuration profiles: it reads what an
// administrator uploads, says what may not be uploaded, signs and verifies, and
// renders the enrollment profile.
//
// [Parse] checks structure against Apple's schema (mdm/profiles/TopLevel.yaml
// and CommonPayloadKeys.yaml of the published device management schema) and
// never changes the bytes: what was uploaded is what is delivered and hashed.
// [Profile.Check] then holds a profile against a [Policy]: identifiers that are
// ours, payload types that the server makes itself. Every refusal is an
// [*mdm.Error] whose Field is the path in the profile, such as
// "PayloadContent[1].PayloadType".
//
// What is in the payloads is not validated: devices know their own schema
// better, and say what is wrong.
//
// Everything here is pure and safe for concurrent use.
package mobileconfig
