package mdmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDecodePlist(t *testing.T) {
	wrap := func(s string) string {
		return `<?xml version="1.0" encoding="UTF-8"?><plist version="1.0">` + s + `</plist>`
	}
	for _, c := range []struct {
		name, in, want string
	}{
		{"dictionary", wrap(`<dict><key>a</key><string>b</string><key>c</key><array><true/><dict/></array></dict>`), ""},
		{"comments and space", "<!-- x -->\n" + wrap("\n<dict>\n<!-- y -->\n</dict>\n") + "\n", ""},
		{"empty", "", "ends before"},
		{"no plist", "<dict></dict>", "outside of plist"},
		{"two roots", wrap("<dict></dict><dict></dict>"), "inside"},
		{"no root", wrap(""), "empty plist tag"},
		{"text beside it", wrap("<dict></dict>") + "x", "outside of plist"},
		{"a second list", wrap("<dict></dict>") + wrap("<dict></dict>"), ""},
		{"key twice", wrap("<dict><key>a</key><true/><key>a</key><true/></dict>"), `"a" appears twice`},
		{"key without value", wrap("<dict><key>a</key></dict>"), "key without a value"},
		{"two keys", wrap("<dict><key>a</key><key>b</key><true/></dict>"), "key without a value"},
		{"value without key", wrap("<dict><true/></dict>"), "value without a key"},
		{"key in an array", wrap("<array><key>a</key></array>"), ""},
		{"unknown element", wrap("<dict><key>a</key><blob>x</blob></dict>"), "blob"},
		{"bad base64", wrap("<dict><key>a</key><data>!</data></dict>"), "base64"},
		{"unclosed", `<plist><dict>`, ""},
		{"entity", `<!DOCTYPE plist [<!ENTITY e "x">]>` + `<plist><dict><key>a</key><string>&e;</string></dict></plist>`, "entity"},
		{"deep", wrap(strings.Repeat("<array>", 100) + strings.Repeat("</array>", 100)), "levels deep"},
		{"huge", strings.Repeat(" ", appleMaxBody+1), "at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := decodePlist([]byte(c.in))
			switch c.name {
			case "dictionary", "comments and space":
				require.NoError(t, err)
			default:
				require.Error(t, err)
				require.ErrorContains(t, err, c.want)
			}
		})
	}
}

func TestEncodePlist(t *testing.T) {
	in := map[string]any{
		"s": "a<b&c", "i": int64(-1), "u": uint64(2), "b": true, "r": 0.5, "d": []byte{0, 1}, "t": time.Unix(0, 0).UTC(),
		"a": []any{"x"}, "m": map[string]any{"k": "v"}, "empty": []any{},
	}
	raw, err := encodePlist(in)
	require.NoError(t, err)
	out, err := decodePlist(raw)
	require.NoError(t, err)
	out["empty"] = []any{} // comes back as nil
	require.Equal(t, in, out)

	_, err = encodePlist(map[string]any{"nil": nil})
	require.Error(t, err)

	t.Run("plistutil", func(t *testing.T) {
		tool, dir := appleTool(t, "plistutil"), t.TempDir()
		xml, binary, back := filepath.Join(dir, "in.xml"), filepath.Join(dir, "a.bin"), filepath.Join(dir, "out.xml")
		require.NoError(t, os.WriteFile(xml, raw, 0o600))
		for _, args := range [][]string{{"-f", "bin", "-i", xml, "-o", binary}, {"-f", "xml", "-i", binary, "-o", back}} {
			text, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
			require.NoError(t, err, "%s", text)
		}
		bin, err := os.ReadFile(binary)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(bin), "bplist"))
		text, err := os.ReadFile(back)
		require.NoError(t, err)
		again, err := decodePlist(text)
		require.NoError(t, err)
		again["empty"] = []any{}
		require.Equal(t, in, again)
	})
}

func TestAsInt(t *testing.T) {
	for in, want := range map[any]bool{int64(1): true, uint64(1): true, uint64(1 << 63): false, "1": false, true: false} {
		_, ok := asInt(in)
		require.Equal(t, want, ok, "%v", in)
	}
}

func FuzzAppleCommand(f *testing.F) {
	f.Add(marshal(f, map[string]any{"CommandUUID": "u", "Command": map[string]any{"RequestType": "ProfileList", "ManagedOnly": true}}))
	f.Add(marshal(f, map[string]any{"CommandUUID": "u", "Command": map[string]any{"RequestType": "InstallProfile", "Payload": marshal(f, simpleProfile("a"))}}))
	f.Add(marshal(f, map[string]any{"CommandUUID": "u", "Command": map[string]any{"RequestType": "DeviceInformation", "Queries": []any{"UDID"}}}))
	f.Add([]byte("bplist00"))
	f.Add([]byte("<plist><dict><key>a</key><key>b</key></dict></plist>"))
	enr, err := parseEnrollment(marshal(f, profileOf("com.example.mdm", mdmPayload("https://mdm.example.com"), scepPayload("https://mdm.example.com"))), AppleMac, false)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		cmd, err := parseCommand(data)
		if err != nil {
			return
		}
		require.NotEmpty(t, cmd.uuid)
		require.NotEmpty(t, cmd.requestType)
		mac := NewApple(AppleMac, "", nil)
		mac.st.enr = enr
		mac.st.id = testCA() // not used: nothing is sent
		mac.SetOffline(true)
		ans := mac.act(t.Context(), cmd)
		require.Contains(t, []string{statusAcknowledged, statusError, statusCommandFormatError}, ans.status)
		_, err = encodePlist(mac.reportOn(cmd, ans))
		require.NoError(t, err)
	})
}

func FuzzAppleEnrollmentProfile(f *testing.F) {
	profile := profileOf("com.example.mdm", mdmPayload("https://mdm.example.com"), scepPayload("https://mdm.example.com"))
	raw := marshal(f, profile)
	f.Add(raw)
	signed, err := signCMS(raw, leafIdentity(), time.Now(), false)
	require.NoError(f, err)
	f.Add(signed)
	f.Add(marshal(f, simpleProfile("a")))
	f.Fuzz(func(t *testing.T, data []byte) {
		enr, err := parseEnrollment(data, AppleMac, false)
		if err != nil {
			var refused *DeviceError
			require.ErrorAs(t, err, &refused)
			require.NotEmpty(t, refused.Chain)
			return
		}
		require.True(t, strings.HasPrefix(enr.topic(), topicPrefix))
		require.True(t, strings.HasPrefix(strings.ToLower(enr.checkInURL()), "https://"))
		require.NoError(t, enr.checkReplacement(enr))
	})
}
