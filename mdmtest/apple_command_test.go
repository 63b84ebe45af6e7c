package mdmtest

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// errorCode runs one poll and returns the first code of the error that the
// server received, 0 if there was none, and the status.
func errorCode(t *testing.T, s *mdmServer, d *AppleDevice) (uint64, string) {
	t.Helper()
	require.Equal(t, 1, d.Poll())
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.received[len(s.received)-1].body
	status, _ := last["Status"].(string)
	chain, ok := last["ErrorChain"].([]any)
	if !ok {
		return 0, status
	}
	return chain[0].(map[string]any)["ErrorCode"].(uint64), status
}

func TestInstallReplacesTheSameIdentifierOnly(t *testing.T) {
	s := newMDMServer(t)
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	s.clock = func() time.Time { return now }
	mac := s.deviceWith(t, AppleMac, &AppleOptions{Clock: func() time.Time { return now }})
	mac.Enroll()
	s.install(simpleProfile("a"))
	s.install(simpleProfile("b"))
	mac.Poll()

	now = now.Add(time.Hour)
	again := simpleProfile("a")
	again["PayloadUUID"] = "another"
	s.install(again)
	mac.Poll()
	require.Len(t, mac.Profiles(), 3)
	a, ok := mac.Profile("a")
	require.True(t, ok)
	require.Equal(t, "another", a.UUID)
	require.Equal(t, "Profile a", a.DisplayName)
	require.True(t, a.Managed)
	require.Equal(t, now, a.InstalledAt)
	require.Equal(t, marshal(t, again), a.Raw)
	b, _ := mac.Profile("b")
	require.Equal(t, now.Add(-time.Hour), b.InstalledAt)

	a.Raw[0] = 'x' // a copy
	unchanged, _ := mac.Profile("a")
	require.Equal(t, marshal(t, again), unchanged.Raw)
}

func TestInstallSignedProfile(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	signer := mustIssue(s.ca, &x509.Certificate{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)})
	der, err := signCMS(marshal(t, simpleProfile("signed")), signer, time.Now(), false)
	require.NoError(t, err)
	s.enqueue("InstallProfile", map[string]any{"Payload": der})
	s.enqueue("ProfileList", map[string]any{"ManagedOnly": true})
	mac.Poll()
	p, ok := mac.Profile("signed")
	require.True(t, ok)
	require.Equal(t, der, p.Raw)
	item := s.last("Acknowledged").body["ProfileList"].([]any)[0].(map[string]any)
	require.Equal(t, []any{signer.cert.Raw}, item["SignerCertificates"])
}

func TestInstallRefuses(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	broken := simpleProfile("broken")
	delete(broken, "PayloadUUID")
	noMDM := simpleProfile("com.example.mdm")
	otherMDM := s.enrollmentProfile()
	otherMDM["PayloadIdentifier"] = "com.example.other"
	ofPhones := simpleProfile("phones")
	ofPhones["TargetDeviceType"] = 1
	second := simpleProfile("second version")
	payloadAt(second, 0)["PayloadVersion"] = 2
	shared := simpleProfile("shared")
	payloadAt(shared, 0)["PayloadUUID"] = shared["PayloadUUID"]
	noCert := profileOf("cert", map[string]any{
		"PayloadType": "com.apple.security.root", "PayloadIdentifier": "cert.root", "PayloadVersion": 1, "PayloadUUID": "1",
		"PayloadContent": []byte("-----BEGIN CERTIFICATE-----"),
	})
	for _, c := range []struct {
		name    string
		payload any
		code    uint64
		status  string
	}{
		{"for another kind of device", marshal(t, ofPhones), 4001, "Error"},
		{"a payload of version 2", marshal(t, second), 1001, "Error"},
		{"one UUID for profile and payload", marshal(t, shared), 1007, "Error"},
		{"a certificate that is none", marshal(t, noCert), 9000, "Error"},
		{"garbage", []byte("garbage"), 1004, "Error"},
		{"a property list that is none", []byte("<plist><dict>"), 1000, "Error"},
		{"no PayloadUUID", marshal(t, broken), 1002, "Error"},
		{"the enrollment without MDM", marshal(t, noMDM), 12009, "Error"},
		{"a second enrollment", marshal(t, otherMDM), 12001, "Error"},
		{"text", "not data", 12008, "CommandFormatError"},
		{"nothing", []byte{}, 12008, "CommandFormatError"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.enqueue("InstallProfile", map[string]any{"Payload": c.payload})
			code, status := errorCode(t, s, mac)
			require.Equal(t, c.code, code)
			require.Equal(t, c.status, status)
			require.Len(t, mac.Profiles(), 1)
		})
	}
	require.Empty(t, mac.Violations(), "what an administrator uploads is no fault of the protocol")
}

