package syncml

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// Authentication schemes (Meta Type of Cred and Chal).
const (
	AuthMD5   = "syncml:auth-md5"
	AuthBasic = "syncml:auth-basic"
)

// Cred is a credential of the sender. Data is base64.
type Cred struct {
	Meta Meta
	Data string
}

// Chal asks the other side for a credential.
type Chal struct {
	Meta Meta
}

// NewChal returns a challenge for an MD5 digest over the nonce.
func NewChal(nonce []byte) *Chal {
	return &Chal{Meta: Meta{Format: "b64", Type: AuthMD5, NextNonce: base64.StdEncoding.EncodeToString(nonce)}}
}

// Nonce returns the bytes of the challenge's nonce; false when it has none that
// can be decoded.
func (c *Chal) Nonce() ([]byte, bool) {
	if c == nil || c.Meta.NextNonce == "" {
		return nil, false
	}
	nonce, err := base64.StdEncoding.DecodeString(c.Meta.NextNonce)
	return nonce, err == nil
}

// Digest returns the Data of an MD5 credential (OMA DM Security 1.2, 5.3):
//
//	B64(MD5(B64(MD5(name ":" secret)) ":" nonce))
//
// The nonce is raw bytes, not the base64 of a challenge. MD5 is what the
// protocol has; the secret must therefore be long and random, and the nonce
// used once.
func Digest(name, secret string, nonce []byte) string {
	inner := md5.Sum([]byte(name + ":" + secret))
	outer := append(base64.StdEncoding.AppendEncode(nil, inner[:]), ':')
	sum := md5.Sum(append(outer, nonce...))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// NewCred returns the MD5 credential that a device sends.
func NewCred(name, secret string, nonce []byte) *Cred {
	return &Cred{Meta: Meta{Format: "b64", Type: AuthMD5}, Data: Digest(name, secret, nonce)}
}

// Verify reports, in constant time, whether c is the MD5 credential for name,
// secret and nonce. A nil credential, another scheme and an empty secret or
// nonce verify nothing.
func (c *Cred) Verify(name, secret string, nonce []byte) bool {
	if c == nil || !strings.EqualFold(c.Meta.Type, AuthMD5) || secret == "" || len(nonce) == 0 {
		return false
	}
	want := Digest(name, secret, nonce)
	return subtle.ConstantTimeCompare([]byte(want), []byte(c.Data)) == 1
}
