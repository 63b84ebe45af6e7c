package mdmtest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSnapshotGoesOnElsewhere(t *testing.T) {
	s := newMDMServer(t)
	phone := s.deviceWith(t, AppleIPhone, &AppleOptions{AwaitingConfiguration: true})
	phone.Enroll()
	s.install(simpleProfile("a"))
	phone.LoseReply(LossBeforeSend, 1)
	phone.Poll()
	phone.violate("test", "kept %d", 1)

	twin := NewApple(AppleIPhone, s.URL+"/enroll", &AppleOptions{TrustLoopback: true})
	defer twin.Close()
	snapshot := phone.Snapshot()
	require.NoError(t, twin.Restore(snapshot))
	require.JSONEq(t, string(snapshot), string(twin.Snapshot()))
	require.Equal(t, phone.UDID(), twin.UDID())
	require.Equal(t, phone.Record(), twin.Record())
	require.Equal(t, phone.Identity().Raw, twin.Identity().Raw)
	require.Equal(t, phone.PushToken(), twin.PushToken())
	require.True(t, twin.Enrolled())
	require.True(t, twin.Awaiting())
	require.Len(t, twin.Profiles(), 2)
	require.Equal(t, "kept 1", twin.TakeViolations()[0].Text)
	phone.TakeViolations()

	n, err := twin.Poll(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 2, twin.Record()[0].Executed())
	require.Equal(t, []int{1, 2}, []int{twin.Record()[0].Sightings[0].Seq, twin.Record()[0].Sightings[1].Seq})
	require.Empty(t, twin.Duplicates())
	require.Len(t, phone.Record()[0].Sightings, 1, "the two share nothing")
}

func TestSnapshotGoesBack(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	before, old := mac.Snapshot(), mac.Identity()
	s.install(s.profile)
	mac.Poll()
	require.NotEqual(t, old.Raw, mac.Identity().Raw)
	require.NoError(t, mac.Restore(before))
	mac.Poll()
	require.Equal(t, old.Raw, s.last("Idle").signer.Raw, "a reverted device uses its old identity")
}

func TestSnapshotOfANewDevice(t *testing.T) {
	mac := NewApple(AppleMac, "", nil)
	other := NewApple(AppleMac, "", nil)
	require.NoError(t, other.Restore(mac.Snapshot()))
	require.Equal(t, mac.UDID(), other.UDID())
	require.Nil(t, other.Identity())
}

func TestRestoreRefusesAndChangesNothing(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	s.install(simpleProfile("a"))
	mac.Poll()
	good := mac.Snapshot()
	stranger := s.device(t, AppleMac).Enroll()
	var strange appleSnapshot
	require.NoError(t, json.Unmarshal(stranger.Snapshot(), &strange))
	for _, c := range []struct {
		name string
		bend func(*appleSnapshot)
		want string
	}{
		{"version", func(s *appleSnapshot) { s.Version = 9 }, "version 9"},
		{"kind", func(s *appleSnapshot) { s.Kind = AppleIPhone }, "kind"},
		{"no UDID", func(s *appleSnapshot) { s.UDID = "" }, "UDID"},
		{"broken profile", func(s *appleSnapshot) { s.Profiles[1].Raw = []byte("x") }, "profile 1"},
		{"enrollment that is none", func(s *appleSnapshot) { s.Profiles[1].Enrollment = true }, "enrollment profile"},
		{"no key", func(s *appleSnapshot) { s.Key = nil }, "key"},
		{"odd key", func(s *appleSnapshot) { s.Key = []byte("x") }, "key"},
		{"odd certificate", func(s *appleSnapshot) { s.Certificate = []byte("x") }, "certificate"},
		{"certificate of another", func(s *appleSnapshot) { s.Certificate = strange.Certificate }, "not for the key"},
		{"no identity", func(s *appleSnapshot) { s.Key, s.Certificate = nil, nil }, "belong together"},
		{"no enrollment", func(s *appleSnapshot) { s.Profiles = nil }, "belong together"},
		{"empty record", func(s *appleSnapshot) { s.Record[0].Sightings = nil }, "record"},
		{"record twice", func(s *appleSnapshot) { s.Record = append(s.Record, s.Record[0]) }, "record"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var snap appleSnapshot
			require.NoError(t, json.Unmarshal(good, &snap))
			c.bend(&snap)
			bent, err := json.Marshal(snap)
			require.NoError(t, err)
			require.ErrorContains(t, mac.Restore(bent), c.want)
			require.Equal(t, string(good), string(mac.Snapshot()))
		})
	}
	require.Error(t, mac.Restore([]byte("{")))
	require.ErrorContains(t, mac.Restore(make([]byte, maxSnapshot+1)), "at most")
	require.ErrorContains(t, NewApple("x", "", nil).Restore(good), "kind")
}

func FuzzAppleRestore(f *testing.F) {
	s := newMDMServer(f)
	mac := s.device(f, AppleMac).Enroll()
	s.install(simpleProfile("a"))
	mac.Poll()
	f.Add(mac.Snapshot())
	f.Add(NewApple(AppleMac, "", nil).Snapshot())
	f.Add([]byte(`{"version":1,"kind":"mac","udid":"x","serial":"y"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := NewApple(AppleMac, "", &AppleOptions{TrustLoopback: true, Clock: func() time.Time { return time.Unix(0, 0) }})
		before := string(d.Snapshot())
		if d.Restore(data) != nil {
			require.Equal(t, before, string(d.Snapshot()))
			return
		}
		again := NewApple(AppleMac, "", &AppleOptions{TrustLoopback: true, Clock: d.opts.Clock})
		require.NoError(t, again.Restore(d.Snapshot()))
		require.Equal(t, string(d.Snapshot()), string(again.Snapshot()))
	})
}
