package keelson_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdmtest"
)

// idle is an Idle message of a device.
func idle(udid string) []byte {
	return []byte(`<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>` +
		`<key>Status</key><string>Idle</string><key>UDID</key><string>` + udid + `</string></dict></plist>`)
}

// TestSignatureByOpenSSL: a Mdm-Signature that openssl made is accepted, for its
// own body and no other, from the device's own key and no other.
func TestSignatureByOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is missing")
		}
		t.Skip("openssl is not installed")
	}
	w := serve(t, newInmem(), nil)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	mac := mdmtest.Mac(t, w.link(), &mdmtest.AppleOptions{RootCAs: w.roots, Keys: func(context.Context, int) (*rsa.PrivateKey, error) { return key, nil }}).Enroll()
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		f := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(f, b, 0o600))
		return f
	}
	cert := file("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: mac.Identity().Raw}))
	sign := func(k *rsa.PrivateKey, cert string, body []byte) string {
		keyFile := file("key.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
		cmd := exec.Command(openssl, "cms", "-sign", "-binary", "-md", "sha256", "-outform", "DER", "-signer", cert, "-inkey", keyFile)
		cmd.Stdin = bytes.NewReader(body)
		der, err := cmd.Output()
		require.NoError(t, err)
		return base64.StdEncoding.EncodeToString(der)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots}}}
	put := func(body []byte, signature string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.url+"/mdm/v1/default/apple/server", bytes.NewReader(body))
		require.NoError(t, err)
		if signature != "" {
			req.Header.Set("Mdm-Signature", signature)
		}
		resp, err := client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	body := idle(mac.UDID())
	good := sign(key, cert, body)
	require.Equal(t, http.StatusOK, put(body, good))
	require.Equal(t, http.StatusBadRequest, put(append(bytes.Clone(body), '\n'), good), "a signature of another body")
	require.Equal(t, http.StatusBadRequest, put(body, ""), "no signature")
	require.Equal(t, http.StatusBadRequest, put(body, "AAAA"), "no signature at all")
	require.Equal(t, http.StatusBadRequest, put(body, good[:len(good)/2]), "half a signature")
}
