package apple_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/identity"
	"github.com/keelson-mdm/keelson/identity/ca"
	"github.com/keelson-mdm/keelson/internal/ber"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
)

// byLibrary is how a Mdm-Signature was checked before it was read in place: the
// oracle.
func byLibrary(header string, body []byte) (leaf *x509.Certificate, err error) {
	defer func() {
		if r := recover(); r != nil {
			leaf, err = nil, fmt.Errorf("panic: %v", r)
		}
	}()
	der, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		return nil, err
	}
	if der, err = ber.Definite(der); err != nil {
		return nil, err
	}
	p7, err := pkcs7.Parse(der)
	if err != nil {
		return nil, err
	}
	if len(p7.Content) != 0 {
		return nil, errors.New("not detached")
	}
	if leaf = p7.GetOnlySigner(); leaf == nil {
		return nil, errors.New("no signer")
	}
	if err := ca.CheckKey(leaf.PublicKey); err != nil {
		return nil, err
	}
	p7.Content = body
	return leaf, p7.Verify()
}

// asDevices makes a signature as devices make theirs: SHA-1, no attributes, and
// outer levels whose length is not told.
func (s signer) asDevices(t testing.TB, body []byte) string {
	t.Helper()
	h := crypto.SHA1.New()
	h.Write(body)
	value, err := s.key.Sign(rand.Reader, h.Sum(nil), crypto.SHA1)
	require.NoError(t, err)
	der := func(v any) []byte {
		b, err := asn1.Marshal(v)
		require.NoError(t, err)
		return b
	}
	raw := func(tag int, body []byte) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: body}
	}
	sha1 := pkix.AlgorithmIdentifier{Algorithm: pkcs7.OIDDigestAlgorithmSHA1, Parameters: asn1.NullRawValue}
	info := der([]any{
		1, []any{asn1.RawValue{FullBytes: s.cert.RawIssuer}, s.cert.SerialNumber}, sha1,
		pkix.AlgorithmIdentifier{Algorithm: pkcs7.OIDEncryptionAlgorithmRSASHA1, Parameters: asn1.NullRawValue}, value,
	})
	set := func(body []byte) []byte { return der(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: body}) }
	open := func(tag byte, parts ...[]byte) []byte {
		return append(append([]byte{tag, 0x80}, bytes.Join(parts, nil)...), 0, 0)
	}
	return base64.StdEncoding.EncodeToString(open(0x30, der(pkcs7.OIDSignedData), open(0xa0, open(0x30,
		der(1), set(der(sha1)), open(0x30, der(pkcs7.OIDData)), der(raw(0, s.cert.Raw)), set(info)))))
}

