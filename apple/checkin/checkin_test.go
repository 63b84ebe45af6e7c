package checkin_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

const (
	macID   = "66ADE930-5FDF-5EC4-8429-15640684C489"
	userID  = "F2B1C3D4-0001-4A5B-8C6D-7E8F90A1B2C3"
	phoneID = "00008110-000A1B2C3D4E5F60"
	enrolID = "6E1B3C0A-4D2F-4F7E-9A51-0C9D8E7F6A5B"
	allF    = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"
	topic   = "com.apple.mgmt.External.0f0e0d0c-0b0a-4908-8706-050403020100"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".plist"))
	require.NoError(t, err)
	return b
}

func span(from, n byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func TestDecode(t *testing.T) {
	mac := checkin.Header{
		Sender: checkin.Sender{UDID: macID},
		ID:     checkin.ID{Type: checkin.Device, Device: macID},
	}
	macUser := checkin.Header{
		Sender: checkin.Sender{UDID: macID, UserID: userID, UserShortName: "ada", UserLongName: "Ada Lovelace"},
		ID:     checkin.ID{Type: checkin.User, Device: macID, User: userID},
	}
	plainUser := macUser
	plainUser.Sender.UserShortName, plainUser.Sender.UserLongName = "", ""
	shortUser := macUser
	shortUser.Sender.UserLongName = ""
	phone := checkin.Header{
		Sender: checkin.Sender{UDID: phoneID},
		ID:     checkin.ID{Type: checkin.Device, Device: phoneID},
	}
	shared := checkin.Header{
		Sender: checkin.Sender{UDID: phoneID, UserID: allF, UserShortName: "ada@appleid.example.com", UserLongName: "Ada Lovelace"},
		ID:     checkin.ID{Type: checkin.SharedIPad, Device: phoneID, User: "ada@appleid.example.com"},
	}
	byod := checkin.Header{
		Sender: checkin.Sender{EnrollmentID: enrolID},
		ID:     checkin.ID{Type: checkin.UserEnrollmentDevice, Device: enrolID},
	}
	byodUser := checkin.Header{
		Sender: checkin.Sender{EnrollmentID: enrolID, EnrollmentUserID: userID},
		ID:     checkin.ID{Type: checkin.UserEnrollment, Device: enrolID, User: userID},
	}
	tests := map[string]checkin.Message{
		"authenticate-mac": &checkin.Authenticate{
			Header: mac, Topic: topic, SerialNumber: "C02XK1ABCD12", DeviceName: "Ada’s MacBook Pro",
			Model: "MacBookPro18,3", ModelName: "MacBook Pro", ProductName: "MacBookPro18,3", OSVersion: "15.1", BuildVersion: "24B83",
		},
		"authenticate-iphone": &checkin.Authenticate{
			Header: phone, Topic: topic, SerialNumber: "F17XK1ABCD", ProductName: "iPhone14,5", OSVersion: "18.1", BuildVersion: "22B83",
			IMEI: "35 209900 176148 1", MEID: "35209900176148",
		},
		"authenticate-user-enrollment": &checkin.Authenticate{
			Header: byod, Topic: topic, ProductName: "iPhone14,5", OSVersion: "18.1", BuildVersion: "22B83",
		},
		"tokenupdate-mac": &checkin.TokenUpdate{
			Header: mac, Topic: topic, Token: span(0, 32), PushMagic: "7D2A6C11-90C7-4A0B-A24E-5D3C8E0B1F22", AwaitingConfiguration: true,
		},
		"tokenupdate-mac-user": &checkin.TokenUpdate{
			Header: macUser, Topic: topic, Token: span(32, 32), PushMagic: "1A2B6C11-90C7-4A0B-A24E-5D3C8E0B1F23",
		},
		"tokenupdate-iphone": &checkin.TokenUpdate{
			Header: phone, Topic: topic, Token: span(64, 32), PushMagic: "3C2A6C11-90C7-4A0B-A24E-5D3C8E0B1F24",
			UnlockToken: []byte("an unlock token, much longer in life"),
		},
		"tokenupdate-shared-ipad": &checkin.TokenUpdate{
			Header: shared, Topic: topic, Token: span(96, 32), PushMagic: "4C2A6C11-90C7-4A0B-A24E-5D3C8E0B1F25",
		},
		"checkout":                     &checkin.CheckOut{Header: mac, Topic: topic},
		"setbootstraptoken":            &checkin.SetBootstrapToken{Header: mac, BootstrapToken: []byte("a bootstrap token"), AwaitingConfiguration: true},
		"setbootstraptoken-none":       &checkin.SetBootstrapToken{Header: mac},
		"getbootstraptoken":            &checkin.GetBootstrapToken{Header: mac},
		"userauthenticate":             &checkin.UserAuthenticate{Header: plainUser},
		"userauthenticate-digest":      &checkin.UserAuthenticate{Header: plainUser, DigestResponse: `Digest username="ada"`},
		"declarativemanagement-tokens": &checkin.DeclarativeManagement{Header: mac, Endpoint: "tokens"},
		"declarativemanagement-status": &checkin.DeclarativeManagement{
			Header: shortUser, Endpoint: "status", Data: []byte(`{"StatusItems":{},"Errors":[]}`),
		},
		"gettoken-maid": &checkin.GetToken{Header: byodUser, Service: checkin.ServiceMAID},
		"gettoken-watch": &checkin.GetToken{
			Header: phone, Service: checkin.ServiceWatchPairing, PhoneUDID: phoneID, SecurityToken: "9A1B", WatchUDID: "00008301-000A1B2C3D4E5F61",
		},
	}
	files, err := filepath.Glob("testdata/*.plist")
	require.NoError(t, err)
	require.Len(t, files, len(tests), "every file is a case")
	types := make(map[string]bool)
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			data := readFile(t, name)
			want.Head().Raw = data
			got, err := checkin.Decode(data)
			require.NoError(t, err)
			require.Equal(t, want, got)
			types[got.MessageType()] = true

			// NanoMDM understands the same of it.
			other, err := nanomdm.DecodeCheckin(data)
			require.NoError(t, err)
			require.Equal(t, "*mdm."+got.MessageType(), fmt.Sprintf("%T", other))
		})
	}
	require.Len(t, types, 8)
}

