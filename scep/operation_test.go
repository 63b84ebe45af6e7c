package scep

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"crypto/ecdsa"

	"github.com/smallstep/pkcs7"
	smallscep "github.com/smallstep/scep"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

func TestPKCSReq(t *testing.T) {
	e := newEndpoint(t, nil)
	msg := e.build(message{})
	b64 := base64.StdEncoding.EncodeToString(msg)
	require.Contains(t, b64, "+", "the test is about this character")
	for name, w := range map[string]func() *smallscep.PKIMessage{
		"POST": func() *smallscep.PKIMessage { return e.certRep(e.post(msg)) },
		"POST of BER": func() *smallscep.PKIMessage {
			return e.certRep(e.post(streamed(msg, true)))
		},
		"GET, escaped": func() *smallscep.PKIMessage {
			return e.certRep(e.get(url.Values{"operation": {"PKIOperation"}, "message": {b64}}))
		},
		"GET, with a bare plus": func() *smallscep.PKIMessage {
			return e.certRep(e.getRaw("operation=PKIOperation&message=" + b64))
		},
		"GET, without padding": func() *smallscep.PKIMessage {
			return e.certRep(e.getRaw("operation=PKIOperation&message=" + strings.TrimRight(b64, "=")))
		},
		"GET, URL alphabet": func() *smallscep.PKIMessage {
			return e.certRep(e.getRaw("operation=PKIOperation&message=" + base64.URLEncoding.EncodeToString(msg)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			e.t, e.asked = t, nil
			rep := w()
			require.Equal(t, smallscep.SUCCESS, rep.PKIStatus)
			require.Equal(t, smallscep.TransactionID("4A7F01"), rep.TransactionID)
			require.Equal(t, "0123456789abcdef", string(rep.RecipientNonce))
			require.NoError(t, rep.DecryptPKIEnvelope(selfSigned(t, deviceKey(), e.clock.at), deviceKey()))
			require.True(t, deviceKey().PublicKey.Equal(rep.Certificate.PublicKey))
			require.Equal(t, "CN=device", rep.Certificate.Subject.String())
			require.NoError(t, rep.Certificate.CheckSignatureFrom(e.ca.Certificate()))

			require.Len(t, e.asked, 1)
			r := e.asked[0]
			require.Equal(t, mdm.TenantID("acme"), r.Tenant)
			require.Equal(t, challenge, r.Challenge)
			require.Equal(t, "4A7F01", r.TransactionID)
			require.Nil(t, r.Renewal)
			require.Equal(t, "CN=what the device wants", r.CSR.Subject.String())
		})
	}
}

func TestRenewalReq(t *testing.T) {
	e := newEndpoint(t, nil)
	first, err := e.Issue(t.Context(), Request{CSR: &x509.CertificateRequest{PublicKey: &deviceKey().PublicKey}})
	require.NoError(t, err)
	e.asked = nil

	// A new key, vouched for by the old certificate; no challenge is needed.
	rep := e.certRep(e.post(e.build(message{
		kind: smallscep.RenewalReq, signer: first, csr: newCSR(t, otherKey(), ""),
	})))
	require.Equal(t, smallscep.SUCCESS, rep.PKIStatus)
	require.NoError(t, rep.DecryptPKIEnvelope(first, deviceKey()), "encrypted to the certificate that signed")
	require.True(t, otherKey().PublicKey.Equal(rep.Certificate.PublicKey))
	require.Len(t, e.asked, 1)
	require.Equal(t, first.Raw, e.asked[0].Renewal.Raw)
	require.Empty(t, e.asked[0].Challenge)

	// The certified key may also be on a curve: only the signer's has to be RSA.
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rep = e.certRep(e.post(e.build(message{kind: smallscep.RenewalReq, signer: first, csr: newCSR(t, ec, "")})))
	require.Equal(t, smallscep.SUCCESS, rep.PKIStatus)
}

// Apple's clients send a PKCSReq even when they renew; signed with a certificate
// or not, it is judged by its challenge alone.
func TestPKCSReqIsNeverARenewal(t *testing.T) {
	e := newEndpoint(t, nil)
	first, err := e.Issue(t.Context(), Request{CSR: &x509.CertificateRequest{PublicKey: &deviceKey().PublicKey}})
	require.NoError(t, err)
	e.asked = nil
	rep := e.certRep(e.post(e.build(message{signer: first})))
	require.Equal(t, smallscep.SUCCESS, rep.PKIStatus)
	require.Nil(t, e.asked[0].Renewal)
}

func TestRefusals(t *testing.T) {
	e := newEndpoint(t, nil)
	noRenewal := newEndpoint(t, func(o *Options) { o.Renewal = nil })
	stranger := newEndpoint(t, nil)
	issue := func(e *endpoint) *x509.Certificate {
		c, err := e.Issue(t.Context(), Request{CSR: &x509.CertificateRequest{PublicKey: &deviceKey().PublicKey}})
		require.NoError(t, err)
		return c
	}
	old := func() *x509.Certificate {
		defer func(at time.Time) { e.clock.at = at }(e.clock.at)
		e.clock.at = e.clock.at.Add(-5 * time.Minute)
		return issue(e)
	}()
	signed := newCSR(t, deviceKey(), challenge)
	forged := append([]byte(nil), signed...)
	forged[len(forged)-1] ^= 1
	for _, tt := range []struct {
		name string
		e    *endpoint
		body []byte
		at   time.Duration // added to the clock
		info smallscep.FailInfo
	}{
		{name: "a broken signature", body: e.build(message{tamper: true}), info: smallscep.BadMessageCheck},
		{name: "no certificate of the signer", body: e.build(message{noSigner: true}), info: smallscep.BadMessageCheck},
		{name: "signed outside the signer's validity", body: e.build(message{signer: selfSigned(t, deviceKey(), time.Now().AddDate(-1, 0, 0))}), info: smallscep.BadTime},
		{name: "SHA-1", body: e.build(message{digest: pkcs7.OIDDigestAlgorithmSHA1}), info: smallscep.BadAlg},
		{name: "a weak key", body: e.build(message{key: weakKey()}), info: smallscep.BadAlg},
		{name: "the key of another", body: e.build(message{csr: newCSR(t, otherKey(), challenge)}), info: smallscep.BadRequest},
		{name: "a forged CSR", body: e.build(message{csr: forged}), info: smallscep.BadMessageCheck},
		{name: "no CSR", body: e.build(message{csr: []byte("no CSR at all")}), info: smallscep.BadMessageCheck},
		{name: "a CSR with a weak key", body: e.build(message{csr: newCSR(t, weakKey(), challenge)}), info: smallscep.BadMessageCheck},
		{name: "a long challenge", body: e.build(message{csr: newCSR(t, deviceKey(), strings.Repeat("x", maxChallenge+1))}), info: smallscep.BadRequest},
		{name: "no envelope", body: e.build(message{envelope: []byte("not CMS")}), info: smallscep.BadMessageCheck},
		{name: "encrypted to another", body: e.build(message{to: stranger.raCrt}), info: smallscep.BadMessageCheck},
		{name: "CertPoll", body: e.build(message{kind: smallscep.CertPoll}), info: smallscep.BadRequest},
		{name: "GetCRL", body: e.build(message{kind: smallscep.GetCRL}), info: smallscep.BadRequest},
		{name: "UpdateReq", body: e.build(message{kind: smallscep.UpdateReq}), info: smallscep.BadRequest},
		{name: "an unknown type", body: e.build(message{kind: "4711"}), info: smallscep.BadRequest},
		{name: "a renewal by a stranger", body: e.build(message{kind: smallscep.RenewalReq, signer: issue(stranger)}), info: smallscep.BadCertID},
		{name: "a renewal by oneself", body: e.build(message{kind: smallscep.RenewalReq}), info: smallscep.BadCertID},
		{name: "a renewal too late", body: e.build(message{kind: smallscep.RenewalReq, signer: old}), at: 366 * 24 * time.Hour, info: smallscep.BadCertID},
		{name: "a renewal where there is none", e: noRenewal, body: noRenewal.build(message{kind: smallscep.RenewalReq, signer: issue(noRenewal)}), info: smallscep.BadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := e
			if tt.e != nil {
				e = tt.e
			}
			e.t, e.asked = t, nil
			now := e.clock.at
			e.clock.at = now.Add(tt.at)
			defer func() { e.clock.at = now }()
			rep := e.certRep(e.post(tt.body))
			require.Equal(t, smallscep.FAILURE, rep.PKIStatus)
			require.Equal(t, tt.info, rep.FailInfo)
			require.Equal(t, smallscep.TransactionID("4A7F01"), rep.TransactionID)
			require.Empty(t, e.asked, "a refused request reaches no issuer")
		})
	}
}

