package mdmtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// AppleKind is what a simulated Apple device is.
type AppleKind string

// The kinds.
const (
	AppleMac    AppleKind = "mac"
	AppleIPhone AppleKind = "iphone"
)

// CommandHandler executes one command in place of the device. It gets the
// Command dictionary and returns the keys that the report holds beside Status,
// nil for none; values are those of a property list (string, bool, int, float64,
// []byte, time.Time, []any, map[string]any). A [*DeviceError] is answered with
// its chain, any other error with a general one. It must not call a method of
// the device that takes a context: those wait for the session to end.
type CommandHandler func(ctx context.Context, command map[string]any) (map[string]any, error)

// AppleOptions are the optional properties of a simulated Apple device. Nil
// stands for the zero value, which is a new, unsupervised device of its kind
// with random identifiers.
type AppleOptions struct {
	// UDID of the device. Empty means a random one, of the form that the kind has.
	UDID string
	// Serial number. Empty means a random one of ten characters.
	Serial string
	// Model is the product name. Empty means Mac15,3 or iPhone16,1.
	Model string
	// Name that the user gave to the device. Empty means one made from Serial.
	Name string
	// OSVersion and BuildVersion. Empty means 15.5 (24F74) or 18.5 (22F76); with
	// OSVersion alone, BuildVersion is left as it is.
	OSVersion, BuildVersion string
	// Supervised. On an iPhone it lets the server remove and replace profiles
	// that it did not install, and hides IsManaged.
	Supervised bool
	// AwaitingConfiguration makes the device stop in Setup Assistant after the
	// first TokenUpdate, until DeviceConfigured.
	AwaitingConfiguration bool

	// HTTPClient is used for all requests. Nil means one of the device's own,
	// whose idle connections [Apple.Close] closes; a large fleet does better with
	// one that it shares. Its transport is copied if it is a *http.Transport and
	// the device has to present a client certificate, and is used as it is
	// otherwise.
	HTTPClient *http.Client
	// RootCAs are trusted beside the certificate payloads of the enrollment
	// profile. Nil means the system's. Ignored if HTTPClient is set.
	RootCAs *x509.CertPool
	// TrustLoopback accepts http:// URLs and any TLS certificate where the host
	// is a loopback address, which no hardware does. Ignored for TLS if
	// HTTPClient or RootCAs is set.
	TrustLoopback bool
	// NoSignMessage leaves out the Mdm-Signature header even if the profile
	// asks for it, and presents the identity as TLS client certificate instead.
	NoSignMessage bool

	// Clock is the device's clock. Nil means time.Now. It dates signatures,
	// installed profiles and the record, and judges certificates.
	Clock func() time.Time
	// Wait pauses between two SCEP attempts. Nil means a timer; it must return
	// early, with an error, when the context ends.
	Wait func(context.Context, time.Duration) error
	// Rand is the source of identifiers and tokens. Nil means crypto/rand. Keys
	// and nonces never come from it.
	Rand io.Reader
	// Keys makes the key for an identity. Nil generates one each time;
	// [KeyPool.Key] is faster for many devices.
	Keys func(ctx context.Context, bits int) (*rsa.PrivateKey, error)

	// Handlers execute the request types that they are keyed by, in place of
	// the device. Nil means none.
	Handlers map[string]CommandHandler
	// MaxCommands ends a Poll after that many commands, so that a server which
	// never stops cannot hold a test. Zero means 100000.
	MaxCommands int
	// Logger gets one debug line per request and command. Nil means silence.
	Logger *slog.Logger
}

// withDefaults returns a copy in which every optional value is set.
func (o *AppleOptions) withDefaults(k AppleKind) (AppleOptions, error) {
	var out AppleOptions
	if o != nil {
		out = *o
	}
	if k != AppleMac && k != AppleIPhone {
		return out, fmt.Errorf("mdmtest: %q is no kind of Apple device", k)
	}
	if out.Rand == nil {
		out.Rand = rand.Reader
	}
	setDefault := func(s *string, mac, iphone string) {
		if *s == "" {
			*s = map[AppleKind]string{AppleMac: mac, AppleIPhone: iphone}[k]
		}
	}
	noise := make([]byte, 32)
	if _, err := io.ReadFull(out.Rand, noise); err != nil {
		return out, fmt.Errorf("mdmtest: read AppleOptions.Rand: %w", err)
	}
	setDefault(&out.UDID, uuidFrom(noise), "00008130-"+strings.ToUpper(hex.EncodeToString(noise[:8])))
	serial := serialFrom(noise[16:26])
	setDefault(&out.Serial, serial, serial)
	setDefault(&out.Model, "Mac15,3", "iPhone16,1")
	setDefault(&out.Name, "Mac "+out.Serial, "iPhone "+out.Serial)
	setDefault(&out.OSVersion, "15.5", "18.5")
	setDefault(&out.BuildVersion, "24F74", "22F76")
	if out.Clock == nil {
		out.Clock = time.Now
	}
	if out.Wait == nil {
		out.Wait = waitTimer
	}
	if out.Keys == nil {
		out.Keys = generateKey
	}
	if out.MaxCommands == 0 {
		out.MaxCommands = 100_000
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	return out, nil
}

func waitTimer(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// uuidFrom makes an upper-case random UUID of the first sixteen bytes.
func uuidFrom(b []byte) string {
	var u [16]byte
	copy(u[:], b)
	u[6] = u[6]&0x0F | 0x40
	u[8] = u[8]&0x3F | 0x80
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]))
}

// serialFrom makes one character per byte, of those that Apple uses.
func serialFrom(b []byte) string {
	const alphabet = "0123456789CDFGHJKLMNPQRTVWXY"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(alphabet[int(c)%len(alphabet)])
	}
	return s.String()
}