func TestRemoveProfile(t *testing.T) {
	s := newMDMServer(t)
	for _, c := range []struct {
		kind       AppleKind
		supervised bool
		missing    uint64
		unmanaged  uint64
	}{
		{AppleMac, false, 89, 12013},
		{AppleMac, true, 89, 12013},
		{AppleIPhone, false, 12075, 12013},
		{AppleIPhone, true, 12075, 0},
	} {
		d := s.deviceWith(t, c.kind, &AppleOptions{Supervised: c.supervised})
		d.Enroll()
		require.NoError(t, d.InstallLocally(marshal(t, simpleProfile("by.hand"))))
		s.install(simpleProfile("by.mdm"))
		d.Poll()

		s.enqueue("RemoveProfile", map[string]any{"Identifier": "none"})
		code, _ := errorCode(t, s, d)
		require.Equal(t, c.missing, code)
		s.enqueue("RemoveProfile", map[string]any{"Identifier": "by.hand"})
		code, _ = errorCode(t, s, d)
		require.Equal(t, c.unmanaged, code)
		s.enqueue("RemoveProfile", nil)
		_, status := errorCode(t, s, d)
		require.Equal(t, "CommandFormatError", status)
		s.enqueue("RemoveProfile", map[string]any{"Identifier": "by.mdm"})
		code, _ = errorCode(t, s, d)
		require.Zero(t, code)
		_, ok := d.Profile("by.mdm")
		require.False(t, ok)
	}
}

func TestMDMReplacesWhatTheUserInstalled(t *testing.T) {
	s := newMDMServer(t)
	for _, c := range []struct {
		kind       AppleKind
		supervised bool
		code       uint64
	}{{AppleMac, false, 0}, {AppleIPhone, true, 0}, {AppleIPhone, false, 12013}} {
		d := s.deviceWith(t, c.kind, &AppleOptions{Supervised: c.supervised})
		d.Enroll()
		require.NoError(t, d.InstallLocally(marshal(t, simpleProfile("a"))))
		s.install(simpleProfile("a"))
		code, _ := errorCode(t, s, d)
		require.Equal(t, c.code, code)
		p, _ := d.Profile("a")
		require.Equal(t, c.code == 0, p.Managed)
	}
}

func TestLocalProfiles(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	s.install(simpleProfile("by.mdm"))
	mac.Poll()
	require.Error(t, mac.InstallLocally([]byte("x")))
	require.Error(t, mac.InstallLocally(marshal(t, simpleProfile("by.mdm"))))
	require.ErrorContains(t, mac.InstallLocally(marshal(t, s.enrollmentProfile())), "EnrollWith")
	require.Error(t, mac.RemoveLocally("by.mdm"))
	require.Error(t, mac.RemoveLocally("com.example.mdm"))
	require.Error(t, mac.RemoveLocally("none"))
	require.NoError(t, mac.InstallLocally(marshal(t, simpleProfile("by.hand"))))
	require.NoError(t, mac.RemoveLocally("by.hand"))
	require.Len(t, mac.Profiles(), 2)
}

func TestProfileList(t *testing.T) {
	s := newMDMServer(t)
	list := func(d *AppleDevice, managedOnly bool) map[string]map[string]any {
		t.Helper()
		s.enqueue("ProfileList", map[string]any{"ManagedOnly": managedOnly})
		d.Poll()
		out := make(map[string]map[string]any)
		for _, v := range s.last("Acknowledged").body["ProfileList"].([]any) {
			item := v.(map[string]any)
			out[item["PayloadIdentifier"].(string)] = item
		}
		return out
	}
	phone := s.device(t, AppleIPhone).Enroll()
	require.Empty(t, list(phone, true))
	require.NoError(t, phone.InstallLocally(marshal(t, simpleProfile("by.hand"))))
	s.install(simpleProfile("by.mdm"))
	phone.Poll()

	all := list(phone, false)
	require.Len(t, all, 3)
	require.Equal(t, true, all["by.mdm"]["IsManaged"])
	require.Equal(t, false, all["by.hand"]["IsManaged"])
	require.Equal(t, "Profile by.mdm", all["by.mdm"]["PayloadDisplayName"])
	require.Equal(t, uint64(1), all["by.mdm"]["PayloadVersion"])
	content := all["by.mdm"]["PayloadContent"].([]any)
	require.Equal(t, "com.apple.dock", content[0].(map[string]any)["PayloadType"])
	require.NotContains(t, content[0], "orientation", "only what describes the payload")
	managed := list(phone, true)
	require.Len(t, managed, 1)
	require.Contains(t, managed, "by.mdm")

	mac := s.device(t, AppleMac).Enroll()
	require.NotContains(t, list(mac, false)["com.example.mdm"], "IsManaged")
}

