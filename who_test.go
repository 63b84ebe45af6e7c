package keelson_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/lifecycle"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/storage"
)

// told takes what waits in the outbox.
func told(t *testing.T, s storage.Store) (out []mdm.Event) {
	t.Helper()
	for {
		es, err := s.Lifecycle().ClaimEvents(t.Context(), mdm.DefaultTenant, time.Now().Add(time.Minute), time.Minute, 8)
		require.NoError(t, err)
		if len(es) == 0 {
			return out
		}
		for _, e := range es {
			out = append(out, e.Event)
			require.NoError(t, s.Lifecycle().EventDone(t.Context(), mdm.DefaultTenant, e.Seq))
		}
	}
}

// who is what a test looks at in an event.
type who struct {
	kind     mdm.EventKind
	actor    mdm.Actor
	what     string    // an outcome, or what was done to a profile
	queuedBy mdm.Actor // of a command
}

func looked(t *testing.T, es []mdm.Event) []who {
	t.Helper()
	out := make([]who, len(es))
	for i, e := range es {
		out[i] = who{kind: e.Kind, actor: e.Actor}
		switch e.Kind {
		case mdm.EventCommandEnded:
			var d lifecycle.CommandEndedData
			require.NoError(t, json.Unmarshal(e.Data, &d))
			out[i].what, out[i].queuedBy = string(d.Outcome), d.QueuedBy
		case mdm.EventProfileChanged:
			var d profiles.ChangedData
			require.NoError(t, json.Unmarshal(e.Data, &d))
			out[i].what = string(d.Change)
		}
	}
	return out
}

// TestWhoAndWhy: what an administrator causes names the administrator and the
// reason; what a device does names nobody, whoever had a hand in it before, and
// whoever stands in the context of its request.
func TestWhoAndWhy(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		store := open(nil)
		w := serve(t, store, func(c *keelson.Config) { c.Hooks = &events{} })
		as := func(name string) (context.Context, mdm.Actor) {
			a := mdm.Actor{Kind: "user", Name: name, Reason: "ticket of " + name}
			return mdm.WithActor(t.Context(), a), a
		}
		ctxA, ada := as("ada")
		ctxB, bob := as("bob")
		var device mdm.Actor
		expect := func(want ...who) {
			t.Helper()
			require.Equal(t, want, looked(t, told(t, store)))
		}
		mac := w.mac(w.batch(5)).Enroll()
		w.settle(mac.Poll)
		expect(who{kind: mdm.EventEnrolled})
		host := w.host().ID
		send := func() mdm.CommandID {
			t.Helper()
			id, err := w.Commands().Send(ctxA, host, keelson.CommandRequest{Kind: mdm.KindDeviceInformation, Content: []byte("OSVersion")})
			require.NoError(t, err)
			c, err := w.Commands().Get(ctxB, id)
			require.NoError(t, err)
			require.Equal(t, ada, c.Actor)
			return id
		}

		// Profiles.
		p, err := w.Profiles().Create(ctxA, keelson.ProfileUpload{Content: appleProfile("com.example.one", "One", "A")})
		require.NoError(t, err)
		name := "Renamed"
		for range 2 { // the second changes nothing
			_, err = w.Profiles().Update(ctxB, p.ID, keelson.ProfileChange{Name: &name})
			require.NoError(t, err)
		}
		require.ErrorIs(t, w.Profiles().Delete(ctxB, p.ID, p.Edit), mdm.CodePrecondition)
		w.settle(mac.Poll)
		require.NoError(t, w.Profiles().Delete(ctxA, p.ID))
		w.settle(mac.Poll)
		expect(who{mdm.EventProfileChanged, ada, "created", device}, who{mdm.EventProfileChanged, bob, "updated", device}, who{mdm.EventProfileChanged, ada, "deleted", device})
		commands, err := w.Commands().List(ctxA, host, "", 0)
		require.NoError(t, err)
		require.NotEmpty(t, commands)
		for _, c := range commands {
			require.Equal(t, mdm.OwnerProfiles, c.Owner)
			require.Zero(t, c.Actor, "an engine's commands follow from definitions")
		}

		// Commands.
		id := send()
		w.settle(mac.Poll)
		c, err := w.Commands().Get(ctxB, id)
		require.NoError(t, err)
		require.Equal(t, ada, c.Actor, "also when it has ended")
		expect(who{mdm.EventCommandEnded, device, "acknowledged", ada})
		_, err = w.Commands().Cancel(ctxB, send())
		require.NoError(t, err)
		expect(who{mdm.EventCommandEnded, bob, "canceled", ada})

		// The device leaves, and comes back.
		send()
		mac.CheckOut()
		expect(who{kind: mdm.EventUnenrolled}, who{mdm.EventCommandEnded, device, "canceled", ada})
		mac.Enroll()
		w.settle(mac.Poll)
		send()
		mac.Erase() // without a word
		mac.Enroll()
		expect(who{kind: mdm.EventEnrolled}, who{kind: mdm.EventEnrolled}, who{mdm.EventCommandEnded, device, "canceled", ada})

		// It is sent away, and deleted.
		send()
		require.NoError(t, w.Hosts().Unenroll(ctxB, host))
		expect(who{kind: mdm.EventUnenrolled, actor: bob}, who{mdm.EventCommandEnded, bob, "canceled", ada})
		require.NoError(t, w.Hosts().Delete(ctxA, host))
		expect(who{kind: mdm.EventHostDeleted, actor: ada})
	})
}

// TestWhoWithdrewALink: who made a link and who withdrew it are kept with it.
func TestWhoWithdrewALink(t *testing.T) {
	backends(t, func(t *testing.T, open func(storage.FaultHook) storage.Store) {
		store := open(nil)
		w := serve(t, store, nil)
		ada, bob := mdm.Actor{Kind: "user", Name: "ada", Reason: "a new Mac"}, mdm.Actor{Kind: "user", Name: "bob", Reason: "sent to the wrong person"}
		l, err := w.Enrollments().Link(mdm.WithActor(t.Context(), ada), keelson.LinkRequest{})
		require.NoError(t, err)
		i, err := store.Identity().Intent(t.Context(), mdm.DefaultTenant, l.ID)
		require.NoError(t, err)
		require.Equal(t, []mdm.Actor{ada, {}}, []mdm.Actor{i.Actor, i.RevokedBy})
		for _, who := range []mdm.Actor{bob, ada} { // the first withdrew it
			require.NoError(t, w.Enrollments().Revoke(mdm.WithActor(t.Context(), who), l.ID))
		}
		i, err = store.Identity().Intent(t.Context(), mdm.DefaultTenant, l.ID)
		require.NoError(t, err)
		require.Equal(t, []mdm.Actor{ada, bob}, []mdm.Actor{i.Actor, i.RevokedBy})
	})
}
