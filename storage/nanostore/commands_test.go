package nanostore_test

import (
	"context"
	"crypto/sha256"
	"testing"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/storage/nanostore"
)

// done are the ended and waiting commands of a device, the newest first.
func (f *fixture) done(id string) []queue.Done {
	f.t.Helper()
	ds, err := f.store.Queue().List(ctx, f.tenant, f.enrollment(id).Key, 0, 100)
	require.NoError(f.t, err)
	return ds
}

// Who gets a command does, and the map says why the others do not.
func TestEnqueueTellsWhoIsLeftOut(t *testing.T) {
	f := newFixture(t)
	f.enroll("D")
	f.enroll("E")
	f.queue("one", "D", "D")
	failed, err := f.EnqueueCommand(ctx, []string{"E", "D", "nobody", ""}, newCommand("one"))
	require.NoError(t, err)
	require.Len(t, failed, 3)
	require.ErrorIs(t, failed["D"], mdm.CodeConflict)
	require.ErrorIs(t, failed["nobody"], mdm.CodeNotFound)
	require.ErrorIs(t, failed[""], mdm.CodeInvalid)
	require.Equal(t, "one", f.next(request("E")))
	require.Len(t, f.done("D"), 1)

	// It stays taken when it has ended.
	require.NoError(t, f.StoreCommandReport(request("D"), report("one", "Acknowledged")))
	failed, err = f.EnqueueCommand(ctx, []string{"D"}, newCommand("one"))
	require.NoError(t, err)
	require.ErrorIs(t, failed["D"], mdm.CodeConflict)

	failed, err = f.EnqueueCommand(ctx, nil, newCommand("two"))
	require.NoError(t, err)
	require.Empty(t, failed)
}

func TestCommandsThatAreRefused(t *testing.T) {
	f := newFixture(t)
	d := f.enroll("D")
	for name, change := range map[string]func(*nanomdm.Command){
		"no UUID":         func(c *nanomdm.Command) { c.CommandUUID = "" },
		"a long UUID":     func(c *nanomdm.Command) { c.CommandUUID = string(make([]byte, 200)) },
		"no type":         func(c *nanomdm.Command) { c.Command.RequestType = "" },
		"a type with NUL": func(c *nanomdm.Command) { c.Command.RequestType = "a\x00" },
		"no bytes":        func(c *nanomdm.Command) { c.Raw = nil },
	} {
		c := newCommand("x")
		change(c)
		_, err := f.EnqueueCommand(ctx, []string{"D"}, c)
		require.ErrorIs(t, err, mdm.CodeInvalid, name)
	}
	_, err := f.EnqueueCommand(ctx, []string{"D"}, nil)
	require.ErrorIs(t, err, mdm.CodeInvalid)
	big := newCommand("big")
	big.Raw = make([]byte, queue.MaxContent+1)
	_, err = f.EnqueueCommand(ctx, []string{"D"}, big)
	require.ErrorIs(t, err, mdm.CodeTooLarge)
	require.Empty(t, f.done("D"))

	require.ErrorIs(t, f.StoreCommandReport(d, nil), mdm.CodeInvalid)
	require.ErrorIs(t, f.StoreCommandReport(d, report("", "Acknowledged")), mdm.CodeInvalid)
	require.ErrorIs(t, f.StoreCommandReport(d, report("x", "Perhaps")), mdm.CodeInvalid)
	require.ErrorIs(t, f.StoreCommandReport(d, &nanomdm.CommandResults{CommandUUID: "x", Status: "Error"}), mdm.CodeInvalid)
}

// One command is held and a later one answered: neither leaves again when both are.
func TestNotNow(t *testing.T) {
	f := newFixture(t)
	d := f.enroll("D")
	f.queue("one", "D")
	f.queue("two", "D")
	require.Equal(t, "one", f.next(d))
	require.Equal(t, "one", f.next(d), "again until it is answered")
	require.NoError(t, f.StoreCommandReport(d, report("one", "NotNow")))
	c, err := f.RetrieveNextCommand(d, true)
	require.NoError(t, err)
	require.Equal(t, "two", c.CommandUUID)
	require.NoError(t, f.StoreCommandReport(d, report("two", "Acknowledged")))
	require.Equal(t, "one", f.next(d))
	require.NoError(t, f.StoreCommandReport(d, report("one", "Acknowledged")))
	require.Empty(t, f.next(d))
}

// What a device answers is in the history, and the first answer counts.
func TestHistory(t *testing.T) {
	f := newFixture(t)
	d := f.enroll("D")
	for _, uuid := range []string{"a", "e", "m", "late"} {
		f.queue(uuid, "D")
	}
	failed := report("e", "Error")
	failed.ErrorChain = []nanomdm.ErrorChain{
		{ErrorCode: 4001, ErrorDomain: "MCInstallationErrorDomain", LocalizedDescription: "lokal", USEnglishDescription: "could not"},
		{ErrorCode: 1, ErrorDomain: "X", LocalizedDescription: "weil"},
	}
	for _, r := range []*nanomdm.CommandResults{report("a", "Acknowledged"), failed, report("m", "CommandFormatError"), report("a", "Error")} {
		require.NoError(t, f.StoreCommandReport(d, r))
	}
	require.NoError(t, f.ClearQueue(d))
	require.NoError(t, f.StoreCommandReport(d, report("late", "Acknowledged")))

	ds := f.done("D")
	require.Len(t, ds, 4)
	require.Equal(t, mdm.OutcomeCanceled, ds[0].Outcome)
	require.Equal(t, mdm.OutcomeAcknowledged, ds[0].Late.Outcome)
	require.Equal(t, mdm.OutcomeMalformed, ds[1].Outcome)
	require.Equal(t, []any{mdm.OutcomeError, "MCInstallationErrorDomain/4001", "could not > weil"}, []any{ds[2].Outcome, ds[2].Code, ds[2].Detail})
	require.Equal(t, mdm.OutcomeAcknowledged, ds[3].Outcome)
	require.Nil(t, ds[3].Late)
	q, err := queue.New(queue.Config{Store: f.store.Queue(), Box: f.config.Box, Clock: f.config.Clock, Rand: f.config.Rand})
	require.NoError(t, err)
	got, err := q.Get(ctx, f.tenant, ds[3].ID)
	require.NoError(t, err)
	require.Equal(t, "answer to a", string(got.Body))
}

