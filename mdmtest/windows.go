package mdmtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// PCOptions are the optional properties of a [PCDevice]. Nil is a domain user's
// Windows 11 PC with a random identity. The struct is not changed and not kept.
type PCOptions struct {
	// DeviceID is what the PC calls itself: 32 hexadecimal digits. Empty makes
	// a random one.
	DeviceID string
	// HWDevID is the hardware identifier: 64 hexadecimal digits. Empty makes a
	// random one.
	HWDevID string
	// Name is the computer name. Empty makes one from DeviceID.
	Name string
	// OSVersion is four numbers joined by dots. Empty means 10.0.22621.2715.
	OSVersion string
	// Edition is the SKU number. Zero means 48 (Professional).
	Edition int
	// Manufacturer, Model and Serial are what the firmware says. Empty means
	// "Contoso", "Book 5" and a serial made from DeviceID.
	Manufacturer, Model, Serial string
	// RequestVersion of Discover. Empty means 6.0.
	RequestVersion string

	// LoginStatus is who is signed in: "user" (the enrolled one), "others" or
	// "none". Empty means "user".
	LoginStatus string
	// DeviceEnrollment makes EnrollmentType Device in place of Full.
	DeviceEnrollment bool
	// OddCSR sends the certificate request of Windows 10 19043: illegal
	// characters in a PrintableString, and a signature under OID
	// 1.3.14.3.2.29. False sends that of newer builds.
	OddCSR bool

	// DiscoveryURL is asked in place of the base URL's
	// /EnrollmentServer/Discovery.svc. Empty means the latter.
	DiscoveryURL string
	// Roots verifies the server. Nil means TLS.RootCAs; if TLS is nil too, the
	// system's roots, or for a server on this machine whatever it presents at
	// first contact, as if an administrator had installed that certificate.
	Roots *x509.CertPool
	// TLS is cloned for each connection. Nil means the defaults.
	TLS *tls.Config
	// Transport wraps the transport of each connection, to watch or to break
	// it. Nil means none.
	Transport func(http.RoundTripper) http.RoundTripper
	// Timeout of one HTTP request. Zero means 30 seconds, negative none.
	Timeout time.Duration
	// Clock is the PC's clock. Nil means the system's.
	Clock mdm.Clock
	// Rand is the source of identifiers. Nil means crypto/rand. Keys never
	// come from it.
	Rand io.Reader
	// Key makes a private key, for a fleet that would rather draw from a pool.
	// Nil makes RSA-2048.
	Key func() (*rsa.PrivateKey, error)
	// SignIn answers a server that chose Federated: it opens the URL (appru and
	// login_hint are in it), signs the person in, and returns the wresult
	// token. Nil makes such an enrollment fail with a [mdm.CodeUnsupported]
	// error.
	SignIn func(ctx context.Context, signIn string) (token string, err error)

	// PolicyStatus is the answer to a policy write: 200 or 202. Zero means 200.
	PolicyStatus int
	// CSPs are further names below ./Device/Vendor/MSFT that the PC knows.
	CSPs []string
	// MaxMessages bounds one session. Zero means 500.
	MaxMessages int
	// Retries is how often a POST to which no complete reply came is sent
	// again, byte for byte. Zero means never.
	Retries int
	// Tolerate lists rules whose violations are not recorded.
	Tolerate []PCRule
	// Keep bounds the record of deliveries. Zero means 10000, negative no bound.
	Keep int
}

// PCState is where a PC stands.
type PCState string

// The states of a PC.
const (
	PCNew        PCState = "new"
	PCEnrolled   PCState = "enrolled"
	PCUnenrolled PCState = "unenrolled"
	PCWiped      PCState = "wiped"
)

// PCDevice is a simulated Windows PC that speaks MS-MDE2 and OMA-DM over real
// HTTPS and judges the server that it talks to. It starts no goroutine and
// does nothing on its own: each method is one thing that happens to a PC. It
// is safe for concurrent use; what needs the network happens one at a time.
//
// It follows [MS-MDE2], [MS-MDM], the OMA-DM 1.2 representation protocol and
// Microsoft's page "OMA DM protocol support", and shares no code with any
// server.
type PCDevice struct {
	base, user, password string
	opts                 PCOptions
	bad                  error // a wrong option, returned by every operation
	trust                *pcTrust
	busy                 chan struct{} // of one: what needs the network

	mu         sync.Mutex
	state      PCState
	id         pcIdentity
	previous   pcIdentity // before the last renewal
	tree       *pcTree
	sessions   int // the last SessionID
	quirks     PCQuirks
	inject     pcInjection
	alerts     []PCAlert // for the next package 1
	reboots    int
	wipe       string // the verb that wiped it
	renewNow   bool   // the server asked for a renewal
	record     []PCDelivery
	seq        int
	epoch      int // the last delivery of the life before
	violations []PCViolation
}