// message writes a message of a type with more keys; nil removes one.
func message(t testing.TB, kind string, more map[string]any) []byte {
	t.Helper()
	m := map[string]any{"MessageType": kind, "UDID": macID}
	switch kind {
	case checkin.TypeAuthenticate:
		m["Topic"] = topic
	case checkin.TypeTokenUpdate:
		m["Topic"], m["PushMagic"], m["Token"] = topic, "magic", []byte("token")
	}
	for k, v := range more {
		if m[k] = v; v == nil {
			delete(m, k)
		}
	}
	data, err := plist.Marshal(m)
	require.NoError(t, err)
	return data
}

func TestDecodeRefused(t *testing.T) {
	type more = map[string]any
	for name, c := range map[string]struct {
		data  []byte
		field string
	}{
		"no type":             {message(t, "", more{"MessageType": nil}), "MessageType"},
		"unknown type":        {message(t, "ReleaseDevice", nil), "MessageType"},
		"no device":           {message(t, checkin.TypeCheckOut, more{"UDID": nil}), "UDID"},
		"a command result":    {message(t, "", more{"MessageType": nil, "Status": "Idle"}), "MessageType"},
		"no topic":            {message(t, checkin.TypeAuthenticate, more{"Topic": nil}), "Topic"},
		"a long topic":        {message(t, checkin.TypeAuthenticate, more{"Topic": strings.Repeat("x", 256)}), "Topic"},
		"a user's enrollment": {message(t, checkin.TypeAuthenticate, more{"UserID": userID}), "UserID"},
		"update, no topic":    {message(t, checkin.TypeTokenUpdate, more{"Topic": ""}), "Topic"},
		"update, no magic":    {message(t, checkin.TypeTokenUpdate, more{"PushMagic": nil}), "PushMagic"},
		"update, no token":    {message(t, checkin.TypeTokenUpdate, more{"Token": nil}), "Token"},
		"update, long token":  {message(t, checkin.TypeTokenUpdate, more{"Token": make([]byte, 1025)}), "Token"},
		"no user":             {message(t, checkin.TypeUserAuthenticate, nil), "UserID"},
		"no endpoint":         {message(t, checkin.TypeDeclarativeManagement, nil), "Endpoint"},
		"a long endpoint":     {message(t, checkin.TypeDeclarativeManagement, more{"Endpoint": strings.Repeat("x", 1025)}), "Endpoint"},
		"no service":          {message(t, checkin.TypeGetToken, nil), "TokenServiceType"},
		"no watch":            {message(t, checkin.TypeGetToken, more{"TokenServiceType": checkin.ServiceWatchPairing}), "TokenParameters"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := checkin.Decode(c.data)
			require.Nil(t, m)
			require.ErrorIs(t, err, mdm.CodeInvalid)
			require.Equal(t, 400, mdm.CodeOf(err).Answer().Device)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.field, e.Field)
		})
	}
	for name, c := range map[string]struct {
		data []byte
		code mdm.Code
	}{
		"nothing":      {nil, mdm.CodeMalformed},
		"an array":     {[]byte("<plist><array/></plist>"), mdm.CodeMalformed},
		"wrong type":   {message(t, checkin.TypeTokenUpdate, more{"Token": "token"}), mdm.CodeMalformed},
		"two messages": {append(message(t, checkin.TypeCheckOut, nil), message(t, checkin.TypeCheckOut, nil)...), mdm.CodeMalformed},
		"too large":    {bytes.Repeat([]byte(" "), checkin.MaxSize+1), mdm.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := checkin.Decode(c.data)
			require.Nil(t, m)
			require.ErrorIs(t, err, c.code)
		})
	}
	// Every type holds its own values to their types.
	for kind, field := range map[string]string{
		checkin.TypeAuthenticate: "OSVersion", checkin.TypeTokenUpdate: "AwaitingConfiguration", checkin.TypeCheckOut: "Topic",
		checkin.TypeSetBootstrapToken: "BootstrapToken", checkin.TypeGetBootstrapToken: "AwaitingConfiguration",
		checkin.TypeUserAuthenticate: "DigestResponse", checkin.TypeDeclarativeManagement: "Data", checkin.TypeGetToken: "TokenParameters",
	} {
		_, err := checkin.Decode(message(t, kind, more{field: 1}))
		require.ErrorIs(t, err, mdm.CodeMalformed, kind)
	}
}