// TestDevicesByLibrary: what simulated devices send is accepted, and by the
// library too; with any byte changed, both agree.
func TestDevicesByLibrary(t *testing.T) {
	type sent struct {
		header string
		body   []byte
	}
	var mu sync.Mutex
	var all []sent
	w := newWorld(t, options{})
	inner := w.http.Config.Handler
	w.http.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		if h := r.Header.Get(apple.SignatureHeader); h != "" {
			mu.Lock()
			all = append(all, sent{h, b.Bytes()})
			mu.Unlock()
		}
		r.Body = http.NoBody
		if b.Len() > 0 {
			r.Body = readCloser{bytes.NewReader(b.Bytes())}
		}
		inner.ServeHTTP(rw, r)
	})
	mac := w.mac()
	w.enqueue(mac.UDID(), install("com.example.one"))
	mac.Poll()
	phone := mdmtest.IPhone(t, w.batch(), w.device(mdmtest.AppleOptions{})).Enroll()
	phone.Poll()
	mu.Lock()
	defer mu.Unlock()
	me, body := identityOf(t, mac), message("Status", "Idle", "UDID", mac.UDID())
	all = append(all, sent{me.asDevices(t, body), body})
	require.Greater(t, len(all), 5)
	for i, s := range all {
		want, err := byLibrary(s.header, s.body)
		require.NoError(t, err)
		got, err := apple.VerifySignature(s.header, s.body)
		require.NoError(t, err)
		require.Equal(t, want.Raw, got.Raw)
		_, err = apple.VerifySignature(s.header, append(bytes.Clone(s.body), ' '))
		require.ErrorIs(t, err, mdm.CodeUnauthenticated)

		message, err := base64.StdEncoding.DecodeString(s.header)
		require.NoError(t, err)
		for j := i % 9; j < len(message); j += 9 { // internal/cms changes every byte
			m := bytes.Clone(message)
			m[j] ^= 1
			header := base64.StdEncoding.EncodeToString(m)
			_, refused := byLibrary(header, s.body)
			if leaf, err := apple.VerifySignature(header, s.body); err == nil {
				require.NoError(t, refused)
				require.NotNil(t, leaf)
			}
		}
	}
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// TestRepeatedMessages: a certificate that was verified before is not verified
// again, and nothing else is let through for it.
func TestRepeatedMessages(t *testing.T) {
	w := newWorld(t, options{})
	a, b := w.mac(), w.mac()
	me, her := identityOf(t, a), identityOf(t, b)
	body := message("Status", "Idle", "UDID", a.UDID())
	handler := w.server.Commands(tenant)
	send := func(header string, body []byte) *httptest.ResponseRecorder {
		t.Helper()
		return record(handler, body, http.Header{apple.SignatureHeader: {header}})
	}
	known := func(s signer) bool {
		_, ok := w.id.Recall(w.ctx, tenant, identity.HashOf(s.cert))
		return ok
	}
	require.True(t, known(me), "it has enrolled")
	for _, header := range []string{me.sign(t, body), me.asDevices(t, body)} {
		for range 2 {
			got := send(header, body)
			require.Equal(t, http.StatusOK, got.Code, got.Body)
		}
		got := send(header, append(bytes.Clone(body), '\n'))
		require.Equal(t, http.StatusBadRequest, got.Code)
		require.Contains(t, got.Body.String(), "not of this message")
	}
	t.Run("another's certificate", func(t *testing.T) {
		require.Equal(t, http.StatusBadRequest, send(her.sign(t, body), body).Code)
		mixed := signer{me.cert, her.key} // who has no key for it
		got := send(mixed.sign(t, body), body)
		require.Equal(t, http.StatusBadRequest, got.Code)
		require.Contains(t, got.Body.String(), "not of this message")
	})
	t.Run("another tenant", func(t *testing.T) {
		got := record(w.server.Commands(other), body, http.Header{apple.SignatureHeader: {me.sign(t, body)}})
		require.Equal(t, http.StatusBadRequest, got.Code)
		require.Contains(t, got.Body.String(), "another tenant")
	})
	t.Run("a damaged certificate beside it", func(t *testing.T) {
		message, err := pkcs7.NewSignedData(body)
		require.NoError(t, err)
		message.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
		require.NoError(t, message.AddSigner(me.cert, me.key, pkcs7.SignerInfoConfig{}))
		message.AddCertificate(&x509.Certificate{Raw: []byte{0x30, 0x03, 0x02, 0x01, 0x01}})
		message.Detach()
		der, err := message.Finish()
		require.NoError(t, err)
		require.Equal(t, http.StatusBadRequest, send(base64.StdEncoding.EncodeToString(der), body).Code)
	})
	t.Run("after it was superseded", func(t *testing.T) { // the database's row decides
		b.Erase()
		b.Enroll()
		require.True(t, known(her))
		body := message("Status", "Idle", "UDID", b.UDID())
		require.Equal(t, http.StatusBadRequest, send(her.sign(t, body), body).Code)
		again := identityOf(t, b)
		require.Equal(t, http.StatusOK, send(again.sign(t, body), body).Code)
	})
	t.Run("Authenticate", func(t *testing.T) { // needs more of the certificate than is remembered
		body := message("MessageType", "Authenticate", "UDID", a.UDID(), "Topic", topic)
		got := record(w.server.CheckIn(tenant), body, http.Header{apple.SignatureHeader: {me.sign(t, body)}})
		require.Equal(t, http.StatusOK, got.Code, got.Body)
	})
	t.Run("after its end", func(t *testing.T) {
		header := me.asDevices(t, body)
		require.Equal(t, http.StatusOK, send(header, body).Code)
		w.clock.add(me.cert.NotAfter.Sub(w.clock.Now()) + time.Second)
		got := send(header, body)
		require.Equal(t, http.StatusBadRequest, got.Code)
		require.Contains(t, got.Body.String(), "has expired")
		w.clock.add(-2 * time.Second)
		require.Equal(t, http.StatusOK, send(header, body).Code)
	})
	t.Run("a time outside of its validity", func(t *testing.T) {
		header := signedAt(t, me, body, me.cert.NotAfter.Add(time.Second))
		got := send(header, body)
		require.Equal(t, http.StatusBadRequest, got.Code)
		require.Contains(t, got.Body.String(), "outside of its certificate's validity")
		require.Equal(t, http.StatusOK, send(signedAt(t, me, body, me.cert.NotAfter), body).Code)
	})
}

