package bench

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/micromdm/nanomdm/cryptoutil"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/internal/cms"
)

// identify is NanoMDM's signature and chain check of the idle polls.
func (p *peer) identify(of func(*device) message) load {
	return load{round: len(p.devices), prepare: nothing, do: func(i int) error {
		m := of(p.devices[i])
		leaf, err := cryptoutil.VerifyMdmSignature(m.header.Get("Mdm-Signature"), m.body)
		if err != nil {
			return err
		}
		return p.verifier.Verify(context.Background(), leaf)
	}}
}

// identify is Keelson's, of devices that it has seen before: what apple.Server
// does with a signature, by the same calls.
func (o *ours) identify(of func(*device) message) load {
	room := make([]byte, 3<<10)
	return load{round: len(o.devices), prepare: nothing, do: func(i int) error {
		m := of(o.devices[i])
		n, err := base64.StdEncoding.Decode(room, []byte(m.header[apple.SignatureHeader][0]))
		if err != nil {
			return err
		}
		s, err := cms.Parse(room[:n])
		if err != nil {
			return err
		}
		k, ok := o.identity.Recall(context.Background(), tenant, sha256.Sum256(s.Certificate))
		if !ok || !s.Alone {
			return errors.New("not seen before")
		}
		if at, told := s.Made(); told && (at.Before(k.NotBefore) || at.After(k.NotAfter)) {
			return errors.New("made at another time")
		}
		return s.Verify(k.Key, m.body)
	}}
}

// identifyFirst is Keelson's of devices that it has never seen, as far as the
// signature goes, and with the chain that it has.
func (o *ours) identifyFirst(of func(*device) message) load {
	return load{round: len(o.devices), prepare: nothing, do: func(i int) error {
		m := of(o.devices[i])
		leaf, err := apple.VerifySignature(m.header.Get(apple.SignatureHeader), m.body)
		if err != nil {
			return err
		}
		return o.chain.Verify(leaf, time.Now())
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
