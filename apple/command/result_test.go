package command_test

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

	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/apple/command"
	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

const macID = "66ADE930-5FDF-5EC4-8429-15640684C489"

func TestDecodeResult(t *testing.T) {
	const prefix = "0199a1b2-0000-7000-8000-00000000000"
	for name, c := range map[string]struct {
		status  command.Status
		uuid    string
		kind    checkin.Type
		outcome mdm.Outcome // empty when it has not ended
	}{
		"idle":              {command.Idle, "", checkin.Device, ""},
		"acknowledged":      {command.Acknowledged, prefix + "3", checkin.Device, mdm.OutcomeAcknowledged},
		"acknowledged-user": {command.Acknowledged, prefix + "4", checkin.User, mdm.OutcomeAcknowledged},
		"notnow":            {command.NotNow, prefix + "5", checkin.UserEnrollmentDevice, ""},
		"formaterror":       {command.CommandFormatError, prefix + "6", checkin.Device, mdm.OutcomeMalformed},
		"error":             {command.Error, prefix + "7", checkin.Device, mdm.OutcomeError},
		"profilelist":       {command.Acknowledged, prefix + "8", checkin.Device, mdm.OutcomeAcknowledged},
	} {
		t.Run(name, func(t *testing.T) {
			data := readFile(t, name+".plist")
			r, err := command.DecodeResult(data)
			require.NoError(t, err)
			require.Equal(t, c.status, r.Status)
			require.Equal(t, c.uuid, r.CommandUUID)
			require.Equal(t, c.kind, r.ID.Type)
			require.Equal(t, data, r.Raw)
			require.Equal(t, name == "acknowledged-user", r.NotOnConsole)
			outcome, ended := r.Status.Outcome()
			require.Equal(t, c.outcome, outcome)
			require.Equal(t, c.outcome != "", ended)

			other, err := nanomdm.DecodeCommandResults(data)
			require.NoError(t, err)
			require.Equal(t, other.Status, string(r.Status))
			require.Equal(t, checkin.Sender(other.Enrollment), r.Sender)
		})
	}
}

func TestFailure(t *testing.T) {
	r, err := command.DecodeResult(readFile(t, "error.plist"))
	require.NoError(t, err)
	require.Equal(t, []command.Failure{
		{Code: 4001, Domain: "MCInstallationErrorDomain", Text: "Profile Failed to Install", Message: "Profil-Installation fehlgeschlagen"},
		{Code: -319, Domain: "MDMClientError", Text: "The profile must be\nsigned."},
	}, r.Errors)
	code, detail := r.Failure()
	require.Equal(t, "MCInstallationErrorDomain/4001", code)
	require.Equal(t, "Profile Failed to Install > The profile must be signed.", detail)

	r.Errors = []command.Failure{{Domain: strings.Repeat("d", 500), Text: strings.Repeat("ä", 2000)}, {Text: strings.Repeat("ä", 2000)}}
	code, detail = r.Failure()
	require.Len(t, code, 255)
	require.Equal(t, strings.Repeat("ä", 1000), detail)

	code, detail = (&command.Result{}).Failure()
	require.Empty(t, code+detail)
}

func result(t testing.TB, more map[string]any) []byte {
	t.Helper()
	m := map[string]any{"UDID": macID, "Status": "Acknowledged", "CommandUUID": uuid}
	for k, v := range more {
		if m[k] = v; v == nil {
			delete(m, k)
		}
	}
	data, err := plist.Marshal(m)
	require.NoError(t, err)
	return data
}

func TestDecodeResultRefused(t *testing.T) {
	type more = map[string]any
	for name, c := range map[string]struct {
		data  []byte
		code  mdm.Code
		field string
	}{
		"nothing":        {nil, mdm.CodeMalformed, ""},
		"too large":      {bytes.Repeat([]byte(" "), command.MaxResult+1), mdm.CodeTooLarge, ""},
		"no device":      {result(t, more{"UDID": nil}), mdm.CodeInvalid, "UDID"},
		"no status":      {result(t, more{"Status": nil}), mdm.CodeInvalid, "Status"},
		"another status": {result(t, more{"Status": "acknowledged"}), mdm.CodeInvalid, "Status"},
		"no command":     {result(t, more{"CommandUUID": nil}), mdm.CodeInvalid, "CommandUUID"},
		"a long command": {result(t, more{"CommandUUID": strings.Repeat("x", 256)}), mdm.CodeInvalid, "CommandUUID"},
		"no chain":       {result(t, more{"ErrorChain": "oops"}), mdm.CodeMalformed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := command.DecodeResult(c.data)
			require.Nil(t, r)
			require.ErrorIs(t, err, c.code)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.field, e.Field)
		})
	}
	r, err := command.DecodeResult(result(t, more{"Status": "Idle"}))
	require.NoError(t, err)
	require.Empty(t, r.CommandUUID, "idle is about no command")
}

func TestParseProfileList(t *testing.T) {
	list, err := command.ParseProfileList(readFile(t, "profilelist.plist"))
	require.NoError(t, err)
	managed := true
	require.Equal(t, []command.InstalledProfile{
		{
			Identifier: "com.example.office", UUID: "5C0A3F6E-9B0D-4E0E-8F57-54C4E4A0A000", Version: 1,
			DisplayName: "Office", Organization: "Example", Description: "For the office", RemovalDisallowed: true,
			Signers: [][]byte{[]byte("signer"), []byte("issuer")},
			Payloads: []command.InstalledPayload{
				{
					Type: "com.apple.wifi.managed", Identifier: "com.example.office.wifi", UUID: "5C0A3F6E-9B0D-4E0E-8F57-54C4E4A0A001", Version: 1,
					DisplayName: "Wi-Fi", Organization: "Example", Description: "Configures Wi-Fi",
				},
				{Type: "com.apple.dock", Identifier: "com.example.office.dock", Version: 1, DisplayName: "Dock"},
			},
		},
		{
			Identifier: "com.example.secret", UUID: "5C0A3F6E-9B0D-4E0E-8F57-54C4E4A0B000",
			HasPasscode: true, Encrypted: true, Managed: &managed, Source: command.SourceDeclarative,
		},
	}, list)

	list, err = command.ParseProfileList(readFile(t, "profilelist-empty.plist"))
	require.NoError(t, err)
	require.NotNil(t, list)
	require.Empty(t, list)
}

