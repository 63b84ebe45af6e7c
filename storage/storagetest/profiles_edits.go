package storagetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

func (w *world) deleteProfile(k mdm.ProfileKey, was mdm.Edit) error {
	return w.try(func(ctx context.Context, tx mdm.Tx) error { return w.s.Profiles().DeleteProfile(ctx, tx, k, was) })
}

// profilesEdits holds the edits of profiles: nobody changes what was changed
// since it was looked at.
func profilesEdits() []test {
	const holds = "it changes the profile that has p.Edit, and raises that by one, in the row and in p; a profile that has another edit stays as it is"
	return []test{
		{"every change is counted", holds, func(t *testing.T, w *world) {
			l := w.label("a", profiles.No)
			p := w.profile(0, func(p *profiles.Profile) { p.Edit = 7 })
			require.Equal(t, mdm.Edit(1), p.Edit, "of a new profile it is 1, whatever was said")
			for i, change := range []func(p *profiles.Profile){
				func(p *profiles.Profile) { p.Name = "Other" },
				func(p *profiles.Profile) { p.Scope.IncludeAny = []mdm.LabelKey{l.Key} },
				func(p *profiles.Profile) { p.Revision, p.Content = 2, w.hash() },
				func(p *profiles.Profile) { p.Identifier = "com.example.moved" },
				func(p *profiles.Profile) { p.UpdatedAt = w.now.Add(time.Hour) },
			} {
				change(&p)
				require.NoError(t, w.putProfile(&p))
				require.Equal(t, mdm.Edit(2+i), p.Edit)
				require.Equal(t, []profiles.Profile{p}, w.profiles(nil))
			}
			require.Equal(t, mdm.Edit(1), w.profile(0).Edit)
		}},
		{"what was looked at before", "A profile that has another edit stays as it is, and the error is CodeConflict with the field edit", func(t *testing.T, w *world) {
			old := w.profile(0)
			now := old
			now.Name = "Renamed"
			require.NoError(t, w.putProfile(&now))
			before := w.dump()
			for _, was := range []mdm.Edit{0, old.Edit, now.Edit + 1, -1} {
				p := old
				p.Name, p.Edit = "Overwritten", was
				err := w.putProfile(&p)
				require.ErrorIs(t, err, mdm.CodeConflict)
				requireField(t, "edit", err)
				require.Equal(t, was, p.Edit)
				err = w.deleteProfile(old.Key, was)
				require.ErrorIs(t, err, mdm.CodeConflict)
				requireField(t, "edit", err)
				require.Equal(t, before, w.dump())
			}
			require.NoError(t, w.deleteProfile(now.Key, now.Edit))
			require.ErrorIs(t, w.deleteProfile(now.Key, now.Edit), mdm.CodeNotFound)
			require.ErrorIs(t, w.putProfile(&now), mdm.CodeNotFound)
		}},
		{"one after the other in a unit", holds, func(t *testing.T, w *world) {
			p := w.profile(0)
			w.do(func(ctx context.Context, tx mdm.Tx) error {
				q := p
				for i := range 3 {
					q.Name = fmt.Sprint("Name ", i)
					if err := w.s.Profiles().PutProfile(ctx, tx, &q); err != nil {
						return err
					}
				}
				require.Equal(t, mdm.Edit(4), q.Edit)
				stale := p
				require.ErrorIs(t, w.s.Profiles().PutProfile(ctx, tx, &stale), mdm.CodeConflict)
				return w.s.Profiles().DeleteProfile(ctx, tx, q.Key, 4)
			})
			require.Empty(t, w.profiles(nil))
		}},
	}
}

// editStorm has administrators change what they all looked at.
func editStorm(t *testing.T, w *world) {
	p := w.profile(0)
	change := func(name string) func() error {
		return func() error {
			q := p
			q.Name = name
			return stubbornUnless(mdm.CodeConflict, func() error { return w.putProfile(&q) })
		}
	}
	remove := func() error {
		return stubbornUnless(mdm.CodeConflict, func() error { return w.deleteProfile(p.Key, p.Edit) })
	}
	errs := together(change("a"), remove, change("b"), remove, change("c"), change("d"))
	left := w.profiles(nil)
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
		case len(left) == 0: // the deletion won
			require.True(t, mdm.CodeOf(err) == mdm.CodeNotFound || mdm.CodeOf(err) == mdm.CodeConflict, "%d: %v", i, err)
		default:
			require.ErrorIs(t, err, mdm.CodeConflict)
			requireField(t, "edit", err)
		}
	}
	require.Equal(t, 1, won)
	if len(left) > 0 {
		require.Equal(t, p.Edit+1, left[0].Edit)
	}
}

// raiseStorm has administrators add to what they find: none of it is lost.
func raiseStorm(t *testing.T, w *world) {
	p := w.profile(0)
	const each = 10
	add := func() error {
		for range each {
			if err := stubborn(func() error {
				return w.try(func(ctx context.Context, tx mdm.Tx) error {
					q, err := w.s.Profiles().ProfileTx(ctx, tx, p.ID)
					if err != nil {
						return err
					}
					q.Size++
					return w.s.Profiles().PutProfile(ctx, tx, &q)
				})
			}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, err := range together(add, add, add, add) {
		require.NoError(t, err)
	}
	end := w.profiles(nil)[0]
	require.Equal(t, p.Size+4*each, end.Size)
	require.Equal(t, p.Edit+4*each, end.Edit)
}
