package scep

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"log/slog"
	"net/http"
	"testing"

	"github.com/smallstep/pkcs7"
	smallscep "github.com/smallstep/scep"
	"github.com/stretchr/testify/require"
)

// FuzzPKIOperation feeds bytes in at each depth of a message: as the message, as
// the envelope within a signed one, and as the CSR within an envelope. Whatever
// comes, the answer is one of the few that a client understands, strong on the
// wire, and a certificate leaves only for a request that is in order.
func FuzzPKIOperation(f *testing.F) {
	var log bytes.Buffer
	e := newEndpoint(f, func(o *Options) {
		o.AcceptLegacy = true
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	self := selfSigned(f, deviceKey(), e.clock.at)
	csr := newCSR(f, deviceKey(), challenge)
	envelope, err := encrypt(rand.Reader, csr, e.raCrt)
	require.NoError(f, err)
	des, err := pkcs7.Encrypt(csr, []*x509.Certificate{e.raCrt})
	require.NoError(f, err)
	for _, kind := range []smallscep.MessageType{smallscep.PKCSReq, smallscep.RenewalReq, smallscep.CertPoll, "4711"} {
		f.Add(byte(0), e.build(message{kind: kind}))
	}
	f.Add(byte(0), streamed(e.build(message{}), true))
	f.Add(byte(0), smallstepRequest(f, e, smallscep.PKCSReq, self).Raw)
	f.Add(byte(0), e.build(message{noSigner: true}))
	f.Add(byte(1), envelope)
	f.Add(byte(1), streamed(envelope, true))
	f.Add(byte(1), des)
	f.Add(byte(2), csr)
	f.Add(byte(2), []byte{})
	f.Fuzz(func(t *testing.T, depth byte, data []byte) {
		if len(data) > MaxMessage/2 {
			return
		}
		e.t, e.asked = t, nil
		log.Reset()
		body := data
		switch depth % 3 {
		case 1:
			body = e.build(message{signer: self, csr: csr, envelope: append([]byte{}, data...)})
		case 2:
			body = e.build(message{signer: self, csr: append([]byte{}, data...)})
		}
		w := e.post(body)
		require.NotContains(t, log.String(), "!PANIC")
		switch w.Code {
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			require.Empty(t, e.asked)
			return
		case http.StatusOK:
		default:
			t.Fatalf("status %d", w.Code)
		}
		requireStrong(t, w.Body.Bytes())
		p7, err := pkcs7.Parse(w.Body.Bytes())
		require.NoError(t, err)
		var status string
		require.NoError(t, p7.UnmarshalSignedAttribute(oidPKIStatus, &status))
		require.Equal(t, status == string(smallscep.SUCCESS), len(e.asked) == 1)
	})
}
