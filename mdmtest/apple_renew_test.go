package mdmtest

import (
	"net/http"
	"testing"

	"github.com/smallstep/scep"
	"github.com/stretchr/testify/require"
)

func TestRenewal(t *testing.T) {
	s := newMDMServer(t)
	mac := s.deviceWith(t, AppleMac, &AppleOptions{AwaitingConfiguration: true})
	mac.Enroll()
	s.enqueue("DeviceConfigured", nil)
	s.install(simpleProfile("a"))
	mac.Poll()
	old, token := mac.Identity(), mac.PushToken()

	scepContent(s.profile)["Challenge"] = "again"
	renewal := s.install(s.profile)
	s.enqueue("ProfileList", map[string]any{"ManagedOnly": true})
	require.Equal(t, 2, mac.Poll())

	fresh := mac.Identity()
	require.NotEqual(t, old.Raw, fresh.Raw)
	require.NotEqual(t, old.PublicKey, fresh.PublicKey)
	require.Equal(t, 2, mac.Enrollments())
	require.Equal(t, token, mac.PushToken(), "a renewal does not change the token")
	require.Equal(t, "again", s.scepRequests()[1].challenge)
	require.Len(t, mac.Profiles(), 2)

	for _, kind := range []string{"Authenticate", "TokenUpdate"} {
		list := s.messages(kind)
		require.Len(t, list, 2)
		require.Equal(t, fresh.Raw, list[1].signer.Raw)
	}
	require.Equal(t, false, s.last("TokenUpdate").body["AwaitingConfiguration"])
	for _, m := range s.messages("Acknowledged") {
		if m.body["CommandUUID"] == renewal {
			require.Equal(t, fresh.Raw, m.signer.Raw)
		}
	}
	require.Len(t, s.last("Acknowledged").body["ProfileList"], 2, "MDM has installed the enrollment profile now")
}

func TestRenewalMustNotChangeTheEnrollment(t *testing.T) {
	s := newMDMServer(t)
	payloadAt(s.profile, 0)["AccessRights"] = 1 | 2 | 16
	mac := s.device(t, AppleMac).Enroll()
	old := mac.Identity()
	for _, c := range []struct {
		name string
		bend func(mdm map[string]any)
		ok   bool
	}{
		{"Topic", func(m map[string]any) { m["Topic"] = "com.apple.mgmt.External.other" }, false},
		{"ServerURL", func(m map[string]any) { m["ServerURL"] = s.URL + "/mdm?x=1" }, false},
		{"CheckInURL", func(m map[string]any) { m["CheckInURL"] = s.URL + "/other" }, false},
		{"CheckInURL gone", func(m map[string]any) { delete(m, "CheckInURL") }, false},
		{"RequiredAppIDForMDM", func(m map[string]any) { m["RequiredAppIDForMDM"] = 1 }, false},
		{"AssignedManagedAppleID", func(m map[string]any) { m["AssignedManagedAppleID"] = "a@example.com" }, false},
		{"a right more", func(m map[string]any) { m["AccessRights"] = 1 | 2 | 16 | 4 }, false},
		{"per-user connections gone", func(m map[string]any) { m["ServerCapabilities"] = []any{capBootstrapToken} }, false},
		{"malformed", func(m map[string]any) { delete(m, "Topic") }, false},
		{"a right less", func(m map[string]any) { m["AccessRights"] = 1 | 2 }, true},
		{"bootstrap token gone", func(m map[string]any) { m["AccessRights"], m["ServerCapabilities"] = 3, []any{capPerUser} }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			next := s.enrollmentProfile()
			payloadAt(next, 0)["AccessRights"] = 1 | 2 | 16
			c.bend(payloadAt(next, 0))
			s.install(next)
			_, status := errorCode(t, s, mac)
			if c.ok {
				require.Equal(t, "Acknowledged", status)
				require.NotEqual(t, old.Raw, mac.Identity().Raw)
				return
			}
			require.Equal(t, "Error", status)
			require.Equal(t, old.Raw, mac.Identity().Raw)
			require.Len(t, s.scepRequests(), 1, "no identity is asked for")
		})
	}
	mac.TakeViolations() // a Mac without per-user connections
}

func TestFailedRenewalKeepsTheOldIdentity(t *testing.T) {
	for _, where := range []string{"SCEP", "Authenticate", "TokenUpdate"} {
		t.Run(where, func(t *testing.T) {
			s := newMDMServer(t)
			mac := s.device(t, AppleMac).Enroll()
			old := mac.Identity()
			s.answer = func(w http.ResponseWriter, _ *http.Request, m received) bool {
				if m.body["MessageType"] == where {
					w.WriteHeader(http.StatusBadRequest)
					return true
				}
				return false
			}
			if where == "SCEP" {
				s.scepReply = func(w http.ResponseWriter, _ *http.Request, msg *scep.PKIMessage) bool {
					w.Write(s.signRep(nil, msg, msg.TransactionID, scep.RecipientNonce(msg.SenderNonce), scep.FAILURE, scep.BadRequest))
					return true
				}
			}
			s.install(s.profile)
			_, status := errorCode(t, s, mac)
			require.Equal(t, "Error", status)
			require.Equal(t, old.Raw, mac.Identity().Raw)
			require.Equal(t, old.Raw, s.last("Error").signer.Raw)
			require.True(t, mac.Enrolled())
			require.Equal(t, 1, mac.Enrollments())
		})
	}
}
