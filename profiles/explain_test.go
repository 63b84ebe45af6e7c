package profiles_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// What happened, and what is said of profile "a".
func TestExplain(t *testing.T) {
	in := profiles.Scope{IncludeAny: []mdm.LabelKey{1}}
	for _, c := range []struct {
		name     string
		happened func(s *sim)
		desired  bool
		status   string
		next     string
		step     profiles.Op
		why      []profiles.Clause
	}{
		{"not planned yet", func(s *sim) { s.define("a", "uuid 1") },
			true, "pending/not_planned", "planned within seconds", profiles.Install, []profiles.Clause{
				{Condition: "team", Result: profiles.Yes}, {Condition: "platform", Result: profiles.Yes},
			}},
		{"queued", func(s *sim) { s.define("a", "uuid 1"); s.plan() },
			true, "pending/queued", "waits for the device", "", nil},
		{"acknowledged", func(s *sim) { s.define("a", "uuid 1"); s.plan(); s.answer("a", ok) },
			true, "verifying/unobserved", "asked what it carries", "", nil},
		{"proven", func(s *sim) { s.carried("a", "uuid 1") },
			true, "verified/proven", "Nothing: this is how it should be.", "", nil},
		{"refused, before that was planned", func(s *sim) { s.define("a", "uuid 1"); s.plan(); s.answer("a", mdm.OutcomeError) },
			true, "pending/retry_later", "after 2026-11-23T09:00:30Z", "", nil},
		{"refused", func(s *sim) { s.define("a", "uuid 1"); s.plan(); s.answer("a", mdm.OutcomeError); s.plan() },
			true, "pending/retry_later", "after 2026-11-23T09:00:30Z", "", nil},
		{"refused, and the time came", func(s *sim) { s.define("a", "uuid 1"); s.fail("a", 1) },
			true, "pending/retry_later", "tried again within seconds", profiles.Install, nil},
		{"given up", func(s *sim) { s.define("a", "uuid 1"); s.fail("a", profiles.MaxTries+1) },
			true, "failed/refused", "until the content changes", "", nil},
		{"another platform", func(s *sim) { s.define("a", "uuid 1", profiles.Scope{Platforms: []mdm.Platform{mdm.IOS}}) },
			false, "/not_desired", "does not reach this host", "", []profiles.Clause{
				{Condition: "team", Result: profiles.Yes}, {Condition: "platform", Result: profiles.No},
			}},
		{"not a member", func(s *sim) { s.in.State.Labels[1] = profiles.No; s.define("a", "uuid 1", in) },
			false, "/not_desired", "does not reach this host", "", []profiles.Clause{
				{Condition: "team", Result: profiles.Yes}, {Condition: "platform", Result: profiles.Yes},
				{Condition: "include_any", Label: 1, LabelName: "pilot", Result: profiles.No},
			}},
		{"unknown, and not there", func(s *sim) { s.in.State.Labels[1] = profiles.Unknown; s.define("a", "uuid 1", in) },
			false, "/not_desired", "does not reach this host", "", []profiles.Clause{
				{Condition: "team", Result: profiles.Yes}, {Condition: "platform", Result: profiles.Yes},
				{Condition: "include_any", Label: 1, LabelName: "pilot", Result: profiles.Unknown}, {Condition: "kept", Result: profiles.No},
			}},
		{"unknown, and there", func(s *sim) {
			s.carried("a", "uuid 1")
			s.in.State.Labels[1] = profiles.Unknown
			s.define("a", "uuid 1", in)
		}, true, "verified/proven", "Nothing: this is how it should be.", "", []profiles.Clause{
			{Condition: "team", Result: profiles.Yes}, {Condition: "platform", Result: profiles.Yes},
			{Condition: "include_any", Label: 1, LabelName: "pilot", Result: profiles.Unknown}, {Condition: "kept", Result: profiles.Yes},
		}},
		{"unknown, and another label decides", func(s *sim) {
			s.in.State.Labels[1], s.in.State.Labels[2] = profiles.Unknown, profiles.Yes
			s.define("a", "uuid 1", profiles.Scope{IncludeAny: []mdm.LabelKey{1, 2}})
		}, true, "pending/not_planned", "planned within seconds", profiles.Install, []profiles.Clause{
			{Condition: "team", Result: profiles.Yes}, {Condition: "platform", Result: profiles.Yes},
			{Condition: "include_any", Label: 1, LabelName: "pilot", Result: profiles.Unknown},
			{Condition: "include_any", Label: 2, Result: profiles.Yes},
		}},
		{"excluded", func(s *sim) {
			s.in.State.Labels[1] = profiles.Yes
			s.define("a", "uuid 1", profiles.Scope{ExcludeAny: []mdm.LabelKey{1}})
		}, false, "/not_desired", "does not reach this host", "", []profiles.Clause{
			{Condition: "team", Result: profiles.Yes}, {Condition: "platform", Result: profiles.Yes},
			{Condition: "exclude_any", Label: 1, LabelName: "pilot", Result: profiles.No},
		}},
		{"about to be removed", func(s *sim) {
			s.carried("a", "uuid 1")
			s.define("a", "uuid 1", profiles.Scope{Platforms: []mdm.Platform{mdm.IOS}})
		}, false, "removing/not_planned", "planned within seconds", profiles.Remove, nil},
		{"being removed", func(s *sim) {
			s.carried("a", "uuid 1")
			s.define("a", "uuid 1", profiles.Scope{Platforms: []mdm.Platform{mdm.IOS}})
			s.plan()
		}, false, "removing/queued", "waits for the device", "", nil},
		{"removal refused for good", func(s *sim) {
			s.carried("a", "uuid 1")
			s.define("a", "uuid 1", profiles.Scope{Platforms: []mdm.Platform{mdm.IOS}})
			s.fail("a", profiles.MaxTries+1)
			s.in.Now = s.in.Now.Add(-time.Hour)
		}, false, "removal_failed/refused", "again each day", "", nil},
		{"held", func(s *sim) {
			s.carried("a", "class trust; uuid 1")
			s.define("a", "class trust; uuid 1", profiles.Scope{Platforms: []mdm.Platform{mdm.IOS}})
			s.define("b", "class trust; uuid 2")
		}, false, "removing/held", "takes its place", "", nil},
		{"taken back and wanted again", func(s *sim) {
			s.define("a", "class trust; uuid 1")
			s.plan()
			s.fetch("a")
			s.define("a", "class trust; uuid 1", profiles.Scope{Platforms: []mdm.Platform{mdm.IOS}})
			s.define("b", "class trust; uuid 2")
			s.plan()
			s.define("a", "class trust; uuid 1", profiles.Scope{})
		}, true, "pending/not_planned", "planned within seconds", profiles.Install, nil},
		{"not enrolled", func(s *sim) { s.define("a", "uuid 1"); s.in.State.Channels = nil },
			true, "pending/not_enrolled", "when the host enrolls", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, mac)
			c.happened(s)
			x := profiles.ExplainIn(s.in, *s.defined("a"), []profiles.Label{{Key: 1, Name: "pilot"}})
			require.Equal(t, c.desired, x.Desired)
			require.Equal(t, c.status, string(x.Item.Status)+"/"+string(x.Item.Reason))
			require.Contains(t, x.Next, c.next)
			require.Equal(t, c.step, x.NextStep)
			require.Equal(t, "a", x.Item.Identifier)
			if c.why != nil {
				require.Equal(t, c.why, x.Why)
			}
		})
	}
}