func TestID(t *testing.T) {
	type sender = checkin.Sender
	for name, c := range map[string]struct {
		sender  sender
		want    string
		kind    checkin.Type
		channel mdm.Channel
	}{
		"device":               {sender{UDID: macID}, macID, checkin.Device, mdm.DeviceChannel},
		"device, named user":   {sender{UDID: macID, UserShortName: "ada"}, macID, checkin.Device, mdm.DeviceChannel},
		"user":                 {sender{UDID: macID, UserID: userID, UserShortName: "ada"}, macID + ":" + userID, checkin.User, mdm.UserChannel},
		"shared iPad":          {sender{UDID: phoneID, UserID: allF, UserShortName: "a@b.c"}, phoneID + ":a@b.c", checkin.SharedIPad, mdm.UserChannel},
		"shared iPad, small f": {sender{UDID: phoneID, UserID: strings.ToLower(allF), UserShortName: "a@b.c"}, phoneID + ":a@b.c", checkin.SharedIPad, mdm.UserChannel},
		"user enrollment":      {sender{EnrollmentID: enrolID}, enrolID, checkin.UserEnrollmentDevice, mdm.DeviceChannel},
		"its user":             {sender{EnrollmentID: enrolID, EnrollmentUserID: "u"}, enrolID + ":u", checkin.UserEnrollment, mdm.UserChannel},
		"both":                 {sender{UDID: macID, EnrollmentID: enrolID, EnrollmentUserID: "u"}, macID, checkin.Device, mdm.DeviceChannel},
		"another's user id":    {sender{EnrollmentID: enrolID, UserID: userID}, enrolID, checkin.UserEnrollmentDevice, mdm.DeviceChannel},
		"a colon in a user":    {sender{UDID: macID, UserID: "a:b"}, macID + ":a:b", checkin.User, mdm.UserChannel},
		"the longest": {sender{UDID: strings.Repeat("d", checkin.MaxDeviceID), UserID: strings.Repeat("u", checkin.MaxUserID)},
			strings.Repeat("d", checkin.MaxDeviceID) + ":" + strings.Repeat("u", checkin.MaxUserID), checkin.User, mdm.UserChannel},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := c.sender.ID()
			require.NoError(t, err)
			require.Equal(t, c.want, id.String())
			require.Equal(t, c.kind, id.Type)
			require.Equal(t, c.channel, id.Channel())
			require.Equal(t, mdm.Natural("apple:"+c.want), id.Natural())
			require.LessOrEqual(t, len(id.Natural()), 255)
			require.Equal(t, mdm.DeviceChannel, id.Parent().Channel())
			require.Equal(t, id.Device, id.Parent().String())
			require.Equal(t, id.Parent(), id.Parent().Parent())
		})
	}
}

