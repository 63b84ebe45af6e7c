package bench

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"github.com/micromdm/nanomdm/cryptoutil"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
)

// identify is NanoMDM's signature and chain check of the idle polls.
func (p *peer) identify() load {
	return load{round: len(p.devices), prepare: nothing, do: func(i int) error {
		m := p.devices[i].idleSigned
		leaf, err := cryptoutil.VerifyMdmSignature(m.header.Get("Mdm-Signature"), m.body)
		if err != nil {
			return err
		}
		return p.verifier.Verify(context.Background(), leaf)
	}}
}

// identify is Keelson's.
func (o *ours) identify() load {
	return load{round: len(o.devices), prepare: nothing, do: func(i int) error {
		m := o.devices[i].idleSigned
		leaf, err := apple.VerifySignature(m.header.Get(apple.SignatureHeader), m.body)
		if err != nil {
			return err
		}
		return o.identity.Verify(context.Background(), tenant, leaf)
	}}
}

// rsaOnce is one verification with a device's key.
func rsaOnce(b *testing.B, ds []*device) func(int) error {
	b.Helper()
	digest := sha256.Sum256([]byte("a message"))
	signatures := make([][]byte, len(ds))
	require.NoError(b, both(len(ds), func(i int) (err error) {
		signatures[i], err = rsa.SignPKCS1v15(rand.Reader, ds[i].key, crypto.SHA256, digest[:])
		return err
	}))
	return func(i int) error {
		return rsa.VerifyPKCS1v15(ds[i].cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], signatures[i])
	}
}
