package keelson

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// Finding is something that [MDM.Doctor] found.
type Finding struct {
	// Area is what was looked at: "store", "ca", "scep", "signer", "anchors",
	// "apple" or "windows".
	Area string `json:"area"`
	// Broken is set when devices cannot enroll or be managed because of it;
	// otherwise it is a warning.
	Broken  bool   `json:"broken"`
	Message string `json:"message"` // what is wrong and what to do
}

// soon is how long before its end a certificate is worth a warning.
const soon = 30 * 24 * time.Hour

// Doctor looks for what would keep devices from enrolling or being managed: an
// unusable store, certificates that have expired or will soon, a CA without
// roots, protocols that the configuration leaves out. An empty list means that
// nothing was found. It changes nothing.
func (m *MDM) Doctor(ctx context.Context) []Finding {
	var out []Finding
	add := func(area string, broken bool, format string, args ...any) {
		out = append(out, Finding{area, broken, fmt.Sprintf(format, args...)})
	}
	if err := m.c.Store.Ready(ctx); err != nil {
		add("store", true, "%v", err)
	}
	roots, err := m.c.CA.Roots(ctx, mdm.DefaultTenant)
	switch {
	case err != nil:
		add("ca", true, "the CA's roots cannot be read: %v", err)
	case len(roots) == 0:
		add("ca", true, "the CA has no roots: no device certificate can be verified")
	}
	for _, c := range roots {
		m.examine(add, "ca", "the root "+c.Subject.CommonName, c)
	}
	if m.ra != nil {
		m.examine(add, "scep", "the certificate of the SCEP authority", m.ra.Certificate)
	}
	if c := m.c.Signer.Certificate; c != nil {
		m.examine(add, "signer", "the certificate that signs enrollment profiles", c)
	}
	for _, c := range m.c.Anchors {
		m.examine(add, "anchors", "the anchor "+c.Subject.CommonName, c)
	}
	switch {
	case m.apple == nil:
		add("apple", false, "no Apple device can enroll: set Topic to that of the APNs push certificate")
	case m.c.Push == nil:
		add("apple", false, "there is no pusher: Apple devices come only when they do so by themselves")
	}
	if m.windows == nil {
		add("windows", false, "no Windows PC can enroll: set Passwords")
	}
	return out
}

// examine judges a certificate's validity by the configured clock.
func (m *MDM) examine(add func(string, bool, string, ...any), area, what string, c *x509.Certificate) {
	now := m.c.Clock.Now()
	switch {
	case now.Before(c.NotBefore):
		add(area, true, "%s is not valid before %s: check the clock", what, c.NotBefore.Format(time.DateOnly))
	case now.After(c.NotAfter):
		add(area, true, "%s has expired on %s", what, c.NotAfter.Format(time.DateOnly))
	case now.Add(soon).After(c.NotAfter):
		add(area, false, "%s expires on %s", what, c.NotAfter.Format(time.DateOnly))
	}
}
