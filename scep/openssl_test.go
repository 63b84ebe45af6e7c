package scep

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	smallscep "github.com/smallstep/scep"
	"github.com/stretchr/testify/require"
)

func run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", program, args, out)
	return string(out)
}

// OpenSSL verifies a reply to the root, names its algorithms, and opens it.
func TestOpenSSLReadsReplies(t *testing.T) {
	openssl := tool(t, "openssl")
	e := newEndpoint(t, nil)
	self := selfSigned(t, deviceKey(), e.clock.at)
	reply := file(t, "reply.der", e.post(e.build(message{signer: self})).Body.Bytes())
	envelope := filepath.Join(t.TempDir(), "envelope.der")
	list := filepath.Join(t.TempDir(), "list.der")

	run(t, openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", reply, "-CAfile", certFile(t, e.ca.Certificate()), "-purpose", "any", "-out", envelope)
	signed := run(t, openssl, "asn1parse", "-inform", "DER", "-in", reply)
	require.Contains(t, signed, ":sha256")
	require.NotContains(t, signed, ":sha1")
	sealed := run(t, openssl, "asn1parse", "-inform", "DER", "-in", envelope)
	require.Contains(t, sealed, ":aes-128-cbc")
	require.Contains(t, sealed, ":rsaEncryption")
	require.NotContains(t, sealed, ":des")

	run(t, openssl, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", envelope, "-recip", certFile(t, self), "-inkey", keyFile(t, deviceKey()), "-out", list)
	require.Contains(t, run(t, openssl, "pkcs7", "-inform", "DER", "-in", list, "-print_certs", "-noout"), "subject=CN = device")

	der, err := os.ReadFile(list)
	require.NoError(t, err)
	certs, err := smallscep.CACerts(der)
	require.NoError(t, err)
	require.Len(t, certs, 1)
	require.NoError(t, certs[0].CheckSignatureFrom(e.ca.Certificate()))

	refused := file(t, "refused.der", e.post(e.build(message{kind: smallscep.CertPoll})).Body.Bytes())
	run(t, openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", refused, "-CAfile", certFile(t, e.ca.Certificate()), "-purpose", "any", "-out", os.DevNull)
	require.NotContains(t, run(t, openssl, "asn1parse", "-inform", "DER", "-in", refused), ":sha1")
}

// What OpenSSL encrypts opens, streamed or not; what is not ours to read is
// refused with the reason that fits.
func TestOpenSSLEncryptsRequests(t *testing.T) {
	openssl := tool(t, "openssl")
	e := newEndpoint(t, nil)
	legacy := newEndpoint(t, func(o *Options) { o.AcceptLegacy = true })
	csr := newCSR(t, deviceKey(), challenge)
	in := file(t, "csr.der", csr)
	for _, tt := range []struct {
		name string
		e    *endpoint
		args []string
		info smallscep.FailInfo // "" means that it opens
	}{
		{"AES-128", e, []string{"-aes128"}, ""},
		{"AES-192", e, []string{"-aes192"}, ""},
		{"AES-256", e, []string{"-aes256"}, ""},
		{"streamed", e, []string{"-aes128", "-stream"}, ""},
		{"3DES", e, []string{"-des3"}, smallscep.BadAlg},
		{"3DES, let in", legacy, []string{"-des3"}, ""},
		{"AES-128-GCM, which is another content type", legacy, []string{"-aes-128-gcm"}, smallscep.BadMessageCheck},
		{"Camellia", legacy, []string{"-camellia128"}, smallscep.BadAlg},
		{"OAEP", legacy, []string{"-aes128", "-keyopt", "rsa_padding_mode:oaep"}, smallscep.BadAlg},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "envelope.der")
			args := append([]string{"cms", "-encrypt", "-binary", "-outform", "DER", "-in", in, "-out", out}, tt.args...)
			// The recipient is the option that -keyopt belongs to.
			recip := []string{"-recip", certFile(t, tt.e.raCrt)}
			if i := len(args) - 2; args[i] == "-keyopt" {
				args = append(args[:i:i], append(recip, args[i:]...)...)
			} else {
				args = append(args, recip...)
			}
			run(t, openssl, args...)
			envelope, err := os.ReadFile(out)
			require.NoError(t, err)
			rep := func() *smallscep.PKIMessage {
				tt.e.t = t
				return tt.e.certRep(tt.e.post(tt.e.build(message{envelope: envelope})))
			}()
			if tt.info == "" {
				require.Equal(t, smallscep.SUCCESS, rep.PKIStatus)
				require.Equal(t, challenge, tt.e.asked[len(tt.e.asked)-1].Challenge)
				return
			}
			require.Equal(t, smallscep.FAILURE, rep.PKIStatus)
			require.Equal(t, tt.info, rep.FailInfo)
		})
	}
}

// The list of certificates of GetCACert is one that OpenSSL reads.
func TestOpenSSLReadsGetCACert(t *testing.T) {
	openssl := tool(t, "openssl")
	e := newEndpoint(t, nil)
	list := file(t, "list.der", e.getRaw("operation=GetCACert").Body.Bytes())
	out := run(t, openssl, "pkcs7", "-inform", "DER", "-in", list, "-print_certs", "-noout")
	require.Contains(t, out, "subject=CN = Test RA")
	require.Contains(t, out, "subject=CN = Test root")
}