func TestIssuerErrors(t *testing.T) {
	const secret = "the row of challenge 4711 is locked"
	cause := errors.New(secret)
	for _, tt := range []struct {
		err        error
		info       smallscep.FailInfo // "" means transient
		retryAfter string
	}{
		{mdm.WrapError(mdm.CodeChallenge, "", secret, cause), smallscep.BadRequest, ""},
		{mdm.WrapError(mdm.CodeNotAdmitted, "", secret, cause), smallscep.BadRequest, ""},
		{mdm.WrapError(mdm.CodeForbidden, "", secret, cause), smallscep.BadRequest, ""},
		{mdm.WrapError(mdm.CodeInvalid, "", secret, cause), smallscep.BadRequest, ""},
		{mdm.WrapError(mdm.CodeUnsupported, "", secret, cause), smallscep.BadAlg, ""},
		{mdm.WrapError(mdm.CodeMalformed, "", secret, cause), smallscep.BadMessageCheck, ""},
		{mdm.WrapError(mdm.CodeIdentity, "", secret, cause), smallscep.BadCertID, ""},
		{mdm.WrapError(mdm.CodeNotFound, "", secret, cause), smallscep.BadCertID, ""},
		{mdm.CodeChallenge, smallscep.BadRequest, ""},
		{cause, "", ""},
		{mdm.WrapError(mdm.CodeUnavailable, "", secret, cause), "", ""},
		{mdm.WrapError(mdm.CodeConflict, "", secret, cause), "", ""},
		{mdm.WrapError(mdm.CodeInternal, "", secret, cause), "", ""},
		{&mdm.Error{Code: mdm.CodeBusy, Message: secret, RetryAfter: 1500 * time.Millisecond}, "", "2"},
	} {
		t.Run(string(mdm.CodeOf(tt.err)), func(t *testing.T) {
			e := newEndpoint(t, nil)
			e.fail = tt.err
			w := e.post(e.build(message{}))
			require.NotContains(t, w.Body.String(), secret)
			require.Equal(t, tt.retryAfter, w.Header().Get("Retry-After"))
			if tt.info == "" {
				require.Equal(t, 503, w.Code)
				require.Equal(t, "try again later\n", w.Body.String())
				return
			}
			rep := e.certRep(w)
			require.Equal(t, smallscep.FAILURE, rep.PKIStatus)
			require.Equal(t, tt.info, rep.FailInfo)
		})
	}
}

