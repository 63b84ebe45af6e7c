package identity

import (
	"crypto"
	"crypto/x509"
	"sync"
	"time"

	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/mdm"
)

// maxKnown bounds how many verified certificates are remembered, over all
// tenants. One takes about 700 bytes.
const maxKnown = 1 << 16

// Known is what is kept of a certificate that has been verified: enough to judge
// a signature.
type Known struct {
	Key                 crypto.PublicKey // ca.CheckKey accepts it
	NotBefore, NotAfter time.Time        // of the certificate itself
}

// memory remembers verified certificates by their hash, so that a device costs
// one check of its chain and not one a message. What it keeps does not change
// with time or with what becomes of a device: that a certificate is in its
// validity is asked at every message, and whose it is and whether it still
// counts stand in the store.
//
// Only what chains to a tenant's CA, and was presented by who holds its key,
// gets in, so strangers cannot fill it. When it is full any entry makes room:
// whoever can have as many certificates issued as would push the fleet out
// makes it as fast as it would be without a memory.
type memory struct {
	mu sync.RWMutex
	m  map[mdm.Hash]*entry
}

// entry is a verdict: in this tenant, of this verifier, which stands for a set of
// authorities, and for this time. It does not change. A certificate without our
// name may be let in by several tenants; it is remembered for one at a time.
type entry struct {
	Known
	tenant mdm.TenantID
	by     *ca.Verifier
	span   ca.Span
}

func (m *memory) recall(t mdm.TenantID, pin mdm.Hash, by *ca.Verifier, now time.Time) (Known, bool) {
	m.mu.RLock()
	e := m.m[pin]
	m.mu.RUnlock()
	if e == nil || e.tenant != t || e.by != by || !e.span.Contains(now) {
		return Known{}, false
	}
	return e.Known, true
}

// keep remembers what has been verified. A key that may not sign messages is not
// worth it.
func (m *memory) keep(t mdm.TenantID, leaf *x509.Certificate, by *ca.Verifier, span ca.Span) {
	if ca.CheckKey(leaf.PublicKey) != nil {
		return
	}
	pin := HashOf(leaf)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.m == nil {
		m.m = make(map[mdm.Hash]*entry)
	}
	if m.m[pin] == nil && len(m.m) >= maxKnown {
		for victim := range m.m { // Go begins anywhere
			delete(m.m, victim)
			break
		}
	}
	m.m[pin] = &entry{Known{leaf.PublicKey, leaf.NotBefore, leaf.NotAfter}, t, by, span}
}
