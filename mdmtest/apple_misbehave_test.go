package mdmtest

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNotNow(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	s.install(simpleProfile("a"))
	mac.NotNow(1)
	require.Equal(t, []string{"NotNow"}, mac.Misbehaving())
	require.Equal(t, 1, mac.Poll())
	require.Len(t, mac.Profiles(), 1)
	require.Empty(t, mac.Misbehaving())
	require.Equal(t, 1, mac.Poll())
	require.Equal(t, []string{"NotNow", "Acknowledged"}, mac.Record()[0].Answers())
	require.Equal(t, FateDelivered, mac.Record()[0].Sightings[0].Fate)
	require.Empty(t, mac.Duplicates())
}

func TestNotNowForARequestType(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	mac.NotNowFor("InstallProfile", -1)
	s.install(simpleProfile("a"))
	s.enqueue("DeviceInformation", map[string]any{"Queries": []any{"UDID"}})
	require.Equal(t, 3, mac.Poll(), "declined, done, and offered again after another command")
	require.Len(t, s.messages("Acknowledged"), 1)
	mac.NotNowFor("InstallProfile", 1)
	require.Equal(t, 1, mac.Poll())
	require.Equal(t, 1, mac.Poll())
	require.Equal(t, []string{"NotNow", "NotNow", "NotNow", "Acknowledged"}, mac.Record()[0].Answers())
	require.Empty(t, mac.Duplicates())
}

func TestFailNext(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	mac.FailNext(1, ErrorChainItem{ErrorCode: 42, ErrorDomain: "d", LocalizedDescription: "l", USEnglishDescription: "e"})
	s.install(simpleProfile("a"))
	code, status := errorCode(t, s, mac)
	require.Equal(t, uint64(42), code)
	require.Equal(t, "Error", status)
	require.Len(t, mac.Profiles(), 1)
	require.Equal(t, "e", s.last("Error").body["ErrorChain"].([]any)[0].(map[string]any)["USEnglishDescription"])

	mac.FailNext(1)
	s.install(simpleProfile("a"))
	code, _ = errorCode(t, s, mac)
	require.NotZero(t, code)
}

func TestLoseReply(t *testing.T) {
	for _, c := range []struct {
		loss           Loss
		done, received bool
		executed       int // by the end, the server asking again
	}{
		{LossBeforeSend, true, false, 2},
		{LossAfterSend, true, true, 1},
		{LossOfCommand, false, false, 1},
	} {
		t.Run(c.loss.String(), func(t *testing.T) {
			s := newMDMServer(t)
			mac := s.device(t, AppleMac).Enroll()
			first := s.install(simpleProfile("a"))
			second := s.install(simpleProfile("b"))
			mac.LoseReply(c.loss, 1)
			mac.Poll()
			_, done := mac.Profile("a")
			require.Equal(t, c.done, done)
			require.Equal(t, c.received, len(s.messages("Acknowledged")) == 1)
			require.True(t, mac.Record()[0].LostByInjection())

			mac.Poll()
			require.Len(t, mac.Profiles(), 3)
			byUUID := make(map[string]CommandRecord)
			for _, r := range mac.Record() {
				byUUID[r.UUID] = r
			}
			require.Equal(t, c.executed, byUUID[first].Executed())
			require.Equal(t, 1, byUUID[second].Executed())
			require.Empty(t, mac.Duplicates())
			if c.loss == LossAfterSend {
				require.Equal(t, FateDropped, byUUID[second].Sightings[0].Fate, "it was in the dropped response")
			}
		})
	}
}

func TestLoseTheReplyOfAnErase(t *testing.T) {
	for _, loss := range []Loss{LossBeforeSend, LossAfterSend} {
		s := newMDMServer(t)
		mac := s.device(t, AppleMac).Enroll()
		s.enqueue("EraseDevice", nil)
		mac.LoseReply(loss, 1)
		require.Equal(t, 1, mac.Poll())
		require.False(t, mac.Enrolled())
		require.Equal(t, loss == LossAfterSend, len(s.messages("Acknowledged")) == 1)
		require.Equal(t, FateLost, mac.Record()[0].Sightings[0].Fate)
		require.True(t, mac.Record()[0].LostByInjection())
	}
}

func TestLoseCheckInReply(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	mac.LoseCheckInReply(1)
	require.ErrorIs(t, mac.Apple.TokenUpdate(t.Context()), ErrReplyLost)
	require.Len(t, s.messages("TokenUpdate"), 2)
	mac.TokenUpdate()
}

func TestRepeatPost(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	uuid := s.install(simpleProfile("a"))
	mac.RepeatPost(2) // Idle and the report
	require.Equal(t, 1, mac.Poll())
	require.Len(t, s.messages("Idle"), 2)
	require.Len(t, s.messages("Acknowledged"), 2)
	r := mac.Record()
	require.Len(t, r, 1)
	require.Equal(t, uuid, r[0].UUID)
	require.Equal(t, 1, r[0].Executed())
	require.Equal(t, FateDropped, r[0].Sightings[0].Fate)
	require.Empty(t, mac.Duplicates())
}

