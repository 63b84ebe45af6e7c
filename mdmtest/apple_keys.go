package mdmtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"sync"
)

// generateKey makes a new RSA key.
func generateKey(_ context.Context, bits int) (*rsa.PrivateKey, error) {
	return rsa.GenerateKey(rand.Reader, bits)
}

// KeyPool hands out a limited number of RSA keys in turn, for tests and load
// runs with more devices than there is time to generate keys for. Keys are
// generated when first asked for, so that Size devices or fewer still have
// distinct keys; after that they repeat. It is safe for concurrent use.
type KeyPool struct {
	// Size is how many keys there are of each length. Zero or less means 8.
	Size int

	mu   sync.Mutex
	next map[int]int
	keys map[int][]*rsa.PrivateKey
}

// Key returns the next key of that many bits. It is made to be the Keys of
// [AppleOptions].
func (p *KeyPool) Key(ctx context.Context, bits int) (*rsa.PrivateKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.keys == nil {
		p.keys, p.next = make(map[int][]*rsa.PrivateKey), make(map[int]int)
	}
	size := p.Size
	if size <= 0 {
		size = 8
	}
	i := p.next[bits] % size
	if i >= len(p.keys[bits]) {
		key, err := generateKey(ctx, bits)
		if err != nil {
			return nil, err
		}
		p.keys[bits] = append(p.keys[bits], key)
	}
	p.next[bits]++
	return p.keys[bits][i], nil
}
