package queue_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/inmem"
)

// at is a clock that stands still.
type at time.Time

func (c at) Now() time.Time { return time.Time(c) }

var noon = at(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))

// bench is a queue with one enrolled channel.
type bench struct {
	*queue.Queue
	t     *testing.T
	store *inmem.Store
	e     mdm.Enrollment
}

func newBench(t *testing.T) *bench {
	t.Helper()
	store := inmem.New(nil)
	require.NoError(t, store.Lifecycle().PutTenant(t.Context(), "t"))
	b := &bench{t: t, store: store}
	b.restart(noon)
	b.unit(func(ctx context.Context, tx mdm.Tx) error {
		h := mdm.Host{ID: "h", Platform: mdm.MacOS, State: mdm.HostEnrolled}
		if err := store.Lifecycle().PutHost(ctx, tx, &h); err != nil {
			return err
		}
		b.e = mdm.Enrollment{Natural: "apple:1", Host: h.Key, State: mdm.EnrollmentEnrolled, Generation: 1, Pin: mdm.Hash{1}, Channel: mdm.DeviceChannel}
		return store.Lifecycle().PutEnrollment(ctx, tx, &b.e)
	})
	return b
}

// restart makes the queue anew over the same store.
func (b *bench) restart(clock mdm.Clock) {
	b.t.Helper()
	box, err := mdm.NewBox(mdm.LocalKeyring{Current: "k", Keys: map[string][]byte{"k": make([]byte, 32)}}, rand.Reader)
	require.NoError(b.t, err)
	b.Queue, err = queue.New(queue.Config{Store: b.store.Queue(), Box: box, Clock: clock, Rand: rand.Reader})
	require.NoError(b.t, err)
}

func (b *bench) unit(fn func(context.Context, mdm.Tx) error) {
	b.t.Helper()
	require.NoError(b.t, b.store.InTx(b.t.Context(), "t", fn))
}

func (b *bench) enqueue(cs ...queue.Command) (out []queue.Entry, err error) {
	for i := range cs {
		cs[i].Enrollment, cs[i].Generation, cs[i].Owner = b.e.Key, b.e.Generation, mdm.OwnerApplication
		if cs[i].Kind == "" {
			cs[i].Kind = "Test"
		}
	}
	err = b.store.InTx(b.t.Context(), "t", func(ctx context.Context, tx mdm.Tx) error {
		out, err = b.Enqueue(ctx, tx, cs)
		return err
	})
	return out, err
}

func (b *bench) poll() queue.Answer {
	b.t.Helper()
	a, err := b.Poll(b.t.Context(), "t", queue.Poll{Caller: queue.Caller{Natural: b.e.Natural, Pin: b.e.Pin}, Now: noon.Now()})
	require.NoError(b.t, err)
	return a
}

func TestStand(t *testing.T) {
	mine, next, other := mdm.Hash{1}, mdm.Hash{2}, mdm.Hash{3}
	enrolled := &mdm.Enrollment{State: mdm.EnrollmentEnrolled, Generation: 5, Pin: mine}
	renewing := &mdm.Enrollment{State: mdm.EnrollmentEnrolled, Generation: 5, Pin: mine, Next: mdm.NextLife{Generation: 5, Pin: next}}
	again := &mdm.Enrollment{State: mdm.EnrollmentEnrolled, Generation: 5, Pin: mine, Next: mdm.NextLife{Generation: 6, Pin: next}}
	first := &mdm.Enrollment{State: mdm.EnrollmentAuthenticating, Next: mdm.NextLife{Generation: 6, Pin: next}}
	ended := &mdm.Enrollment{State: mdm.EnrollmentEnded, Generation: 5, Pin: mine}
	for name, c := range map[string]struct {
		e    *mdm.Enrollment
		pin  mdm.Hash
		want queue.Standing
	}{
		"nobody":                           {nil, mine, queue.StandingUnknown},
		"no certificate":                   {enrolled, mdm.Hash{}, queue.StandingRefused},
		"no certificate, nothing pinned":   {&mdm.Enrollment{State: mdm.EnrollmentEnrolled}, mdm.Hash{}, queue.StandingRefused},
		"its own":                          {enrolled, mine, queue.StandingGood},
		"another's":                        {enrolled, other, queue.StandingRefused},
		"renewed, not confirmed":           {renewing, next, queue.StandingGood},
		"old one while renewing":           {renewing, mine, queue.StandingGood},
		"new life, not confirmed":          {again, next, queue.StandingWaiting},
		"old life while a new one waits":   {again, mine, queue.StandingGood},
		"first life, not confirmed":        {first, next, queue.StandingWaiting},
		"first life, somebody else":        {first, other, queue.StandingRefused},
		"ended":                            {ended, mine, queue.StandingEnded},
		"ended, somebody else":             {ended, other, queue.StandingRefused},
		"a user channel, by its device's":  {&mdm.Enrollment{Channel: mdm.UserChannel, Parent: 1, State: mdm.EnrollmentEnrolled, Generation: 5}, mine, queue.StandingRefused},
		"an enrollment that nothing pins":  {&mdm.Enrollment{State: mdm.EnrollmentEnrolled}, other, queue.StandingRefused},
		"a renewal of an ended enrollment": {&mdm.Enrollment{State: mdm.EnrollmentEnded, Generation: 5, Pin: mine, Next: mdm.NextLife{Generation: 5, Pin: next}}, next, queue.StandingWaiting},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, queue.Stand(c.e, c.pin)) })
	}
}

