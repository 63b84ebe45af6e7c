package bench

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	nano "github.com/micromdm/nanomdm/mdm"
	nanostore "github.com/micromdm/nanomdm/storage/inmem"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage"
)

// backlog is a queue of enrolled channels that never poll. Its devices are rows
// without certificates: queueing asks for none.
type backlog interface {
	// begin empties the queue and makes ready for calls of n devices each.
	begin(calls, n int) error
	// call queues one command for the next n devices, at once.
	call(i, n int) error
	// waiting counts devices that have a command.
	waiting() (int, error)
}

// enqueues is one command to n devices as one operation. A round reaches each
// device once.
func enqueues(q backlog, n int) load {
	return load{
		round:   fleetSize / n,
		prepare: func(calls int) error { return q.begin(calls, n) },
		do:      func(i int) error { return q.call(i, n) },
	}
}

// peerBacklog is NanoMDM's.
type peerBacklog struct {
	p        peer
	udids    []string
	commands []*nano.Command
}

func newPeerBacklog() (*peerBacklog, error) {
	q := &peerBacklog{p: peer{store: nanostore.New()}}
	for i := range fleetSize {
		id := udid(i)
		u := &nano.TokenUpdate{Enrollment: nano.Enrollment{UDID: id}, Push: nano.Push{Topic: topic, PushMagic: id, Token: []byte(id)}}
		if err := q.p.store.StoreTokenUpdate(request(context.Background(), id), u); err != nil {
			return nil, err
		}
		q.udids = append(q.udids, id)
	}
	return q, nil
}

func (q *peerBacklog) begin(calls, _ int) error {
	for _, id := range q.udids {
		if err := q.p.store.ClearQueue(request(context.Background(), id)); err != nil {
			return err
		}
	}
	q.commands = q.commands[:0]
	for range calls {
		id, err := mdm.NewUUID(time.Now(), rand.Reader)
		if err != nil {
			return err
		}
		q.commands = append(q.commands, raw(id))
	}
	return nil
}

func (q *peerBacklog) call(i, n int) error {
	return q.p.call(context.Background(), q.udids[i*n:(i+1)*n], q.commands[i])
}

func (q *peerBacklog) waiting() (n int, err error) {
	for _, id := range q.udids {
		c, err := q.p.store.RetrieveNextCommand(request(context.Background(), id), false)
		if err != nil {
			return 0, err
		}
		if c != nil && strings.Contains(string(c.Raw), c.CommandUUID) {
			n++
		}
	}
	return n, nil
}

// ourBacklog is Keelson's, over a store.
type ourBacklog struct {
	store    storage.Store
	queue    *queue.Queue
	channels []mdm.Enrollment
	commands []queue.Command
}

func newOurBacklog(s storage.Store) (*ourBacklog, error) {
	ctx := context.Background()
	if err := s.Lifecycle().PutTenant(ctx, tenant); err != nil {
		return nil, err
	}
	q, err := newQueue(s)
	if err != nil {
		return nil, err
	}
	b := &ourBacklog{store: s, queue: q, channels: make([]mdm.Enrollment, fleetSize)}
	err = s.InTx(ctx, tenant, func(ctx context.Context, tx mdm.Tx) error {
		for i := range b.channels {
			h := mdm.Host{ID: mdm.HostID(udid(i)), Platform: mdm.MacOS, State: mdm.HostEnrolled}
			if err := s.Lifecycle().PutHost(ctx, tx, &h); err != nil {
				return err
			}
			b.channels[i] = mdm.Enrollment{
				ID: mdm.EnrollmentID(udid(i)), Natural: mdm.AppleNatural(udid(i)), Protocol: mdm.AppleProtocol, Channel: mdm.DeviceChannel,
				Host: h.Key, State: mdm.EnrollmentEnrolled, Generation: 1, Pin: mdm.Hash{1, byte(i >> 8), byte(i)},
			}
			if err := s.Lifecycle().PutEnrollment(ctx, tx, &b.channels[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return b, err
}

func (b *ourBacklog) begin(_, n int) error {
	b.commands = make([]queue.Command, 0, n)
	return b.store.InTx(context.Background(), tenant, func(ctx context.Context, tx mdm.Tx) error {
		for _, e := range b.channels {
			if _, err := b.queue.EndBefore(ctx, tx, e.Key, e.Generation+1); err != nil {
				return err
			}
		}
		return nil
	})
}

// call makes the commands, too: that is the caller's work here.
func (b *ourBacklog) call(i, n int) error {
	b.commands = b.commands[:0]
	for _, e := range b.channels[i*n : (i+1)*n] {
		b.commands = append(b.commands, information(e))
	}
	return enqueue(context.Background(), b.store, b.queue, b.commands)
}

func (b *ourBacklog) waiting() (int, error) {
	keys, err := b.queue.Waiting(context.Background(), tenant, 0, fleetSize+1)
	return len(keys), err
}
