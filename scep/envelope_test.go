package scep

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"testing"

	"github.com/smallstep/pkcs7"
	smallscep "github.com/smallstep/scep"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
)

func TestEnvelopeRoundTrip(t *testing.T) {
	e := newEndpoint(t, nil)
	rapid.Check(t, func(r *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(r, "content")
		sealed, err := encrypt(rand.Reader, plain, e.raCrt)
		require.NoError(r, err)
		got, err := e.decrypt(sealed)
		require.NoError(r, err)
		require.True(r, bytes.Equal(plain, got))
		got, err = e.decrypt(streamed(sealed, true))
		require.NoError(r, err)
		require.True(r, bytes.Equal(plain, got))

		p7, err := pkcs7.Parse(sealed)
		require.NoError(r, err)
		got, err = p7.Decrypt(e.raCrt, raKey())
		require.NoError(r, err)
		require.True(r, bytes.Equal(plain, got), "another decoder agrees")
	})
}

// Whatever byte of the encrypted parts is changed, the answer is the same: a
// captured request cannot be opened by sending it again with changes.
func TestEnvelopeIsNoOracle(t *testing.T) {
	e := newEndpoint(t, nil)
	sealed, err := encrypt(rand.Reader, []byte("a secret of exactly 32 octets..."), e.raCrt)
	require.NoError(t, err)
	// The wrapped key and the content are the last two strings of the message.
	start := len(sealed) - 48 - 60 - 256
	answers := map[string]int{}
	for i := start; i < len(sealed); i += 3 {
		bad := bytes.Clone(sealed)
		bad[i] ^= 0x80
		plain, err := e.decrypt(bad)
		if err == nil {
			// A changed block in the middle leaves the padding whole; what
			// comes out is garbage, and is refused as a CSR in the same way.
			_, _, err = readCSR(plain)
		}
		info, ok := failInfoOf(err)
		require.True(t, ok)
		answers[string(info)]++
	}
	delete(answers, string(smallscep.BadAlg)) // the names of the algorithms are no secret
	require.Len(t, answers, 1)
	require.Contains(t, answers, string(smallscep.BadMessageCheck))
}

// What the encrypted part decrypts to is the sender's choice, and so is every
// length in it: none may lead out of a slice, or past the padding's check.
func TestEnvelopeHandmade(t *testing.T) {
	e := newEndpoint(t, nil)
	key := bytes.Repeat([]byte{7}, 16)
	iv := bytes.Repeat([]byte{9}, 16)
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	ivOf := func(iv []byte) asn1.RawValue { return asn1.RawValue{Tag: asn1.TagOctetString, Bytes: iv} }
	for _, tt := range []struct {
		name   string
		plain  []byte // whole blocks, padding included
		params asn1.RawValue
		cut    int
		opens  bool
	}{
		{name: "good", plain: append([]byte("0123456789abcde"), 1), opens: true},
		{name: "nothing but padding", plain: bytes.Repeat([]byte{16}, 16), opens: true},
		{name: "padding of 0", plain: append([]byte("0123456789abcde"), 0)},
		{name: "padding of 17 octets", plain: bytes.Repeat([]byte{17}, 32)},
		{name: "padding of 255", plain: bytes.Repeat([]byte{255}, 16)},
		{name: "uneven padding", plain: append([]byte("0123456789abc"), 1, 3, 3)},
		{name: "no content", plain: []byte{}},
		{name: "half a block", plain: bytes.Repeat([]byte{16}, 32), cut: 5},
		{name: "a short vector", plain: bytes.Repeat([]byte{16}, 16), params: ivOf(iv[:15])},
		{name: "an empty vector", plain: bytes.Repeat([]byte{16}, 16), params: ivOf([]byte{})},
		{name: "a long vector", plain: bytes.Repeat([]byte{16}, 16), params: ivOf(append(iv, 1))},
		{name: "a vector of another type", plain: bytes.Repeat([]byte{16}, 16), params: asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: iv}},
		{name: "no vector", plain: bytes.Repeat([]byte{16}, 16), params: asn1.NullRawValue},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.params.Tag == 0 {
				tt.params = ivOf(iv)
			}
			sealed := make([]byte, len(tt.plain))
			cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, tt.plain)
			//lint:ignore SA1019 the protocol prescribes it
			wrapped, err := rsa.EncryptPKCS1v15(rand.Reader, &raKey().PublicKey, key)
			require.NoError(t, err)
			recipient, err := asn1.Marshal(keyTransport{Recipient: nameOf(e.raCrt), Algorithm: withNULL(pkcs7.OIDEncryptionAlgorithmRSA), Key: wrapped})
			require.NoError(t, err)
			inner, err := asn1.Marshal(envelopedData{
				Recipients: []asn1.RawValue{{FullBytes: recipient}},
				Content: encryptedContentInfo{
					Type:      pkcs7.OIDData,
					Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidAES128CBC, Parameters: tt.params},
					Content:   asn1.RawValue{Class: asn1.ClassContextSpecific, Bytes: sealed[:len(sealed)-tt.cut]},
				},
			})
			require.NoError(t, err)
			envelope, err := asn1.Marshal(contentInfo{Type: pkcs7.OIDEnvelopedData, Content: context0(inner)})
			require.NoError(t, err)

			_, err = e.decrypt(envelope)
			if tt.opens {
				require.NoError(t, err)
				return
			}
			info, ok := failInfoOf(err)
			require.True(t, ok)
			require.Equal(t, smallscep.BadMessageCheck, info)
			require.ErrorContains(t, err, "does not open", "one answer for all of them")
		})
	}
}

