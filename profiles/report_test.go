package profiles_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// What an administrator does to a profile is reported with who and why, in the
// unit of work that does it.
func TestChangesAreReported(t *testing.T) {
	var told []mdm.Event
	var fail error
	w := newWorld(t, func(c *profiles.Config) {
		c.Report = func(_ context.Context, tx mdm.Tx, e mdm.Event) error {
			if fail == nil {
				tx.AfterCommit(func() { told = append(told, e) })
			}
			return fail
		}
	})
	d := w.enroll(mac, 0)
	ada, bob := mdm.Actor{Kind: "user", Name: "ada", Reason: "first"}, mdm.Actor{Kind: "user", Name: "bob", Reason: "second"}
	expect := func(who mdm.Actor, want profiles.ChangedData) {
		t.Helper()
		require.Len(t, told, 1)
		e := told[0]
		told = nil
		require.Equal(t, mdm.EventProfileChanged, e.Kind)
		require.Equal(t, who, e.Actor)
		require.Equal(t, w.clock.Now(), e.At)
		require.Zero(t, e.Key, "it is of no host")
		var got profiles.ChangedData
		require.NoError(t, json.Unmarshal(e.Data, &got))
		require.Equal(t, want, got)
	}
	u := upload(0, "a", "uuid 1")
	u.Actor = ada
	p, _, err := w.engine.Create(w.ctx, tenant, u)
	require.NoError(t, err)
	expect(ada, profiles.ChangedData{Profile: p.ID, Change: profiles.Created, Name: "a", Revision: 1, Edit: 1})
	name := "renamed"
	w.update(p, profiles.Change{Name: &name, Actor: bob})
	expect(bob, profiles.ChangedData{Profile: p.ID, Change: profiles.Updated, Name: "renamed", Revision: 1, Edit: 2})
	w.update(p, profiles.Change{Content: content("a", "uuid 2"), Actor: ada})
	expect(ada, profiles.ChangedData{Profile: p.ID, Change: profiles.Updated, Name: "renamed", Revision: 2, Edit: 3})
	w.update(p, profiles.Change{Name: &name, Actor: bob})
	w.settle(d)
	require.Empty(t, told, "what changes nothing is not reported, nor is what hosts do about it")

	fail = errors.New("the outbox is full")
	before := w.dump(d)
	other := "other"
	_, _, err = w.engine.Create(w.ctx, tenant, upload(0, "b", "uuid 3"))
	require.ErrorIs(t, err, fail)
	_, _, err = w.engine.Update(w.ctx, tenant, p.ID, profiles.Change{Name: &other})
	require.ErrorIs(t, err, fail)
	require.ErrorIs(t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{}), fail)
	require.Equal(t, before, w.dump(d))

	fail = nil
	require.NoError(t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{Actor: bob}))
	expect(bob, profiles.ChangedData{Profile: p.ID, Change: profiles.Deleted, Name: "renamed", Revision: 2, Edit: 3})
}
