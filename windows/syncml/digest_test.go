package syncml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDigest(t *testing.T) {
	for _, tt := range []struct {
		name, user, secret string
		nonce              []byte
		want               string
	}{
		// OMA DM Security 1.2, the worked example.
		{"specification", "Bruce2", "OhBehave", []byte("Nonce"), "Zz6EivR3yeaaENcRN6lpAQ=="},
		// A Windows 11 device whose stored nonce was the text "nonce": it
		// decodes that as base64, and hashes the bytes.
		{"Windows 11", "dummy", "dummy", []byte{0x9e, 0x89, 0xdc}, "EVEkoFZcVgPM+ESnu9IC0g=="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, Digest(tt.user, tt.secret, tt.nonce))
			c := NewCred(tt.user, tt.secret, tt.nonce)
			require.True(t, c.Verify(tt.user, tt.secret, tt.nonce))
			require.False(t, c.Verify(tt.user, tt.secret+"x", tt.nonce))
			require.False(t, c.Verify(tt.user+"x", tt.secret, tt.nonce))
			require.False(t, c.Verify(tt.user, tt.secret, append(tt.nonce, 0)))
		})
	}
}

func TestVerifyNothing(t *testing.T) {
	nonce := []byte("n")
	var none *Cred
	require.False(t, none.Verify("u", "s", nonce), "no credential")
	require.False(t, NewCred("u", "", nonce).Verify("u", "", nonce), "an empty secret")
	require.False(t, NewCred("u", "s", nil).Verify("u", "s", nil), "an empty nonce")
	basic := NewCred("u", "s", nonce)
	basic.Meta.Type = AuthBasic
	require.False(t, basic.Verify("u", "s", nonce), "another scheme")
}

func TestChalNonce(t *testing.T) {
	c := NewChal([]byte{0, 1, 255})
	require.Equal(t, AuthMD5, c.Meta.Type)
	require.Equal(t, "b64", c.Meta.Format, "DM RepPro: required with NextNonce")
	nonce, ok := c.Nonce()
	require.True(t, ok)
	require.Equal(t, []byte{0, 1, 255}, nonce)

	var none *Chal
	_, ok = none.Nonce()
	require.False(t, ok)
	_, ok = (&Chal{Meta: Meta{NextNonce: "!"}}).Nonce()
	require.False(t, ok)
}
