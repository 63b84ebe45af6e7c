package mdmtest

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMacEnrollsInOneLine(t *testing.T) {
	s := newMDMServer(t)
	mac := Mac(t, s.URL+"/enroll").Enroll()

	require.True(t, mac.Enrolled())
	require.Equal(t, 1, mac.Enrollments())
	require.Equal(t, "com.apple.mgmt.External.test", mac.Topic())
	require.Len(t, mac.PushToken(), 64)
	require.Empty(t, mac.Violations())
	require.Equal(t, s.ca.cert.Subject.String(), mac.Identity().Issuer.String())

	auth, token := s.last("Authenticate"), s.last("TokenUpdate")
	for _, m := range []received{auth, token} {
		require.Equal(t, "/checkin", m.path)
		require.Equal(t, "application/x-apple-aspen-mdm-checkin", m.contentType)
		require.Equal(t, mac.Identity().Raw, m.signer.Raw)
		require.Equal(t, mac.UDID(), m.body["UDID"])
	}
	require.Equal(t, mac.Serial(), auth.body["SerialNumber"])
	require.Equal(t, mac.PushMagic(), token.body["PushMagic"])
	require.Equal(t, false, token.body["AwaitingConfiguration"])

	require.Equal(t, 0, mac.Poll())
	idle := s.last("Idle")
	require.Equal(t, "/mdm", idle.path)
	require.Equal(t, "application/x-apple-aspen-mdm", idle.contentType)
}

func TestCheckInGoesToServerURLWithoutCheckInURL(t *testing.T) {
	s := newMDMServer(t)
	delete(payloadAt(s.profile, 0), "CheckInURL")
	s.device(t, AppleMac).Enroll()
	require.Equal(t, "/mdm", s.last("Authenticate").path)
	require.Equal(t, "application/x-apple-aspen-mdm-checkin", s.last("Authenticate").contentType)
}

func TestEnrollmentProfileMayBeSigned(t *testing.T) {
	s := newMDMServer(t)
	signer := mustIssue(s.ca, &x509.Certificate{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)})
	s.wrapProfile = func(raw []byte) []byte {
		der, err := signCMS(raw, signer, time.Now(), false)
		require.NoError(t, err)
		return der
	}
	mac := s.device(t, AppleMac).Enroll()
	p, ok := mac.Profile("com.example.mdm")
	require.True(t, ok)
	require.True(t, p.Enrollment)
	require.False(t, p.Managed)

	t.Run("but not wrongly", func(t *testing.T) {
		wrap := s.wrapProfile
		s.wrapProfile = func(raw []byte) []byte {
			return bytes.Replace(wrap(raw), []byte("a device"), []byte("b device"), 1)
		}
		var refused *DeviceError
		require.ErrorAs(t, s.device(t, AppleMac).Apple.Enroll(t.Context()), &refused)
		require.Equal(t, 1004, refused.Chain[0].ErrorCode)
	})
}

