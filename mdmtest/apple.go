package mdmtest

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"io"
	"slices"
	"sync"
	"time"
)

// Apple is a simulated Mac or iPhone. It speaks the MDM protocol of Apple's
// published schema over HTTP, and SCEP as of RFC 8894.
//
// It is safe for concurrent use. What needs the network happens one at a time:
// such a method waits for the one before it. Everything else answers at once,
// also in the middle of a session.
type Apple struct {
	kind      AppleKind
	enrollURL string
	opts      AppleOptions
	initErr   error         // a wrong option, returned by everything that can fail
	session   chan struct{} // of one: what needs the network
	rec       *recorder

	mu      sync.Mutex
	st      appleState
	odd     misbehavior
	clients map[clientKey]*deviceClient
}

// appleState is what a device would find on its disk.
type appleState struct {
	udid, serial  string
	id            *identity
	enr           *enrollment
	enrolled      bool // TokenUpdate went through
	awaiting      bool
	pushToken     []byte
	pushMagic     string
	unlockToken   []byte
	lockPIN       string
	profiles      []*installed // in the order of installation
	enrolledTimes int
}

// NewApple makes a device that is not enrolled yet. enrollURL is where it gets
// its enrollment profile; it may be empty if only [Apple.EnrollWith] is used.
// opts may be nil. A wrong option is returned by the first method that can fail.
func NewApple(kind AppleKind, enrollURL string, opts *AppleOptions) *Apple {
	o, err := opts.withDefaults(kind)
	a := &Apple{
		kind:      kind,
		enrollURL: enrollURL,
		opts:      o,
		initErr:   err,
		session:   make(chan struct{}, 1),
		rec:       newRecorder(),
		clients:   make(map[clientKey]*deviceClient),
	}
	a.st.udid, a.st.serial = o.UDID, o.Serial
	a.odd.reset()
	return a
}

// begin waits for the session before it to end. The returned function ends this
// one.
func (a *Apple) begin(ctx context.Context) (end func(), err error) {
	if a.initErr != nil {
		return nil, a.initErr
	}
	select {
	case a.session <- struct{}{}:
		return func() { <-a.session }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// state returns a copy of the state; what the pointers point to never changes.
func (a *Apple) state() appleState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.st
}

// change alters the state.
func (a *Apple) change(f func(*appleState)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.st)
}

// noise returns n random bytes from AppleOptions.Rand.
func (a *Apple) noise(n int) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := make([]byte, n)
	_, err := io.ReadFull(a.opts.Rand, b)
	return b, err
}

// violate records something that the server did against the schema.
func (a *Apple) violate(during, format string, args ...any) {
	a.rec.violate(a.Now(), during, format, args...)
}

// Kind returns what the device is.
func (a *Apple) Kind() AppleKind { return a.kind }

// UDID returns the device's own identifier, whatever [Apple.ClaimUDID] says.
func (a *Apple) UDID() string { return a.state().udid }

// Serial returns the serial number.
func (a *Apple) Serial() string { return a.state().serial }

// Enrolled reports whether the device completed an enrollment and still has it.
func (a *Apple) Enrolled() bool { return a.state().enrolled }

// Awaiting reports whether the device waits for DeviceConfigured.
func (a *Apple) Awaiting() bool { return a.state().awaiting }

// Enrollments counts the enrollments and renewals that the device completed.
func (a *Apple) Enrollments() int { return a.state().enrolledTimes }

// Topic returns the push topic of the enrollment, or "" without one.
func (a *Apple) Topic() string {
	if enr := a.state().enr; enr != nil {
		return enr.topic()
	}
	return ""
}

// PushToken returns the push token as lower-case hex, as APNs takes it; empty
// before the first TokenUpdate, and between [Apple.RotateToken] and the next.
func (a *Apple) PushToken() string { return hex.EncodeToString(a.state().pushToken) }

// PushMagic returns what a push has to carry as mdm; empty when PushToken is.
func (a *Apple) PushMagic() string { return a.state().pushMagic }

// Pushed tells the device of a push, as [APNs.OnPush] hears of it, and reports
// whether that wakes it: not if the token is another's. A push to its own token
// with a magic that is not its own is ignored, as on hardware, and a violation.
func (a *Apple) Pushed(token, magic string) bool {
	st := a.state()
	switch {
	case !st.enrolled || len(st.pushToken) == 0 || hex.EncodeToString(st.pushToken) != token:
		return false
	case st.pushMagic != magic:
		a.violate("push", "the magic is not the one that goes with the token: no device wakes on that")
		return false
	}
	return true
}

// LockPIN returns the PIN that a DeviceLock set, or "".
func (a *Apple) LockPIN() string { return a.state().lockPIN }

// Identity returns the device's certificate, or nil before it has one.
func (a *Apple) Identity() *x509.Certificate {
	if id := a.state().id; id != nil {
		return id.cert
	}
	return nil
}

// Record returns every command that the device saw, in the order of the first
// sighting, with what it answered and what became of the answer. It outlasts
// [Apple.Erase].
func (a *Apple) Record() []CommandRecord { return a.rec.all() }

// Duplicates returns the commands that the server handed out again although it
// had taken a final answer to them. For a correct server it is empty: a command
// may come twice only after NotNow, or after a reply was lost on the way.
func (a *Apple) Duplicates() []CommandRecord {
	return slices.DeleteFunc(a.rec.all(), func(r CommandRecord) bool { return !r.Duplicated() })
}

// Violations returns what the server did against the schema, in order.
func (a *Apple) Violations() []Violation { return a.rec.violated(false) }

// TakeViolations returns the violations and forgets them, for a test that
// expects some.
func (a *Apple) TakeViolations() []Violation { return a.rec.violated(true) }

// Now returns the device's time, in UTC.
func (a *Apple) Now() time.Time { return a.opts.Clock().UTC().Round(0) }
