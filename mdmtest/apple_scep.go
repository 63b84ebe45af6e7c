package mdmtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
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

	"github.com/smallstep/scep"
	"github.com/smallstep/scep/x509util"
)

// scepAttempts is how often a device sends a request to which no usable answer
// comes, always with the same key. It is what devices are seen to do; neither
// Apple nor RFC 8894 says so.
const scepAttempts = 3

// Attributes of SCEP messages (RFC 8894 3.2).
var (
	oidSCEPMessageType   = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 2}
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
	if want := "application/x-x509-ca-" + map[bool]string{true: "ra-cert", false: "cert"}[r.ca.degenerate]; reply.contentType != want {
		r.a.violate(during, "content type %q, not %q", reply.contentType, want)
	}
	if fp, ok := r.enr.scep["CAFingerprint"].([]byte); ok && !r.ca.matches(fp) {
		return &SCEPError{Text: "no certificate of the CA has the fingerprint that the profile gives"}
	}
	return nil
}

// getCACaps asks what the server can do (RFC 8894 3.5.1). The device uses
// AES-128-CBC and SHA-256 in any case, which the RFC makes mandatory.
func (r *scepRun) getCACaps(ctx context.Context) error {
	const during = "SCEP GetCACaps"
	reply, err := r.a.get(ctx, r.operation("GetCACaps", ""), r.enr, during)
	if err != nil {
		return err
	}
	if err := wantOK(during, r.url, reply); err != nil {
		return err
	}
	r.caps = make(map[string]bool)
	for word := range strings.FieldsSeq(string(reply.body)) {
		r.caps[strings.ToLower(word)] = true
	}
	if !r.caps["scepstandard"] && !(r.caps["aes"] && r.caps["sha-256"]) {
		r.a.violate(during, "neither SCEPStandard nor both AES and SHA-256 among the capabilities %q", strings.Fields(string(reply.body)))
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
		asn1.RawValue{FullBytes: r.ca.issuer().RawSubject},
		asn1.RawValue{FullBytes: r.csr.RawSubject},
	})
	return messageType, content, err
}

// operate sends one PKIOperation and reads the certificate from the reply.
func (r *scepRun) operate(ctx context.Context, messageType string, content []byte) (*x509.Certificate, error) {
	const during = "SCEP PKIOperation"
	enveloped, err := encryptCMS(content, r.ca.recipient())
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
	if !r.caps["postpkioperation"] && !r.caps["scepstandard"] {
		return r.a.get(ctx, r.operation("PKIOperation", base64.StdEncoding.EncodeToString(message)), r.enr, during)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.operation("PKIOperation", ""), bytes.NewReader(message))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", during, err)
	}
	req.Header.Set("Content-Type", "application/x-pki-message")
	return r.a.do(r.a.client(r.url, nil, r.enr, true), req, during)
}

var errPending = errors.New("pending")

// read checks a CertRep (RFC 8894 3.3.2) and takes the certificate out.
func (r *scepRun) read(body, nonce []byte, during string) (*x509.Certificate, error) {
	broken := func(format string, args ...any) error {
		err := fmt.Errorf(format, args...)
		r.a.violate(during, "%s", err)
		return &SCEPError{Text: "the reply is not a valid CertRep", Err: err}
	}
	p7, err := parseCMS(body)
	if err != nil {
		return nil, broken("CMS: %w", err)
	}
	var msg *scep.PKIMessage
	if err := guard(func() (err error) {
		msg, err = scep.ParsePKIMessage(body, scep.WithCACerts(r.ca.certs))
		return err
	}); err != nil {
		return nil, broken("not signed by the CA, or attributes are missing: %w", err)
	}
	if msg.MessageType != scep.CertRep {
		return nil, broken("messageType %q, not 3", string(msg.MessageType))
	}
	if string(msg.TransactionID) != r.tid {
		return nil, broken("transactionID %q is not that of the request", string(msg.TransactionID))
	}
	if !bytes.Equal(msg.RecipientNonce, nonce) {
		return nil, broken("recipientNonce is not the senderNonce of the request")
	}
	if alg := p7.Signers[0].DigestAlgorithm.Algorithm; !alg.Equal(oidSHA256) {
		r.a.violate(during, "the reply is signed with digest %v, although the request used SHA-256", alg)
	}
	switch msg.PKIStatus {
	case scep.PENDING:
		return nil, errPending
	case scep.FAILURE:
		return nil, &SCEPError{FailInfo: string(msg.FailInfo), Text: "the CA refused with failInfo " + string(msg.FailInfo)}
	}
	if alg, err := envelopeCipher(p7.Content); err == nil && alg.Equal(oidDESCBC) {
		r.a.violate(during, "the certificate is encrypted with single DES, although the request used AES")
	}
	cert, err := r.open(p7.Content)
	if err != nil {
		return nil, broken("%w", err)
	}
	return cert, nil
}