func TestEnrollmentProfileIsChecked(t *testing.T) {
	mdm := func(key string, value any) func(map[string]any) {
		return func(p map[string]any) {
			if payloadAt(p, 0)[key] = value; value == nil {
				delete(payloadAt(p, 0), key)
			}
		}
	}
	scepKey := func(key string, value any) func(map[string]any) {
		return func(p map[string]any) {
			if scepContent(p)[key] = value; value == nil {
				delete(scepContent(p), key)
			}
		}
	}
	top := func(key string, value any) func(map[string]any) {
		return func(p map[string]any) {
			if p[key] = value; value == nil {
				delete(p, key)
			}
		}
	}
	for _, c := range []struct {
		name string
		bend func(map[string]any)
		want string
	}{
		{"no PayloadIdentifier", top("PayloadIdentifier", nil), `required key "PayloadIdentifier" is missing`},
		{"PayloadVersion as text", top("PayloadVersion", "1"), `"PayloadVersion" has type string`},
		{"PayloadVersion 2", top("PayloadVersion", 2), "PayloadVersion is 2"},
		{"another PayloadType", top("PayloadType", "Profile"), "not Configuration"},
		{"wrong scope", top("PayloadScope", "Everyone"), "neither System nor User"},
		{"a person's profile", top("PayloadScope", "User"), "PayloadScope User"},
		{"for phones", top("TargetDeviceType", 1), "device type 1"},
		{"for nothing there is", top("TargetDeviceType", 7), "not one of 0 to 6"},
		{"a scheme in capitals", mdm("ServerURL", "HTTPS://mdm.example.com/mdm"), "https://"},
		{"pinned to nothing", mdm("ServerURLPinningCertificateUUIDs", []any{"0"}), "names no payload"},
		{"PayloadContent of SCEP missing", func(p map[string]any) { delete(payloadAt(p, 1), "PayloadContent") }, "not a dictionary"},
		{"encrypted", top("IsEncrypted", true), "encrypted"},
		{"content not of dictionaries", top("PayloadContent", []any{"x"}), "not a dictionary"},
		{"no MDM payload", func(p map[string]any) { p["PayloadContent"] = p["PayloadContent"].([]any)[1:] }, "no com.apple.mdm payload"},
		{"two MDM payloads", func(p map[string]any) {
			second := mdmPayload("https://mdm.example.com")
			second["PayloadUUID"], second["PayloadIdentifier"] = "other", "other"
			p["PayloadContent"] = append(p["PayloadContent"].([]any), second)
		}, "2 com.apple.mdm payloads"},
		{"same UUID twice", func(p map[string]any) { payloadAt(p, 0)["PayloadUUID"] = scepUUID }, "appears twice"},
		{"same identifier twice", func(p map[string]any) { payloadAt(p, 0)["PayloadIdentifier"] = "com.example.mdm.scep" }, "appears twice"},
		{"payload of no known maker", func(p map[string]any) { payloadAt(p, 1)["PayloadType"] = "com.example.scep" }, "unknown type"},
		{"no Topic", mdm("Topic", nil), `"Topic" is missing`},
		{"wrong Topic", mdm("Topic", "com.example.push"), "com.apple.mgmt."},
		{"no ServerURL", mdm("ServerURL", nil), `"ServerURL" is missing`},
		{"plain HTTP elsewhere", mdm("ServerURL", "http://mdm.example.com/mdm"), "https://"},
		{"fragment", mdm("ServerURL", "https://mdm.example.com/mdm#x"), "fragment"},
		{"empty fragment", mdm("ServerURL", "https://mdm.example.com/mdm#"), "fragment"},
		{"CheckInURL without host", mdm("CheckInURL", "https:///x"), "CheckInURL"},
		{"no AccessRights", mdm("AccessRights", nil), "AccessRights"},
		{"AccessRights 0", mdm("AccessRights", 0), "AccessRights"},
		{"install without inspect", mdm("AccessRights", 2), "without 1"},
		{"provisioning without inspect", mdm("AccessRights", 1|128), "without 64"},
		{"unknown right", mdm("AccessRights", 1<<13), "AccessRights"},
		{"EnrollmentMode", mdm("EnrollmentMode", "BYOD"), "account-driven"},
		{"SignMessage as integer", mdm("SignMessage", 1), `"SignMessage" has type integer`},
		{"identity UUID malformed", mdm("IdentityCertificateUUID", "x"), "is not a UUID"},
		{"identity UUID of nothing", mdm("IdentityCertificateUUID", "00000000-0000-4000-8000-000000000000"), "names no payload"},
		{"identity UUID of the MDM payload", mdm("IdentityCertificateUUID", "0A1B2C3D-4E5F-4061-8293-A4B5C6D7E8F9"), "over SCEP"},
		{"SCEP without URL", scepKey("URL", nil), `"URL" is missing`},
		{"SCEP with an odd URL", scepKey("URL", "ftp://mdm.example.com"), "HTTP URL"},
		{"EC key", scepKey("Key Type", "ECDSA"), "only RSA"},
		{"key of the default size", scepKey("Keysize", nil), "1024"},
		{"odd key usage", scepKey("Key Usage", 2), "Key Usage"},
		{"Subject flat", scepKey("Subject", []any{"CN", "x"}), "Subject"},
		{"Subject with an odd OID", scepKey("Subject", []any{[]any{[]any{"Common Name", "x"}}}), "Subject"},
		{"odd fingerprint", scepKey("CAFingerprint", []byte("abc")), "CAFingerprint"},
		{"CAFingerprint as text", scepKey("CAFingerprint", "abc"), `"CAFingerprint" has type string`},
	} {
		t.Run(c.name, func(t *testing.T) {
			profile := profileOf("com.example.mdm", mdmPayload("https://mdm.example.com"), scepPayload("https://mdm.example.com"))
			_, err := parseEnrollment(marshal(t, profile), AppleMac, false)
			require.NoError(t, err)
			c.bend(profile)
			mac := NewApple(AppleMac, "", nil)
			err = mac.EnrollWith(t.Context(), marshal(t, profile))
			var refused *DeviceError
			require.ErrorAs(t, err, &refused)
			require.ErrorContains(t, err, c.want)
			require.False(t, mac.Enrolled())
			require.Empty(t, mac.Profiles())
		})
	}
}

