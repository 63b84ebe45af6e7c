package storagetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage"
)

// start is when every test begins, in whole microseconds.
var start = time.Date(2026, 3, 14, 9, 26, 53, 589793000, time.UTC)

// world is one tenant of one store, and the means to fill it.
type world struct {
	t      *testing.T
	h      Harness
	s      storage.Store
	ctx    context.Context
	tenant mdm.TenantID
	now    time.Time
	named  int // how many names were made
}

func newWorld(t *testing.T, h Harness, fault storage.FaultHook) *world {
	return over(t, h, h.Open(t, fault), "alpha")
}

// over is a world of another tenant, which is made when it does not exist.
func over(t *testing.T, h Harness, s storage.Store, tenant mdm.TenantID) *world {
	w := &world{t: t, h: h, s: s, ctx: context.Background(), tenant: tenant, now: start}
	require.NoError(t, s.Lifecycle().PutTenant(w.ctx, tenant))
	return w
}

// work is what a unit of work does.
type work = func(ctx context.Context, tx mdm.Tx) error

// try runs a unit of work.
func (w *world) try(fn work) error { return w.s.InTx(w.ctx, w.tenant, fn) }

// do runs a unit of work that succeeds.
func (w *world) do(fn work) {
	w.t.Helper()
	require.NoError(w.t, w.try(fn))
}

// in runs a unit of work that succeeds and returns what fn found.
func in[T any](w *world, fn func(ctx context.Context, tx mdm.Tx) (T, error)) T {
	w.t.Helper()
	var out T
	w.do(func(ctx context.Context, tx mdm.Tx) (err error) {
		out, err = fn(ctx, tx)
		return err
	})
	return out
}

// got is for reads of their own: it returns v of a call that succeeds.
func got[T any](w *world) func(v T, err error) T {
	return func(v T, err error) T {
		w.t.Helper()
		require.NoError(w.t, err)
		return v
	}
}

// pass lets time go by.
func (w *world) pass(d time.Duration) time.Time {
	w.now = w.now.Add(d)
	return w.now
}

// name makes a name that no other thing of this world has.
func (w *world) name(prefix string) string {
	w.named++
	return fmt.Sprintf("%s-%d", prefix, w.named)
}

// uuid makes a public id.
func (w *world) uuid() string {
	w.named++
	h := sha256.Sum256([]byte(w.tenant))
	return fmt.Sprintf("%x-0000-7000-8000-%012x", h[:4], w.named)
}

// hash makes the hash of something that nothing else has.
func (w *world) hash() mdm.Hash { return sha256.Sum256([]byte(string(w.tenant) + w.name("hash"))) }

// host makes a managed Mac.
func (w *world) host(change ...func(*mdm.Host)) mdm.Host {
	w.t.Helper()
	h := mdm.Host{
		ID: mdm.HostID(w.uuid()), Platform: mdm.MacOS, Serial: w.name("SN"), HardwareID: w.name("HW"),
		Name: w.name("Mac"), Model: "Mac16,1", OSVersion: "26.1", State: mdm.HostEnrolled, CreatedAt: w.now,
	}
	for _, f := range change {
		f(&h)
	}
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Lifecycle().PutHost(ctx, tx, &h) })
	return h
}

// enrollOn makes an enrolled device channel on a host.
func (w *world) enrollOn(h mdm.Host, change ...func(*mdm.Enrollment)) mdm.Enrollment {
	w.t.Helper()
	e := mdm.Enrollment{
		ID: mdm.EnrollmentID(w.uuid()), Natural: mdm.AppleNatural(w.name("UDID")), Protocol: mdm.AppleProtocol,
		Channel: mdm.DeviceChannel, Host: h.Key, HostID: h.ID, Platform: h.Platform,
		State: mdm.EnrollmentEnrolled, Pin: w.hash(), EnrolledAt: w.now,
	}
	w.do(func(ctx context.Context, tx mdm.Tx) (err error) {
		if e.Generation, err = w.s.Identity().NextGeneration(ctx, tx); err != nil {
			return err
		}
		for _, f := range change {
			f(&e)
		}
		return w.s.Lifecycle().PutEnrollment(ctx, tx, &e)
	})
	return e
}

