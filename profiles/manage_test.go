package profiles_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// requireError holds the code and the field of an error.
func requireError(t *testing.T, err error, code mdm.Code, field string) {
	t.Helper()
	var e *mdm.Error
	require.True(t, errors.As(err, &e), "%v", err)
	require.Equal(t, code, e.Code, "%v", err)
	require.Equal(t, field, e.Field, "%v", err)
	require.NotEmpty(t, e.Message)
}

func TestCreateRefuses(t *testing.T) {
	long := strings.Repeat("x", profiles.MaxName+1)
	for _, c := range []struct {
		name  string
		u     profiles.Upload
		code  mdm.Code
		field string
	}{
		{"no name", profiles.Upload{Family: profiles.AppleProfile, Content: content("new", "uuid 1")}, mdm.CodeInvalid, "name"},
		{"a blank name", func() profiles.Upload { u := upload(0, "new", ""); u.Name = " \t"; return u }(), mdm.CodeInvalid, "name"},
		{"a long name", func() profiles.Upload { u := upload(0, "new", ""); u.Name = long; return u }(), mdm.CodeInvalid, "name"},
		{"a long name on Windows", profiles.Upload{Name: long, Family: profiles.WindowsProfile, Content: content("new", "")}, mdm.CodeInvalid, "name"},
		{"a long identifier", upload(0, long, "name short"), mdm.CodeInvalid, "name"},
		{"another identifier", func() profiles.Upload { u := upload(0, "new", ""); u.Identifier = "other"; return u }(), mdm.CodeInvalid, "identifier"},
		{"a line break in an identifier", profiles.Upload{Name: "new", Identifier: "new\nline", Family: profiles.WindowsProfile, Content: []byte("node ./x 1")}, mdm.CodeInvalid, "identifier"},
		{"our own identifier", upload(0, "com.example.mdm.enrollment", ""), mdm.CodeInvalid, "identifier"},
		{"our own identifier in another case", upload(0, "Com.Example.MDM.x", ""), mdm.CodeInvalid, "identifier"},
		{"our own identifier on Windows", windows(upload(0, "com.example.mdm.x", "")), mdm.CodeInvalid, "identifier"},
		{"no family", profiles.Upload{Name: "new", Content: content("new", "")}, mdm.CodeUnsupported, "family"},
		{"bad content", profiles.Upload{Name: "new", Family: profiles.AppleProfile, Content: []byte("what")}, mdm.CodeInvalid, "content"},
		{"no content", profiles.Upload{Name: "new", Family: profiles.AppleProfile}, mdm.CodeInvalid, "content.identifier"},
		{"too large", profiles.Upload{Name: "new", Family: profiles.AppleProfile, Content: bytes.Repeat([]byte("\n"), profiles.MaxContent+1)}, mdm.CodeTooLarge, "content"},
		{"a platform of the other family", upload(0, "new", "", profiles.Scope{Platforms: []mdm.Platform{mdm.Windows}}), mdm.CodeInvalid, "scope.platforms"},
		{"an unknown platform", upload(0, "new", "", profiles.Scope{Platforms: []mdm.Platform{"amiga"}}), mdm.CodeInvalid, "scope.platforms"},
		{"an unknown label", upload(0, "new", "", profiles.Scope{IncludeAny: []mdm.LabelKey{999}}), mdm.CodeInvalid, "scope.include_any"},
		{"an unknown team", upload(999, "new", ""), mdm.CodeInvalid, "team"},
		{"a taken identifier", func() profiles.Upload { u := upload(0, "taken", ""); u.Name = "free"; return u }(), mdm.CodeConflict, "identifier"},
		{"a taken name", func() profiles.Upload { u := upload(0, "new", ""); u.Name = "TAKEN"; return u }(), mdm.CodeConflict, "name"},
		{"a name that another family has", windows(upload(0, "Taken", "")), mdm.CodeConflict, "name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			d := w.enroll(mac, 0)
			w.upload(0, "taken", "uuid 1")
			before := w.dump(d)
			_, _, err := w.engine.Create(w.ctx, tenant, c.u)
			requireError(t, err, c.code, c.field)
			require.Equal(t, before, w.dump(d))
		})
	}
}

