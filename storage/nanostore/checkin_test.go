package nanostore_test

import (
	"context"
	"testing"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/storage"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/storage/nanostore"
)

// A device is a host: what it says about itself is read from its message.
func TestHost(t *testing.T) {
	f := newFixture(t)
	f.authenticate("D")
	h := f.host("D")
	require.Equal(t, mdm.HostAuthenticating, h.State)
	require.Equal(t, []string{"S1", "D", "A phone", "iPhone14,5", "26.1"}, []string{h.Serial, h.HardwareID, h.Name, h.Model, h.OSVersion})
	require.Equal(t, mdm.IOS, h.Platform)

	f.update(request("D"))
	require.Equal(t, mdm.HostEnrolled, f.host("D").State)
	require.NoError(t, f.Disable(request("D")))
	require.Equal(t, mdm.HostUnenrolled, f.host("D").State)
	require.Equal(t, mdm.EnrollmentEnded, f.enrollment("D").State)

	before := f.enrollment("D")
	f.enroll("D")
	after := f.enrollment("D")
	require.Equal(t, h.ID, f.host("D").ID, "the host comes back")
	require.Greater(t, after.Generation, before.Generation)
	require.NotEqual(t, before.ID, after.ID)
}

func TestDeletedHostDoesNotComeBack(t *testing.T) {
	f := newFixture(t)
	f.enroll("D")
	gone := f.host("D")
	require.NoError(t, f.store.InTx(ctx, f.tenant, func(c context.Context, tx mdm.Tx) error {
		gone.State = mdm.HostDeleted
		return f.store.Lifecycle().PutHost(c, tx, &gone)
	}))
	require.ErrorIs(t, f.StoreTokenUpdate(request("D"), tokenUpdate(request("D"))), mdm.CodeIdentity)
	require.NoError(t, f.Disable(request("D")))
	require.Equal(t, mdm.HostDeleted, f.host("D").State)
	f.enroll("D")
	require.NotEqual(t, gone.ID, f.host("D").ID)
	require.Equal(t, mdm.HostEnrolled, f.host("D").State)
}

// The users of a device end with its life, and begin to count again.
func TestUsers(t *testing.T) {
	f := newFixture(t)
	d, u := f.enroll("D"), userRequest("D", "u")
	f.update(u)
	f.update(u)
	require.Equal(t, 2, f.tally("D:u"))
	require.Equal(t, 1, f.tally("D"))
	require.Equal(t, f.enrollment("D").Key, f.enrollment("D:u").Parent)
	require.Len(t, f.push("D", "D:u", "D:v"), 2)

	f.queue("for both", "D", "D:u")
	require.NoError(t, f.Disable(u))
	require.Equal(t, mdm.EnrollmentEnrolled, f.enrollment("D").State, "a user ends alone")
	require.Equal(t, mdm.HostEnrolled, f.host("D").State)
	require.Empty(t, f.next(u), "who is not enrolled is handed nothing")
	f.update(u)
	require.Equal(t, "for both", f.next(u), "and then what waited")

	require.NoError(t, f.StoreUserAuthenticate(u, &nanomdm.UserAuthenticate{Raw: []byte("raw")}))
	require.Empty(t, f.push("D:u"), "a session that begins is confirmed by a TokenUpdate")
	f.update(u)

	require.NoError(t, f.Disable(d))
	require.Equal(t, mdm.EnrollmentEnded, f.enrollment("D:u").State)
	require.Empty(t, f.push("D", "D:u"))

	f.authenticate("D")
	require.Equal(t, 0, f.tally("D:u"))
	f.update(d)
	f.update(u)
	require.Empty(t, f.next(u), "what waited was of the life before")
	require.Equal(t, 1, f.tally("D:u"))
	require.Equal(t, f.enrollment("D").Generation, f.enrollment("D:u").Generation)
}

func TestWhoIsNotKnown(t *testing.T) {
	f := newFixture(t)
	d, u := request("D"), userRequest("D", "u")
	require.ErrorIs(t, f.StoreTokenUpdate(d, tokenUpdate(d)), mdm.CodeNotFound)
	require.ErrorIs(t, f.StoreTokenUpdate(u, tokenUpdate(u)), mdm.CodeNotFound)
	require.ErrorIs(t, f.StoreUserAuthenticate(u, &nanomdm.UserAuthenticate{Raw: []byte("raw")}), mdm.CodeNotFound)
	require.ErrorIs(t, f.StoreBootstrapToken(d, &nanomdm.SetBootstrapToken{}), mdm.CodeNotFound)
	require.ErrorIs(t, f.StoreCommandReport(d, report("x", "Acknowledged")), mdm.CodeNotFound)
	require.NoError(t, f.Disable(d))
	require.NoError(t, f.ClearQueue(d))
	require.Empty(t, f.next(d))
	require.Equal(t, 0, f.tally("D"))
	k, err := f.RetrieveBootstrapToken(d, nil)
	require.NoError(t, err)
	require.Nil(t, k)
	counts, err := f.store.Lifecycle().CountHosts(ctx, f.tenant)
	require.NoError(t, err)
	require.Empty(t, counts, "nothing was made")
}