// enroll makes a host with an enrolled device channel.
func (w *world) enroll(change ...func(*mdm.Enrollment)) mdm.Enrollment {
	w.t.Helper()
	return w.enrollOn(w.host(), change...)
}

// content stores a command's content and returns its hash.
func (w *world) content(s string) mdm.Hash {
	w.t.Helper()
	h := mdm.Hash(sha256.Sum256([]byte(s)))
	w.do(func(ctx context.Context, tx mdm.Tx) error {
		return w.s.Queue().PutContent(ctx, tx, h, []byte(s), w.now)
	})
	return h
}

// entry is a command for an enrollment, as [queue.Queue] hands it to a store.
func (w *world) entry(e mdm.Enrollment, change ...func(*queue.Entry)) queue.Entry {
	w.t.Helper()
	x := queue.Entry{
		Command: queue.Command{
			ID: mdm.CommandID(w.uuid()), Enrollment: e.Key, Generation: e.Generation, Owner: mdm.OwnerApplication,
			Kind: mdm.KindProfileList, Lane: queue.LaneNormal, Redelivery: mdm.Repeatable,
			Actor: mdm.Actor{Kind: "user", Name: "ann"},
		},
		Hash: w.content("content"), Queued: w.now,
	}
	for _, f := range change {
		f(&x)
	}
	return x
}

// enqueue queues entries in one unit and returns them as the store left them.
func (w *world) enqueue(entries ...queue.Entry) []queue.Entry {
	w.t.Helper()
	w.do(func(ctx context.Context, tx mdm.Tx) error { return w.s.Queue().Insert(ctx, tx, entries) })
	return entries
}

// queued makes and queues one command.
func (w *world) queued(e mdm.Enrollment, change ...func(*queue.Entry)) queue.Entry {
	w.t.Helper()
	return w.enqueue(w.entry(e, change...))[0]
}

// poll asks with the channel's own certificate for up to 100 entries.
func (w *world) poll(e mdm.Enrollment, change ...func(*queue.Poll)) queue.Answer {
	w.t.Helper()
	p := queue.Poll{Caller: queue.Caller{Natural: e.Natural, Pin: e.Pin}, Now: w.now, Limit: 100}
	for _, f := range change {
		f(&p)
	}
	return got[queue.Answer](w)(w.s.Queue().Poll(w.ctx, w.tenant, p))
}

// fetch is poll when only the commands matter.
func (w *world) fetch(e mdm.Enrollment, change ...func(*queue.Poll)) []mdm.CommandID {
	w.t.Helper()
	return handedOut(w.poll(e, change...).Handouts)
}

func handedOut(hs []queue.Handout) []mdm.CommandID {
	out := make([]mdm.CommandID, len(hs))
	for i := range hs {
		out[i] = hs[i].ID
	}
	return out
}

// ids are the ids of entries.
func ids(entries ...queue.Entry) []mdm.CommandID {
	out := make([]mdm.CommandID, len(entries))
	for i := range entries {
		out[i] = entries[i].ID
	}
	return out
}

// file reports on a command.
func (w *world) file(e mdm.Enrollment, id mdm.CommandID, change ...func(*queue.Report)) queue.Filed {
	w.t.Helper()
	r := queue.Report{Command: id, Now: w.now, Outcome: mdm.OutcomeAcknowledged}
	for _, f := range change {
		f(&r)
	}
	return in(w, func(ctx context.Context, tx mdm.Tx) (queue.Filed, error) { return w.s.Queue().File(ctx, tx, e, r) })
}

// notNow is a report's change for "ask me later".
func notNow(r *queue.Report) { r.NotNow, r.Outcome = true, "" }

// get reads one command.
func (w *world) get(id mdm.CommandID) queue.Done {
	w.t.Helper()
	return got[queue.Done](w)(w.s.Queue().Get(w.ctx, w.tenant, id))
}

// dump is everything that the store holds.
func (w *world) dump() []Line { return w.h.Dump(w.t, w.s) }
