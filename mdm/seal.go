package mdm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
)

// Keyring holds the keys under which values are sealed at rest. A key is 32
// bytes and has a name of 1 to 255 bytes; Active names the one for new values.
// Old keys stay as long as a value sealed under them exists. Implementations
// are safe for concurrent use.
type Keyring interface {
	Active() string
	Key(name string) ([]byte, error)
}

// LocalKeyring is a [Keyring] of keys held in memory.
type LocalKeyring struct {
	Current string
	Keys    map[string][]byte // not changed after first use
}

// Active returns the name of the key for new values.
func (k LocalKeyring) Active() string { return k.Current }

// Key returns the named key.
func (k LocalKeyring) Key(name string) ([]byte, error) {
	key, ok := k.Keys[name]
	if !ok {
		return nil, Errorf(CodeInternal, "", "the keyring has no key named %q: add the key that sealed this value", name)
	}
	return key, nil
}

// Box seals and opens values. The format cannot be changed later:
//
//	byte 0        version, 1
//	byte 1        length n of the key's name
//	n bytes       the key's name
//	12 bytes      nonce
//	the rest      AES-256-GCM ciphertext and tag
//
// with additional data "keelson/1\x00" tenant "\x00" table "\x00" row, so that
// a value moved to another tenant, table or row does not open. A Box is safe
// for concurrent use when its keyring and randomness are.
type Box struct {
	ring Keyring
	rand io.Reader
	last atomic.Pointer[cipherOf]
}

// cipherOf is a key with its cipher, whose tables are long in the making.
type cipherOf struct {
	key  []byte
	aead cipher.AEAD
}

const boxVersion = 1

// NewBox returns a box over the keyring. It fails when the active key cannot be
// used, so that a wrong configuration is found at start.
func NewBox(ring Keyring, rand io.Reader) (*Box, error) {
	b := &Box{ring: ring, rand: rand}
	if _, err := b.aead(ring.Active()); err != nil {
		return nil, err
	}
	return b, nil
}

func (b *Box) aead(name string) (cipher.AEAD, error) {
	if len(name) == 0 || len(name) > 255 {
		return nil, Errorf(CodeInvalid, "keyring", "a key's name has 1 to 255 bytes")
	}
	key, err := b.ring.Key(name)
	if err != nil {
		return nil, err
	}
	if len(key) != 32 {
		return nil, Errorf(CodeInvalid, "keyring", "key %q has %d bytes; it must have 32", name, len(key))
	}
	if c := b.last.Load(); c != nil && subtle.ConstantTimeCompare(c.key, key) == 1 {
		return c.aead, nil
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", name, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", name, err)
	}
	b.last.Store(&cipherOf{bytes.Clone(key), aead})
	return aead, nil
}

func sealedFor(t TenantID, table, row string) []byte {
	return []byte(strings.Join([]string{"keelson/1", string(t), table, row}, "\x00"))
}

// Seal encrypts value for its place. A nil value stays nil.
func (b *Box) Seal(t TenantID, table, row string, value []byte) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	name := b.ring.Active()
	aead, err := b.aead(name)
	if err != nil {
		return nil, err
	}
	head := 2 + len(name)
	out := make([]byte, head+aead.NonceSize(), head+aead.NonceSize()+len(value)+aead.Overhead())
	out[0], out[1] = boxVersion, byte(len(name))
	copy(out[2:], name)
	nonce := out[head:]
	if _, err := io.ReadFull(b.rand, nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead.Seal(out, nonce, value, sealedFor(t, table, row)), nil
}

// Open decrypts what Seal made for the same place. A nil value stays nil. It
// fails with [CodeInternal] when the bytes, the place or the key are not the
// ones that sealed it.
func (b *Box) Open(t TenantID, table, row string, sealed []byte) ([]byte, error) {
	if sealed == nil {
		return nil, nil
	}
	name, err := SealedKey(sealed)
	if err != nil {
		return nil, err
	}
	aead, err := b.aead(name)
	if err != nil {
		return nil, err
	}
	rest := sealed[2+len(name):]
	if len(rest) < aead.NonceSize()+aead.Overhead() {
		return nil, Errorf(CodeInternal, "", "a sealed value in %s is too short", table)
	}
	n := aead.NonceSize()
	value, err := aead.Open(nil, rest[:n], rest[n:], sealedFor(t, table, row))
	if err != nil {
		return nil, Errorf(CodeInternal, "", "a sealed value in %s does not open under key %q: wrong key, or moved from another row", table, name)
	}
	if value == nil {
		value = []byte{}
	}
	return value, nil
}

// SealedKey returns the name of the key that sealed a value, for rotation.
func SealedKey(sealed []byte) (string, error) {
	if len(sealed) < 2 || sealed[0] != boxVersion || len(sealed) < 2+int(sealed[1]) || sealed[1] == 0 {
		return "", Errorf(CodeInternal, "", "not a sealed value")
	}
	return string(sealed[2 : 2+int(sealed[1])]), nil
}
