package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"time"

	"github.com/keelson-mdm/keelson/mdm"
)

// KeyKind is the kind of key that [NewSelfSigned] generates.
type KeyKind int

// The kinds of key.
const (
	RSA2048 KeyKind = iota
	RSA3072
	RSA4096
	P256
)

// DefaultRootLifetime is how long a new root lives unless [RootOptions] say
// otherwise.
const DefaultRootLifetime = 10 * 365 * 24 * time.Hour

// RootOptions are the optional settings of [NewSelfSigned]. A nil *RootOptions
// means all zeros.
type RootOptions struct {
	// Key is the kind of key. Zero means RSA of 2048 bits.
	Key KeyKind
	// SCEP lets the root's own key decrypt and sign SCEP messages, which is
	// the set-up that every SCEP client knows. It needs an RSA key. Without
	// it, give the endpoint a certificate from [CA.IssueRA].
	SCEP bool
	// Lifetime is how long the root lives. Zero means [DefaultRootLifetime];
	// negative is refused.
	Lifetime time.Duration
	// Clock tells the time. Nil means the machine's clock.
	Clock mdm.Clock
	// Rand is the source of the serial number and of the key. Nil means
	// crypto/rand. The standard library may draw the key from its own source.
	Rand io.Reader
}

// NewSelfSigned generates a key and a root for it that may sign leaves and
// nothing deeper. Keep both, see [MarshalPEM]: devices that were issued an
// identity are known by this root alone.
func NewSelfSigned(commonName string, o *RootOptions) (*x509.Certificate, crypto.Signer, error) {
	if o == nil {
		o = &RootOptions{}
	}
	random, clock, lifetime := o.Rand, o.Clock, o.Lifetime
	if random == nil {
		random = rand.Reader
	}
	if clock == nil {
		clock = mdm.SystemClock{}
	}
	if lifetime == 0 {
		lifetime = DefaultRootLifetime
	}
	if err := checkCommonName(commonName); err != nil {
		return nil, nil, err
	}
	if lifetime < 0 {
		return nil, nil, mdm.Errorf(mdm.CodeInvalid, "lifetime", "a root cannot live for a negative time: leave it zero for ten years")
	}
	if o.SCEP && o.Key == P256 {
		return nil, nil, mdm.Errorf(mdm.CodeInvalid, "key", "SCEP clients encrypt to RSA only: choose an RSA key, or issue the endpoint a certificate of its own")
	}
	key, err := generate(random, o.Key)
	if err != nil {
		return nil, nil, err
	}
	serial, err := newSerial(random)
	if err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	now := clock.Now()
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-Backdate).UTC(),
		NotAfter:              now.Add(lifetime).UTC(),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		SignatureAlgorithm:    sha256With(key.Public()),
	}
	if o.SCEP {
		t.KeyUsage |= x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	}
	cert, err := create(random, t, t, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	return cert, key, nil
}

func generate(random io.Reader, k KeyKind) (crypto.Signer, error) {
	bits := 0
	switch k {
	case RSA2048:
		bits = 2048
	case RSA3072:
		bits = 3072
	case RSA4096:
		bits = 4096
	case P256:
		key, err := ecdsa.GenerateKey(elliptic.P256(), random)
		if err != nil {
			return nil, fmt.Errorf("generate the authority's key: %w", err)
		}
		return key, nil
	default:
		return nil, mdm.Errorf(mdm.CodeInvalid, "key", "there is no kind of key with number %d", int(k))
	}
	key, err := rsa.GenerateKey(random, bits)
	if err != nil {
		return nil, fmt.Errorf("generate the authority's key: %w", err)
	}
	return key, nil
}