func TestProfilesExpire(t *testing.T) {
	s := newMDMServer(t)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s.clock = func() time.Time { return now }
	mac := s.deviceWith(t, AppleMac, &AppleOptions{Clock: func() time.Time { return now }})
	mac.Enroll()
	dated, counted, both := simpleProfile("dated"), simpleProfile("counted"), simpleProfile("both")
	dated["RemovalDate"] = now.Add(2 * time.Hour)
	counted["DurationUntilRemoval"] = 3600
	both["RemovalDate"], both["DurationUntilRemoval"] = now.Add(2*time.Hour), 10800.5
	for _, p := range []map[string]any{dated, counted, both} {
		s.install(p)
	}
	mac.Poll()
	require.Len(t, mac.Profiles(), 4)
	now = now.Add(time.Hour)
	require.Len(t, mac.Profiles(), 3)
	now = now.Add(time.Hour)
	require.Len(t, mac.Profiles(), 1)
}

func TestAccessRightsAreEnforced(t *testing.T) {
	s := newMDMServer(t)
	payloadAt(s.profile, 0)["AccessRights"] = 64
	mac := s.device(t, AppleMac).Enroll()
	for _, r := range []string{"InstallProfile", "RemoveProfile", "ProfileList", "DeviceLock", "EraseDevice"} {
		s.enqueue(r, nil)
		code, status := errorCode(t, s, mac)
		require.Equal(t, uint64(12007), code, r)
		require.Equal(t, "Error", status)
	}
}

func TestDeviceInformation(t *testing.T) {
	s := newMDMServer(t)
	ask := func(d *AppleDevice, queries ...any) map[string]any {
		t.Helper()
		s.enqueue("DeviceInformation", map[string]any{"Queries": queries})
		d.Poll()
		return s.last("Acknowledged").body["QueryResponses"].(map[string]any)
	}
	mac := s.deviceWith(t, AppleMac, &AppleOptions{OSVersion: "14.1", Name: "Anna's Mac", Supervised: true})
	mac.Enroll()
	require.Equal(t, map[string]any{
		"UDID": mac.UDID(), "SerialNumber": mac.Serial(), "OSVersion": "14.1", "DeviceName": "Anna's Mac",
		"IsSupervised": true, "DeviceCapacity": 494.38, "IsAppleSilicon": true, "AwaitingConfiguration": false,
	}, ask(mac, "UDID", "SerialNumber", "OSVersion", "DeviceName", "IsSupervised", "DeviceCapacity", "IsAppleSilicon",
		"AwaitingConfiguration", "TimeZone", "FavoriteColor"))

	phone := s.device(t, AppleIPhone).Enroll()
	require.Equal(t, map[string]any{"TimeZone": "America/Los_Angeles", "ModelName": "iPhone"}, ask(phone, "TimeZone", "ModelName", "IsAppleSilicon"))
	require.Empty(t, ask(phone))

	payloadAt(s.profile, 0)["AccessRights"] = 32
	phone.Enroll()
	require.Len(t, ask(phone, "UDID", "SerialNumber", "WiFiMAC"), 2)

	s.enqueue("DeviceInformation", nil)
	_, status := errorCode(t, s, phone)
	require.Equal(t, "CommandFormatError", status)
}

func TestAwaitingConfiguration(t *testing.T) {
	s := newMDMServer(t)
	mac := s.deviceWith(t, AppleMac, &AppleOptions{AwaitingConfiguration: true})
	mac.Enroll()
	require.True(t, mac.Awaiting())
	require.Equal(t, true, s.last("TokenUpdate").body["AwaitingConfiguration"])
	mac.TokenUpdate()
	require.Equal(t, true, s.last("TokenUpdate").body["AwaitingConfiguration"])
	s.enqueue("DeviceConfigured", nil)
	mac.Poll()
	require.False(t, mac.Awaiting())
	mac.TokenUpdate()
	require.Equal(t, false, s.last("TokenUpdate").body["AwaitingConfiguration"])
}

