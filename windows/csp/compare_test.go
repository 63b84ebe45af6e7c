package csp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	policyURI = "./Vendor/MSFT/Policy/Config/AppVirtualization/PublishingAllowServer2"
	wlanURI   = "./Vendor/MSFT/WiFi/Profile/Net/WlanXml"
	wlanXML   = `<?xml version="1.0"?>
<WLANProfile xmlns="http://www.microsoft.com/networking/WLAN/profile/v1"><name>Net</name>
 <SSIDConfig><SSID><name>Net</name></SSID><nonBroadcast>false</nonBroadcast></SSIDConfig>
 <MSM><security><authEncryption><authentication>WPA2PSK</authentication><encryption>AES</encryption></authEncryption>
 <sharedKey><keyType>passPhrase</keyType><protected>false</protected><keyMaterial>secret</keyMaterial></sharedKey></security></MSM></WLANProfile>`
)

func TestCompare(t *testing.T) {
	const (
		sharedPC = "./Vendor/MSFT/SharedPC/X"
		unknown  = "./Vendor/MSFT/Unheard/Of"
		certURI  = "./Vendor/MSFT/RootCATrustedCertificates/Root/AB/EncodedCertificate"
		locker   = "./Vendor/MSFT/AppLocker/ApplicationLaunchRestrictions/g/EXE/Policy"
		pfx      = "./Vendor/MSFT/ClientCertificateInstall/PFXCertInstall/c/PFXCertBlob"
		scep     = "./Vendor/MSFT/ClientCertificateInstall/SCEP/c/Install/ServerURL"
		msi      = "./Vendor/MSFT/EnterpriseDesktopAppManagement/MSI/%7Bp%7D/DownloadInstall"
	)
	for _, tt := range []struct {
		name, uri string
		want, got Value
		verdict   Verdict
	}{
		{"text", sharedPC, Value{"chr", "a"}, Value{"chr", "a"}, Match},
		{"other text", sharedPC, Value{"chr", "a"}, Value{"chr", "A"}, Differ},
		{"space around", sharedPC, Value{"chr", "\n  a "}, Value{"", "a"}, Match},
		{"line ends", sharedPC, Value{"chr", "a\nb"}, Value{"chr", "a\r\nb"}, Match},
		{"empty", sharedPC, Value{"chr", ""}, Value{"chr", " "}, Match},
		{"not empty", sharedPC, Value{"chr", "a"}, Value{"chr", ""}, Differ},
		{"bool", sharedPC, Value{"bool", "True"}, Value{"bool", "true"}, Match},
		{"bool as int", sharedPC, Value{"bool", "true"}, Value{"int", "1"}, Match},
		{"other bool", sharedPC, Value{"bool", "true"}, Value{"bool", "0"}, Differ},
		{"not a bool", sharedPC, Value{"bool", "yes"}, Value{"bool", "true"}, Differ},
		{"int", sharedPC, Value{"int", "+007"}, Value{"int", "7"}, Match},
		{"zero", sharedPC, Value{"int", "-00"}, Value{"int", "0"}, Match},
		{"negative", sharedPC, Value{"int", "-1"}, Value{"int", "1"}, Differ},
		{"large int", sharedPC, Value{"int", "99999999999999999999990"}, Value{"int", "99999999999999999999991"}, Differ},
		{"not an int", sharedPC, Value{"int", "1x"}, Value{"int", "1"}, Differ},
		{"digits as text", sharedPC, Value{"chr", "007"}, Value{"chr", "7"}, Differ},
		{"base64", certURI, Value{"b64", "AAEC\r\nAw=="}, Value{"b64", "AAECAw"}, Match},
		{"other base64", certURI, Value{"b64", "AAEC"}, Value{"b64", "aaec"}, Differ},
		{"interior node", "./Vendor/MSFT/VPNv2/corp", Value{"node", ""}, Value{"node", "AlwaysOn/ProfileXML"}, Match},

		{"unknown node, other value", unknown, Value{"int", "1"}, Value{"int", "2"}, Differ},
		{"unknown node that shows nothing", unknown, Value{"chr", "1"}, Value{"chr", ""}, Present},
		{"unknown node, the same XML", unknown, Value{"chr", `<a x="1" y="2"><b/></a>`}, Value{"chr", "<a y='2' x='1'>\n<b></b></a>"}, Match},
		{"unknown node, other XML", unknown, Value{"chr", `<a><b/><c/></a>`}, Value{"chr", `<a><c/><b/></a>`}, Differ},

		{"policy, number", policyURI, Value{"int", "15"}, Value{"int", "15"}, Match},
		{"policy, other number", policyURI, Value{"int", "15"}, Value{"int", "20"}, Differ},
		{"policy, enabled", policyURI, Value{"chr", " <enabled/> "}, Value{"chr", "<Enabled></Enabled>"}, Match},
		{"policy, disabled", policyURI, Value{"chr", "<disabled/>"}, Value{"chr", "<enabled/>"}, Differ},
		{"policy, disabled has no data", policyURI, Value{"chr", "<disabled/>"}, Value{"chr", `<disabled/><data id="a" value="1"/>`}, Match},
		{"policy, data in another order", policyURI,
			Value{"chr", `<enabled/><data id="a" value="1"/><data id="b" value="x &amp; &#xF000;y"/>`},
			Value{"chr", "<enabled/>\r\n<data value='x &#38; \uf000y' id='b'></data><data id=\"a\" value=\"1\"/>"}, Match},
		{"policy, data differ", policyURI, Value{"chr", `<enabled/><data id="a" value="1"/>`}, Value{"chr", `<enabled/><data id="a" value="2"/>`}, Differ},
		{"policy, data lack", policyURI, Value{"chr", `<enabled/><data id="a" value="1"/>`}, Value{"chr", `<enabled/>`}, Differ},
		{"policy, data twice", policyURI, Value{"chr", `<enabled/><data id="a" value="1"/><data id="a" value="1"/>`}, Value{"chr", `<enabled/><data id="a" value="1"/>`}, Differ},
		{"policy, no state", policyURI, Value{"chr", `<data id="a" value="1"/>`}, Value{"chr", `<enabled/>`}, Differ},
		{"policy, both states", policyURI, Value{"chr", `<enabled/><disabled/>`}, Value{"chr", `<enabled/>`}, Differ},
		{"policy, XML of its own", policyURI, Value{"chr", `<GroupConfiguration><a x="1" y="2"/></GroupConfiguration>`}, Value{"chr", "<GroupConfiguration>\n<a y='2' x='1'/>\n</GroupConfiguration>"}, Match},
		{"policy, empty", policyURI, Value{"chr", "<enabled/>"}, Value{"chr", ""}, Differ},

		{"rewritten, the same", locker, Value{"chr", "<r a='1'/>"}, Value{"chr", `<r a="1"/>`}, Match},
		{"rewritten, not the same", locker, Value{"chr", "<r a='1'/>"}, Value{"chr", `<r a="1" b=""/>`}, Present},
		{"redacted", "./Vendor/MSFT/VPNv2/c/NativeProfile/L2tpPsk", Value{"chr", "k"}, Value{"chr", ""}, Present},
		{"write-only", "./Vendor/MSFT/Accounts/Users/u/Password", Value{"chr", "k"}, Value{"chr", "k"}, Unverifiable},

		{"PFX installed", pfx, Value{"chr", "blob"}, Value{"int", "0"}, Match},
		{"PFX failed", pfx, Value{"chr", "blob"}, Value{"int", "-2146885630"}, Differ},
		{"SCEP done", scep, Value{"chr", "u"}, Value{"int", "1"}, Match},
		{"SCEP pending", scep, Value{"chr", "u"}, Value{"int", "2"}, Pending},
		{"SCEP failed", scep, Value{"chr", "u"}, Value{"int", "16"}, Differ},
		{"MSI done", msi, Value{"xml", "<MsiInstallJob/>"}, Value{"int", "70"}, Match},
		{"MSI installing", msi, Value{"xml", "<MsiInstallJob/>"}, Value{"int", "50"}, Pending},
		{"MSI failed", msi, Value{"xml", "<MsiInstallJob/>"}, Value{"int", "60"}, Differ},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _ := FactOf(must(t, tt.uri))
			require.Equal(t, tt.verdict, Compare(f, tt.want, tt.got))
		})
	}
}

