package csp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFactOf(t *testing.T) {
	for _, tt := range []struct {
		uri, pattern string
		best         Verdict
	}{
		{"./Vendor/MSFT/Policy/Config/DeviceLock/MinDevicePasswordLength", v + "Policy/Config/*/*", Match},
		{"./User/vendor/msft/POLICY/config/Chrome~Policy~x/Home", v + "Policy/Config/*~*/*", Match},
		{"./Vendor/MSFT/Policy/ConfigOperations/ADMXInstall/App/Policy/File", v + "Policy/ConfigOperations/ADMXInstall/*/*/*", Present},
		{"./Vendor/MSFT/WiFi/Profile/N/WlanXml", v + "WiFi/Profile/*/WlanXml", Match},
		{"./Vendor/MSFT/VPNv2/c/NativeProfile/Servers", v + "VPNv2/*/**", Match},
		{"./Vendor/MSFT/VPNv2/c", v + "VPNv2/*", Match},
		{"./Vendor/MSFT/Firewall/MdmStore/DomainProfile/EnableFirewall", v + "Firewall/MdmStore/DomainProfile/EnableFirewall", Unverifiable},
		{"./Vendor/MSFT/Firewall/MdmStore/PublicProfile/EnableFirewall", v + "Firewall/MdmStore/PublicProfile/*", Match},
		{"./Vendor/MSFT/LAPS/Policies/BackupDirectory", v + "LAPS/Policies/*", Match},
		{"./Vendor/MSFT/Reboot/RebootNow", v + "Reboot/RebootNow", Unverifiable},
		{"./Vendor/MSFT/RemoteWipe/doWipe", v + "RemoteWipe/*", Unverifiable},
		{"./DevDetail/Ext/Microsoft/DeviceName", "DevDetail/Ext/Microsoft/DeviceName", Match},
		{"./Device/DevInfo/DevId", "DevInfo/**", Match},
		{"./DevInfo", "DevInfo/**", Match},
		{"./SyncML/DMAcc/x/AppAuth/CLCRED/AAuthSecret", "SyncML/DMAcc/*/AppAuth/*/AAuthSecret", Unverifiable},
		{"./Vendor/MSFT/ClientCertificateInstall/SCEP/x/Install/Challenge", v + "ClientCertificateInstall/SCEP/*/Install/**", Match},
		{"./Vendor/MSFT/ClientCertificateInstall/PFXCertInstall/x/PFXCertPassword", v + "ClientCertificateInstall/PFXCertInstall/*/*", Match},
	} {
		f, known := FactOf(must(t, tt.uri))
		require.True(t, known, tt.uri)
		require.True(t, f.Known())
		require.Equal(t, tt.pattern, f.Pattern, tt.uri)
		require.Equal(t, tt.best, f.Best(), tt.uri)
	}
	for _, uri := range []string{"./Vendor/MSFT/Unheard/Of", "./Vendor/MSFT", "./Device", "./DevInfoX/a", "./Vendor/MSFT/WiFi/Profile", "./Vendor/Other/WiFi/Profile/N/WlanXml"} {
		f, known := FactOf(must(t, uri))
		require.False(t, known, uri)
		require.False(t, f.Known())
		require.True(t, f.Can(CanAdd|CanDelete|CanExec))
		require.Equal(t, Match, f.Best())
	}
}

// TestFactsTable holds what the code relies on for every row.
func TestFactsTable(t *testing.T) {
	classes := map[ReadBack]bool{"": true, ReadExact: true, ReadSemantic: true, ReadRedacted: true, ReadNever: true, ReadResult: true}
	seen := map[string]bool{}
	for _, f := range facts {
		require.False(t, seen[strings.ToLower(f.Pattern)], "%s twice", f.Pattern)
		seen[strings.ToLower(f.Pattern)] = true
		require.True(t, classes[f.ReadBack], f.Pattern)
		require.Equal(t, f.ReadBack == ReadSemantic, f.Content != "", f.Pattern)
		require.Equal(t, f.ReadBack == ReadResult, f.Result != nil, f.Pattern)
		require.True(t, f.Format == "" || formats[f.Format], f.Pattern)
		require.NotZero(t, f.Scopes, f.Pattern)

		// A node of the pattern finds its own row: none hides behind an earlier.
		node := strings.NewReplacer("*~*", "A~B", "**", "some/deep/er/node/than/others", "*", "Node1").Replace(f.Pattern)
		u := must(t, "./"+node)
		got, ok := FactOf(u)
		require.True(t, ok, f.Pattern)
		require.Equal(t, f.Pattern, got.Pattern, "hidden by an earlier row")
		require.Equal(t, "Node1", f.stars(u, "Node1"), f.Pattern)

		for _, at := range []string{f.RemoveAt, atOf(f.Result), atOf(f.Effect)} {
			if at != "" {
				require.LessOrEqual(t, strings.Count(at, "*"), strings.Count(f.Pattern, "*"), f.Pattern)
				require.False(t, fill(u, f.Pattern, at).IsZero(), f.Pattern)
			}
		}
		if f.RemoveAt != "" {
			require.True(t, u.Within(fill(u, f.Pattern, f.RemoveAt)), f.Pattern)
			above, known := FactOf(fill(u, f.Pattern, f.RemoveAt))
			require.True(t, !known || above.Can(CanDelete), f.Pattern)
		}
	}
}

func atOf(w *Where) string {
	if w == nil {
		return ""
	}
	return w.At
}

// stars returns the only name that the dynamic segments of a test node have.
func (f Fact) stars(u LocURI, want string) string {
	for i, p := range strings.Split(f.Pattern, "/") {
		segs := u.Segments()
		if segs[0] == "Device" {
			segs = segs[1:]
		}
		if p == "*" && segs[i] != want {
			return segs[i]
		}
	}
	return want
}

func TestMatchPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		want          bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a/b/c", false}, {"a/b", "a", false}, {"A/B", "a/b", true},
		{"a/*", "a/x", true}, {"a/*", "a", false}, {"a/*", "a/x/y", false},
		{"a/**", "a", true}, {"a/**", "a/x/y", true}, {"a/*/**", "a", false}, {"a/*/**", "a/x", true}, {"a/*/**", "a/x/y/z", true},
		{"a/*~*", "a/x~y", true}, {"a/*~*", "a/xy", false}, {"a", "ab", false},
	} {
		require.Equal(t, tt.want, matchPattern(tt.pattern, tt.path), "%s %s", tt.pattern, tt.path)
	}
}

func TestVerbsAndScopes(t *testing.T) {
	require.Equal(t, "Add, Delete, Exec, Get, Replace", (adgr | e).String())
	require.True(t, InBoth.Has(User))
	require.True(t, InDevice.Has(Device))
	require.False(t, InDevice.Has(User))
	require.False(t, InUser.Has(Device))
}

func BenchmarkFactOf(b *testing.B) {
	u := must(b, "./Device/Vendor/MSFT/DMClient/Provider/Keelson/EnrollmentType") // far down
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := FactOf(u); !ok {
			b.Fatal("unknown")
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("./Device/Vendor/MSFT/Policy/Config/DeviceLock/MinDevicePasswordLength"); err != nil {
			b.Fatal(err)
		}
	}
}
