package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
)

// listed are the ids of all commands, the newest first.
func (b *bench) listed() (out []mdm.CommandID) {
	b.t.Helper()
	ds, err := b.List(b.t.Context(), "t", b.e.Key, 0, 100)
	require.NoError(b.t, err)
	for _, d := range ds {
		out = append(out, d.ID)
	}
	return out
}

// A key stands for one request: whatever else of it differs is refused.
func TestOneRequestForAKey(t *testing.T) {
	request := func() queue.Command {
		return queue.Command{
			Kind: "Lock", Content: []byte("123456"), Lane: queue.LaneUrgent, Redelivery: mdm.Frozen, Idempotency: "k",
			NotBefore: noon.Now().Add(time.Minute), Expires: noon.Now().Add(time.Hour), Resource: "r", Supersede: "s", Ref: mdm.Ref{Key: 1, Order: 2},
		}
	}
	b := newBench(t)
	first, err := b.enqueue(request())
	require.NoError(t, err)
	for name, change := range map[string]func(*queue.Command){
		"kind":         func(c *queue.Command) { c.Kind = "Erase" },
		"content":      func(c *queue.Command) { c.Content = []byte("654321") },
		"more content": func(c *queue.Command) { c.Content = []byte("1234567") },
		"no content":   func(c *queue.Command) { c.Content = nil },
		"lane":         func(c *queue.Command) { c.Lane = 0 },
		"redelivery":   func(c *queue.Command) { c.Redelivery = mdm.Once },
		"not before":   func(c *queue.Command) { c.NotBefore = time.Time{} },
		"expires":      func(c *queue.Command) { c.Expires = c.Expires.Add(time.Microsecond) },
		"resource":     func(c *queue.Command) { c.Resource = "" },
		"supersede":    func(c *queue.Command) { c.Supersede = "t" },
		"reference":    func(c *queue.Command) { c.Ref.Order = 3 },
	} {
		other := request()
		change(&other)
		for _, batch := range [][]queue.Command{{other}, {{}, other}, {request(), other}} {
			_, err := b.enqueue(batch...)
			var e *mdm.Error
			require.ErrorAs(t, err, &e, name)
			require.Equal(t, mdm.CodeKeyReused, e.Code, name)
			require.Equal(t, "idempotency", e.Field)
			require.NotContains(t, e.Error(), "123456")
			require.Equal(t, []mdm.CommandID{first[0].ID}, b.listed(), name)
		}
	}
	_, err = b.enqueue(queue.Command{Idempotency: "l"}, queue.Command{Idempotency: "l", Kind: "Other"})
	require.ErrorIs(t, err, mdm.CodeKeyReused, "both of one call")
	require.Len(t, b.listed(), 1)
}

// What does not decide what the device is told does not make another request.
func TestTheSameRequestAgain(t *testing.T) {
	b := newBench(t)
	at := noon.Now().Add(time.Hour)
	first, err := b.enqueue(queue.Command{Idempotency: "k", Expires: at.Add(300 * time.Nanosecond), Actor: mdm.Actor{Name: "ada"}})
	require.NoError(t, err)
	other, err := b.enqueue(queue.Command{Idempotency: "l"})
	require.NoError(t, err)
	for name, c := range map[string]queue.Command{
		"as it was":       {Idempotency: "k", Expires: at.Add(300 * time.Nanosecond)},
		"zero said":       {Idempotency: "k", Expires: at, Lane: queue.LaneNormal, Redelivery: mdm.Repeatable, Content: []byte{}},
		"another id":      {Idempotency: "k", Expires: at, ID: "00000000-0000-7000-8000-000000000000"},
		"somebody else":   {Idempotency: "k", Expires: at, Actor: mdm.Actor{Name: "bob"}},
		"in another zone": {Idempotency: "k", Expires: at.In(time.FixedZone("", 3600))},
	} {
		again, err := b.enqueue(c, queue.Command{Idempotency: "l"}, c)
		require.NoError(t, err, name)
		require.Equal(t, []mdm.CommandID{first[0].ID, other[0].ID, first[0].ID}, []mdm.CommandID{again[0].ID, again[1].ID, again[2].ID}, name)
		require.Equal(t, "ada", again[0].Actor.Name)
		require.Len(t, b.listed(), 2)
	}
	both, err := b.enqueue(queue.Command{Idempotency: "m"}, queue.Command{}, queue.Command{Idempotency: "m"})
	require.NoError(t, err)
	require.Equal(t, both[0], both[2])
	require.Equal(t, []mdm.CommandID{both[1].ID, both[0].ID}, b.listed()[:2], "in the order given")
	b.e.Generation++
	later, err := b.enqueue(queue.Command{Idempotency: "m"})
	require.NoError(t, err)
	require.Equal(t, both[0].ID, later[0].ID, "for another life of the enrollment")
}

// A request is repeated because its answer was lost, which may be found out late.
func TestAgainAfterTheEnd(t *testing.T) {
	b := newBench(t)
	c := queue.Command{Idempotency: "k", Expires: noon.Now().Add(time.Hour)}
	first, err := b.enqueue(c)
	require.NoError(t, err)
	b.poll()
	b.unit(func(ctx context.Context, tx mdm.Tx) error {
		_, err := b.File(ctx, tx, b.e, queue.Report{Command: first[0].ID, Now: noon.Now(), Outcome: mdm.OutcomeAcknowledged})
		return err
	})
	b.restart(at(noon.Now().Add(2 * time.Hour)))
	again, err := b.enqueue(c)
	require.NoError(t, err)
	require.Equal(t, first[0].ID, again[0].ID)
	require.Equal(t, 1, again[0].Sent, "as it stands")
	require.Empty(t, b.poll().Handouts)
	c.Idempotency = "l"
	_, err = b.enqueue(c)
	require.ErrorIs(t, err, mdm.CodeInvalid, "a new command would expire before it is queued")
}
