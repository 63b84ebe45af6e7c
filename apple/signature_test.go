package apple_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/mdm"
)

// TestOpenSSLSignature: a device that signs as openssl does is let in.
func TestOpenSSLSignature(t *testing.T) {
	openssl := tool(t, "openssl")
	w := newWorld(t, options{})
	a := w.mac()
	w.enqueue(a.UDID(), install("com.example.one"))
	me := identityOf(t, a)
	key, err := x509.MarshalPKCS8PrivateKey(me.key)
	require.NoError(t, err)
	dir := t.TempDir()
	body := message("Status", "Idle", "UDID", a.UDID())
	write(t, dir, "body", body)
	write(t, dir, "cert.pem", pemOf("CERTIFICATE", me.cert.Raw))
	write(t, dir, "key.pem", pemOf("PRIVATE KEY", key))
	cert, _ := root()
	write(t, dir, "root.pem", pemOf("CERTIFICATE", cert.Raw))
	for name, more := range map[string][]string{
		"plain":      nil,
		"SHA-1":      {"-md", "sha1"},
		"no attrs":   {"-noattr"},
		"with chain": {"-certfile", "root.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"cms", "-sign", "-binary", "-md", "sha256", "-outform", "DER", "-signer", "cert.pem", "-inkey", "key.pem", "-in", "body", "-out", "signature"}, more...)
			run(t, dir, openssl, args...)
			der, err := os.ReadFile(filepath.Join(dir, "signature"))
			require.NoError(t, err)
			header := http.Header{apple.SignatureHeader: {base64.StdEncoding.EncodeToString(der)}}
			got := w.send(request{url: commandURL, body: body, header: header})
			require.Equal(t, http.StatusOK, got.status, got.body)
			require.Contains(t, got.body, "InstallProfile")
			got = w.send(request{url: commandURL, body: message("Status", "Idle", "UDID", a.UDID(), "More", "x"), header: header})
			require.Equal(t, http.StatusBadRequest, got.status, "of another body")
			require.Contains(t, got.body, "not of this message")
		})
	}
	run(t, dir, openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "other.pem", "-out", "other.crt", "-subj", "/CN=other")
	for option, why := range map[string]string{"-nodetach": "must be detached", "-stream": "must be detached", "-nocerts": "with its certificate", "-keyid": "one signer"} {
		run(t, dir, openssl, "cms", "-sign", "-binary", option, "-md", "sha256", "-outform", "DER", "-signer", "other.crt", "-inkey", "other.pem", "-in", "body", "-out", "odd")
		der, err := os.ReadFile(filepath.Join(dir, "odd"))
		require.NoError(t, err)
		_, err = apple.VerifySignature(base64.StdEncoding.EncodeToString(der), body)
		require.ErrorIs(t, err, mdm.CodeUnauthenticated)
		require.ErrorContains(t, err, why, option)
	}
}

// selfSigned is anybody's certificate.
func selfSigned(t testing.TB, change func(*x509.Certificate)) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "anybody"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return signer{cert, key}
}

func TestVerifySignature(t *testing.T) {
	body := []byte("a message")
	me := selfSigned(t, nil)
	good := me.sign(t, body)
	leaf, err := apple.VerifySignature(good, body)
	require.NoError(t, err)
	require.Equal(t, me.cert.Raw, leaf.Raw, "whoever it is")

	der, err := base64.StdEncoding.DecodeString(good)
	require.NoError(t, err)
	header := base64.StdEncoding.EncodeToString
	two, err := pkcs7.NewSignedData(body)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, two.AddSigner(me.cert, me.key, pkcs7.SignerInfoConfig{}))
	}
	two.Detach()
	twice, err := two.Finish()
	require.NoError(t, err)
	degenerate, err := pkcs7.DegenerateCertificate(me.cert.Raw)
	require.NoError(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	weak := me
	weakDER, err := x509.CreateCertificate(rand.Reader, me.cert, me.cert, &small.PublicKey, me.key)
	require.NoError(t, err)
	weak.key = small
	weak.cert, err = x509.ParseCertificate(weakDER)
	require.NoError(t, err)
	over := selfSigned(t, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	})
	flip := func(i int) string {
		d := bytes.Clone(der)
		d[i] ^= 1
		return header(d)
	}
	var bomb []byte
	for i := range 30 {
		bomb = append(bomb, 0x30, 0x02, 0x30, byte(4*(29-i)))
	}
	for name, c := range map[string]struct {
		header string
		body   []byte
		code   mdm.Code
	}{
		"nothing":                 {"", body, mdm.CodeUnauthenticated},
		"not base64":              {"!" + good, body, mdm.CodeUnauthenticated},
		"base64 for URLs":         {base64.RawURLEncoding.EncodeToString(der), body, mdm.CodeUnauthenticated},
		"too long":                {header(make([]byte, 12<<10+1)), body, mdm.CodeTooLarge},
		"no CMS":                  {header([]byte("hello")), body, mdm.CodeUnauthenticated},
		"a certificate":           {header(me.cert.Raw), body, mdm.CodeUnauthenticated},
		"cut off":                 {header(der[:len(der)-1]), body, mdm.CodeUnauthenticated},
		"more behind it":          {header(append(bytes.Clone(der), 0)), body, mdm.CodeUnauthenticated},
		"another body":            {good, []byte("another message"), mdm.CodeUnauthenticated},
		"no body":                 {good, nil, mdm.CodeUnauthenticated},
		"the signature changed":   {flip(len(der) - 1), body, mdm.CodeUnauthenticated},
		"two signers":             {header(twice), body, mdm.CodeUnauthenticated},
		"no signer":               {header(degenerate), body, mdm.CodeUnauthenticated},
		"a weak key":              {weak.sign(t, body), body, mdm.CodeUnauthenticated},
		"an expired certificate":  {over.sign(t, body), body, mdm.CodeUnauthenticated},
		"levels without end":      {header(bytes.Repeat([]byte{0x30, 0x80}, 5000)), body, mdm.CodeUnauthenticated},
		"one that explodes":       {header(bomb), body, mdm.CodeUnauthenticated},
		"signed data with little": {header([]byte{0x30, 0x0f, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2, 0xa0, 2, 0x30, 0}), body, mdm.CodeUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			leaf, err := apple.VerifySignature(c.header, c.body)
			require.ErrorIs(t, err, c.code)
			require.Nil(t, leaf)
			require.Contains(t, mdm.DeviceStatuses(), mdm.CodeOf(err).Answer().Device)
		})
	}
	for i := range der { // no bit of the message, of its digest or of the key
		leaf, err := apple.VerifySignature(flip(i), body)
		if err == nil {
			// What is not signed is the certificate, but for its key: whose it
			// is, is judged next.
			require.True(t, me.cert.PublicKey.(*ecdsa.PublicKey).Equal(leaf.PublicKey))
		}
	}
}

// A signature decides, whoever the connection is with: a proxy may have a
// certificate of its own.
func TestSignatureBeforeTLS(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	me := identityOf(t, a)
	anybody := selfSigned(t, nil)
	body := message("Status", "Idle", "UDID", a.UDID())
	require.Equal(t, http.StatusOK, w.send(request{url: commandURL, body: body, header: signed(t, me, body), tls: &anybody}).status)
	require.Equal(t, http.StatusBadRequest, w.send(request{url: commandURL, body: body, header: signed(t, anybody, body), tls: &me}).status)
}
