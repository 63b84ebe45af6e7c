package mdmtest

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/micromdm/nanomdm/cryptoutil"
	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"
)

// tool returns a command line tool, or skips; where tests are the gate it fails.
func appleTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

func writePEM(t *testing.T, path, kind string, der []byte) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

func leafIdentity() *identity {
	return mustIssue(testCA(), &x509.Certificate{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)})
}

func TestSignaturesVerifyElsewhere(t *testing.T) {
	id := leafIdentity()
	body := []byte("<plist>a message</plist>")
	at := time.Now().Add(-time.Minute).Truncate(time.Second).UTC()
	detached, err := signCMS(body, id, at, true)
	require.NoError(t, err)
	attached, err := signCMS(body, id, at, false)
	require.NoError(t, err)

	t.Run("pkcs7", func(t *testing.T) {
		p7, err := pkcs7.Parse(attached)
		require.NoError(t, err)
		require.Equal(t, body, p7.Content)
		require.NoError(t, p7.Verify())
		var signed time.Time
		require.NoError(t, p7.UnmarshalSignedAttribute(oidSigningTime, &signed))
		require.Equal(t, at, signed.UTC())
		require.True(t, p7.Signers[0].DigestAlgorithm.Algorithm.Equal(oidSHA256))
	})
	t.Run("nanomdm", func(t *testing.T) {
		cert, err := cryptoutil.VerifyMdmSignature(base64Std(detached), body)
		require.NoError(t, err)
		require.Equal(t, id.cert.Raw, cert.Raw)
		_, err = cryptoutil.VerifyMdmSignature(base64Std(detached), append(body, '!'))
		require.Error(t, err)
	})
	t.Run("openssl", func(t *testing.T) {
		openssl := appleTool(t, "openssl")
		dir := t.TempDir()
		ca := writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", testCA().cert.Raw)
		sig, content := filepath.Join(dir, "sig.der"), filepath.Join(dir, "body")
		require.NoError(t, os.WriteFile(sig, detached, 0o600))
		require.NoError(t, os.WriteFile(content, body, 0o600))
		args := []string{"cms", "-verify", "-binary", "-inform", "DER", "-in", sig, "-content", content, "-CAfile", ca, "-purpose", "any"}
		out, err := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.NoError(t, os.WriteFile(content, []byte("another"), 0o600))
		require.Error(t, exec.CommandContext(t.Context(), openssl, args...).Run())
	})
}

func TestEnvelopesOpenElsewhere(t *testing.T) {
	id := leafIdentity()
	for _, size := range []int{0, 1, 15, 16, 17, 1000} {
		content := bytes.Repeat([]byte("x"), size)
		der, err := encryptCMS(content, id.cert)
		require.NoError(t, err)
		p7, err := pkcs7.Parse(der)
		require.NoError(t, err)
		plain, err := p7.Decrypt(id.cert, id.key)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, plain))
		alg, err := envelopeCipher(der)
		require.NoError(t, err)
		require.True(t, alg.Equal(oidAES128CBC))
	}
	t.Run("openssl", func(t *testing.T) {
		openssl := appleTool(t, "openssl")
		dir := t.TempDir()
		der, err := encryptCMS([]byte("a secret"), id.cert)
		require.NoError(t, err)
		file := filepath.Join(dir, "env.der")
		require.NoError(t, os.WriteFile(file, der, 0o600))
		key, err := x509.MarshalPKCS8PrivateKey(id.key)
		require.NoError(t, err)
		out, err := exec.CommandContext(t.Context(), openssl, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", file,
			"-inkey", writePEM(t, filepath.Join(dir, "key.pem"), "PRIVATE KEY", key)).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, "a secret", string(out))
	})
}

func TestBoundBER(t *testing.T) {
	nested := func(n int, open []byte) []byte { return bytes.Repeat(open, n) }
	for _, c := range []struct {
		name string
		der  []byte
		ok   bool
	}{
		{"empty", nil, false},
		{"null", []byte{5, 0}, true},
		{"empty sequence", []byte{0x30, 0}, true},
		{"sequence", []byte{0x30, 4, 2, 0, 5, 0}, true},
		{"trailing bytes are not read", []byte{5, 0, 0xFF}, true},
		{"truncated", []byte{0x30, 4, 2}, false},
		{"member longer than its holder", []byte{0x30, 2, 4, 1, 0, 0}, false},
		{"indefinite", []byte{0x30, 0x80, 5, 0, 0, 0}, true},
		{"indefinite without end", []byte{0x30, 0x80, 5, 0}, false},
		{"indefinite primitive", []byte{0x04, 0x80, 0, 0}, false},
		{"indefinite past its holder", []byte{0x30, 4, 0x30, 0x80, 5, 0, 0, 0}, false},
		{"long tag", []byte{0x1F, 0x81, 1, 0}, true},
		{"long length", []byte{4, 0x81, 1, 7}, true},
		{"length of five bytes", []byte{4, 0x85, 0, 0, 0, 0, 0}, false},
		{"deep indefinite", nested(100, []byte{0x30, 0x80}), false},
		{"deep in what looks like an end", nested(100, []byte{0x30, 0x80, 0, 0}), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := boundBER(c.der, 64)
			require.Equal(t, c.ok, err == nil, "%v", err)
		})
	}
	deep := []byte{5, 0}
	for range 64 {
		var err error
		deep, err = asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: deep})
		require.NoError(t, err)
	}
	require.NoError(t, boundBER(deep, 64))
	require.ErrorContains(t, boundBER(deep, 63), "levels deep")
	require.ErrorContains(t, boundBER(make([]byte, appleMaxBody+1), 64), "at most")
}

func FuzzAppleCMS(f *testing.F) {
	id := leafIdentity()
	signed, err := signCMS([]byte("content"), id, time.Now(), false)
	require.NoError(f, err)
	enveloped, err := encryptCMS([]byte("content"), id.cert)
	require.NoError(f, err)
	degenerate, err := pkcs7.DegenerateCertificate(id.cert.Raw)
	require.NoError(f, err)
	for _, seed := range [][]byte{signed, enveloped, degenerate, {0x30, 0x80, 5, 0, 0, 0}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p7, err := parseCMS(data)
		if err != nil {
			return
		}
		require.NoError(t, boundBER(data, appleMaxDepth))
		_ = guard(p7.Verify) // must not panic
		_ = guard(func() error { _, err := p7.Decrypt(id.cert, id.key); return err })
		_, _ = envelopeCipher(data)
	})
}

func base64Std(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