func TestOffline(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	mac.SetOffline(true)
	require.Equal(t, 0, mac.Poll(), "a push that does not arrive is no failure")
	_, err := mac.Apple.Poll(t.Context())
	require.ErrorIs(t, err, ErrOffline)
	require.ErrorIs(t, mac.Apple.Enroll(t.Context()), ErrOffline)
	require.True(t, mac.Enrolled())
	require.Empty(t, s.messages("Idle"))
	mac.SetOffline(false)
	mac.Poll()
	require.Len(t, s.messages("Idle"), 1)
}

func TestIdentityOfAnother(t *testing.T) {
	s := newMDMServer(t)
	a, b := s.device(t, AppleMac).Enroll(), s.device(t, AppleMac).Enroll()
	a.UseIdentityOf(b.Apple)
	a.Poll()
	require.Equal(t, b.Identity().Raw, s.last("Idle").signer.Raw)
	require.Equal(t, a.UDID(), s.last("Idle").body["UDID"])

	a.UseIdentityOf(nil)
	a.Poll()
	require.Equal(t, a.Identity().Raw, s.last("Idle").signer.Raw)

	b.Erase()
	a.UseIdentityOf(b.Apple)
	_, err := a.Apple.Poll(t.Context())
	require.ErrorIs(t, err, ErrNotEnrolled)
	a.UseIdentityOf(a.Apple) // itself
	a.Poll()
}

func TestSwappedIdentitiesDoNotDeadlock(t *testing.T) {
	s := newMDMServer(t)
	a, b := s.device(t, AppleMac).Enroll(), s.device(t, AppleMac).Enroll()
	a.UseIdentityOf(b.Apple)
	b.UseIdentityOf(a.Apple)
	var wg sync.WaitGroup
	for _, d := range []*AppleDevice{a, b} {
		wg.Go(func() {
			for range 5 {
				_, err := d.Apple.Poll(t.Context())
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, s.messages("Idle"), 10)
}

func TestClaimedUDID(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	mac.ClaimUDID("STOLEN")
	mac.TokenUpdate()
	mac.Poll()
	require.Equal(t, "STOLEN", s.last("TokenUpdate").body["UDID"])
	require.Equal(t, "STOLEN", s.last("Idle").body["UDID"])
	require.NotEqual(t, "STOLEN", mac.UDID())
	mac.ClaimUDID("")
	mac.Poll()
	require.Equal(t, mac.UDID(), s.last("Idle").body["UDID"])
}

func TestOversize(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	mac.Oversize(1 << 20)
	mac.Poll()
	require.Greater(t, s.last("Idle").size, 1<<20)
	mac.Poll()
	require.Less(t, s.last("Idle").size, 1<<12)
}

func TestErase(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	old := mac.Identity()
	s.install(simpleProfile("a"))
	mac.Poll()
	mac.Erase()
	require.False(t, mac.Enrolled())
	require.Empty(t, mac.Profiles())
	require.Empty(t, mac.Topic())
	require.Len(t, mac.Record(), 1, "the record outlasts it")
	require.Empty(t, s.messages("CheckOut"))
	mac.Enroll()
	require.NotEqual(t, old.PublicKey, mac.Identity().PublicKey)
}

func TestBehave(t *testing.T) {
	mac := NewApple(AppleMac, "", nil)
	mac.NotNow(1)
	mac.NotNowFor("X", 1)
	mac.FailNext(1)
	for _, l := range []Loss{LossBeforeSend, LossAfterSend, LossOfCommand} {
		mac.LoseReply(l, 1)
	}
	mac.LoseCheckInReply(1)
	mac.LoseSCEPReply(1)
	mac.RepeatPost(1)
	mac.SetOffline(true)
	mac.UseIdentityOf(NewApple(AppleMac, "", nil))
	mac.ClaimUDID("x")
	mac.Oversize(1)
	require.Len(t, mac.Misbehaving(), 13)
	mac.Behave()
	require.Empty(t, mac.Misbehaving())
	mac.NotNowFor("X", 1) // still possible
}

func TestPost(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	s.answer = func(w http.ResponseWriter, _ *http.Request, m received) bool {
		if m.body["MessageType"] == "GetToken" {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
	status, _, err := mac.Post(t.Context(), true, marshal(t, map[string]any{"MessageType": "GetToken"}))
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, status)
	require.Equal(t, "/checkin", s.last("GetToken").path)
	require.Equal(t, mac.Identity().Raw, s.last("GetToken").signer.Raw)
	status, body, err := mac.Post(t.Context(), false, []byte("garbage"))
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status)
	require.NotEmpty(t, body)
	require.Empty(t, mac.Violations())
}

func TestConcurrentUse(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	for range 8 {
		s.enqueue("ProfileList", nil)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := mac.Apple.Poll(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			mac.NotNow(1)
			mac.Record()
			mac.Profiles()
			mac.Misbehaving()
			mac.Snapshot()
			mac.Close()
		})
	}
	wg.Wait()
	require.Empty(t, mac.Duplicates())
}