func TestDeviceChannelOnly(t *testing.T) {
	f := newFixture(t)
	f.enroll("D")
	u := userRequest("D", "u")
	f.update(u)
	require.ErrorIs(t, f.StoreAuthenticate(u, &nanomdm.Authenticate{Raw: []byte("raw")}), storage.ErrDeviceChannelOnly)
	require.ErrorIs(t, f.StoreBootstrapToken(u, &nanomdm.SetBootstrapToken{}), storage.ErrDeviceChannelOnly)
	_, err := f.RetrieveBootstrapToken(u, nil)
	require.ErrorIs(t, err, storage.ErrDeviceChannelOnly)
	require.ErrorIs(t, f.StoreUserAuthenticate(request("D"), &nanomdm.UserAuthenticate{Raw: []byte("raw")}), mdm.CodeInvalid)

	// An id that reads as a user's does not get at the user's channel.
	trick := request("D:u")
	require.ErrorIs(t, f.StoreAuthenticate(trick, &nanomdm.Authenticate{Raw: []byte("raw")}), mdm.CodeConflict)
	require.ErrorIs(t, f.Disable(trick), mdm.CodeConflict)
	require.Equal(t, mdm.EnrollmentEnrolled, f.enrollment("D:u").State)
}

// A bootstrap token is of a life; an empty one takes it back. Unlock tokens are
// escrowed, where apple keeps them.
func TestTokens(t *testing.T) {
	f := newFixture(t)
	d := f.enroll("D")
	set := func(token string) {
		require.NoError(t, f.StoreBootstrapToken(d, &nanomdm.SetBootstrapToken{BootstrapToken: nanomdm.BootstrapToken{BootstrapToken: []byte(token)}}))
	}
	get := func() string {
		k, err := f.RetrieveBootstrapToken(d, nil)
		require.NoError(t, err)
		if k == nil {
			return "none"
		}
		return string(k.BootstrapToken)
	}
	require.Equal(t, "none", get())
	set("one")
	set("two")
	require.Equal(t, "two", get())
	set("")
	require.Equal(t, "none", get())
	set("three")
	e := f.enrollment("D")
	k, err := f.store.Apple().Token(ctx, f.tenant, e.Key, apple.UnlockToken, e.Generation)
	require.NoError(t, err)
	unlock, err := k.Open(f.config.Box, f.tenant, &e)
	require.NoError(t, err)
	require.Equal(t, "unlock of D", string(unlock))
	f.authenticate("D")
	require.Equal(t, "none", get())
}

// A device without a push token does not hide the others.
func TestPushWithoutToken(t *testing.T) {
	f := newFixture(t)
	f.enroll("D")
	f.authenticate("E")
	require.NoError(t, f.StoreTokenUpdate(request("E"), &nanomdm.TokenUpdate{Raw: []byte("raw")}))
	p := f.push("D", "E", "", "nobody")
	require.Len(t, p, 2)
	require.Equal(t, &nanomdm.Push{Topic: "topic", PushMagic: "magic of D", Token: []byte("token of D")}, p["D"])
}

func TestRefused(t *testing.T) {
	_, err := nanostore.New(nanostore.Config{})
	require.ErrorIs(t, err, mdm.CodeInvalid)
	f := newFixture(t)
	nobody := nanomdm.NewRequestWithContext(ctx, nil)
	long := request(string(make([]byte, 300)))
	for _, r := range []*nanomdm.Request{nil, nobody, request(""), long, request("a\x00b"), request("\xff")} {
		require.ErrorIs(t, f.StoreAuthenticate(r, &nanomdm.Authenticate{Raw: []byte("raw")}), mdm.CodeInvalid)
		require.ErrorIs(t, f.StoreTokenUpdate(r, &nanomdm.TokenUpdate{Raw: []byte("raw")}), mdm.CodeInvalid)
		require.ErrorIs(t, f.StoreUserAuthenticate(r, &nanomdm.UserAuthenticate{Raw: []byte("raw")}), mdm.CodeInvalid)
		require.ErrorIs(t, f.StoreBootstrapToken(r, &nanomdm.SetBootstrapToken{}), mdm.CodeInvalid)
		require.ErrorIs(t, f.StoreCommandReport(r, report("x", "Idle")), mdm.CodeInvalid)
		require.ErrorIs(t, f.Disable(r), mdm.CodeInvalid)
		require.ErrorIs(t, f.ClearQueue(r), mdm.CodeInvalid)
		require.ErrorIs(t, f.AssociateCertHash(r, "h"), mdm.CodeInvalid)
		_, err := f.RetrieveNextCommand(r, false)
		require.ErrorIs(t, err, mdm.CodeInvalid)
		_, err = f.RetrieveBootstrapToken(r, nil)
		require.ErrorIs(t, err, mdm.CodeInvalid)
		_, err = f.IsCertHashAssociated(r, "h")
		require.ErrorIs(t, err, mdm.CodeInvalid)
		_, err = f.EnrollmentHasCertHash(r, "h")
		require.ErrorIs(t, err, mdm.CodeInvalid)
	}
	d := f.enroll("D")
	require.ErrorIs(t, f.StoreAuthenticate(d, nil), mdm.CodeInvalid)
	require.ErrorIs(t, f.StoreAuthenticate(d, &nanomdm.Authenticate{}), mdm.CodeInvalid, "what came is what is kept")
	require.ErrorIs(t, f.StoreTokenUpdate(d, nil), mdm.CodeInvalid)
	require.ErrorIs(t, f.StoreTokenUpdate(d, &nanomdm.TokenUpdate{}), mdm.CodeInvalid)
	require.ErrorIs(t, f.StoreBootstrapToken(d, nil), mdm.CodeInvalid)
	require.ErrorIs(t, f.AssociateCertHash(d, ""), mdm.CodeInvalid)
}
