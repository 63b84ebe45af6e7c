package profiles_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// damaged is a store of which some contents cannot be had.
type damaged struct {
	profiles.Store
	bad map[mdm.Hash]error // nil is bytes that do not open
}

func (s *damaged) read(h mdm.Hash, b []byte, err error) ([]byte, error) {
	if bad, ok := s.bad[h]; ok {
		return []byte("not what was sealed"), bad
	}
	return b, err
}

func (s *damaged) Content(ctx context.Context, t mdm.TenantID, h mdm.Hash) ([]byte, error) {
	b, err := s.Store.Content(ctx, t, h)
	return s.read(h, b, err)
}

func (s *damaged) ContentTx(ctx context.Context, tx mdm.Tx, h mdm.Hash) ([]byte, error) {
	b, err := s.Store.ContentTx(ctx, tx, h)
	return s.read(h, b, err)
}

func (s *damaged) MendContent(ctx context.Context, tx mdm.Tx, h mdm.Hash, sealed []byte) error {
	delete(s.bad, h)
	return s.Store.MendContent(ctx, tx, h, sealed)
}

func newDamaged(t *testing.T) (*world, *damaged) {
	s := &damaged{bad: map[mdm.Hash]error{}}
	w := newWorld(t, func(c *profiles.Config) { s.Store, c.Store = c.Store, s })
	return w, s
}

// restart forgets every content that was read.
func (w *world) restart() {
	var err error
	w.engine, err = profiles.New(w.config)
	require.NoError(w.t, err)
}

func (w *world) sweep() {
	require.NoError(w.t, w.engine.Sweep(w.ctx, tenant))
	w.reconcile()
}

const detailLost = "its content cannot be read: not a sealed value"

// A content that cannot be read fails its own profile, with a reason, and nothing
// else: not the others, not other families, not enrollments, counts or lists.
func TestUnreadableContentFailsItsProfileAlone(t *testing.T) {
	for name, damage := range map[string]struct {
		err    error
		detail string
	}{
		"bytes that do not open": {nil, detailLost},
		"it is gone":             {mdm.Errorf(mdm.CodeNotFound, "", "no such content"), "its content cannot be read: no such content"},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := newDamaged(t)
			a := w.upload(0, "a", "uuid 1")
			b := w.upload(0, "b", "uuid 2")
			w.uploadWindows(0, "c", "node ./x 1")
			s.bad[a.Content] = damage.err
			w.restart()
			d, e := w.enroll(mac, 0), w.enroll(pc, 0)
			w.settle(d, e)
			require.Equal(t, []string{"install b", "list"}, d.said())
			require.Equal(t, "verified/proven", d.status("b"))
			require.Equal(t, "verified/proven", e.status("c"))
			require.Equal(t, "failed/content_lost", d.status("a"))
			require.Equal(t, damage.detail, d.view().Items[0].Detail)
			require.Equal(t, profiles.Failed, d.view().Status)
			require.Equal(t, profiles.Counts{profiles.Failed: 1}, w.counts(a))
			require.Equal(t, profiles.Counts{profiles.Verified: 1}, w.counts(b))
			require.Len(t, w.hostsOf(a, profiles.Failed, 0, 10).Hosts, 1)
			x, err := w.engine.Explain(w.ctx, tenant, d.host.Key, a.ID)
			require.NoError(t, err)
			require.True(t, x.Desired)
			require.Equal(t, damage.detail, x.Item.Detail)
			require.Contains(t, x.Next, "until the content can be read again")
			require.Zero(t, w.backlog())
			_, err = w.engine.Check(w.ctx, tenant)
			require.Error(t, err)

			clear(s.bad)
			w.sweep()
			w.settle(d, e)
			require.Equal(t, "verified/proven", d.status("a"), "and it goes on when it can be read again")
			_, err = w.engine.Check(w.ctx, tenant)
			require.NoError(t, err)
		})
	}
}

