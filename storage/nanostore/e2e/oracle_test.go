package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	oracle "github.com/micromdm/nanomdm/storage/inmem"
	"github.com/micromdm/plist"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/nanostore"
)

// TestAgreesWithNanoMDM plays random lives of two devices, each with two users, on
// this store and on NanoMDM's own in-memory store, and compares every answer. What
// is played is what NanoMDM's service does: an Authenticate, for example, is
// followed by clearing the queue and disabling. Where NanoMDM's stores and this one
// differ on purpose (the package's comment has the list), nothing is compared.
func TestAgreesWithNanoMDM(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			st := b.open(t)
			var tenants atomic.Int64
			rapid.Check(t, func(rt *rapid.T) {
				w := newTwins(rt, st, mdm.TenantID(fmt.Sprintf("t%d", tenants.Add(1))))
				rt.Repeat(w.actions())
			})
		})
	}
}

var ctx = context.Background()

// party is a channel of the game.
type party struct {
	enrollment nanomdm.Enrollment
	id         nanomdm.EnrollID
	known      bool // it has authenticated, or is of a device that has
	enabled    bool
	waiting    []string
}

func (p *party) device() bool { return p.id.ParentID == "" }

// request is one of p's. Certificates are not of interest to stores.
func (p *party) request() *nanomdm.Request {
	r := nanomdm.NewRequestWithContext(ctx, nil)
	id := p.id
	r.EnrollID = &id
	return r
}

// twins are the two stores, and what is known of the game.
type twins struct {
	t       *rapid.T
	ours    *nanostore.Storage
	theirs  *oracle.InMem
	parties []*party
	n       int
}

func newTwins(t *rapid.T, b backend, tenant mdm.TenantID) *twins {
	require.NoError(t, b.Lifecycle().PutTenant(ctx, tenant))
	box, err := mdm.NewBox(mdm.LocalKeyring{Current: "k", Keys: map[string][]byte{"k": bytes.Repeat([]byte{7}, 32)}}, rand.Reader)
	require.NoError(t, err)
	ours, err := nanostore.New(nanostore.Config{Store: b, Tenant: tenant, Box: box, Clock: mdm.SystemClock{}, Rand: rand.Reader})
	require.NoError(t, err)
	w := &twins{t: t, ours: ours, theirs: oracle.New()}
	for _, udid := range []string{"A", "B"} {
		w.parties = append(w.parties, &party{
			enrollment: nanomdm.Enrollment{UDID: udid}, id: nanomdm.EnrollID{Type: nanomdm.Device, ID: udid},
		})
		for _, user := range []string{"u", "v"} {
			w.parties = append(w.parties, &party{
				enrollment: nanomdm.Enrollment{UDID: udid, UserID: user},
				id:         nanomdm.EnrollID{Type: nanomdm.User, ID: udid + ":" + user, ParentID: udid},
			})
		}
	}
	return w
}

// pick draws a channel for which ok holds; the action is skipped when there is none.
func (w *twins) pick(ok func(*party) bool) *party {
	var ps []*party
	for _, p := range w.parties {
		if ok(p) {
			ps = append(ps, p)
		}
	}
	if len(ps) == 0 {
		w.t.Skip("nobody")
	}
	return rapid.SampledFrom(ps).Draw(w.t, "who")
}

func (w *twins) deviceOf(p *party) *party {
	for _, d := range w.parties {
		if d.id.ID == p.id.ParentID {
			return d
		}
	}
	return p
}

func (w *twins) usersOf(d *party) (us []*party) {
	for _, u := range w.parties {
		if u.id.ParentID == d.id.ID {
			us = append(us, u)
		}
	}
	return us
}

// fresh is a text that was not there before.
func (w *twins) fresh(what string) string { w.n++; return fmt.Sprintf("%s-%d", what, w.n) }

// both runs a call on both stores; neither fails.
func (w *twins) both(ours, theirs error) {
	w.t.Helper()
	require.NoError(w.t, theirs, "NanoMDM's store")
	require.NoError(w.t, ours)
}

// message is a check-in message as a server decodes it.
func message[M any](t *rapid.T, m any) *M {
	raw, err := plist.Marshal(m)
	require.NoError(t, err)
	d, err := nanomdm.DecodeCheckin(raw)
	require.NoError(t, err)
	return d.(*M)
}

func known(p *party) bool   { return p.known }
func enabled(p *party) bool { return p.enabled }

func (w *twins) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"authenticate": func(*rapid.T) { w.authenticate() },
		"token update": func(*rapid.T) { w.tokenUpdate() },
		"again":        func(*rapid.T) { w.tokenUpdate() },
		"user":         func(*rapid.T) { w.userAuthenticate() },
		"disable":      func(*rapid.T) { w.disable() },
		"enqueue":      func(*rapid.T) { w.enqueue() },
		"more":         func(*rapid.T) { w.enqueue() },
		"next":         func(*rapid.T) { w.next(w.pick(enabled), rapid.Bool().Draw(w.t, "skip")) },
		"report":       func(*rapid.T) { w.report() },
		"work":         func(*rapid.T) { w.report() },
		"clear":        func(*rapid.T) { w.clear() },
		"escrow":       func(*rapid.T) { w.escrow() },
		"certificate":  func(*rapid.T) { w.associate() },
		"":             func(*rapid.T) { w.look() },
	}
}