func TestParseProfileListRefused(t *testing.T) {
	type more = map[string]any
	for name, c := range map[string]struct {
		data  []byte
		code  mdm.Code
		field string
	}{
		"no list":        {readFile(t, "acknowledged.plist"), mdm.CodeInvalid, "ProfileList"},
		"an error":       {readFile(t, "error.plist"), mdm.CodeInvalid, "ProfileList"},
		"a nameless one": {result(t, more{"ProfileList": []any{more{"PayloadIdentifier": "a"}, more{}}}), mdm.CodeInvalid, "ProfileList[1].PayloadIdentifier"},
		"a dictionary":   {result(t, more{"ProfileList": more{}}), mdm.CodeMalformed, ""},
		"a wrong type":   {result(t, more{"ProfileList": []any{more{"PayloadIdentifier": 1}}}), mdm.CodeMalformed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := command.ParseProfileList(c.data)
			require.Nil(t, list)
			require.ErrorIs(t, err, c.code)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.field, e.Field)
		})
	}
}

func TestParseDeviceInformation(t *testing.T) {
	d, err := command.ParseDeviceInformation(readFile(t, "deviceinformation.plist"))
	require.NoError(t, err)
	require.Equal(t, "Ada’s MacBook Pro", d.DeviceName)
	require.Equal(t, "J314sAP", d.SoftwareUpdateDeviceID)
	require.Equal(t, "3c:06:30:00:00:02", d.WiFiMAC)
	require.Equal(t, 994.0, *d.DeviceCapacity, "a whole number")
	require.Equal(t, 812.25, *d.AvailableDeviceCapacity)
	require.Equal(t, 1.0, *d.BatteryLevel)
	require.True(t, *d.IsAppleSilicon)
	require.False(t, *d.AwaitingConfiguration)
	require.Nil(t, d.IsMultiUser, "not told")
	require.Nil(t, d.PINRequiredForDeviceLock, "told in another type")
	require.Equal(t, "yes", d.Responses["PINRequiredForDeviceLock"])
	require.Equal(t, map[string]any{"AutoCheckEnabled": true}, d.Responses["OSUpdateSettings"])
	require.Equal(t, [][]byte{[]byte("leaf"), []byte("root")}, d.DevicePropertiesAttestation)
	require.Equal(t, mdm.HostFacts{
		Platform: mdm.MacOS, Serial: "C02XK1ABCD12", HardwareID: macID, Name: "Ada’s MacBook Pro", Model: "MacBookPro18,3", OSVersion: "15.1",
	}, d.Facts())

	d, err = command.ParseDeviceInformation(result(t, map[string]any{"QueryResponses": map[string]any{
		"Model": "MK123", "ModelName": "iPhone", "DevicePropertiesAttestation": []any{[]byte("leaf"), "no"},
	}}))
	require.NoError(t, err)
	require.Nil(t, d.DevicePropertiesAttestation, "a chain is whole or nothing")
	require.Equal(t, mdm.HostFacts{Platform: mdm.IOS, Model: "MK123"}, d.Facts())

	_, err = command.ParseDeviceInformation(readFile(t, "error.plist"))
	require.ErrorIs(t, err, mdm.CodeInvalid)
	_, err = command.ParseDeviceInformation(nil)
	require.ErrorIs(t, err, mdm.CodeMalformed)
}

func TestResultsStayOutOfLogs(t *testing.T) {
	r, err := command.DecodeResult(readFile(t, "profilelist.plist"))
	require.NoError(t, err)
	for _, format := range []string{"%v", "%+v", "%#v"} {
		require.Equal(t, "Acknowledged 0199a1b2-0000-7000-8000-000000000008 from "+macID, fmt.Sprintf(format, r))
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("got", "result", r, "command", parseRaw(t, "raw-lock.plist"))
	require.Contains(t, log.String(), `"result":"Acknowledged `)
	require.Contains(t, log.String(), `"command":"raw DeviceLock"}`)

	r, err = command.DecodeResult(readFile(t, "idle.plist"))
	require.NoError(t, err)
	require.Equal(t, "Idle from "+macID, r.String())
}

func FuzzResult(f *testing.F) {
	files, err := filepath.Glob("testdata/*.plist")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	known := []mdm.Code{mdm.CodeMalformed, mdm.CodeTooLarge, mdm.CodeInvalid}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := command.DecodeResult(data)
		if err != nil {
			require.Contains(t, known, mdm.CodeOf(err))
		} else {
			require.Equal(t, r.Status == command.Idle, r.CommandUUID == "")
			code, detail := r.Failure()
			require.LessOrEqual(t, len([]rune(code)), 255)
			require.LessOrEqual(t, len([]rune(detail)), 1000)
		}
		list, err := command.ParseProfileList(data)
		if err != nil {
			require.Contains(t, known, mdm.CodeOf(err))
		}
		for _, p := range list {
			require.NotEmpty(t, p.Identifier)
		}
		d, err := command.ParseDeviceInformation(data)
		if err != nil {
			require.Contains(t, known, mdm.CodeOf(err))
		} else {
			require.LessOrEqual(t, len([]rune(d.Facts().Name)), 255)
		}
	})
}
