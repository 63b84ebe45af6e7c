package profiles_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

// about is what a device's commands are about, in short and the oldest first:
// the kind, the identifier, and the definition's name, "?" when it cannot be told
// and "gone" when there is none.
func (d *device) about() (out []string) {
	d.w.t.Helper()
	cs := d.commands()
	abouts, err := d.w.engine.About(d.w.ctx, tenant, d.e.Key, cs)
	require.NoError(d.w.t, err)
	for i := range cs {
		c := &cs[len(cs)-1-i]
		a, ok := abouts[c.ID]
		if !ok {
			continue
		}
		name := a.Profile.Name
		switch {
		case a.Gone:
			require.Zero(d.w.t, a.Profile)
			name = "gone"
		case name == "":
			name = "?"
		}
		out = append(out, fmt.Sprintf("%s %s: %s", c.Kind, a.Identifier, name))
	}
	return out
}

func TestWhatCommandsAreAbout(t *testing.T) {
	named := func(team mdm.TeamKey, name, body string) profiles.Upload {
		u := upload(team, "a", body)
		u.Name = name
		return u
	}
	create := func(w *world, u profiles.Upload) profiles.Profile {
		w.clock.add(time.Minute)
		p, _, err := w.engine.Create(w.ctx, tenant, u)
		require.NoError(w.t, err)
		w.clock.add(time.Minute)
		return p
	}
	remove := func(w *world, p profiles.Profile) {
		w.clock.add(time.Minute)
		require.NoError(w.t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{}))
		w.clock.add(time.Minute)
	}
	const install, uninstall = mdm.KindInstallProfile + " a: ", mdm.KindRemoveProfile + " a: "
	for _, c := range []struct {
		name  string
		does  func(w *world, d *device, p profiles.Profile) // of "First", which d carries
		about []string
	}{
		{"it is there", func(*world, *device, profiles.Profile) {}, []string{install + "First"}},
		{"another name", func(w *world, d *device, p profiles.Profile) {
			name := "Other"
			w.update(p, profiles.Change{Name: &name})
		}, []string{install + "Other"}},
		{"new content", func(w *world, d *device, p profiles.Profile) {
			w.update(p, profiles.Change{Content: content("a", "uuid 2")})
			w.settle(d)
		}, []string{install + "First", install + "First"}},
		{"being removed", func(w *world, d *device, p profiles.Profile) {
			w.update(p, profiles.Change{Scope: &profiles.Scope{Platforms: []mdm.Platform{mdm.IOS}}})
			w.reconcile()
		}, []string{install + "First", uninstall + "First"}},
		{"removed", func(w *world, d *device, p profiles.Profile) {
			w.update(p, profiles.Change{Scope: &profiles.Scope{Platforms: []mdm.Platform{mdm.IOS}}})
			w.settle(d)
		}, []string{install + "First", uninstall + "First"}},
		{"deleted, and not planned", func(w *world, d *device, p profiles.Profile) {
			remove(w, p)
		}, []string{install + "gone"}},
		{"deleted, and being removed", func(w *world, d *device, p profiles.Profile) {
			remove(w, p)
			w.reconcile()
		}, []string{install + "gone", uninstall + "gone"}},
		{"deleted and removed", func(w *world, d *device, p profiles.Profile) {
			remove(w, p)
			w.settle(d)
		}, []string{install + "gone", uninstall + "gone"}},
		{"deleted and made again: what was sent before was not for the new one", func(w *world, d *device, p profiles.Profile) {
			remove(w, p)
			w.settle(d)
			create(w, named(0, "Second", "uuid 2"))
			w.settle(d)
		}, []string{install + "gone", uninstall + "gone", install + "Second"}},
		{"another identifier", func(w *world, d *device, p profiles.Profile) {
			w.update(p, profiles.Change{Content: content("b", "uuid 2")})
			w.reconcile()
		}, []string{install + "gone", mdm.KindInstallProfile + " b: First", uninstall + "First"}},
		{"in a team without it", func(w *world, d *device, p profiles.Profile) {
			d.move(w.team("x"))
			w.settle(d)
		}, []string{install + "First", uninstall + "First"}},
		{"in a team that has another", func(w *world, d *device, p profiles.Profile) {
			k := w.team("x")
			create(w, named(k, "Theirs", "uuid 2"))
			d.move(k)
			w.settle(d)
		}, []string{install + "First", install + "Theirs"}},
		{"in a team that had another", func(w *world, d *device, p profiles.Profile) {
			k := w.team("x")
			theirs := create(w, named(k, "Theirs", "uuid 2"))
			d.move(k)
			w.settle(d)
			remove(w, theirs)
			w.settle(d)
		}, []string{install + "First", install + "First", uninstall + "First"}},
		{"in none of two teams that have one", func(w *world, d *device, p profiles.Profile) {
			create(w, named(w.team("x"), "Theirs", "uuid 2"))
			w.clock.add(time.Minute)
			w.update(p, profiles.Change{Content: content("a", "uuid 3")})
			w.settle(d)
			d.move(w.team("y"))
			w.settle(d)
		}, []string{install + "First", install + "?", uninstall + "?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			d := w.enroll(mac, 0)
			p := create(w, named(0, "First", "uuid 1"))
			w.settle(d)
			c.does(w, d, p)
			require.ElementsMatch(t, c.about, d.about())
		})
	}
}

// Questions and what others queued are about no profile, and then nothing is read.
func TestCommandsAboutNoProfile(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	w.upload(0, "a", "uuid 1")
	w.settle(d)
	require.NoError(t, w.unit(func(ctx context.Context, tx mdm.Tx) error {
		_, err := w.queue.Enqueue(ctx, tx, []queue.Command{{
			Enrollment: d.e.Key, Generation: d.e.Generation, Owner: mdm.OwnerApplication, Ref: mdm.Ref{Key: 1}, Kind: "Raw", Content: []byte("x"),
		}})
		return err
	}))
	var others []queue.Done
	for _, c := range d.commands() {
		if c.Kind != mdm.KindInstallProfile {
			others = append(others, c)
		}
	}
	require.Len(t, others, 2)
	abouts, err := w.engine.About(w.ctx, tenant, d.e.Key, d.commands())
	require.NoError(t, err)
	require.Len(t, abouts, 1)
	none, err := w.engine.About(w.ctx, "nobody", d.e.Key, others)
	require.NoError(t, err)
	require.Empty(t, none)
}
