// Package mdmtest has simulated devices and simulated outside services, so that
// a device management server can be tested, and shown, without any hardware.
//
// A Mac or an iPhone is one line in a test:
//
//	mac := mdmtest.Mac(t, server.URL+"/enroll").Enroll()
//	mac.Poll()
//	require.Len(t, mac.Profiles(), 2)
//
// It downloads the enrollment profile, checks it as a device does, gets its
// identity over SCEP with a real RSA key, checks in, and from then on executes
// what the server sends whenever [AppleDevice.Poll] is called. It never polls on
// its own and starts no goroutine. [IPhone] makes an iPhone. A Windows PC is a
// [PCDevice], made by [NewPC], and [NewAPNs] starts a fake push service.
//
// # The devices are the judge
//
// The devices are written from the vendors' published schemas, RFC 8894 and, for
// SCEP, Apple's published client, and share no code with any server. They are
// stricter than hardware, since hardware hides what it forgives: whatever a
// server sends against the schema is kept as a [Violation], and fails the test.
// An Apple device also keeps a [CommandRecord] of every command that it saw, how
// it answered, and whether the answer reached the server, so that "it saw a
// command twice only after an injected loss" is one assertion: [Apple.Duplicates]
// is empty.
//
// # Misbehavior
//
// An Apple device misbehaves on demand: it answers NotNow or Error, loses replies
// before or after they leave, repeats a request, goes offline, presents the
// certificate of another device or claims its UDID, sends oversized messages,
// or is erased and enrolls again with a new key.
//
// # Outside of a test
//
// [NewApple] makes a device whose methods take a context and return errors,
// which a demonstration or a load generator can run. [Apple.Snapshot] and
// [Apple.Restore] carry a device over a restart.
//
// # What is not simulated
//
// Of Apple's devices: the user channel, Shared iPad, Automated Device
// Enrollment, account-driven enrollment, ACME identities, encrypted profiles and
// binary property lists; and of payloads other than those that enroll it, whether
// they hold what their page of the schema wants. No device judges the server's own
// TLS certificate beyond its chain and name, where vendors also limit its life and
// key. What a device does where the schema is silent (error codes, order of
// messages in a renewal) follows what is commonly seen, and is said so where it
// is coded.
package mdmtest
