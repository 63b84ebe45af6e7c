package mdmtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/smallstep/scep/x509util"
)

// scepAttempts is how often a device sends a request to which no usable answer
// comes, always with the same key. It is what devices are seen to do; neither
// Apple nor RFC 8894 says so.
const scepAttempts = 3

// Attributes of SCEP messages (RFC 8894 3.2).
var (
	oidSCEPMessageType   = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 2}
	oidSCEPStatus        = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 3}
	oidSCEPFailInfo      = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 4}
	oidSCEPSenderNonce   = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 5}
	oidSCEPTransactionID = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 7}
)

// scepRun is one attempt to get a certificate.
type scepRun struct {
	a    *Apple
	enr  *enrollment
	url  string
	caps map[string]bool
	ca   *scepCA
	req  *identity // the key, and the certificate of its own that signs requests
	csr  *x509.CertificateRequest
	tid  string
}

// getIdentity gets a certificate for a new key as the SCEP payload of enr says.
func (a *Apple) getIdentity(ctx context.Context, enr *enrollment) (*identity, error) {
	r := &scepRun{a: a, enr: enr, url: str(enr.scep, "URL")}
	if err := r.getCACert(ctx); err != nil {
		return nil, err
	}
	if err := r.getCACaps(ctx); err != nil {
		return nil, err
	}
	bits, _ := asInt(enr.scep["Keysize"])
	key, err := a.opts.Keys(ctx, int(bits))
	if err == nil && key == nil {
		err = errors.New("it returned no key")
	}
	if err != nil {
		return nil, fmt.Errorf("mdmtest: AppleOptions.Keys: %w", err)
	}
	if err := r.prepare(key); err != nil {
		return nil, &SCEPError{Text: "prepare the request", Err: err}
	}
	cert, err := r.enroll(ctx)
	if err != nil {
		return nil, err
	}
	return &identity{key: key, cert: cert}, nil
}

// operation builds a URL as Apple's devices do: blindly, so that a URL with a
// query of its own breaks.
func (r *scepRun) operation(op, message string) string {
	u := r.url + "?operation=" + op
	if message != "" {
		u += "&message=" + url.QueryEscape(message)
	}
	return u
}

// getCACert fetches and checks the CA certificates (RFC 8894 4.2).
func (r *scepRun) getCACert(ctx context.Context) error {
	const during = "SCEP GetCACert"
	reply, err := r.a.get(ctx, r.operation("GetCACert", str(r.enr.scep, "Name")), r.enr, during)
	if err != nil {
		return err
	}
	if err := wantOK(during, r.url, reply); err != nil {
		return err
	}
	if r.ca, err = readCACert(reply); err != nil {
		return &SCEPError{Text: "GetCACert", Err: err}
	}
	if !r.ca.validAt(r.a.Now()) {
		return &SCEPError{Text: "GetCACert: the CA or the RA is expired, or not valid yet"}
	}
	fp, given := r.enr.scep["CAFingerprint"].([]byte)
	if given && !bytes.Equal(fingerprint(len(fp), r.ca.ca.Raw), fp) {
		return &SCEPError{Text: "the CA has not the fingerprint that the profile gives"}
	}
	if given && len(fp) > sha1.Size && r.ca.signer != r.ca.ca {
		r.a.violate(during, "CAFingerprint has %d bytes; beside an RA, Apple's client compares MD5 and SHA-1 only", len(fp))
	}
	return nil
}

// getCACaps asks what the server can do (RFC 8894 3.5.2) and reads it as Apple's
// client does: a capability is a line of exactly that text, and SCEPStandard
// stands for no other. The device uses AES-128-CBC and SHA-256 in any case;
// hardware to which they are not named falls back to 3DES and SHA-1.
func (r *scepRun) getCACaps(ctx context.Context) error {
	const during = "SCEP GetCACaps"
	reply, err := r.a.get(ctx, r.operation("GetCACaps", str(r.enr.scep, "Name")), r.enr, during)
	if err != nil {
		return err
	}
	if err := wantOK(during, r.url, reply); err != nil {
		return err
	}
	r.caps = make(map[string]bool)
	for line := range strings.Lines(string(reply.body)) {
		r.caps[strings.TrimRight(line, "\r\n")] = true
	}
	if !r.caps["AES"] || !r.caps["SHA-256"] {
		r.a.violate(during, "AES and SHA-256 are not both among the capabilities %q, each in a line of its own", string(reply.body))
	}
	return nil
}