func TestIDRefused(t *testing.T) {
	type sender = checkin.Sender
	for name, c := range map[string]struct {
		sender sender
		field  string
	}{
		"nothing":                  {sender{}, "UDID"},
		"only a user":              {sender{UserID: userID}, "UDID"},
		"only an enrollment user":  {sender{EnrollmentUserID: userID}, "UDID"},
		"a colon in a device":      {sender{UDID: "a:b"}, "UDID"},
		"a colon in an enrollment": {sender{EnrollmentID: "a:b"}, "EnrollmentID"},
		"a space":                  {sender{UDID: "a b"}, "UDID"},
		"a newline":                {sender{UDID: "a\n"}, "UDID"},
		"an invisible character":   {sender{UDID: "a\u200b"}, "UDID"},
		"not UTF-8":                {sender{UDID: "\xff"}, "UDID"},
		"too long":                 {sender{UDID: strings.Repeat("d", checkin.MaxDeviceID+1)}, "UDID"},
		"a long user":              {sender{UDID: macID, UserID: strings.Repeat("u", checkin.MaxUserID+1)}, "UserID"},
		"a user with a space":      {sender{EnrollmentID: enrolID, EnrollmentUserID: "a b"}, "EnrollmentUserID"},
		"shared iPad of nobody":    {sender{UDID: phoneID, UserID: allF}, "UserShortName"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := c.sender.ID()
			require.ErrorIs(t, err, mdm.CodeInvalid)
			require.Zero(t, id)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.field, e.Field)
		})
	}
}

// TestIDAgreesWithNanoMDM: a database of NanoMDM's can be taken over.
func TestIDAgreesWithNanoMDM(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "A1", "B-2", "c@d.e"})
	rapid.Check(t, func(t *rapid.T) {
		s := checkin.Sender{
			UDID: word.Draw(t, "udid"), EnrollmentID: word.Draw(t, "enrollment"), EnrollmentUserID: word.Draw(t, "enrollment user"),
			UserShortName: word.Draw(t, "short"), UserID: rapid.OneOf(word, rapid.Just(allF)).Draw(t, "user"),
		}
		e := nanomdm.Enrollment(s)
		want := e.Resolved()
		id, err := s.ID()
		if want == nil || want.IsUserChannel && want.UserChannelID == "" {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want.Type.String(), string(id.Type))
		require.Equal(t, want.DeviceChannelID, id.Device)
		require.Equal(t, want.UserChannelID, id.User)
	})
}

// TestIDsDoNotCollide: different channels have different names.
func TestIDsDoNotCollide(t *testing.T) {
	part := rapid.StringMatching(`[a:]{0,3}`)
	draw := func(t *rapid.T) (checkin.ID, bool) {
		s := checkin.Sender{UDID: part.Draw(t, "udid"), UserID: part.Draw(t, "user")}
		id, err := s.ID()
		return id, err == nil
	}
	rapid.Check(t, func(t *rapid.T) {
		a, ok1 := draw(t)
		b, ok2 := draw(t)
		if ok1 && ok2 && a != b {
			require.NotEqual(t, a.String(), b.String())
		}
	})
}