func TestPlainHTTPOnLoopbackIsAnOption(t *testing.T) {
	profile := marshal(t, profileOf("com.example.mdm", mdmPayload("http://127.0.0.1:1"), scepPayload("http://127.0.0.1:1")))
	_, err := parseEnrollment(profile, AppleMac, false)
	require.ErrorContains(t, err, "https://")
	_, err = parseEnrollment(profile, AppleMac, true)
	require.NoError(t, err)

	s := newMDMServer(t)
	require.ErrorContains(t, NewApple(AppleMac, s.URL+"/enroll", nil).Enroll(t.Context()), "https://")
}

func TestEnrollmentRemarksAreViolations(t *testing.T) {
	s := newMDMServer(t)
	payloadAt(s.profile, 0)["ServerURl"] = "https://misspelled.example.com"
	payloadAt(s.profile, 0)["ServerCapabilities"] = []any{"com.apple.mdm.telepathy", capBootstrapToken, capBootstrapToken}
	scepContent(s.profile)["KeyType"] = "RSA"
	payloadAt(s.profile, 1)["Challenge"] = "outside"
	s.profile["PayloadDisplayname"] = "misspelled"
	delete(s.profile, "PayloadScope")
	mac := s.device(t, AppleMac).Enroll()
	texts := violationTexts(mac.TakeViolations())
	require.Contains(t, texts, `"ServerURl" is not in the schema`)
	require.Contains(t, texts, `"KeyType" is not in the schema`)
	require.Contains(t, texts, `"com.apple.mdm.telepathy" is not in the schema`)
	require.Contains(t, texts, "appears twice")
	require.Contains(t, texts, `"Challenge" is not in the schema`)
	require.Contains(t, texts, `"PayloadDisplayname" is not in the schema`)
	require.Contains(t, texts, "PayloadScope is missing")
	require.Contains(t, texts, "per-user-connections must be present")
	require.Empty(t, mac.Violations())
}

func TestEnrollmentDownload(t *testing.T) {
	s := newMDMServer(t)
	s.enrollType = "application/xml"
	mac := s.device(t, AppleMac)
	require.ErrorContains(t, mac.Apple.Enroll(t.Context()), "application/x-apple-aspen-config")
	require.Contains(t, violationTexts(mac.TakeViolations()), "content type")

	s.enrollType = "application/x-apple-aspen-config; charset=utf-8"
	mac.Enroll()

	var status *StatusError
	err := NewApple(AppleMac, s.URL+"/nothing", &AppleOptions{TrustLoopback: true}).Enroll(t.Context())
	require.ErrorAs(t, err, &status)
	require.Equal(t, http.StatusNotFound, status.Status)
}

