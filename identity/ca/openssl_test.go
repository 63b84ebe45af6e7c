package ca_test

import (
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/identity/ca"
)

func TestOpenSSLVerifies(t *testing.T) {
	openssl := tool(t, "openssl")
	dir := t.TempDir()
	clock := &fixed{time.Now()}
	write := func(name string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
		return path
	}
	for name, kind := range map[string]ca.KeyKind{"RSA": ca.RSA2048, "P-256": ca.P256} {
		t.Run(name, func(t *testing.T) {
			root, key, err := ca.NewSelfSigned("openssl root", &ca.RootOptions{Key: kind, Clock: clock})
			require.NoError(t, err)
			c, err := ca.New(root, key, &ca.Options{Clock: clock})
			require.NoError(t, err)
			rootFile := write("root.pem", root.Raw)
			leaf := issue(t, c, identity(&rsaKey().PublicKey))
			leafFile := write("leaf.pem", leaf.Raw)

			verify := func(purpose string, at time.Time) (string, error) {
				out, err := exec.Command(openssl, "verify", "-x509_strict", "-purpose", purpose,
					"-attime", strconv.FormatInt(at.Unix(), 10), "-CAfile", rootFile, leafFile).CombinedOutput()
				return string(out), err
			}
			out, err := verify("sslclient", clock.at)
			require.NoError(t, err, out)
			out, err = verify("sslserver", clock.at)
			require.Error(t, err, out)
			out, err = verify("sslclient", clock.at.AddDate(2, 0, 0))
			require.Error(t, err, out)

			text, err := exec.Command(openssl, "x509", "-in", leafFile, "-noout", "-text").CombinedOutput()
			require.NoError(t, err, string(text))
			for _, want := range []string{
				"URI:" + device.String(), "CA:FALSE", "TLS Web Client Authentication",
				"Digital Signature, Key Encipherment",
			} {
				require.Contains(t, string(text), want)
			}
		})
	}
}
