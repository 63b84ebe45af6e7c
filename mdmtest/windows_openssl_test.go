package mdmtest

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPCCSRsByOpenSSL has a parser that is not Go's read both requests.
func TestPCCSRsByOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is needed")
		}
		t.Skip("openssl is not installed")
	}
	d := NewPC("https://mdm.example.com", "ada", "secret", nil)
	for _, odd := range []bool{false, true} {
		der, err := pcCSR(d.DeviceID(), d.opts.Rand, pcKeys()[0], odd)
		require.NoError(t, err)
		cmd := exec.Command("openssl", "req", "-inform", "DER", "-noout", "-text", "-verify")
		cmd.Stdin = bytes.NewReader(der)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "verify OK")
		require.Contains(t, string(out), "1.3.6.1.4.1.311.66.1.0")
		require.Contains(t, string(out), d.DeviceID())
		if odd {
			require.Contains(t, string(out), "sha1WithRSA\n")
		} else {
			require.Contains(t, string(out), "sha256WithRSAEncryption")
			require.Contains(t, string(out), "TLS Web Client Authentication")
		}
	}
}