func TestCreateRefusesALabelTwice(t *testing.T) {
	w := newWorld(t, nil)
	l := w.label("l", profiles.No)
	ls := []mdm.LabelKey{l}
	for _, s := range []profiles.Scope{
		{IncludeAll: ls, ExcludeAny: ls}, {IncludeAll: ls, IncludeAny: ls}, {IncludeAny: []mdm.LabelKey{l, l}},
	} {
		_, _, err := w.engine.Create(w.ctx, tenant, upload(0, "a", "uuid 1", s))
		require.Equal(t, mdm.CodeInvalid, mdm.CodeOf(err))
	}
}

func TestCreate(t *testing.T) {
	w := newWorld(t, nil)
	u := upload(0, "a", "uuid 1; name From content; warn careful")
	u.Name, u.Actor = "", mdm.Actor{Kind: "user", Name: "ada"}
	p, warnings, err := w.engine.Create(w.ctx, tenant, u)
	require.NoError(t, err)
	require.Equal(t, []string{"careful"}, warnings)
	require.Equal(t, "From content", p.Name)
	require.Equal(t, "a", p.Identifier)
	require.Equal(t, mdm.Revision(1), p.Revision)
	require.Equal(t, len(u.Content), p.Size)
	require.Equal(t, u.Actor, p.Actor)
	require.True(t, mdm.IsUUID(string(p.ID)))

	got, err := w.engine.Profile(w.ctx, tenant, p.ID)
	require.NoError(t, err)
	require.Equal(t, p, got)
	b, err := w.engine.Content(w.ctx, tenant, p.ID)
	require.NoError(t, err)
	require.Equal(t, u.Content, b)
	_, err = w.engine.Content(w.ctx, tenant, "nobody")
	require.Equal(t, mdm.CodeNotFound, mdm.CodeOf(err))

	sealed, err := w.store.Profiles().Content(w.ctx, tenant, p.Content)
	require.NoError(t, err)
	require.NotContains(t, string(sealed), "identifier", "content is sealed at rest")

	// In a team of its own, all of that is free.
	k := w.team("x")
	u.Team = k
	_, _, err = w.engine.Create(w.ctx, tenant, u)
	require.NoError(t, err)
	all, err := w.engine.Profiles(w.ctx, tenant, nil)
	require.NoError(t, err)
	require.Len(t, all, 2)
	of, err := w.engine.Profiles(w.ctx, tenant, &k)
	require.NoError(t, err)
	require.Len(t, of, 1)
}

// A Windows profile has no identifier of its own, and gets one from its name that
// stays when the name changes.
func TestWindowsIdentifiers(t *testing.T) {
	w := newWorld(t, nil)
	create := func(name string) string {
		p, _, err := w.engine.Create(w.ctx, tenant, profiles.Upload{Name: name, Family: profiles.WindowsProfile, Content: []byte("node ./x 1")})
		require.NoError(t, err)
		return p.Identifier
	}
	require.Equal(t, "windows.wi-fi-office-2", create("  Wi-Fi (Office) #2 "))
	require.LessOrEqual(t, len(create(strings.Repeat("long ", 51))), profiles.MaxName)
	a, b := create("网络"), create("防火墙")
	require.NotEqual(t, a, b)
	require.True(t, strings.HasPrefix(a, "windows.profile-"))

	p := w.uploadWindows(0, "chosen", "node ./x 1")
	require.Equal(t, "chosen", p.Identifier)
	name := "renamed"
	require.Equal(t, "chosen", w.update(p, profiles.Change{Name: &name, Content: content("ignored", "node ./x 2")}).Identifier)
}