// signedAt is a signature that says when it was made.
func signedAt(t *testing.T, s signer, body []byte, at time.Time) string {
	t.Helper()
	message, err := pkcs7.NewSignedData(body)
	require.NoError(t, err)
	message.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	h := crypto.SHA256.New()
	h.Write(body)
	var attributes []byte
	for _, a := range []struct {
		id    asn1.ObjectIdentifier
		value any
	}{
		{pkcs7.OIDAttributeContentType, pkcs7.OIDData}, {pkcs7.OIDAttributeSigningTime, at.UTC()}, {pkcs7.OIDAttributeMessageDigest, h.Sum(nil)},
	} {
		b, err := asn1.Marshal(struct {
			ID     asn1.ObjectIdentifier
			Values []any `asn1:"set"`
		}{a.id, []any{a.value}})
		require.NoError(t, err)
		attributes = append(attributes, b...)
	}
	set, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: attributes})
	require.NoError(t, err)
	h.Reset()
	h.Write(set)
	value, err := s.key.Sign(rand.Reader, h.Sum(nil), crypto.SHA256)
	require.NoError(t, err)
	sha256 := pkix.AlgorithmIdentifier{Algorithm: pkcs7.OIDDigestAlgorithmSHA256}
	raw := func(tag int, body []byte) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: body}
	}
	type list []any
	der, err := asn1.Marshal(list{pkcs7.OIDSignedData, raw(0, must(t, list{
		1, asn1.RawValue{Tag: asn1.TagSet, IsCompound: true}, list{pkcs7.OIDData}, raw(0, s.cert.Raw),
		asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: must(t, list{
			1, list{asn1.RawValue{FullBytes: s.cert.RawIssuer}, s.cert.SerialNumber}, sha256, raw(0, attributes),
			pkix.AlgorithmIdentifier{Algorithm: pkcs7.OIDEncryptionAlgorithmRSA}, value,
		})},
	}))})
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(der)
}

func must(t *testing.T, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	require.NoError(t, err)
	return b
}

// A roll-over of the CA refuses at once what only the old one has issued.
func TestRepeatedMessagesAfterRollOver(t *testing.T) {
	var mu sync.Mutex
	var roots []*x509.Certificate // nil means the real ones
	w := newWorld(t, options{identity: func(c *identity.Config) {
		c.CA = rolling{c.CA, func() []*x509.Certificate {
			mu.Lock()
			defer mu.Unlock()
			return roots
		}}
	}})
	a := w.mac()
	me, body := identityOf(t, a), message("Status", "Idle", "UDID", a.UDID())
	header := http.Header{apple.SignatureHeader: {me.asDevices(t, body)}}
	handler := w.server.Commands(tenant)
	require.Equal(t, http.StatusOK, record(handler, body, header).Code)
	next, _, err := ca.NewSelfSigned("Next authority", nil)
	require.NoError(t, err)
	mu.Lock()
	roots = []*x509.Certificate{next}
	mu.Unlock()
	require.Equal(t, http.StatusBadRequest, record(handler, body, header).Code)
	mu.Lock()
	roots = []*x509.Certificate{next, w.ca.Certificate()}
	mu.Unlock()
	require.Equal(t, http.StatusOK, record(handler, body, header).Code)
}

// rolling is a CA whose roots change.
type rolling struct {
	mdm.CA
	roots func() []*x509.Certificate
}

func (r rolling) Roots(ctx context.Context, t mdm.TenantID) ([]*x509.Certificate, error) {
	if own := r.roots(); own != nil {
		return own, nil
	}
	return r.CA.Roots(ctx, t)
}