func (w *twins) authenticate() {
	d := w.pick((*party).device)
	m := message[nanomdm.Authenticate](w.t, &nanomdm.Authenticate{
		Enrollment: d.enrollment, MessageType: nanomdm.MessageType{MessageType: "Authenticate"}, Topic: "topic", SerialNumber: w.fresh("serial"),
	})
	w.both(w.ours.StoreAuthenticate(d.request(), m), w.theirs.StoreAuthenticate(d.request(), m))
	w.both(w.ours.ClearQueue(d.request()), w.theirs.ClearQueue(d.request()))
	w.both(w.ours.Disable(d.request()), w.theirs.Disable(d.request()))
	d.known = true
	w.off(d)
	d.waiting = nil
	for _, u := range w.usersOf(d) {
		// NanoMDM's in-memory store leaves out the users of a device.
		require.NoError(w.t, w.theirs.ClearQueue(u.request()))
		u.waiting = nil
	}
}

// off is the end of a channel, and of a device's users.
func (w *twins) off(p *party) {
	p.enabled = false
	for _, u := range w.usersOf(p) {
		require.NoError(w.t, w.theirs.Disable(u.request())) // as above
		u.enabled = false
	}
}

func (w *twins) tokenUpdate() {
	p := w.pick(func(p *party) bool { return w.deviceOf(p).known })
	m := message[nanomdm.TokenUpdate](w.t, &nanomdm.TokenUpdate{
		Enrollment: p.enrollment, MessageType: nanomdm.MessageType{MessageType: "TokenUpdate"},
		Push:        nanomdm.Push{Topic: w.fresh("topic"), PushMagic: w.fresh("magic"), Token: []byte(w.fresh("token"))},
		UnlockToken: []byte(w.fresh("unlock")),
	})
	w.both(w.ours.StoreTokenUpdate(p.request(), m), w.theirs.StoreTokenUpdate(p.request(), m))
	p.known, p.enabled = true, true
}

func (w *twins) userAuthenticate() {
	u := w.pick(func(p *party) bool { return !p.device() && w.deviceOf(p).known })
	m := &nanomdm.UserAuthenticate{Enrollment: u.enrollment, MessageType: nanomdm.MessageType{MessageType: "UserAuthenticate"}}
	if rapid.Bool().Draw(w.t, "digest") {
		m.DigestResponse = w.fresh("digest")
	}
	m = message[nanomdm.UserAuthenticate](w.t, m)
	w.both(w.ours.StoreUserAuthenticate(u.request(), m), w.theirs.StoreUserAuthenticate(u.request(), m))
	u.known, u.enabled = true, false
}

func (w *twins) disable() {
	p := w.pick(known)
	w.both(w.ours.Disable(p.request()), w.theirs.Disable(p.request()))
	w.off(p)
}

func (w *twins) enqueue() {
	var ids []string
	first := w.pick(known)
	uuid := w.fresh("command")
	for _, p := range w.parties {
		if p == first || p.known && rapid.Bool().Draw(w.t, "too") {
			ids = append(ids, p.id.ID)
			p.waiting = append(p.waiting, uuid)
		}
	}
	cmd := &nanomdm.Command{CommandUUID: uuid, Raw: []byte("raw " + uuid)}
	cmd.Command.RequestType = rapid.SampledFrom([]string{"ProfileList", "DeviceLock"}).Draw(w.t, "type")
	ours, err := w.ours.EnqueueCommand(ctx, ids, cmd)
	theirs, other := w.theirs.EnqueueCommand(ctx, ids, cmd)
	w.both(err, other)
	require.Empty(w.t, ours)
	require.Empty(w.t, theirs)

	_, err = w.ours.EnqueueCommand(ctx, ids[:1], cmd)
	_, other = w.theirs.EnqueueCommand(ctx, ids[:1], cmd)
	require.NoError(w.t, err, "a command that is there is an error of its channel")
	require.Error(w.t, other, "and one of the whole call with NanoMDM")
}

func (w *twins) next(p *party, skip bool) {
	ours, err := w.ours.RetrieveNextCommand(p.request(), skip)
	theirs, other := w.theirs.RetrieveNextCommand(p.request(), skip)
	w.both(err, other)
	require.Equal(w.t, theirs, ours)
}

func (w *twins) report() {
	p := w.pick(func(p *party) bool { return p.enabled && len(p.waiting) > 0 })
	uuid := rapid.SampledFrom(p.waiting).Draw(w.t, "command")
	m := &nanomdm.CommandResults{
		Enrollment: p.enrollment, CommandUUID: uuid, Raw: []byte("raw " + uuid),
		Status: rapid.SampledFrom([]string{"Acknowledged", "Error", "CommandFormatError", "NotNow", "NotNow"}).Draw(w.t, "status"),
	}
	if uuid == p.waiting[len(p.waiting)-1] && len(p.waiting) > 1 {
		m.Status = "NotNow" // NanoMDM's in-memory store would hand out an answered command again
	}
	w.both(w.ours.StoreCommandReport(p.request(), m), w.theirs.StoreCommandReport(p.request(), m))
	if m.Status != "NotNow" {
		p.waiting = slices.DeleteFunc(p.waiting, func(s string) bool { return s == uuid })
	}
	w.next(p, m.Status == "NotNow")
}