func TestUpdateRefuses(t *testing.T) {
	w := newWorld(t, nil)
	p := w.upload(0, "a", "uuid 1")
	w.upload(0, "b", "uuid 2")
	taken, blank := "b", " "
	for _, c := range []struct {
		name  string
		ch    profiles.Change
		code  mdm.Code
		field string
	}{
		{"another edit", profiles.Change{Was: []mdm.Edit{7}, Name: &taken}, mdm.CodePrecondition, "edit"},
		{"an edit that nothing has", profiles.Change{Was: []mdm.Edit{0}, Name: &taken}, mdm.CodePrecondition, "edit"},
		{"a taken name", profiles.Change{Name: &taken}, mdm.CodeConflict, "name"},
		{"a blank name", profiles.Change{Name: &blank}, mdm.CodeInvalid, "name"},
		{"bad content", profiles.Change{Content: []byte("what")}, mdm.CodeInvalid, "content"},
		{"empty content", profiles.Change{Content: []byte{}}, mdm.CodeInvalid, "content.identifier"},
		{"a taken identifier", profiles.Change{Content: content("b", "uuid 3")}, mdm.CodeConflict, "identifier"},
		{"our own identifier", profiles.Change{Content: content("com.example.mdm.x", "uuid 3")}, mdm.CodeInvalid, "identifier"},
		{"an unknown label", profiles.Change{Scope: &profiles.Scope{IncludeAll: []mdm.LabelKey{999}}}, mdm.CodeInvalid, "scope.include_all"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := w.engine.Update(w.ctx, tenant, p.ID, c.ch)
			requireError(t, err, c.code, c.field)
			got, err := w.engine.Profile(w.ctx, tenant, p.ID)
			require.NoError(t, err)
			require.Equal(t, p, got)
		})
	}
	_, _, err := w.engine.Update(w.ctx, tenant, "nobody", profiles.Change{})
	require.Equal(t, mdm.CodeNotFound, mdm.CodeOf(err))
	require.Equal(t, mdm.CodeNotFound, mdm.CodeOf(w.engine.Delete(w.ctx, tenant, "nobody", profiles.Deletion{Was: []mdm.Edit{1}})))
}

func TestUpdate(t *testing.T) {
	w := newWorld(t, nil)
	l, m := w.label("l", profiles.No), w.label("m", profiles.No)
	p := w.upload(0, "a", "uuid 1", profiles.Scope{IncludeAny: []mdm.LabelKey{l, m}})
	w.reconcile()
	w.clock.add(1e9)

	require.Equal(t, p, w.update(p, profiles.Change{Content: content("a", "uuid 1"), Was: []mdm.Edit{1}, Actor: mdm.Actor{Name: "ada"}}), "nothing changed")
	require.Equal(t, p, w.update(p, profiles.Change{Scope: &profiles.Scope{IncludeAny: []mdm.LabelKey{m, l}}}), "in another order, it is the same scope")

	q := w.update(p, profiles.Change{Content: content("a", "uuid 2"), Was: []mdm.Edit{9, 1}, Actor: mdm.Actor{Name: "ada"}})
	require.Equal(t, mdm.Revision(2), q.Revision)
	require.Equal(t, mdm.Edit(2), q.Edit)
	require.Equal(t, p.Slot, q.Slot)
	require.Equal(t, w.clock.Now(), q.UpdatedAt)
	require.Equal(t, p.CreatedAt, q.CreatedAt)
	require.Equal(t, "ada", q.Actor.Name)

	r := w.update(p, profiles.Change{Content: content("c", "uuid 3")})
	require.Equal(t, "c", r.Identifier)
	require.NotEqual(t, p.Slot, r.Slot)
	require.Equal(t, p.ID, r.ID)
}

// A content that does not open any more can be replaced.
func TestUpdateOfUnreadableContent(t *testing.T) {
	w := newWorld(t, nil)
	p := w.upload(0, "a", "uuid 1")
	ring := mdm.LocalKeyring{Current: "new", Keys: map[string][]byte{"new": bytes.Repeat([]byte{9}, 32)}}
	var err error
	w.config.Box, err = mdm.NewBox(ring, seeded())
	require.NoError(t, err)
	w.engine, err = profiles.New(w.config)
	require.NoError(t, err)
	_, err = w.engine.Content(w.ctx, tenant, p.ID)
	require.Error(t, err)
	require.Equal(t, mdm.Revision(2), w.update(p, profiles.Change{Content: content("a", "uuid 2")}).Revision)
}

