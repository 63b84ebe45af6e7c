package mdmtest

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1" // thumbprints of the Windows certificate store
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// pcIdentity is what an enrollment leaves on the PC.
type pcIdentity struct {
	Provider  string
	Addr      string
	Search    string // SSLCLIENTCERTSEARCHCRITERIA of the enrollment
	EntDMID   string
	PolicyURL string
	EnrollURL string
	Client    pcCred // the server's
	Server    pcCred // ours
	Poll      map[string]string
	Cert      *x509.Certificate
	Chain     [][]byte // DER of the leaf, then of the intermediate
	Roots     [][]byte // DER
	Key       *rsa.PrivateKey
}

// tls returns the certificate as a client presents it, or nil without one.
func (id *pcIdentity) tls() *tls.Certificate {
	if id.Cert == nil {
		return nil
	}
	return &tls.Certificate{Certificate: id.Chain, PrivateKey: id.Key, Leaf: id.Cert}
}

// PCEnrollment describes the enrollment of a PC.
type PCEnrollment struct {
	ProviderID string
	Address    string // where management sessions go
	EntDMID    string
	// Certificate is the identity; nil before an enrollment.
	Certificate *x509.Certificate
	// Poll is how often the PC was told to come by itself once the first
	// retries are over. Zero means never.
	Poll time.Duration
}

// Enrollment returns the current enrollment. It is kept after an unenrollment,
// so that a test can show what an old certificate may still do.
func (d *PCDevice) Enrollment() PCEnrollment {
	d.mu.Lock()
	defer d.mu.Unlock()
	minutes, _ := strconv.Atoi(d.id.Poll["IntervalForRemainingScheduledRetries"]) // checked at enrollment
	return PCEnrollment{
		ProviderID: d.id.Provider, Address: d.id.Addr, EntDMID: d.id.EntDMID,
		Certificate: d.id.Cert, Poll: time.Duration(minutes) * time.Minute,
	}
}

// judgeIdentity checks the certificates of a provisioning document against the
// key that asked for them, and returns the identity that they make. A renewal has
// the old identity, and the RenewPeriod that was set for it.
func (p *pcProvisioning) judgeIdentity(key *rsa.PrivateKey, old *pcIdentity, wantStore, renewPeriod string, now time.Time, f *pcFindings) *pcIdentity {
	parse := func(c pcStoreCert) *x509.Certificate {
		cert, err := x509.ParseCertificate(c.der)
		if err != nil {
			f.add(PCRuleCertificate, "certificate %s: %v", c.thumbprint, err)
			return nil
		}
		sum := sha1.Sum(c.der)
		if want := strings.ToUpper(hex.EncodeToString(sum[:])); c.thumbprint != want {
			f.add(PCRuleCertificate, "a certificate stands under %s, but its thumbprint is %s", c.thumbprint, want)
		}
		return cert
	}
	id := &pcIdentity{
		Provider: p.app["PROVIDER-ID"], Addr: p.app["ADDR"], Search: p.app["SSLCLIENTCERTSEARCHCRITERIA"],
		EntDMID: p.dm["EntDMID"], Poll: p.poll,
		Client: p.client, Server: p.server, Key: key,
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	period := p.renew["RenewPeriod"]
	if old != nil { // a renewal may deliver no root, and leaves the account alone
		id.Roots, id.Search, period = old.Roots, old.Search, renewPeriod
	}
	for _, r := range p.roots {
		id.Roots = append(id.Roots, r.der)
		if c := parse(r); c != nil && (!c.IsCA || c.KeyUsage&x509.KeyUsageCertSign == 0 || !bytes.Equal(c.RawIssuer, c.RawSubject)) {
			f.add(PCRuleCertificate, "the root %q is not a self-signed CA with keyCertSign", c.Subject)
		}
	}
	for _, der := range id.Roots {
		if c, err := x509.ParseCertificate(der); err == nil {
			roots.AddCert(c)
		}
	}
	leaf := parse(p.leaf)
	if leaf == nil {
		return nil
	}
	id.Cert, id.Chain = leaf, [][]byte{leaf.Raw}
	for _, m := range p.intermediates {
		if c := parse(m); c != nil {
			between.AddCert(c)
			id.Chain = append(id.Chain, c.Raw)
		}
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		f.add(PCRuleCertificate, "the certificate is not for the key that asked for it")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		f.add(PCRuleCertificate, "the certificate does not chain to the delivered root as a client: %v", err)
	}
	if len(leaf.ExtKeyUsage) == 0 {
		f.add(PCRuleCertificate, "the certificate has no extended key usage, it needs clientAuth")
	}
	if leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 || leaf.IsCA {
		f.add(PCRuleCertificate, "the certificate needs digitalSignature and must not be a CA")
	}
	if leaf.SerialNumber.Sign() <= 0 || leaf.SerialNumber.BitLen() < 32 {
		f.add(PCRuleCertificate, "the serial number %v is no random one of 64 bits", leaf.SerialNumber)
	}
	if days := pcIntOr(period, 42); leaf.NotAfter.Before(now.AddDate(0, 0, days)) {
		f.add(PCRuleCertificate, "the certificate ends %s, and renewal is due %d days before that: at once, and again and again", leaf.NotAfter, days)
	}
	p.judgeSearch(id.Search, wantStore, f)
	return id
}

// judgeSearch checks that the criteria by which the DM client picks its
// certificate, which are those of the enrollment for good, find the one that was
// delivered.
func (p *pcProvisioning) judgeSearch(criteria, wantStore string, f *pcFindings) {
	if p.store != wantStore {
		f.add(PCRuleProvisioning, "the certificate goes to My/%s, want My/%s", p.store, wantStore)
	}
	leaf, err := x509.ParseCertificate(p.leaf.der)
	if err != nil {
		return // judged
	}
	found := map[string]string{}
	for part := range strings.SplitSeq(criteria, "&") {
		name, value, _ := strings.Cut(part, "=")
		plain, err := url.PathUnescape(value) // no form: a '+' is a plus sign
		if err != nil || strings.ContainsFunc(value, pcReserved) {
			f.add(PCRuleProvisioning, "SSLCLIENTCERTSEARCHCRITERIA %q is not percent-encoded", criteria)
			return
		}
		found[name] = plain
	}
	if s := found["Stores"]; !strings.EqualFold(s, `My\`+p.store) {
		f.add(PCRuleProvisioning, `SSLCLIENTCERTSEARCHCRITERIA looks in %q, the certificate is in My\%s`, s, p.store)
	}
	cn, ok := strings.CutPrefix(found["Subject"], "CN=")
	if cn, _, _ = strings.Cut(cn, ","); !ok || cn != leaf.Subject.CommonName {
		f.add(PCRuleProvisioning, "SSLCLIENTCERTSEARCHCRITERIA asks for %q, the certificate is CN=%s", found["Subject"], leaf.Subject.CommonName)
	}
}

// pcReserved reports whether a character must be percent-encoded in the search
// criteria (RFC 2396 2.3).
func pcReserved(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.!~*'()%", r))
}

// pcAccountNode is the node under which Windows keeps the OMA-DM account of a
// provider: a fixed prefix and the SHA-256 of its name in UTF-16LE.
func pcAccountNode(provider string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(provider)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	sum := sha256.Sum256(b)
	return "0x0000800c" + strings.ToUpper(hex.EncodeToString(sum[:]))
}