func (w *twins) clear() {
	p := w.pick(known)
	w.both(w.ours.ClearQueue(p.request()), w.theirs.ClearQueue(p.request()))
	p.waiting = nil
	for _, u := range w.usersOf(p) {
		require.NoError(w.t, w.theirs.ClearQueue(u.request()))
		u.waiting = nil
	}
}

func (w *twins) escrow() {
	d := w.pick(func(p *party) bool { return p.device() && p.known })
	m := &nanomdm.SetBootstrapToken{Enrollment: d.enrollment, BootstrapToken: nanomdm.BootstrapToken{BootstrapToken: []byte(w.fresh("bootstrap"))}}
	w.both(w.ours.StoreBootstrapToken(d.request(), m), w.theirs.StoreBootstrapToken(d.request(), m))
}

func (w *twins) associate() {
	p, hash := w.pick(func(*party) bool { return true }), rapid.SampledFrom(hashes).Draw(w.t, "hash")
	w.both(w.ours.AssociateCertHash(p.request(), hash), w.theirs.AssociateCertHash(p.request(), hash))
}

// hashes may differ by case alone, or be a beginning of another.
var hashes = []string{"ab", "AB", "abc", "d"}

// look compares whatever can be asked without changing anything.
func (w *twins) look() {
	for _, p := range w.parties {
		if p.device() {
			ours, err := w.ours.RetrieveBootstrapToken(p.request(), nil)
			theirs, other := w.theirs.RetrieveBootstrapToken(p.request(), nil)
			w.both(err, other)
			require.Equal(w.t, theirs, ours)

			tally, err := w.ours.RetrieveTokenUpdateTally(ctx, p.id.ID)
			count, other := w.theirs.RetrieveTokenUpdateTally(ctx, p.id.ID)
			w.both(err, other)
			require.Equal(w.t, count, tally)
		}
		if p.enabled {
			ours, err := w.ours.RetrievePushInfo(ctx, []string{"nobody", p.id.ID})
			theirs, other := w.theirs.RetrievePushInfo(ctx, []string{"nobody", p.id.ID})
			w.both(err, other)
			require.Equal(w.t, theirs, ours)
		}
		for _, h := range hashes {
			for _, ask := range []struct {
				ours, theirs func(*nanomdm.Request, string) (bool, error)
			}{
				{w.ours.HasCertHash, w.theirs.HasCertHash},
				{w.ours.EnrollmentHasCertHash, w.theirs.EnrollmentHasCertHash},
				{w.ours.IsCertHashAssociated, w.theirs.IsCertHashAssociated},
			} {
				has, err := ask.ours(p.request(), h)
				had, other := ask.theirs(p.request(), h)
				w.both(err, other)
				require.Equal(w.t, had, has)
			}
		}
	}
	for _, h := range hashes {
		id, err := w.ours.EnrollmentFromHash(ctx, h)
		other, otherErr := w.theirs.EnrollmentFromHash(ctx, h)
		w.both(err, otherErr)
		require.Equal(w.t, other, id)
	}
	require.Equal(w.t, w.checkins(w.theirs.RetrieveMigrationCheckins), w.checkins(w.ours.RetrieveMigrationCheckins))
}

// checkins collects what a migration sends, by channel: the order of channels is
// free but for a device being before its users.
func (w *twins) checkins(retrieve func(context.Context, chan<- interface{}) error) map[string][]string {
	out, done := make(chan interface{}), make(chan error, 1)
	go func() {
		defer close(out)
		done <- retrieve(ctx, out)
	}()
	got := make(map[string][]string)
	for m := range out {
		var e nanomdm.Enrollment
		var raw []byte
		switch m := m.(type) {
		case *nanomdm.Authenticate:
			e, raw = m.Enrollment, m.Raw
		case *nanomdm.TokenUpdate:
			e, raw = m.Enrollment, m.Raw
		case *nanomdm.UserAuthenticate:
			e, raw = m.Enrollment, m.Raw
		case *nanomdm.SetBootstrapToken:
			again, err := nanomdm.DecodeCheckin(m.Raw) // written by the stores, each in its own way
			require.NoError(w.t, err)
			e, raw = m.Enrollment, fmt.Append(nil, again.(*nanomdm.SetBootstrapToken).BootstrapToken, m.MessageType)
		default:
			require.Failf(w.t, "a message of no known type", "%T", m)
		}
		id := e.UDID
		if e.UserID != "" {
			require.Contains(w.t, slices.Collect(maps.Keys(got)), e.UDID, "a device comes before its users")
			id += ":" + e.UserID
		}
		got[id] = append(got[id], string(raw))
	}
	require.NoError(w.t, <-done)
	return got
}