// What the device carries stays when a new content cannot be read, and whoever
// fixes the content needs to know nothing of all this.
func TestUnreadableContentTakesNothingAway(t *testing.T) {
	w, s := newDamaged(t)
	d, e := w.enroll(mac, 0), w.enroll(pc, 0)
	a, c := w.upload(0, "a", "uuid 1"), w.uploadWindows(0, "c", "node ./x 1; node ./y 1")
	o := w.uploadWindows(0, "other", "node ./y 1")
	w.settle(d, e)
	d.said()
	e.said()
	a = w.update(a, profiles.Change{Content: content("a", "uuid 2")})
	c = w.update(c, profiles.Change{Content: content("c", "node ./x 2; node ./y 1")})
	s.bad[a.Content], s.bad[c.Content] = nil, nil
	w.restart()
	require.NoError(t, w.engine.Delete(w.ctx, tenant, o.ID, profiles.Deletion{})) // shares a node with what is there
	w.settle(d, e)
	require.Empty(t, d.said())
	require.Empty(t, e.said())
	require.Equal(t, map[string]string{"./x": "1", "./y": "1"}, e.nodes)
	require.Equal(t, "failed/content_lost", d.status("a"))
	require.Equal(t, "failed/content_lost", e.status("c"))

	a = w.update(a, profiles.Change{Content: content("a", "uuid 3")})
	require.Equal(t, "pending/not_planned", d.status("a"))
	w.settle(d, e)
	require.Equal(t, "verified/proven", d.status("a"))

	// The same bytes once more are no change, and mend what is stored.
	edit := c.Edit
	c = w.update(c, profiles.Change{Content: content("c", "node ./x 2; node ./y 1")})
	require.Equal(t, edit, c.Edit)
	require.NotContains(t, s.bad, c.Content)
	w.settle(d, e)
	require.Equal(t, "verified/proven", e.status("c"))
	require.Equal(t, map[string]string{"./x": "2", "./y": "1"}, e.nodes)
}

// The same content under another name mends it as well.
func TestCreatingMendsTheContent(t *testing.T) {
	w, s := newDamaged(t)
	k := w.team("x")
	a := w.upload(0, "a", "uuid 1")
	s.bad[a.Content] = nil
	w.restart()
	w.upload(k, "a", "uuid 1")
	require.Empty(t, s.bad)
	d := w.enroll(mac, 0)
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
}

// A Windows removal that cannot know what to delete is held, and says so; Apple's
// needs no content.
func TestRemovalOfUnreadableContent(t *testing.T) {
	w, s := newDamaged(t)
	d, e := w.enroll(mac, 0), w.enroll(pc, 0)
	a, c := w.upload(0, "a", "uuid 1"), w.uploadWindows(0, "c", "node ./x 1")
	w.settle(d, e)
	s.bad[a.Content], s.bad[c.Content] = nil, nil
	w.restart()
	label := w.label("Out", profiles.Yes)
	out := profiles.Scope{ExcludeAny: []mdm.LabelKey{label}}
	w.update(a, profiles.Change{Scope: &out})
	c = w.update(c, profiles.Change{Scope: &out})
	d.said()
	w.settle(d, e)
	require.Equal(t, []string{"remove a"}, d.said())
	require.Nil(t, d.row("a"))
	require.Equal(t, map[string]string{"./x": "1"}, e.nodes)
	require.Equal(t, "removal_failed/content_lost", e.status("c"))
	require.Equal(t, detailLost, e.view().Items[0].Detail)
	require.Equal(t, profiles.Counts{profiles.RemovalFailed: 1}, w.counts(c))
	x, err := w.engine.Explain(w.ctx, tenant, e.host.Key, c.ID)
	require.NoError(t, err)
	require.Contains(t, x.Next, "stays on the device")
	require.Empty(t, x.NextStep)

	require.NoError(t, w.engine.Delete(w.ctx, tenant, c.ID, profiles.Deletion{}))
	w.settle(e)
	require.Equal(t, "removal_failed/content_lost", e.status("c"), "deleted or not")

	clear(s.bad)
	w.sweep()
	w.settle(e)
	require.Empty(t, e.nodes)
	require.Nil(t, e.row("c"))
}

// A removal that was refused, and whose content is lost by then, is not taken for
// one that has nothing to delete.
func TestRefusedRemovalOfUnreadableContent(t *testing.T) {
	s := newSim(t, pc)
	s.carried("a", "node ./x 1")
	s.undefine("a")
	s.plan()
	s.answer("a", mdm.OutcomeError)
	doc := s.in.Documents[s.row("a").Content]
	s.in.Documents[doc.Hash] = &profiles.Document{Hash: doc.Hash, Class: profiles.Plain, Unreadable: "lost"}
	require.Empty(t, s.plan())
	require.Equal(t, "removal_failed/content_lost", s.status("a"))
	s.define("b", "node ./x 2")
	require.Equal(t, []string{"install b"}, s.plan())
	s.answer("b", ok)
	s.undefine("b")
	s.in.Documents[doc.Hash] = doc
	s.settle()
	require.Empty(t, s.nodes)
	require.Empty(t, *s.rows())
}

