package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/storage/inmem"
)

// The request that a fleet sends most: an idle poll, signed, nothing queued.
func BenchmarkIdlePollSignature(b *testing.B) {
	p := fleets(b)
	b.Run("nanomdm-inmem", func(b *testing.B) { measure(b, idle(&p.peer.side, signedIdle)) })
	b.Run("keelson-inmem", func(b *testing.B) { measure(b, idle(&p.ours.side, signedIdle)) })
	b.Run("ratio", func(b *testing.B) { ratio(b, idle(&p.peer.side, signedIdle), idle(&p.ours.side, signedIdle)) })
	b.Run("keelson-sqlite", func(b *testing.B) { measure(b, idle(&fleetOnDisk(b).side, signedIdle)) })
	b.Run("ratio-as-devices-sign", func(b *testing.B) { ratio(b, idle(&p.peer.side, sentIdle), idle(&p.ours.side, sentIdle)) })
	// What is the transport's own, in time and allocations.
	b.Run("transport", func(b *testing.B) { measure(b, idle(transport(p.ours.devices), signedIdle)) })
	// What the ratio could be at most: a server that verifies the signature and
	// does nothing else.
	one := load{round: fleetSize, prepare: nothing, do: rsaOnce(b, p.ours.devices)}
	b.Run("ratio-of-nanomdm-to-one-rsa-verification", func(b *testing.B) { ratio(b, idle(&p.peer.side, signedIdle), one) })
}

// The same from a device that authenticates by its TLS connection.
func BenchmarkIdlePollTLS(b *testing.B) {
	p := fleets(b)
	b.Run("nanomdm-inmem", func(b *testing.B) { measure(b, idle(p.peer.tls, tlsIdle)) })
	b.Run("keelson-inmem", func(b *testing.B) { measure(b, idle(&p.ours.side, tlsIdle)) })
	b.Run("ratio", func(b *testing.B) { ratio(b, idle(p.peer.tls, tlsIdle), idle(&p.ours.side, tlsIdle)) })
}

// Two signed requests: Idle, which gets a command, and its answer, which gets
// nothing.
func BenchmarkCommandCycle(b *testing.B) {
	p := fleets(b)
	b.Run("nanomdm-inmem", func(b *testing.B) { measure(b, cycle(&p.peer.side)) })
	b.Run("keelson-inmem", func(b *testing.B) { measure(b, cycle(&p.ours.side)) })
	b.Run("ratio", func(b *testing.B) { ratio(b, cycle(&p.peer.side), cycle(&p.ours.side)) })
	b.Run("keelson-sqlite", func(b *testing.B) { measure(b, cycle(&fleetOnDisk(b).side)) })
}

// One command to n devices, in one call.
func BenchmarkEnqueue(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		theirs := func(b *testing.B) load {
			q, err := newPeerBacklog()
			require.NoError(b, err)
			return enqueues(q, n)
		}
		inMemory := func(b *testing.B) load {
			q, err := newOurBacklog(inmem.New(nil))
			require.NoError(b, err)
			return enqueues(q, n)
		}
		b.Run(fmt.Sprintf("nanomdm-inmem/%d", n), func(b *testing.B) { measure(b, theirs(b)) })
		b.Run(fmt.Sprintf("keelson-inmem/%d", n), func(b *testing.B) { measure(b, inMemory(b)) })
		b.Run(fmt.Sprintf("ratio/%d", n), func(b *testing.B) { ratio(b, theirs(b), inMemory(b)) })
		b.Run(fmt.Sprintf("keelson-sqlite/%d", n), func(b *testing.B) {
			s, done, err := openSQLite(context.Background(), filepath.Join(b.TempDir(), "queue.db"))
			require.NoError(b, err)
			defer func() { require.NoError(b, done()) }()
			q, err := newOurBacklog(s)
			require.NoError(b, err)
			measure(b, enqueues(q, n))
		})
	}
}

// Who sent a message, without anything else: the signature and the chain, beside
// one RSA verification, below which nothing can go.
func BenchmarkSignatureAndChain(b *testing.B) {
	p := fleets(b)
	theirs, mine := p.peer.identify(signedIdle), p.ours.identify(signedIdle)
	one := load{round: fleetSize, prepare: nothing, do: rsaOnce(b, p.ours.devices)}
	b.Run("nanomdm", func(b *testing.B) { measure(b, theirs) })
	b.Run("keelson", func(b *testing.B) { measure(b, mine) })
	b.Run("keelson-first-time", func(b *testing.B) { measure(b, p.ours.identifyFirst(signedIdle)) })
	b.Run("one-rsa-verification", func(b *testing.B) { measure(b, one) })
	b.Run("ratio", func(b *testing.B) { ratio(b, theirs, mine) })
	b.Run("ratio-as-devices-sign", func(b *testing.B) { ratio(b, p.peer.identify(sentIdle), p.ours.identify(sentIdle)) })
	b.Run("ratio-of-keelson-to-one-rsa-verification", func(b *testing.B) { ratio(b, mine, one) })
}

// What a device says, from its bytes to what the server acts on.
func BenchmarkPropertyLists(b *testing.B) {
	for _, c := range lists() {
		b.Run(c.name, func(b *testing.B) {
			b.Run("nanomdm", func(b *testing.B) { measure(b, c.theirs) })
			b.Run("keelson", func(b *testing.B) { measure(b, c.ours) })
			b.Run("ratio", func(b *testing.B) { ratio(b, c.theirs, c.ours) })
		})
	}
}