func TestEnvelopeForACurve(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	e := newEndpoint(t, nil)
	_, err = encrypt(rand.Reader, []byte("x"), selfSigned(t, key, e.clock.at))
	require.Error(t, err)
	_, err = encrypt(bytes.NewReader(nil), []byte("x"), e.raCrt)
	require.ErrorIs(t, err, io.EOF)
}

// faulty is a key whose module has a bad day.
type faulty struct {
	Key
	decryptErr, signErr error
	wrongLength         bool
}

func (f faulty) Decrypt(r io.Reader, b []byte, o crypto.DecrypterOpts) ([]byte, error) {
	if f.decryptErr != nil {
		return nil, f.decryptErr
	}
	out, err := f.Key.Decrypt(r, b, o)
	if f.wrongLength {
		out = out[1:]
	}
	return out, err
}

func (f faulty) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if f.signErr != nil {
		return nil, f.signErr
	}
	return f.Key.Sign(r, digest, o)
}

func TestKeyFaults(t *testing.T) {
	unplugged := errors.New("the module is unplugged")
	for _, tt := range []struct {
		name   string
		key    faulty
		status int
	}{
		{"out of reach", faulty{decryptErr: mdm.WrapError(mdm.CodeUnavailable, "", "no network", unplugged)}, 503},
		// It could be the padding: an answer of its own would be an oracle.
		{"an error without a code", faulty{decryptErr: unplugged}, 200},
		{"a refusal", faulty{decryptErr: rsa.ErrDecryption}, 200},
		{"a key of the wrong length", faulty{wrongLength: true}, 200},
		{"cannot sign", faulty{signErr: unplugged}, 503},
		{"cannot sign, and says why", faulty{signErr: mdm.WrapError(mdm.CodeForbidden, "", "no", unplugged)}, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEndpoint(t, nil)
			tt.key.Key = raKey()
			e.ra.Key = tt.key
			w := e.post(e.build(message{}))
			require.Equal(t, tt.status, w.Code)
			require.NotContains(t, w.Body.String(), "unplugged")
			if tt.status == 200 {
				require.Equal(t, smallscep.BadMessageCheck, e.certRep(w).FailInfo)
			}
		})
	}
}