// A slot that another definition fills is explained as that.
func TestExplainSaysWhoFillsTheSlot(t *testing.T) {
	s := newSim(t, mac)
	s.carried("a", "uuid 1")
	other := *s.defined("a")
	other.Key, other.ID, other.Team = 99, "other", 5
	x := profiles.ExplainIn(s.in, other, nil)
	require.False(t, x.Desired)
	require.Equal(t, profiles.Clause{Condition: "team", Result: profiles.No}, x.Why[0])
	require.Equal(t, s.defined("a").Key, x.Item.Profile.Key)
	require.Equal(t, profiles.Verified, x.Item.Status)
	require.Empty(t, x.NextStep)

	s.define("a", "uuid 2")
	require.Empty(t, profiles.ExplainIn(s.in, other, nil).NextStep, "that step is the other one's")
}

func TestWorst(t *testing.T) {
	order := []profiles.Status{
		"", profiles.Verified, profiles.Unprovable, profiles.Verifying, profiles.Removing, profiles.Pending, profiles.RemovalFailed, profiles.Failed,
	}
	for i, a := range order {
		for j, b := range order {
			require.Equal(t, order[max(i, j)], profiles.Worst(a, b))
		}
	}
}

// What has not been planned shows nothing of the instruction before it.
func TestViewOfWhatIsNotPlanned(t *testing.T) {
	s := newSim(t, mac)
	s.carried("a", "uuid 1")
	it := s.item("a")
	require.Equal(t, profiles.VersionMatched, it.Evidence)
	require.NotEmpty(t, it.Command)
	s.define("a", "uuid 2")
	it = s.item("a")
	require.Equal(t, profiles.NoEvidence, it.Evidence)
	require.Empty(t, it.Command)
	require.Equal(t, mdm.Revision(2), it.Profile.Revision)
}

func TestExplainOfTheEngine(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll(mac, 0)
	p := w.upload(0, "a", "uuid 1")
	x, err := w.engine.Explain(w.ctx, tenant, d.host.Key, p.ID)
	require.NoError(t, err)
	require.Equal(t, profiles.Install, x.NextStep)
	require.Equal(t, d.host.ID, x.Host.ID)
	w.settle(d)
	x, err = w.engine.Explain(w.ctx, tenant, d.host.Key, p.ID)
	require.NoError(t, err)
	require.Empty(t, x.NextStep)
	require.Equal(t, profiles.Verified, x.Item.Status)

	_, err = w.engine.Explain(w.ctx, tenant, 999, p.ID)
	require.Equal(t, mdm.CodeNotFound, mdm.CodeOf(err))
	_, err = w.engine.Explain(w.ctx, tenant, d.host.Key, "nobody")
	require.Equal(t, mdm.CodeNotFound, mdm.CodeOf(err))
}
