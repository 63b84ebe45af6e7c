package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"

	"github.com/keelson-mdm/keelson/mdm"
)

// The bounds of RSA keys, in bits. The upper one keeps a hostile key from
// costing much time.
const (
	MinRSABits = 2048
	MaxRSABits = 8192
)

// CheckKey reports, as a [mdm.CodeUnsupported] error, that a public key is not
// strong enough or not of a kind in use: RSA of [MinRSABits] to [MaxRSABits],
// or an elliptic-curve key on P-256 or P-384.
func CheckKey(pub crypto.PublicKey) error {
	refuse := func(why string) error {
		return mdm.Errorf(mdm.CodeUnsupported, "public_key", "%s: use RSA of %d to %d bits, P-256 or P-384", why, MinRSABits, MaxRSABits)
	}
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if k == nil || k.N == nil || k.N.Sign() <= 0 {
			return refuse("no RSA key")
		}
		if n := k.N.BitLen(); n < MinRSABits || n > MaxRSABits {
			return refuse("an RSA key of this size is refused")
		}
		if k.N.Bit(0) == 0 || k.E < 3 || k.E&1 == 0 {
			return refuse("not a usable RSA key")
		}
	case *ecdsa.PublicKey:
		if k == nil || (k.Curve != elliptic.P256() && k.Curve != elliptic.P384()) {
			return refuse("an elliptic-curve key on this curve is refused")
		}
		//lint:ignore SA1019 a key without a point makes Bytes panic
		if k.X == nil || k.Y == nil {
			return refuse("no elliptic-curve key")
		}
		if _, err := k.Bytes(); err != nil {
			return refuse("not a point on its curve")
		}
	default:
		return refuse("a key of this kind is refused")
	}
	return nil
}

// samePublicKey compares keys of the standard library's kinds.
func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
