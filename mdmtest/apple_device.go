package mdmtest

import (
	"errors"
	"net/url"
	"testing"
)

// AppleDevice is an [Apple] in a test: its methods end the test with Fatal where
// those of Apple return an error, and use the test's context. When the test
// ends, every [Violation] that was not taken by [Apple.TakeViolations] fails it.
//
// The methods that return an error are reached through the Apple field:
//
//	require.ErrorAs(t, mac.Apple.Enroll(ctx), &refused)
type AppleDevice struct {
	*Apple
	t testing.TB
}

// Mac makes a Mac that is not enrolled yet. With options (one value at most) it
// is as they say; without any, it also trusts whatever server runs on this
// machine, see AppleOptions.TrustLoopback.
func Mac(t testing.TB, enrollURL string, opts ...*AppleOptions) *AppleDevice {
	t.Helper()
	return newAppleDevice(t, AppleMac, enrollURL, opts)
}

// IPhone makes an iPhone, as [Mac] makes a Mac.
func IPhone(t testing.TB, enrollURL string, opts ...*AppleOptions) *AppleDevice {
	t.Helper()
	return newAppleDevice(t, AppleIPhone, enrollURL, opts)
}

func newAppleDevice(t testing.TB, kind AppleKind, enrollURL string, opts []*AppleOptions) *AppleDevice {
	t.Helper()
	var o *AppleOptions
	switch len(opts) {
	case 0:
		u, err := url.Parse(enrollURL)
		o = &AppleOptions{TrustLoopback: err == nil && isLoopback(u.Hostname())}
	case 1:
		o = opts[0]
	default:
		t.Fatalf("mdmtest: %d AppleOptions; give one at most", len(opts))
	}
	d := &AppleDevice{Apple: NewApple(kind, enrollURL, o), t: t}
	if d.initErr != nil {
		t.Fatal(d.initErr)
	}
	t.Cleanup(func() {
		d.Close()
		for _, v := range d.Violations() {
			t.Errorf("the server violated the protocol with %s %s: %s", kind, d.UDID(), v)
		}
	})
	return d
}

// must ends the test on an error.
func (d *AppleDevice) must(doing string, err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatalf("%s %s: %s: %v", d.Kind(), d.UDID(), doing, err)
	}
}

// Enroll is [Apple.Enroll]. It returns the device.
func (d *AppleDevice) Enroll() *AppleDevice {
	d.t.Helper()
	d.must("enroll", d.Apple.Enroll(d.t.Context()))
	return d
}

// Poll is [Apple.Poll], and returns how many commands were handled. A device
// that is offline handles none.
func (d *AppleDevice) Poll() int {
	d.t.Helper()
	n, err := d.Apple.Poll(d.t.Context())
	if !errors.Is(err, ErrOffline) {
		d.must("poll", err)
	}
	return n
}

// TokenUpdate is [Apple.TokenUpdate].
func (d *AppleDevice) TokenUpdate() {
	d.t.Helper()
	d.must("TokenUpdate", d.Apple.TokenUpdate(d.t.Context()))
}

// CheckOut is [Apple.CheckOut].
func (d *AppleDevice) CheckOut() {
	d.t.Helper()
	d.must("CheckOut", d.Apple.CheckOut(d.t.Context()))
}

// Remove is [Apple.Remove].
func (d *AppleDevice) Remove() {
	d.t.Helper()
	d.must("remove the enrollment", d.Apple.Remove(d.t.Context()))
}

// SetBootstrapToken is [Apple.SetBootstrapToken].
func (d *AppleDevice) SetBootstrapToken(token []byte) {
	d.t.Helper()
	d.must("SetBootstrapToken", d.Apple.SetBootstrapToken(d.t.Context(), token))
}

// GetBootstrapToken is [Apple.GetBootstrapToken].
func (d *AppleDevice) GetBootstrapToken() []byte {
	d.t.Helper()
	token, err := d.Apple.GetBootstrapToken(d.t.Context())
	d.must("GetBootstrapToken", err)
	return token
}