func TestEnqueueChecks(t *testing.T) {
	b := newBench(t)
	for field, c := range map[string]queue.Command{
		"content":    {Content: make([]byte, queue.MaxContent+1)},
		"id":         {ID: "not a uuid"},
		"expires":    {Expires: noon.Now()},
		"redelivery": {Redelivery: "sometimes"},
	} {
		_, err := b.enqueue(queue.Command{}, c)
		var e *mdm.Error
		require.ErrorAs(t, err, &e, field)
		require.Equal(t, field, e.Field)
	}
	_, err := b.enqueue(queue.Command{Redelivery: mdm.Once})
	require.ErrorIs(t, err, mdm.CodeInvalid, "who leaves once needs an end")
	require.Empty(t, b.poll().Handouts, "a refused call queues nothing")

	var e *mdm.Error
	err = b.store.InTx(t.Context(), "t", func(ctx context.Context, tx mdm.Tx) error {
		_, err := b.Enqueue(ctx, tx, []queue.Command{{Kind: "x", Owner: mdm.OwnerApplication}})
		return err
	})
	require.ErrorAs(t, err, &e)
	require.Equal(t, "enrollment", e.Field)
}

func TestContentIsSealedAndShared(t *testing.T) {
	b := newBench(t)
	secret := []byte("a Wi-Fi password and more")
	entries, err := b.enqueue(queue.Command{Content: secret}, queue.Command{Content: secret})
	require.NoError(t, err)
	require.Equal(t, entries[0].Hash, entries[1].Hash)
	sealed, err := b.store.Queue().Content(t.Context(), "t", entries[0].Hash)
	require.NoError(t, err)
	require.NotContains(t, string(sealed), string(secret))
	require.Equal(t, secret, b.poll().Handouts[0].Data)

	pin := []byte("123456")
	frozen, err := b.enqueue(queue.Command{Content: pin, Redelivery: mdm.Frozen}, queue.Command{Content: pin, Redelivery: mdm.Frozen})
	require.NoError(t, err)
	require.NotEqual(t, frozen[0].Hash, frozen[1].Hash, "a PIN could be guessed from a plain hash")
}

func TestUnreadableContentFailsThatEntryOnly(t *testing.T) {
	b := newBench(t)
	b.unit(func(ctx context.Context, tx mdm.Tx) error {
		h := mdm.Hash{9}
		if err := b.store.Queue().PutContent(ctx, tx, h, []byte("not sealed"), time.Time{}); err != nil {
			return err
		}
		return b.store.Queue().Insert(ctx, tx, []queue.Entry{{Hash: h, Command: queue.Command{
			ID: "00000000-0000-7000-8000-000000000000", Enrollment: b.e.Key, Generation: 1, Owner: mdm.OwnerApplication, Kind: "x", Redelivery: mdm.Repeatable,
		}}})
	})
	a := b.poll()
	require.Len(t, a.Handouts, 1)
	require.ErrorIs(t, a.Handouts[0].Err, mdm.CodeInternal)
	require.Nil(t, a.Handouts[0].Data)
}

func TestAnswersAreSealedAndClipped(t *testing.T) {
	b := newBench(t)
	entries, err := b.enqueue(queue.Command{})
	require.NoError(t, err)
	id := entries[0].ID
	long := strings.Repeat("ü", 2000)
	b.unit(func(ctx context.Context, tx mdm.Tx) error {
		f, err := b.File(ctx, tx, b.e, queue.Report{Command: id, Now: noon.Now(), Outcome: mdm.OutcomeError, Code: long, Detail: long, Body: []byte("a secret answer")})
		require.Equal(t, queue.FilingNew, f.Filing)
		return err
	})
	stored, err := b.store.Queue().Get(t.Context(), "t", id)
	require.NoError(t, err)
	require.False(t, bytes.Contains(stored.Body, []byte("secret")))
	d, err := b.Get(t.Context(), "t", id)
	require.NoError(t, err)
	require.Equal(t, []byte("a secret answer"), d.Body)
	require.LessOrEqual(t, len(d.Code), 64)
	require.LessOrEqual(t, len(d.Detail), 1024)
	require.True(t, utf8.ValidString(d.Code) && utf8.ValidString(d.Detail))
	ds, err := b.List(t.Context(), "t", b.e.Key, 0, 10)
	require.NoError(t, err)
	require.Nil(t, ds[0].Body, "lists carry no answers")
}

func TestNewNeedsItsParts(t *testing.T) {
	_, err := queue.New(queue.Config{})
	require.ErrorIs(t, err, mdm.CodeInvalid)
}