// What left nothing behind needs no content to be forgotten.
func TestUnreadableContentThatNeverLeft(t *testing.T) {
	w, s := newDamaged(t)
	e := w.enroll(pc, 0)
	c := w.uploadWindows(0, "c", "node ./x 1")
	w.reconcile()
	s.bad[c.Content] = nil
	w.restart()
	require.NoError(t, w.engine.Delete(w.ctx, tenant, c.ID, profiles.Deletion{}))
	w.settle(e)
	require.Empty(t, e.said())
	require.Nil(t, e.row("c"))
}

// A store that is away says nothing about a content: the unit fails and is made
// again.
func TestTransientFaultOfAContent(t *testing.T) {
	w, s := newDamaged(t)
	d := w.enroll(mac, 0)
	a := w.upload(0, "a", "uuid 1")
	for _, err := range []error{mdm.Errorf(mdm.CodeUnavailable, "", "the database is away"), context.DeadlineExceeded} {
		s.bad[a.Content] = err
		w.restart()
		_, got := w.engine.ReconcileAll(w.ctx, tenant)
		require.ErrorIs(t, got, err)
		_, got = w.engine.Host(w.ctx, tenant, d.host.Key)
		require.ErrorIs(t, got, err)
	}
	clear(s.bad)
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
}

// What was read once, and cannot be read when it is to be sent, fails in the same
// way.
func TestContentThatIsLostLater(t *testing.T) {
	w, s := newDamaged(t)
	a := w.upload(0, "a", "uuid 1")
	w.upload(0, "b", "uuid 2")
	s.bad[a.Content] = nil // the engine has it in mind
	d := w.enroll(mac, 0)
	w.settle(d)
	require.Equal(t, []string{"install b", "list"}, d.said())
	require.Equal(t, "failed/content_lost", d.status("a"))
	clear(s.bad)
	w.sweep()
	w.clock.add(profiles.MaxPause)
	w.settle(d)
	require.Equal(t, "verified/proven", d.status("a"))
}

// Rules that have become stricter fail what they refuse now, and do not take it
// off a device.
func TestContentThatIsRefusedByNow(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(pc, 0)
	a := w.uploadWindows(0, "a", "node ./x 1")
	w.uploadWindows(0, "b", "node ./y 1")
	w.settle(d)
	w.config.Formats[profiles.WindowsProfile] = strict{textFormat{family: profiles.WindowsProfile}}
	w.restart()
	w.sweep()
	require.Equal(t, "failed/content_lost", d.status("a"))
	require.Equal(t, "its content cannot be read: content: ./x is reserved by now", d.view().Items[0].Detail)
	require.Equal(t, "verified/proven", d.status("b"))
	require.NoError(t, w.engine.Delete(w.ctx, tenant, a.ID, profiles.Deletion{}))
	w.settle(d)
	require.Equal(t, map[string]string{"./x": "1", "./y": "1"}, d.nodes)
	require.Equal(t, "removal_failed/content_lost", d.status("a"))
}

// strict refuses what nodes it does not like.
type strict struct{ textFormat }

func (f strict) Parse(content []byte) (*profiles.Document, error) {
	d, err := f.textFormat.Parse(content)
	if err == nil && len(d.Nodes) > 0 && d.Nodes[0].Key == "./x" {
		return nil, mdm.Errorf(mdm.CodeInvalid, "content", "./x is reserved by now")
	}
	return d, err
}

// The brakes hold for what they cannot see: a network is not removed while its
// successor, or whether it is one at all, is unknown.
func TestUnreadableContentAndTheBrakes(t *testing.T) {
	lose := func(s *sim, identifier string) {
		h := s.defined(identifier).Content
		s.in.Documents[h] = &profiles.Document{Hash: h, Class: profiles.Plain, Unreadable: "lost"}
	}
	t.Run("the successor", func(t *testing.T) {
		s := newSim(t, mac)
		s.carried("a", "class connectivity; uuid 1")
		s.undefine("a")
		s.define("b", "class connectivity; uuid 2")
		lose(s, "b")
		require.Empty(t, s.plan())
		require.Equal(t, "removing/held", s.status("a"))
		require.Equal(t, "failed/content_lost", s.status("b"))
	})
	t.Run("what gives way", func(t *testing.T) {
		s := newSim(t, mac)
		s.carried("a", "class connectivity; uuid 1")
		lose(s, "a")
		s.undefine("a")
		s.define("b", "class trust; uuid 2")
		require.Equal(t, []string{"install b"}, s.plan())
		require.Equal(t, "removing/held", s.status("a"))
		s.answer("b", ok)
		require.Equal(t, []string{"remove a", "ask b"}, s.plan())
	})
}