// NewPC makes a PC in the hands of user, who will enroll it at the server whose
// base URL is given (https, no path needed). Nothing is sent. A wrong option
// is the error of every operation.
func NewPC(baseURL, user, password string, opts *PCOptions) *PCDevice {
	d := &PCDevice{
		base: strings.TrimRight(baseURL, "/"), user: user, password: password,
		busy: make(chan struct{}, 1), state: PCNew,
	}
	if opts != nil {
		d.opts = *opts
	}
	d.bad = d.complete()
	d.tree = d.freshTree()
	return d
}

// complete fills in the defaults and checks the options.
func (d *PCDevice) complete() error {
	o := &d.opts
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	o.Timeout = max(o.Timeout, 0)
	for _, f := range []struct {
		name  string
		value *string
		bytes int
	}{{"DeviceID", &o.DeviceID, 16}, {"HWDevID", &o.HWDevID, 32}} {
		if *f.value == "" {
			b := make([]byte, f.bytes)
			if _, err := io.ReadFull(o.Rand, b); err != nil {
				return fmt.Errorf("make the %s of a PC: %w", f.name, err)
			}
			*f.value = strings.ToUpper(hex.EncodeToString(b))
		}
		if b, err := hex.DecodeString(*f.value); err != nil || len(b) != f.bytes {
			return mdm.Errorf(mdm.CodeInvalid, f.name, "%s has %d hexadecimal digits", f.name, 2*f.bytes)
		}
	}
	pcDefault(&o.Name, "DESKTOP-"+strings.ToUpper(o.DeviceID[:7]))
	pcDefault(&o.OSVersion, "10.0.22621.2715")
	pcDefault(&o.Edition, 48)
	pcDefault(&o.Manufacturer, "Contoso")
	pcDefault(&o.Model, "Book 5")
	pcDefault(&o.Serial, "SN-"+strings.ToUpper(o.DeviceID[:8]))
	pcDefault(&o.RequestVersion, "6.0")
	pcDefault(&o.LoginStatus, "user")
	pcDefault(&o.PolicyStatus, 200)
	pcDefault(&o.MaxMessages, 500)
	pcDefault(&o.Keep, 10000)
	if o.PolicyStatus != 200 && o.PolicyStatus != 202 {
		return mdm.Errorf(mdm.CodeInvalid, "PolicyStatus", "a policy write is answered 200 or 202, not %d", o.PolicyStatus)
	}
	if err := pcLoginStatus(o.LoginStatus); err != nil {
		return err
	}
	pcDefault(&o.DiscoveryURL, d.base+"/EnrollmentServer/Discovery.svc")
	u, err := url.Parse(o.DiscoveryURL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return mdm.Errorf(mdm.CodeInvalid, "baseURL", "%q is not an https URL; Windows enrolls over TLS only", o.DiscoveryURL)
	}
	if o.Roots == nil && o.TLS == nil {
		d.trust = pcLoopbackTrust(o.DiscoveryURL, d.now)
	}
	return nil
}

func pcDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

func pcLoginStatus(s string) error {
	switch s {
	case "user", "others", "none":
		return nil
	}
	return mdm.Errorf(mdm.CodeInvalid, "LoginStatus", `who is signed in is "user", "others" or "none", not %q`, s)
}

func (d *PCDevice) now() time.Time {
	if d.opts.Clock != nil {
		return d.opts.Clock.Now()
	}
	return time.Now()
}

// begin waits until the PC is free. The returned function frees it.
func (d *PCDevice) begin(ctx context.Context) (func(), error) {
	if d.bad != nil {
		return nil, d.bad
	}
	select {
	case d.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.quirks.Offline {
		<-d.busy
		return nil, ErrPCOffline
	}
	return func() { <-d.busy }, nil
}

// DeviceID returns the name by which the PC calls itself.
func (d *PCDevice) DeviceID() string { return d.opts.DeviceID }

// HWDevID returns the hardware identifier.
func (d *PCDevice) HWDevID() string { return d.opts.HWDevID }

// Name returns the computer name.
func (d *PCDevice) Name() string { return d.opts.Name }

// State tells where the PC stands.
func (d *PCDevice) State() PCState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

// Reboots counts the reboots that the server asked for.
func (d *PCDevice) Reboots() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reboots
}

// WipedBy returns the RemoteWipe verb that wiped the PC, such as "doWipe".
// Empty means that it was not wiped.
func (d *PCDevice) WipedBy() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wipe
}

// SetLoginStatus signs the enrolled person in ("user"), another one ("others"),
// or everybody out ("none"). Any other value is refused.
func (d *PCDevice) SetLoginStatus(s string) error {
	if err := pcLoginStatus(s); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opts.LoginStatus = s
	return nil
}