// A certificate for another key than the device's must never leave.
func TestIssuerThatMixesUpKeys(t *testing.T) {
	for name, cert := range map[string]*x509.Certificate{
		"none":        nil,
		"another key": selfSigned(t, otherKey(), time.Now()),
	} {
		e := newEndpoint(t, nil)
		e.issuer = IssuerFunc(func(context.Context, Request) (*x509.Certificate, error) { return cert, nil })
		require.Equal(t, 503, e.post(e.build(message{})).Code, name)
	}
}

func TestUnanswerable(t *testing.T) {
	e := newEndpoint(t, nil)
	enveloped, err := encrypt(rand.Reader, []byte("x"), e.raCrt)
	require.NoError(t, err)
	list, err := smallscep.DegenerateCertificates([]*x509.Certificate{e.raCrt})
	require.NoError(t, err)
	for name, body := range map[string][]byte{
		"nothing":                      nil,
		"text":                         []byte("hello"),
		"an envelope":                  enveloped,
		"a list of certificates":       list,
		"two signers":                  e.build(message{signerTwo: true}),
		"no transactionID":             e.build(message{without: oidTransactionID}),
		"no messageType":               e.build(message{without: oidMessageType}),
		"an empty transactionID":       e.build(message{id: ""}),
		"a long transactionID":         e.build(message{id: strings.Repeat("x", maxTransactionID+1)}),
		"a line break in the id":       e.build(message{id: "a\nb"}),
		"a transactionID of octets":    e.build(message{id: []byte("x")}),
		"a transactionID that is none": e.build(message{id: 7}),
		"a message and more":           append(e.build(message{}), 0),
		"half a message":               e.build(message{})[:400],
	} {
		t.Run(name, func(t *testing.T) {
			w := e.post(body)
			require.Equal(t, 400, w.Code)
			require.Equal(t, "not a SCEP message that can be answered\n", w.Body.String())
		})
	}
	require.Empty(t, e.asked)
}

// The transactionID comes back as it came, its string type included.
func TestTransactionIDIsEchoed(t *testing.T) {
	e := newEndpoint(t, nil)
	for _, tag := range []int{asn1.TagUTF8String, asn1.TagIA5String, asn1.TagPrintableString} {
		id := asn1.RawValue{Tag: tag, Bytes: []byte("AbC+/=")}
		w := e.post(e.build(message{id: id}))
		p7, err := pkcs7.Parse(w.Body.Bytes())
		require.NoError(t, err)
		var got asn1.RawValue
		require.NoError(t, p7.UnmarshalSignedAttribute(oidTransactionID, &got))
		require.Equal(t, tag, got.Tag)
		require.Equal(t, "AbC+/=", string(got.Bytes))
	}
}

func TestNonces(t *testing.T) {
	e := newEndpoint(t, nil)
	p7, err := pkcs7.Parse(e.post(e.build(message{without: oidSenderNonce})).Body.Bytes())
	require.NoError(t, err)
	var info string
	require.NoError(t, p7.UnmarshalSignedAttribute(oidFailInfo, &info))
	require.Equal(t, string(smallscep.BadRequest), info)
	require.Empty(t, e.asked)

	seen := map[string]bool{}
	for range 3 {
		p7, err := pkcs7.Parse(e.post(e.build(message{})).Body.Bytes())
		require.NoError(t, err)
		var nonce []byte
		require.NoError(t, p7.UnmarshalSignedAttribute(oidSenderNonce, &nonce))
		require.Len(t, nonce, 16)
		require.False(t, seen[string(nonce)], "a nonce of ours is fresh")
		seen[string(nonce)] = true
	}
}
