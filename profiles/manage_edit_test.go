package profiles_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// Every change is a new edit, and what was decided on an earlier one changes
// nothing, and plans nobody.
func TestEditsAreCompared(t *testing.T) {
	w := newWorld(t, nil)
	l := w.label("l", profiles.No)
	d := w.enroll(mac, 0)
	p := w.upload(0, "a", "uuid 1")
	require.Equal(t, mdm.Edit(1), p.Edit)
	was := func(e mdm.Edit) []mdm.Edit { return []mdm.Edit{e} }
	name, other := "renamed", "by another"
	scope := profiles.Scope{ExcludeAny: []mdm.LabelKey{l}}
	for i, ch := range []profiles.Change{{Name: &name}, {Scope: &scope}, {Content: content("a", "uuid 2")}} {
		edit := mdm.Edit(i + 1)
		ch.Was = was(edit)
		p = w.update(p, ch)
		require.Equal(t, edit+1, p.Edit)
		w.settle(d)
		before := w.dump(d)
		for _, late := range []profiles.Change{{Name: &other}, {Scope: &profiles.Scope{}}, {Content: content("a", "uuid 3")}, ch, {}} {
			late.Was = was(edit)
			_, _, err := w.engine.Update(w.ctx, tenant, p.ID, late)
			requireError(t, err, mdm.CodePrecondition, "edit")
			require.False(t, mdm.Transient(err), "the same request will not succeed later")
		}
		requireError(t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{Was: was(edit)}), mdm.CodePrecondition, "edit")
		require.Equal(t, before, w.dump(d))
	}
	require.Equal(t, mdm.Revision(2), p.Revision, "which counts contents")
	require.Equal(t, p, w.update(p, profiles.Change{Name: &name, Was: was(4)}), "what changes nothing is no edit")
	require.NoError(t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{Was: was(4)}))
	require.Equal(t, mdm.CodeNotFound, mdm.CodeOf(w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{Was: was(4)})))
}

// overtaken is a store on which a unit reads a profile as it was before another
// administrator's edit, as it can on a database whose units do not wait for each
// other.
type overtaken struct {
	profiles.Store
	was   *profiles.Profile // read instead of what there is
	reads int               // how often
}

func (s *overtaken) ProfileTx(ctx context.Context, tx mdm.Tx, id mdm.ProfileID) (profiles.Profile, error) {
	if s.reads > 0 {
		s.reads--
		return *s.was, nil
	}
	return s.Store.ProfileTx(ctx, tx, id)
}

// A change that is overtaken is made anew on what there is then; one that named
// an edit is refused.
func TestOvertakenEdits(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *world, p profiles.Profile, was []mdm.Edit) error
		gone bool
	}{
		{"update", func(w *world, p profiles.Profile, was []mdm.Edit) error {
			_, _, err := w.engine.Update(w.ctx, tenant, p.ID, profiles.Change{Was: was, Content: content("a", "uuid 2")})
			return err
		}, false},
		{"delete", func(w *world, p profiles.Profile, was []mdm.Edit) error {
			return w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{Was: was})
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &overtaken{}
			w := newWorld(t, func(c *profiles.Config) { s.Store, c.Store = c.Store, s })
			p := w.upload(0, "a", "uuid 1")
			name := "by another"
			now := w.update(p, profiles.Change{Name: &name})

			s.was, s.reads = &p, 1
			requireError(t, c.do(w, p, []mdm.Edit{p.Edit}), mdm.CodePrecondition, "edit")
			got, err := w.engine.Profile(w.ctx, tenant, p.ID)
			require.NoError(t, err)
			require.Equal(t, now, got)

			s.reads = 1 << 20
			requireError(t, c.do(w, p, nil), mdm.CodeConflict, "edit")
			require.Positive(t, s.reads, "nobody tries for ever")

			s.reads = 2
			require.NoError(t, c.do(w, p, nil))
			got, err = w.engine.Profile(w.ctx, tenant, p.ID)
			if c.gone {
				require.Equal(t, mdm.CodeNotFound, mdm.CodeOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, []any{name, mdm.Edit(3), mdm.Revision(2)}, []any{got.Name, got.Edit, got.Revision}, "both edits")
		})
	}
}