// A report on a command of another device, or of none, is kept and changes nothing.
func TestForeignReport(t *testing.T) {
	f := newFixture(t)
	d := f.enroll("D")
	f.enroll("E")
	f.queue("of E", "E")
	require.NoError(t, f.StoreCommandReport(d, report("of E", "Acknowledged")))
	require.Equal(t, "of E", f.next(request("E")))
	as, err := f.store.Apple().Aside(ctx, f.tenant, f.enrollment("D").Key)
	require.NoError(t, err)
	require.Len(t, as, 1)
	body, err := f.config.Box.Open(f.tenant, "apple_aside", "apple:D", as[0].Sealed)
	require.NoError(t, err)
	require.Equal(t, "answer to of E", string(body))
}

func TestOnlyTheEnrolledAreHandedCommands(t *testing.T) {
	f := newFixture(t)
	f.authenticate("D")
	d := request("D")
	f.queue("early", "D")
	require.Empty(t, f.next(d))
	f.update(d)
	require.Equal(t, "early", f.next(d))
	require.NoError(t, f.Disable(d))
	require.Empty(t, f.next(d))
	f.update(d)
	require.Equal(t, "early", f.next(d))
	f.enroll("D")
	require.Empty(t, f.next(d), "it was for the life before")
	require.Equal(t, mdm.OutcomeCanceled, f.done("D")[0].Outcome)
}

// A device's clear takes its users along; a user's is the user's alone.
func TestClearQueue(t *testing.T) {
	f := newFixture(t)
	d, u, v := f.enroll("D"), userRequest("D", "u"), userRequest("D", "v")
	f.update(u)
	f.update(v)
	f.queue("one", "D", "D:u", "D:v")
	require.NoError(t, f.ClearQueue(u))
	require.Equal(t, []string{"one", "", "one"}, []string{f.next(d), f.next(u), f.next(v)})
	require.NoError(t, f.ClearQueue(d))
	require.Equal(t, []string{"", "", ""}, []string{f.next(d), f.next(u), f.next(v)})
	f.queue("two", "D")
	require.Equal(t, "two", f.next(d))
}

// A command that cannot be opened ends, and does not stand in the way of others.
func TestLostKey(t *testing.T) {
	f := newFixture(t)
	d := f.enroll("D")
	f.queue("sealed", "D")
	f.config.Box = box(t, "o")
	other, err := nanostore.New(f.config)
	require.NoError(t, err)
	f.Storage = other
	f.queue("next", "D")
	require.Equal(t, "next", f.next(d))
	ds := f.done("D")
	require.Equal(t, mdm.OutcomeUnrenderable, ds[1].Outcome)
}

// Who else queues in the tenant is found out.
func TestNotAlone(t *testing.T) {
	f := newFixture(t)
	d := f.enroll("D")
	q, err := queue.New(queue.Config{Store: f.store.Queue(), Box: f.config.Box, Clock: f.config.Clock, Rand: f.config.Rand})
	require.NoError(t, err)
	e := f.enrollment("D")
	require.NoError(t, f.store.InTx(ctx, f.tenant, func(c context.Context, tx mdm.Tx) error {
		_, err := q.Enqueue(c, tx, []queue.Command{{Enrollment: e.Key, Generation: e.Generation, Owner: mdm.OwnerApplication, Kind: "Raw", Content: []byte("x")}})
		return err
	}))
	_, err = f.RetrieveNextCommand(d, false)
	require.ErrorIs(t, err, mdm.CodeInternal)
	require.ErrorContains(t, err, "not NanoMDM's alone")
}

func TestSeen(t *testing.T) {
	f := newFixture(t)
	d := f.enroll("D")
	var seen []mdm.HostKey
	f.config.Seen = func(tenant mdm.TenantID, k mdm.HostKey) {
		require.Equal(t, f.tenant, tenant)
		seen = append(seen, k)
	}
	s, err := nanostore.New(f.config)
	require.NoError(t, err)
	_, err = s.RetrieveNextCommand(d, false)
	require.NoError(t, err)
	_, err = s.RetrieveNextCommand(request("nobody"), false)
	require.NoError(t, err)
	require.Equal(t, []mdm.HostKey{f.host("D").Key}, seen)
}

// What may hold a PIN is not stored under a hash that a guess could be tried on.
func TestContentOfALockIsSalted(t *testing.T) {
	f := newFixture(t)
	f.enroll("D")
	lock := newCommand("lock")
	lock.Command.RequestType = "DeviceLock"
	_, err := f.EnqueueCommand(ctx, []string{"D"}, lock)
	require.NoError(t, err)
	f.queue("list", "D")
	ds := f.done("D")
	require.Equal(t, mdm.Hash(sha256.Sum256([]byte("raw list"))), ds[0].Hash, "shared by all devices that get it")
	require.NotEqual(t, mdm.Hash(sha256.Sum256([]byte("raw lock"))), ds[1].Hash)
	require.Equal(t, "lock", f.next(request("D")))
}