func TestTeamsAndLabels(t *testing.T) {
	w := newWorld(t, nil)
	k := w.team("Sales")
	_, err := w.engine.CreateTeam(w.ctx, tenant, "sales")
	requireError(t, err, mdm.CodeConflict, "name")
	_, err = w.engine.CreateTeam(w.ctx, tenant, "")
	requireError(t, err, mdm.CodeInvalid, "name")
	teams, err := w.engine.Teams(w.ctx, tenant)
	require.NoError(t, err)
	require.Len(t, teams, 1)
	require.Equal(t, "Sales", teams[0].Name)

	p := w.upload(k, "a", "uuid 1")
	require.Equal(t, mdm.CodeConflict, mdm.CodeOf(w.engine.DeleteTeam(w.ctx, tenant, k)))
	d := w.enroll(mac, k)
	w.settle(d)
	require.NoError(t, w.engine.Delete(w.ctx, tenant, p.ID, profiles.Deletion{}))
	w.upload(0, "b", "uuid 2")
	require.NoError(t, w.engine.DeleteTeam(w.ctx, tenant, k))
	d.said()
	w.settle(d)
	require.ElementsMatch(t, []string{"remove a", "install b", "list"}, d.said(), "its hosts come to no team")

	l := w.label("Pilot", profiles.Unknown)
	_, err = w.engine.CreateLabel(w.ctx, tenant, "pilot", profiles.No)
	requireError(t, err, mdm.CodeConflict, "name")
	_, err = w.engine.CreateLabel(w.ctx, tenant, "", profiles.No)
	requireError(t, err, mdm.CodeInvalid, "name")
	_, err = w.engine.CreateLabel(w.ctx, tenant, "x", 7)
	requireError(t, err, mdm.CodeInvalid, "default")
	requireError(t, w.engine.SetMember(w.ctx, tenant, l, d.host.Key, 7), mdm.CodeInvalid, "value")
	require.Equal(t, mdm.CodeNotFound, mdm.CodeOf(w.engine.SetMember(w.ctx, tenant, 999, d.host.Key, profiles.Yes)))
	d.member(l, profiles.Yes)
	ms, err := w.engine.Members(w.ctx, tenant, l, 0, 10)
	require.NoError(t, err)
	require.Equal(t, map[mdm.HostKey]profiles.Tri{d.host.Key: profiles.Yes}, ms)

	q := w.upload(0, "scoped", "uuid 3", profiles.Scope{ExcludeAny: []mdm.LabelKey{l}})
	err = w.engine.DeleteLabel(w.ctx, tenant, l)
	requireError(t, err, mdm.CodeConflict, "label")
	require.Contains(t, err.Error(), "scoped")
	require.NoError(t, w.engine.Delete(w.ctx, tenant, q.ID, profiles.Deletion{}))
	require.NoError(t, w.engine.DeleteLabel(w.ctx, tenant, l))
	ls, err := w.engine.Labels(w.ctx, tenant)
	require.NoError(t, err)
	require.Empty(t, ls)
}

// A unit of work may run again after a conflict; what was made in it is made
// again, and not taken for something that is there.
func TestUnitsMayRunTwice(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Transactor = twice{w.store}
	var err error
	w.engine, err = profiles.New(w.config)
	require.NoError(t, err)
	k := w.team("x")
	w.label("l", profiles.No)
	p := w.upload(k, "a", "uuid 1")
	w.update(p, profiles.Change{Content: content("a", "uuid 2")})
	d := w.enroll(mac, k)
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
}

// twice runs each unit once in vain.
type twice struct{ mdm.Transactor }

func (t twice) InTx(ctx context.Context, id mdm.TenantID, fn func(context.Context, mdm.Tx) error) error {
	conflict := mdm.Errorf(mdm.CodeConflict, "", "another unit was first")
	err := t.Transactor.InTx(ctx, id, func(ctx context.Context, tx mdm.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		return conflict
	})
	if !errors.Is(err, conflict) {
		return err
	}
	return t.Transactor.InTx(ctx, id, fn)
}

func TestNewRefuses(t *testing.T) {
	_, err := profiles.New(profiles.Config{})
	requireError(t, err, mdm.CodeInvalid, "profiles")
}
