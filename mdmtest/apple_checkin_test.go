package mdmtest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBootstrapToken(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	require.Nil(t, mac.GetBootstrapToken(), "an empty body means none")
	mac.SetBootstrapToken([]byte("secret"))
	require.Equal(t, []byte("secret"), mac.GetBootstrapToken())
	require.Equal(t, "/checkin", s.last("GetBootstrapToken").path)
	mac.SetBootstrapToken(nil)
	require.NotContains(t, s.last("SetBootstrapToken").body, "BootstrapToken")
	require.Nil(t, mac.GetBootstrapToken())
	require.Empty(t, mac.Violations())
}

func TestBootstrapTokenOfOthers(t *testing.T) {
	s := newMDMServer(t)
	phone := s.device(t, AppleIPhone).Enroll()
	require.ErrorContains(t, phone.Apple.SetBootstrapToken(t.Context(), []byte("x")), "only a Mac")
	payloadAt(s.profile, 0)["ServerCapabilities"] = []any{capPerUser}
	mac := s.device(t, AppleMac).Enroll()
	_, err := mac.Apple.GetBootstrapToken(t.Context())
	require.ErrorContains(t, err, "capability")
	require.Empty(t, s.messages("GetBootstrapToken"))
}

func TestBootstrapTokenResponseIsJudged(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	var body []byte
	s.answer = func(w http.ResponseWriter, _ *http.Request, _ received) bool {
		w.Header().Set("Content-Type", "text/html")
		w.Write(body)
		return true
	}
	body = []byte("<html></html>")
	_, err := mac.Apple.GetBootstrapToken(t.Context())
	require.Error(t, err)
	body = marshal(t, map[string]any{"BootstrapToken": "text"})
	token, err := mac.Apple.GetBootstrapToken(t.Context())
	require.NoError(t, err)
	require.Nil(t, token)
	texts := violationTexts(mac.TakeViolations())
	require.Contains(t, texts, "outside of plist")
	require.Contains(t, texts, "text/html")
	require.Contains(t, texts, "BootstrapToken is of type string")
}

func TestCheckInAnswersHaveNoBody(t *testing.T) {
	s := newMDMServer(t)
	s.answer = func(w http.ResponseWriter, _ *http.Request, m received) bool {
		if m.body["MessageType"] == nil {
			return false
		}
		w.Write([]byte("thank you"))
		return true
	}
	mac := s.device(t, AppleMac).Enroll()
	mac.SetBootstrapToken([]byte("x"))
	mac.CheckOut()
	require.Len(t, mac.TakeViolations(), 4)
}

func TestCheckOut(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	s.install(simpleProfile("a"))
	mac.Poll()
	id := mac.Identity()
	mac.CheckOut()
	require.Equal(t, id.Raw, s.last("CheckOut").signer.Raw)
	require.Equal(t, "com.apple.mgmt.External.test", s.last("CheckOut").body["Topic"])
	require.False(t, mac.Enrolled())
	require.Empty(t, mac.Profiles())
	require.ErrorIs(t, mac.Apple.CheckOut(t.Context()), ErrNotEnrolled)
	require.ErrorIs(t, mac.Apple.TokenUpdate(t.Context()), ErrNotEnrolled)
	_, _, err := mac.Post(t.Context(), true, nil)
	require.ErrorIs(t, err, ErrNotEnrolled)
}

func TestRemove(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	mac.Remove()
	require.Len(t, s.messages("CheckOut"), 1)

	delete(payloadAt(s.profile, 0), "CheckOutWhenRemoved")
	mac.Enroll()
	mac.Remove()
	require.False(t, mac.Enrolled())
	require.Len(t, s.messages("CheckOut"), 1, "the profile does not ask for it")
}

func TestHalfAnEnrollment(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac)
	require.ErrorIs(t, mac.Apple.Authenticate(t.Context()), ErrNotEnrolled)
	require.NoError(t, mac.Prepare(t.Context()))
	require.Empty(t, s.messages("Authenticate"))
	require.NoError(t, mac.Authenticate(t.Context()))
	require.NoError(t, mac.Authenticate(t.Context()))
	require.Len(t, s.messages("Authenticate"), 2)
	require.False(t, mac.Enrolled())
	require.Zero(t, mac.Enrollments())
	mac.TokenUpdate()
	require.True(t, mac.Enrolled())
	require.Equal(t, 1, mac.Enrollments())
}

func TestRotateToken(t *testing.T) {
	s := newMDMServer(t)
	phone := s.device(t, AppleIPhone).Enroll()
	token, magic := phone.PushToken(), phone.PushMagic()
	phone.TokenUpdate()
	require.Equal(t, token, phone.PushToken())
	phone.RotateToken()
	require.Empty(t, phone.PushToken())
	phone.TokenUpdate()
	require.NotEqual(t, token, phone.PushToken())
	require.NotEqual(t, magic, phone.PushMagic())
	updates := s.messages("TokenUpdate")
	require.Equal(t, updates[0].body["UnlockToken"], updates[2].body["UnlockToken"])
	require.Equal(t, 1, phone.Enrollments())
}