func TestCompareWLAN(t *testing.T) {
	f, ok := FactOf(must(t, wlanURI))
	require.True(t, ok)
	shown := strings.NewReplacer(
		"<SSID>", "<SSID><hex>4E6574</hex>", "<protected>false", "<protected>true", "secret", "01000000D08C9DDF",
		"</WLANProfile>", "<MacRandomization xmlns=\"http://www.microsoft.com/networking/WLAN/profile/v3\"><enableRandomization>false</enableRandomization></MacRandomization></WLANProfile>",
		"\n", "", "?>", "?>\r\n").Replace(wlanXML)
	compare := func(want, got string) Verdict { return Compare(f, Value{"chr", want}, Value{"chr", got}) }
	noKey := func(s string) string {
		before, rest, _ := strings.Cut(s, "<sharedKey>")
		_, after, _ := strings.Cut(rest, "</sharedKey>")
		return before + after
	}

	require.Equal(t, Match, compare(wlanXML, wlanXML))
	require.Equal(t, Partial, compare(wlanXML, shown), "all that is shown is right; the key is hidden")
	require.Equal(t, Match, compare(noKey(wlanXML), shown), "without a key nothing is hidden")
	require.Equal(t, Partial, compare(noKey(wlanXML), strings.Replace(shown, "WPA2PSK", "WPA3SAE", 1)), "Windows raised the authentication")
	require.Equal(t, Partial, compare(noKey(wlanXML), strings.Replace(shown, "<encryption>AES", "<encryption>GCMP256", 1)))

	hex := strings.Replace(wlanXML, "<SSID>", "<SSID><hex>4e6574</hex>", 1)
	require.Equal(t, Match, compare(noKey(hex), shown), "hexadecimal in either case")
	require.Equal(t, Differ, compare(strings.Replace(hex, "4e65", "4e66", 1), shown))

	for name, got := range map[string]string{
		"another network":  strings.ReplaceAll(shown, "Net</name>", "Other</name>"),
		"weaker":           strings.Replace(shown, "WPA2PSK", "open", 1),
		"other encryption": strings.Replace(shown, "<encryption>AES", "<encryption>TKIP", 1),
		"no key":           noKey(shown),
		"empty":            "",
		"two roots":        shown + shown,
		"not XML":          "<WLANProfile",
		"document type":    "<!DOCTYPE a><WLANProfile/>",
	} {
		require.Equal(t, Differ, compare(wlanXML, got), name)
	}
	require.Equal(t, Differ, compare(strings.Replace(wlanXML, "WPA2PSK", "WPA3SAE", 1), shown), "lowered")
	require.Equal(t, Differ, compare("<a/>", "<b/>"))
	require.Equal(t, Differ, compare("text", shown))

	twice := "<a><b>1</b><b>2</b></a>"
	require.Equal(t, Match, compare(twice, "<a><b>2</b><c/><b>1</b></a>"), "in any order")
	require.Equal(t, Differ, compare(twice, "<a><b>1</b></a>"))
	require.Equal(t, Differ, compare("<a><b>1</b><b>1</b></a>", "<a><b>1</b></a>"), "one does not count for two")
}

