package keelson

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// Finding is something that [MDM.Doctor] found.
type Finding struct {
	// Area is what was looked at: "store", "keyring", "ca", "scep", "signer",
	// "anchors", "apple" or "windows".
	Area string `json:"area"`
	// Broken is set when devices cannot enroll or be managed because of it;
	// otherwise it is a warning.
	Broken  bool   `json:"broken"`
	Message string `json:"message"` // what is wrong and what to do
}

// soon is how long before its end a certificate is worth a warning.
const soon = 30 * 24 * time.Hour

// Doctor looks for what would keep devices from enrolling or being managed: an
// unusable store, a keyring that does not open what is stored, certificates that have expired or will soon, a CA without
// roots, protocols that the configuration leaves out. An empty list means that
// nothing was found. It changes nothing.
func (m *MDM) Doctor(ctx context.Context) []Finding {
	var out []Finding
	add := func(area string, broken bool, format string, args ...any) {
		out = append(out, Finding{area, broken, fmt.Sprintf(format, args...)})
	}
	if err := m.c.Store.Ready(ctx); err != nil {
		add("store", true, "%v", err)
	} else {
		m.tryKeyring(ctx, add)
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

// tryTenants bounds how many tenants the keyring is tried on.
const tryTenants = 100

// tryKeyring opens what is stored.
func (m *MDM) tryKeyring(ctx context.Context, add func(string, bool, string, ...any)) {
	tenants, err := m.c.Store.Lifecycle().Tenants(ctx)
	for _, t := range tenants[:min(len(tenants), tryTenants)] {
		var p profiles.Profile
		if p, err = m.profiles.Check(ctx, t); err != nil {
			if p.ID == "" || mdm.Transient(err) {
				break
			}
			add("keyring", true, "the profile %q (tenant %s) cannot be read from the store: %v: add the key that sealed it to the keyring, or upload the profile again", p.Name, t, err)
			return
		}
	}
	if err != nil {
		add("store", true, "%v", err)
	}
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