// prepare makes the request, its signer and its transaction, all of which stay
// the same when the device has to ask again.
func (r *scepRun) prepare(key *rsa.PrivateKey) error {
	subject, err := subjectRDN(r.enr.scep["Subject"])
	if err != nil {
		return err
	}
	if subject == nil {
		if subject, err = asn1.Marshal(pkix.Name{CommonName: r.a.UDID()}.ToRDNSequence()); err != nil {
			return err
		}
	}
	tmpl := &x509util.CertificateRequest{
		CertificateRequest: x509.CertificateRequest{RawSubject: subject, SignatureAlgorithm: x509.SHA256WithRSA},
		ChallengePassword:  str(r.enr.scep, "Challenge"),
	}
	addAltNames(&tmpl.CertificateRequest, r.enr.scep["SubjectAltName"])
	der, err := x509util.CreateCertificateRequest(rand.Reader, tmpl, key)
	if err != nil {
		return err
	}
	if r.csr, err = x509.ParseCertificateRequest(der); err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	now := r.a.Now()
	self := &x509.Certificate{
		SerialNumber: serial, RawSubject: subject,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if der, err = x509.CreateCertificate(rand.Reader, self, self, key.Public(), key); err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	id := sha256.Sum256(r.csr.RawSubjectPublicKeyInfo)
	r.req, r.tid = &identity{key: key, cert: cert}, hex.EncodeToString(id[:])
	return nil
}

// enroll sends PKCSReq until there is a certificate or a definite refusal, and
// CertPoll while the answer is PENDING.
func (r *scepRun) enroll(ctx context.Context) (*x509.Certificate, error) {
	const pkcsReq, certPoll = "19", "20"
	polls, given := asInt(r.enr.scep["Retries"])
	if !given {
		polls = 3 // the schema's default
	}
	delay, given := asInt(r.enr.scep["RetryDelay"])
	if !given {
		delay = 10 // seconds, the schema's default
	}
	messageType, content := pkcsReq, r.csr.Raw
	var last error
	for attempt, waits := 1, 0; attempt <= scepAttempts; {
		cert, err := r.operate(ctx, messageType, content)
		var refused *SCEPError
		switch {
		case err == nil:
			return cert, nil
		case errors.Is(err, errPending):
			if int64(waits) >= polls {
				return nil, &SCEPError{Text: fmt.Sprintf("still pending after asking %d times more", polls)}
			}
			if waits > 0 { // the first is not delayed, says the schema
				if err := r.a.opts.Wait(ctx, time.Duration(delay)*time.Second); err != nil {
					return nil, err
				}
			}
			waits++
			if messageType, content, err = r.poll(certPoll); err != nil {
				return nil, err
			}
			continue
		case errors.As(err, &refused) && refused.FailInfo != "", errors.Is(err, ErrOffline), ctx.Err() != nil:
			return nil, err
		}
		last = err
		attempt++
	}
	return nil, &SCEPError{Text: fmt.Sprintf("no usable reply in %d attempts", scepAttempts), Err: last}
}

// poll makes the content of CertPoll: whose certificate is waited for (RFC 8894
// 3.3.3).
func (r *scepRun) poll(messageType string) (string, []byte, error) {
	content, err := asn1.Marshal(struct{ Issuer, Subject asn1.RawValue }{
		asn1.RawValue{FullBytes: r.ca.ca.RawSubject},
		asn1.RawValue{FullBytes: r.csr.RawSubject},
	})
	return messageType, content, err
}

// operate sends one PKIOperation and reads the certificate from the reply.
func (r *scepRun) operate(ctx context.Context, messageType string, content []byte) (*x509.Certificate, error) {
	const during = "SCEP PKIOperation"
	enveloped, err := encryptCMS(content, r.ca.recipient)
	if err != nil {
		return nil, &SCEPError{Text: "encrypt the request", Err: err}
	}
	nonce := make([]byte, 16)
	rand.Read(nonce)
	message, err := signCMS(enveloped, r.req, r.a.Now(), false,
		cmsAttribute{Type: oidSCEPTransactionID, Values: []any{r.tid}},
		cmsAttribute{Type: oidSCEPMessageType, Values: []any{printable(messageType)}},
		cmsAttribute{Type: oidSCEPSenderNonce, Values: []any{nonce}})
	if err != nil {
		return nil, &SCEPError{Text: "sign the request", Err: err}
	}
	reply, err := r.send(ctx, message, during)
	if err != nil {
		return nil, err
	}
	if err := wantOK(during, r.url, reply); err != nil {
		return nil, err
	}
	if r.a.takes(func(m *misbehavior) *int { return &m.loseSCEP }) {
		return nil, ErrReplyLost
	}
	if reply.contentType != "application/x-pki-message" {
		r.a.violate(during, "content type %q, not application/x-pki-message", reply.contentType)
	}
	return r.read(reply.body, nonce, during)
}

// printable makes asn1 write a PrintableString, which SCEP wants for its
// decimal attributes.
func printable(s string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagPrintableString, Bytes: []byte(s)}
}

// send posts the message if the server can, and else puts it into the URL.
func (r *scepRun) send(ctx context.Context, message []byte, during string) (*httpReply, error) {
	if !r.caps["POSTPKIOperation"] {
		return r.a.get(ctx, r.operation("PKIOperation", base64.StdEncoding.EncodeToString(message)), r.enr, during)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.operation("PKIOperation", ""), bytes.NewReader(message))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", during, err)
	}
	req.Header.Set("Content-Type", "application/x-pki-message")
	return r.a.do(r.a.client(r.url, nil, r.enr, true), req, during)
}

// addAltNames puts the names of the SCEP payload into the request. Each may be a
// string or an array of them. ntPrincipalName is left out.
func addAltNames(csr *x509.CertificateRequest, v any) {
	names, _ := v.(map[string]any)
	each := func(key string) []string {
		if s, ok := names[key].(string); ok {
			return []string{s}
		}
		return strs(names, key)
	}
	csr.DNSNames = each("dNSName")
	csr.EmailAddresses = each("rfc822Name")
	for _, raw := range each("uniformResourceIdentifier") {
		if u, err := url.Parse(raw); err == nil {
			csr.URIs = append(csr.URIs, u)
		}
	}
}