func TestCompareBounds(t *testing.T) {
	f, _ := FactOf(must(t, policyURI))
	deep := strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100)
	require.Equal(t, Differ, Compare(f, Value{"chr", deep}, Value{"chr", deep + " <!-- -->"}))
	wide := strings.Repeat("<a/>", maxTreeNodes+1)
	require.Equal(t, Differ, Compare(f, Value{"chr", wide}, Value{"chr", wide + " <!-- -->"}))
	large := "<a>" + strings.Repeat("x<!-- -->", maxTreeBytes/8) + "</a>"
	require.Equal(t, Differ, Compare(f, Value{"chr", "<a/>"}, Value{"chr", large}))

	w, _ := FactOf(must(t, wlanURI))
	many := "<a>" + strings.Repeat("<b/>", maxWLANNodes) + "</a>"
	require.Equal(t, Differ, Compare(w, Value{"chr", many}, Value{"chr", many + " <!-- -->"}))
}

func TestVerdictGroups(t *testing.T) {
	for v, want := range map[Verdict][2]bool{
		Match: {true, false}, Partial: {true, false}, Present: {true, false}, Pending: {}, Unverifiable: {},
		Differ: {false, true}, Missing: {false, true},
	} {
		require.Equal(t, want, [2]bool{v.OK(), v.Failed()}, v)
	}
}
