package command_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/command"
	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

const uuid = "0199a1b2-0000-7000-8000-000000000001"

var update = flag.Bool("update", false, "write the golden files")

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return b
}

func parseRaw(t testing.TB, name string) *command.Raw {
	t.Helper()
	r, err := command.ParseRaw(readFile(t, name))
	require.NoError(t, err)
	return r
}

func TestEncode(t *testing.T) {
	for name, c := range map[string]command.Command{
		"installprofile":       command.InstallProfile{Payload: []byte("<plist>…</plist>")},
		"removeprofile":        command.RemoveProfile{Identifier: "com.example.office"},
		"profilelist":          command.ProfileList{},
		"profilelist-managed":  command.ProfileList{ManagedOnly: true},
		"deviceinformation":    command.DeviceInformation{Queries: []string{"UDID", "OSVersion"}},
		"deviceinfo-attested":  command.DeviceInformation{Queries: []string{"DevicePropertiesAttestation"}, AttestationNonce: []byte("fresh")},
		"raw-lock":             parseRaw(t, "raw-lock.plist"),
		"raw-bare":             parseRaw(t, "raw-bare.plist"),
		"a pointer is as good": &command.RemoveProfile{Identifier: "com.example.office"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := command.Encode(uuid, c)
			require.NoError(t, err)
			again, err := command.Encode(uuid, c)
			require.NoError(t, err)
			require.Equal(t, got, again)

			golden := filepath.Join("testdata", "encoded", strings.ReplaceAll(name, " ", "-")+".xml")
			if *update {
				require.NoError(t, os.WriteFile(golden, got, 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))

			// NanoMDM reads it, and so does libplist.
			other, err := nanomdm.DecodeCommand(got)
			require.NoError(t, err)
			require.Equal(t, uuid, other.CommandUUID)
			require.Equal(t, c.RequestType(), other.Command.RequestType)
			bin, err := exec.LookPath("plistutil")
			if err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatal("plistutil is not installed")
				}
				t.Skip("plistutil is not installed")
			}
			cmd := exec.Command(bin, "-i", "-", "-o", "-", "-f", "bin")
			cmd.Stdin = bytes.NewReader(got)
			binary, err := cmd.Output()
			require.NoError(t, err)
			mine, err := plist.Dict(got, nil)
			require.NoError(t, err)
			theirs, err := plist.Dict(binary, nil)
			require.NoError(t, err)
			require.Equal(t, mine, theirs)
		})
	}
}

func TestEncodeRefused(t *testing.T) {
	ok := command.ProfileList{}
	for name, c := range map[string]struct {
		uuid  string
		c     command.Command
		code  mdm.Code
		field string
	}{
		"no UUID":           {"", ok, mdm.CodeInvalid, "CommandUUID"},
		"a long UUID":       {strings.Repeat("x", 256), ok, mdm.CodeInvalid, "CommandUUID"},
		"a control":         {"a\x00", ok, mdm.CodeInvalid, "CommandUUID"},
		"no command":        {uuid, nil, mdm.CodeInvalid, "Command"},
		"no payload":        {uuid, command.InstallProfile{}, mdm.CodeInvalid, "Payload"},
		"a large payload":   {uuid, command.InstallProfile{Payload: make([]byte, command.MaxPayload+1)}, mdm.CodeTooLarge, "Payload"},
		"no identifier":     {uuid, command.RemoveProfile{}, mdm.CodeInvalid, "Identifier"},
		"no queries":        {uuid, command.DeviceInformation{}, mdm.CodeInvalid, "Queries"},
		"an empty query":    {uuid, command.DeviceInformation{Queries: []string{""}}, mdm.CodeInvalid, "Queries"},
		"a query twice":     {uuid, command.DeviceInformation{Queries: []string{"UDID", "UDID"}}, mdm.CodeInvalid, "Queries"},
		"a nonce alone":     {uuid, command.DeviceInformation{Queries: []string{"UDID"}, AttestationNonce: []byte("x")}, mdm.CodeInvalid, "AttestationNonce"},
		"a long nonce":      {uuid, command.DeviceInformation{Queries: []string{"DevicePropertiesAttestation"}, AttestationNonce: make([]byte, 33)}, mdm.CodeInvalid, "AttestationNonce"},
		"a raw of nothing":  {uuid, (*command.Raw)(nil), mdm.CodeInvalid, "RequestType"},
		"an empty raw":      {uuid, &command.Raw{}, mdm.CodeInvalid, "RequestType"},
		"control in a name": {uuid, command.RemoveProfile{Identifier: "a\x01"}, mdm.CodeInvalid, "Command.Identifier"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := command.Encode(c.uuid, c.c)
			require.Nil(t, out)
			require.ErrorIs(t, err, c.code)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.field, e.Field)
		})
	}
}

func TestRaw(t *testing.T) {
	r := parseRaw(t, "raw-lock.plist")
	require.Equal(t, "DeviceLock", r.RequestType())
	for _, format := range []string{"%v", "%+v", "%#v"} {
		require.Equal(t, "raw DeviceLock", fmt.Sprintf(format, r))
	}
	out, err := command.Encode(uuid, r)
	require.NoError(t, err)
	d, err := plist.Dict(out, nil)
	require.NoError(t, err)
	want, err := plist.Dict(readFile(t, "raw-lock.plist"), nil)
	require.NoError(t, err)
	want["CommandUUID"] = uuid // the author's is replaced, and nothing else
	require.Equal(t, want, d)
}

func TestRawRefused(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		code  mdm.Code
		field string
	}{
		"nothing":           {"", mdm.CodeMalformed, ""},
		"an array":          {"<array/>", mdm.CodeMalformed, ""},
		"empty":             {"<dict/>", mdm.CodeInvalid, "RequestType"},
		"no name":           {"<dict><key>Command</key><dict/></dict>", mdm.CodeInvalid, "Command.RequestType"},
		"a name with space": {"<dict><key>RequestType</key><string>a b</string></dict>", mdm.CodeInvalid, "RequestType"},
		"a long name":       {"<dict><key>RequestType</key><string>" + strings.Repeat("a", 65) + "</string></dict>", mdm.CodeInvalid, "RequestType"},
		"a name of a kind":  {"<dict><key>RequestType</key><true/></dict>", mdm.CodeInvalid, "RequestType"},
		"not a dictionary":  {"<dict><key>Command</key><string>DeviceLock</string></dict>", mdm.CodeInvalid, "Command"},
		"something beside":  {"<dict><key>Command</key><dict/><key>PIN</key><string>1</string></dict>", mdm.CodeInvalid, ""},
		"a name twice": {"<dict><key>RequestType</key><string>DeviceLock</string><key>RequestType</key><string>EraseDevice</string></dict>",
			mdm.CodeMalformed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := command.ParseRaw([]byte(c.body))
			require.Nil(t, r)
			require.ErrorIs(t, err, c.code)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.field, e.Field)
		})
	}
}

func FuzzRaw(f *testing.F) {
	f.Add(readFile(f, "raw-lock.plist"))
	f.Add(readFile(f, "raw-bare.plist"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := command.ParseRaw(data)
		if err != nil {
			require.Contains(t, []mdm.Code{mdm.CodeMalformed, mdm.CodeTooLarge, mdm.CodeInvalid}, mdm.CodeOf(err))
			return
		}
		out, err := command.Encode(uuid, r)
		require.NoError(t, err)
		other, err := nanomdm.DecodeCommand(out)
		require.NoError(t, err)
		require.Equal(t, uuid, other.CommandUUID)
		require.Equal(t, r.RequestType(), other.Command.RequestType)
	})
}
