package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

// The figures are of real work: every server, wired as it is measured, answers
// what it should, and refuses what it should.
func TestServersDoTheWork(t *testing.T) {
	p, err := newPair(4)
	require.NoError(t, err)
	t.Cleanup(p.ours.stop)
	db, closeDB, err := openSQLite(t.Context(), filepath.Join(t.TempDir(), "fleet.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, closeDB()) })
	onDisk, err := newOurs("Keelson on SQLite", db, 4)
	require.NoError(t, err)
	t.Cleanup(onDisk.stop)

	for name, c := range map[string]struct {
		signed, tls *side
		kept        func(t *testing.T, d *device, id string, want []byte)
	}{
		"NanoMDM":           {&p.peer.side, p.peer.tls, p.peer.kept},
		"Keelson":           {&p.ours.side, &p.ours.side, p.ours.kept},
		"Keelson on SQLite": {&onDisk.side, &onDisk.side, onDisk.kept},
	} {
		t.Run(name, func(t *testing.T) {
			d, other := c.signed.devices[0], c.signed.devices[1]
			require.NoError(t, c.signed.poll(d.idleSigned))
			require.NoError(t, c.signed.poll(d.idleAsSent))
			require.NoError(t, c.tls.poll(d.idleTLS))
			t.Run("command", func(t *testing.T) { commandArrives(t, c.signed, c.tls, d, other, c.kept) })
			t.Run("strangers", func(t *testing.T) { strangersAreRefused(t, c.signed, c.tls, d, other) })
			t.Run("loads", func(t *testing.T) {
				for _, l := range []load{idle(c.signed, signedIdle), idle(c.tls, tlsIdle), cycle(c.signed), cycle(c.signed)} {
					require.Equal(t, len(c.signed.devices), l.round)
					require.NoError(t, l.prepare(l.round))
					for i := range l.round {
						require.NoError(t, l.do(i))
					}
				}
				for _, d := range c.signed.devices {
					require.NoError(t, c.signed.poll(d.idleSigned), "the queue is empty in the end")
				}
			})
		})
	}
}

// The calls that are measured alone check what the servers check.
func TestIdentifying(t *testing.T) {
	p, err := newPair(2)
	require.NoError(t, err)
	t.Cleanup(p.ours.stop)
	for name, identify := range map[string]func(func(*device) message) load{
		"NanoMDM": p.peer.identify, "Keelson": p.ours.identify, "Keelson, the first time": p.ours.identifyFirst,
	} {
		t.Run(name, func(t *testing.T) {
			for _, of := range []func(*device) message{signedIdle, sentIdle} {
				require.NoError(t, identify(of).do(1))
				require.Error(t, identify(func(d *device) message {
					m := of(d)
					m.body = append(bytes.Clone(m.body), '\n')
					return m
				}).do(1))
				foreign := *p.ours.devices[0]
				foreign.cert, foreign.key = strangerTo(t, &foreign)
				require.NoError(t, foreign.polls())
				require.Error(t, identify(func(*device) message { return of(&foreign) }).do(0))
			}
		})
	}
}

func TestDecoding(t *testing.T) {
	for _, c := range lists() {
		require.NoError(t, c.theirs.do(0), c.name)
		require.NoError(t, c.ours.do(0), c.name)
	}
}

// commandArrives at the device that it is for, until it is answered.
func commandArrives(t *testing.T, signed, tls *side, d, other *device, kept func(*testing.T, *device, string, []byte)) {
	id, err := mdm.NewUUID(time.Now(), rand.Reader)
	require.NoError(t, err)
	require.NoError(t, signed.enqueue(t.Context(), []*device{d}, []string{id}))
	require.NoError(t, signed.poll(other.idleSigned), "the other device gets nothing")
	for range 2 { // the same one, until it is answered
		body, err := signed.put(signed.path, d.idleSigned)
		require.NoError(t, err)
		for _, want := range append([]string{id, "DeviceInformation"}, queries...) {
			require.Contains(t, string(body), ">"+want+"<")
		}
	}
	require.NoError(t, tls.fetch(d.idleTLS, id))
	require.Error(t, signed.poll(d.idleSigned), "a poll that expects nothing notices a command")
	require.Error(t, signed.fetch(d.idleSigned, other.udid), "a poll that expects a command notices another")

	m, err := d.acknowledged(id)
	require.NoError(t, err)
	require.NoError(t, signed.poll(m), "nothing more is handed out")
	require.NoError(t, signed.poll(d.idleSigned))
	require.NoError(t, tls.poll(d.idleTLS))
	kept(t, d, id, m.body)
}

// strangersAreRefused: signature, chain and binding are checked.
func strangersAreRefused(t *testing.T, signed, tls *side, d, other *device) {
	changed := d.idleSigned
	changed.body = append(bytes.Clone(d.idleSigned.body), '\n') // still the same property list
	foreign := *d
	foreign.cert, foreign.key = strangerTo(t, d)
	require.NoError(t, foreign.polls())
	for what, m := range map[string]message{
		"a changed body":          changed,
		"the other's certificate": {body: d.idleTLS.body, header: d.idleTLS.header, tls: other.idleTLS.tls},
		"no certificate":          {body: d.idleTLS.body, header: d.idleTLS.header},
		"a foreign authority":     foreign.idleTLS,
	} {
		_, err := tls.put(tls.path, m)
		require.Error(t, err, what)
	}
	for what, m := range map[string]message{"a changed body": changed, "a foreign authority": foreign.idleSigned} {
		_, err := signed.put(signed.path, m)
		require.Error(t, err, what)
	}
	require.NoError(t, signed.poll(d.idleSigned))
}

// A call of the enqueue benchmarks reaches every device that it is for.
func TestQueuesFill(t *testing.T) {
	for name, open := range map[string]func() (backlog, error){
		"NanoMDM": func() (backlog, error) { return newPeerBacklog() },
		"Keelson": func() (backlog, error) { return newOurBacklog(inmem.New(nil)) },
		"Keelson on SQLite": func() (backlog, error) {
			s, done, err := openSQLite(context.Background(), filepath.Join(t.TempDir(), "queue.db"))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, done()) })
			return newOurBacklog(s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := open()
			require.NoError(t, err)
			for _, n := range []int{1, 100, 1000} {
				l := enqueues(q, n)
				require.Equal(t, fleetSize, l.round*n)
				require.NoError(t, l.prepare(l.round))
				have, err := q.waiting()
				require.NoError(t, err)
				require.Zero(t, have, "a round begins with empty queues")
				for i := range l.round {
					require.NoError(t, l.do(i))
					have, err := q.waiting()
					require.NoError(t, err)
					require.Equal(t, (i+1)*n, have)
					if n == 1 && i == 10 {
						break // counting takes longer than queueing
					}
				}
			}
		})
	}
}