func TestEnrollmentFailsInTheMiddle(t *testing.T) {
	for _, message := range []string{"Authenticate", "TokenUpdate"} {
		t.Run(message, func(t *testing.T) {
			s := newMDMServer(t)
			s.answer = func(w http.ResponseWriter, _ *http.Request, m received) bool {
				if m.body["MessageType"] == message {
					w.WriteHeader(http.StatusServiceUnavailable)
					return true
				}
				return false
			}
			mac := s.device(t, AppleMac)
			var status *StatusError
			require.ErrorAs(t, mac.Apple.Enroll(t.Context()), &status)
			require.Equal(t, message, status.During)
			require.False(t, mac.Enrolled())
			require.Empty(t, mac.Profiles())
			require.Empty(t, mac.Violations(), "a server may be unavailable")
			_, err := mac.Apple.Poll(t.Context())
			require.ErrorIs(t, err, ErrNotEnrolled)

			s.answer = nil
			mac.Enroll()
		})
	}
}

func TestEnrollAgainTakesANewKeyAndDropsManagedProfiles(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	require.NoError(t, mac.InstallLocally(marshal(t, simpleProfile("by.hand"))))
	s.install(simpleProfile("by.mdm"))
	mac.Poll()
	require.Len(t, mac.Profiles(), 3)
	first, token := mac.Identity(), mac.PushToken()

	mac.Enroll()
	require.NotEqual(t, first.Raw, mac.Identity().Raw)
	require.NotEqual(t, token, mac.PushToken())
	require.Equal(t, 2, mac.Enrollments())
	var left []string
	for _, p := range mac.Profiles() {
		left = append(left, p.Identifier)
	}
	require.Equal(t, []string{"by.hand", "com.example.mdm"}, left)
}

func TestAuthenticateFollowsTheAccessRights(t *testing.T) {
	s := newMDMServer(t)
	payloadAt(s.profile, 0)["AccessRights"] = 1
	s.device(t, AppleMac).Enroll()
	require.NotContains(t, s.last("Authenticate").body, "SerialNumber")
	require.Contains(t, s.last("Authenticate").body, "OSVersion", "a Mac says this without any right")

	s.device(t, AppleIPhone).Enroll()
	require.NotContains(t, s.last("Authenticate").body, "OSVersion")
	require.NotContains(t, s.last("TokenUpdate").body, "UnlockToken")

	payloadAt(s.profile, 0)["AccessRights"] = 16 | 4
	s.device(t, AppleIPhone).Enroll()
	require.Contains(t, s.last("Authenticate").body, "SerialNumber")
	require.NotContains(t, s.last("Authenticate").body, "DeviceName")
	require.Len(t, s.last("TokenUpdate").body["UnlockToken"], 256)
}

func TestDevicesDiffer(t *testing.T) {
	a, b := NewApple(AppleMac, "", nil), NewApple(AppleMac, "", nil)
	require.NotEqual(t, a.UDID(), b.UDID())
	require.NotEqual(t, a.Serial(), b.Serial())
	require.Regexp(t, `^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`, a.UDID())
	require.Regexp(t, `^[0-9A-F]{8}-[0-9A-F]{16}$`, NewApple(AppleIPhone, "", nil).UDID())

	noise := func() *AppleOptions { return &AppleOptions{Rand: bytes.NewReader(bytes.Repeat([]byte{7}, 4096))} }
	require.Equal(t, NewApple(AppleMac, "", noise()).UDID(), NewApple(AppleMac, "", noise()).UDID())
}

func TestWrongOptionsAreReported(t *testing.T) {
	require.ErrorContains(t, NewApple("watch", "", nil).Enroll(t.Context()), `"watch" is no kind`)
	empty := &AppleOptions{Rand: bytes.NewReader(nil)}
	_, err := NewApple(AppleMac, "", empty).Poll(t.Context())
	require.ErrorContains(t, err, "AppleOptions.Rand")
}

func TestFingerprintOfTheCA(t *testing.T) {
	s := newMDMServer(t)
	sum := sha256.Sum256(s.ca.cert.Raw)
	scepContent(s.profile)["CAFingerprint"] = sum[:]
	s.device(t, AppleMac).Enroll()

	sum[0]++
	scepContent(s.profile)["CAFingerprint"] = sum[:]
	var refused *SCEPError
	require.ErrorAs(t, s.device(t, AppleMac).Apple.Enroll(t.Context()), &refused)
	require.Contains(t, refused.Text, "fingerprint")
	require.Len(t, s.scepRequests(), 1, "nothing is asked of a CA that is not the right one")
}