func TestDeviceLock(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	s.enqueue("DeviceLock", map[string]any{"PIN": "12345"})
	_, status := errorCode(t, s, mac)
	require.Equal(t, "CommandFormatError", status)
	s.enqueue("DeviceLock", map[string]any{"PIN": "123456", "Message": "hello"})
	mac.Poll()
	require.Equal(t, "123456", mac.LockPIN())
	require.Equal(t, "Success", s.last("Acknowledged").body["MessageResult"])
}

// What a command says wrongly is an error; what the device does not know of is
// ignored, and a violation.
func TestCommandsAreJudged(t *testing.T) {
	for _, c := range []struct {
		requestType string
		keys        map[string]any
		want        string // of the error that the server gets; empty when it gets none
	}{
		{"DeviceLock", map[string]any{"PIN": 123456}, "PIN has type integer"},
		{"DeviceLock", map[string]any{"PIN": "12345"}, "six characters"},
		{"EraseDevice", map[string]any{"PIN": "1234567"}, "six characters"},
		{"EraseDevice", map[string]any{"ObliterationBehavior": "Never"}, "not one of"},
		{"RemoveProfile", map[string]any{"Identifier": true}, "Identifier has type boolean"},
		{"RemoveProfile", nil, "without Identifier"},
		{"InstallProfile", map[string]any{"Payload": "text"}, "Payload has type string"},
		{"DeviceInformation", map[string]any{"Queries": "UDID"}, "Queries has type string"},
		{"DeviceInformation", map[string]any{"Queries": []any{1}}, "of type integer, not string"},
		{"ProfileList", map[string]any{"ManagedOnly": "yes"}, "ManagedOnly has type string"},
		{"ProfileList", map[string]any{"Managedonly": true}, ""},
		{"DeviceLock", map[string]any{"PIN": "123456", "PhoneNumer": "1"}, ""},
		{"EraseDevice", map[string]any{"PreserveDataPlan": true}, ""},
	} {
		s := newMDMServer(t)
		mac := s.device(t, AppleMac).Enroll()
		s.enqueue(c.requestType, c.keys)
		require.Equal(t, 1, mac.Poll())
		if c.want == "" {
			require.Len(t, s.messages("Acknowledged"), 1)
			require.Contains(t, violationTexts(mac.TakeViolations()), "does not have", "%v", c.keys)
			continue
		}
		chain := s.last("CommandFormatError").body["ErrorChain"].([]any)[0].(map[string]any)
		require.Contains(t, chain["LocalizedDescription"], c.want)
	}

	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	uuid := s.enqueue("ProfileList", map[string]any{"RequestRequiresNetworkTether": true})
	s.queue[0].raw = marshal(t, map[string]any{
		"CommandUUID": uuid, "Command": map[string]any{"RequestType": "ProfileList"}, "Priority": 1,
	})
	mac.Poll()
	require.Contains(t, violationTexts(mac.TakeViolations()), `the keys ["Priority"]`)
}

func TestEraseByCommand(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	udid, first := mac.UDID(), mac.Identity()
	s.enqueue("EraseDevice", map[string]any{"PIN": "123456"})
	s.enqueue("ProfileList", nil)
	require.Equal(t, 1, mac.Poll())
	require.False(t, mac.Enrolled())
	require.Empty(t, mac.Profiles())
	require.Nil(t, mac.Identity())
	require.Empty(t, mac.PushToken())
	require.Empty(t, s.messages("CheckOut"))
	r := mac.Record()
	require.Equal(t, FateDelivered, r[0].Sightings[0].Fate)
	require.Equal(t, FateDropped, r[1].Sightings[0].Fate)
	require.Zero(t, r[1].Executed())
	require.False(t, r[1].LostByInjection())

	mac.Enroll()
	require.Equal(t, udid, mac.UDID())
	require.NotEqual(t, first.PublicKey, mac.Identity().PublicKey)
	require.Equal(t, 2, mac.Enrollments())
	require.Equal(t, 1, mac.Poll())
	require.Empty(t, mac.Duplicates())
}

func TestRemovingTheEnrollmentProfileUnenrolls(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	s.install(simpleProfile("a"))
	s.enqueue("RemoveProfile", map[string]any{"Identifier": "com.example.mdm"})
	require.Equal(t, 2, mac.Poll())
	require.False(t, mac.Enrolled())
	require.Empty(t, mac.Profiles())
	require.Len(t, s.messages("CheckOut"), 1)
}