func TestFacts(t *testing.T) {
	decode := func(name string) mdm.HostFacts {
		m, err := checkin.Decode(readFile(t, name))
		require.NoError(t, err)
		return m.(*checkin.Authenticate).Facts()
	}
	require.Equal(t, mdm.HostFacts{
		Platform: mdm.MacOS, Serial: "C02XK1ABCD12", HardwareID: macID, Name: "Ada’s MacBook Pro", Model: "MacBookPro18,3", OSVersion: "15.1",
	}, decode("authenticate-mac"))
	require.Equal(t, mdm.HostFacts{
		Platform: mdm.IOS, HardwareID: enrolID, Model: "iPhone14,5", OSVersion: "18.1",
	}, decode("authenticate-user-enrollment"))

	virtual := &checkin.Authenticate{Model: "Unheard-of1,1", ModelName: "Computer", DeviceName: strings.Repeat("ä", 200)}
	require.Equal(t, mdm.MacOS, virtual.Facts().Platform, "only Macs tell a Model here")
	require.Equal(t, "Unheard-of1,1", virtual.Facts().Model)
	require.Equal(t, strings.Repeat("ä", 127), virtual.Facts().Name)

	odd := &checkin.Authenticate{SerialNumber: "C02\n\x00XK1\x7f", DeviceName: "a\xffb\u0085c", OSVersion: "\t15.1"}
	require.Equal(t, mdm.HostFacts{Serial: "C02XK1", Name: "abc", OSVersion: "15.1"}, odd.Facts())
}

func TestPlatformOf(t *testing.T) {
	for _, c := range []struct {
		product, model string
		want           mdm.Platform
	}{
		{"iPhone14,5", "", mdm.IOS}, {"iPod9,1", "", mdm.IOS}, {"iPad13,4", "", mdm.IPadOS}, {"AppleTV11,1", "", mdm.TVOS},
		{"Mac14,2", "", mdm.MacOS}, {"MacBookAir10,1", "", mdm.MacOS}, {"Macmini9,1", "", mdm.MacOS}, {"iMac21,1", "", mdm.MacOS},
		{"VirtualMac2,1", "", mdm.MacOS}, {"VMware20,1", "", mdm.MacOS}, {"", "iPad", mdm.IPadOS}, {"", "Apple TV", mdm.TVOS},
		{"", "MacBook Pro", mdm.MacOS}, {"Watch6,1", "", ""}, {"RealityDevice14,1", "", ""}, {"", "", ""},
	} {
		require.Equal(t, c.want, checkin.PlatformOf(c.product, c.model), c.product+c.model)
	}
}

func TestAnswers(t *testing.T) {
	none, err := checkin.EncodeBootstrapToken(nil)
	require.NoError(t, err)
	require.Empty(t, none)
	b, err := checkin.EncodeBootstrapToken([]byte("token"))
	require.NoError(t, err)
	d, err := plist.Dict(b, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"BootstrapToken": []byte("token")}, d)
	b, err = checkin.EncodeToken([]byte("jwt"))
	require.NoError(t, err)
	d, err = plist.Dict(b, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"TokenData": []byte("jwt")}, d)
}

func TestSecretsStayOutOfLogs(t *testing.T) {
	for _, name := range []string{"tokenupdate-iphone", "setbootstraptoken"} {
		m, err := checkin.Decode(readFile(t, name))
		require.NoError(t, err)
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			require.Equal(t, "message from "+m.Head().ID.String(), fmt.Sprintf(format, m))
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("got", "message", m)
		require.Contains(t, log.String(), `"message":"message from `+m.Head().ID.String()+`"}`)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.plist")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := checkin.Decode(data)
		if err != nil {
			require.Nil(t, m)
			require.Contains(t, []mdm.Code{mdm.CodeMalformed, mdm.CodeTooLarge, mdm.CodeInvalid}, mdm.CodeOf(err))
			return
		}
		id, err := m.Head().Sender.ID()
		require.NoError(t, err)
		require.Equal(t, id, m.Head().ID)
		if a, ok := m.(*checkin.Authenticate); ok {
			require.LessOrEqual(t, len(a.Facts().Name), 255)
		}
	})
}
