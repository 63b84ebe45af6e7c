package mdmtest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPCCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"./Vendor/MSFT/WiFi/Profile/a%20b":     "./Device/Vendor/MSFT/WiFi/Profile/a b",
		"Vendor/MSFT/WiFi":                     "./Device/Vendor/MSFT/WiFi",
		"./Device/Vendor/MSFT/WiFi":            "./Device/Vendor/MSFT/WiFi",
		"./User/Vendor/MSFT/WiFi":              "./User/Vendor/MSFT/WiFi",
		"./Device/DevInfo/Man":                 "./DevInfo/Man",
		"./DevInfo/Man":                        "./DevInfo/Man",
		".":                                    ".",
		"./a/x%2Fy%25":                         "./a/x%2Fy%25",
		"./a/%7Bproduct%7D":                    "./a/{product}",
		"./a/with.dot/more":                    "./a/with.dot/more",
		"./Device/Vendor/MSFT/Policy/Config/C": "./Device/Vendor/MSFT/Policy/Config/C",
	} {
		got, err := PCCanonical(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
		again, err := PCCanonical(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	for _, in := range []string{"", "/Vendor", "./a//b", "./a/", "./a/./b", "./../b", "./a/*", "./a/%zz", "./a/%2E", strings.Repeat("x", 3000)} {
		_, err := PCCanonical(in)
		require.Error(t, err, in)
	}
}

func TestPCCanonicalIsAProjection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc := rapid.StringMatching(`(\./)?(Device|User|Vendor|[a-zA-Z0-9.~_ -]|%[2-7][0-9A-F]|/){0,12}`).Draw(t, "loc")
		got, err := PCCanonical(loc)
		if err != nil {
			return
		}
		again, err := PCCanonical(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

func TestPCTreeVerbs(t *testing.T) {
	type step struct {
		verb, loc string
		n         PCNode
		code      int
		value     string
	}
	v := func(s string) PCNode { return PCNode{Value: s} }
	vendor := "./Device/Vendor/MSFT/"
	steps := []step{
		{"Get", "./DevInfo/Man", PCNode{}, 200, "Contoso"},
		{"Replace", "./DevInfo/Man", v("x"), 405, ""},
		{"Add", "./DevDetail/New", v("x"), 405, ""},
		{"Delete", "./DevDetail/SwV", PCNode{}, 405, ""},
		{"Get", "./DevInfo", PCNode{}, 200, "DevId/DmV/Lang/Man/Mod"},
		{"Get", "./Nowhere", PCNode{}, 404, ""},
		{"Get", ".", PCNode{}, 200, "DevDetail/DevInfo/Device"},
		{"Get", "./Device/Vendor/MSFT/RemoteWipe", PCNode{}, 200, "AutomaticRedeployment/doWipe/doWipePersistProvisionedData/doWipePersistUserData/doWipeProtected"},
		{"Replace", vendor + "RemoteWipe/doWipe", v("x"), 405, ""},
		{"Exec", vendor + "RemoteWipe/doWipe", PCNode{}, 200, ""},
		{"Exec", vendor + "RemoteWipe/doWipeCloud", PCNode{}, 405, ""},
		{"Get", vendor + "NoSuchCSP/x", PCNode{}, 404, ""},
		{"Replace", vendor + "NoSuchCSP/x", v("x"), 404, ""},
		{"Add", vendor + "OurCSP/x", v("x"), 200, ""},
		{"Replace", vendor + "Policy/Result/A/B", v("1"), 405, ""},
		{"Add", vendor + "Policy/Config/A/B", PCNode{Value: "1", Format: "int"}, 200, ""},
		{"Add", vendor + "Policy/Config/A/B", PCNode{Value: "1", Format: "int"}, 418, ""},
		{"Add", vendor + "Policy/Config/A", PCNode{Format: "node"}, 418, ""},
		{"Get", vendor + "Policy/Result/A/B", PCNode{}, 200, "1"},
		{"Replace", vendor + "Policy/Config/A", v("x"), 405, ""},
		{"Replace", vendor + "Policy/Config/A/B/C", v("x"), 405, ""},
		{"Replace", vendor + "Policy/Config/A/B", PCNode{Value: "one", Format: "int"}, 500, ""},
		{"Replace", vendor + "Policy/Config/A/B", PCNode{Value: "yes", Format: "bool"}, 500, ""},
		{"Replace", vendor + "Policy/Config/A/B", PCNode{Value: "!", Format: "b64"}, 500, ""},
		{"Replace", vendor + "Policy/Config/A/B", PCNode{Value: "1.x", Format: "float"}, 500, ""},
		{"Replace", vendor + "Policy/Config/A/B", PCNode{Value: "QUJD\r\nREVG", Format: "b64"}, 200, ""},
		{"Delete", vendor + "Policy/Config/A", PCNode{}, 200, ""},
		{"Get", vendor + "Policy/Result/A/B", PCNode{}, 404, ""},
		{"Get", vendor + "Policy/Result/A", PCNode{}, 404, ""},
		{"Delete", vendor + "Policy/Config/A", PCNode{}, 404, ""},
		{"Replace", vendor + "Accounts/Users/ada/Password", v("x"), 405, ""},
		{"Add", vendor + "Accounts/Users/ada/Password", v("x"), 200, ""},
		{"Get", vendor + "Accounts/Users/ada/Password", PCNode{}, 405, ""},
		{"Replace", vendor + "ClientCertificateInstall/PFXCertInstall/1/PFXCertPassword", v("x"), 404, ""},
		{"Add", vendor + "ClientCertificateInstall/PFXCertInstall/1/PFXCertPassword", v("x"), 200, ""},
		{"Replace", vendor + "ClientCertificateInstall/PFXCertInstall/1/PFXCertPassword", v("y"), 200, ""},
		{"Add", vendor + "VPNv2/Office/NativeProfile/L2tpPsk", v("psk"), 200, ""},
		{"Get", vendor + "VPNv2/Office/NativeProfile/L2tpPsk", PCNode{}, 405, ""},
		{"Add", vendor + "VPNv2/Home/ProfileXML", v("<V><L2tpPsk>psk</L2tpPsk></V>"), 200, ""},
		{"Get", vendor + "VPNv2/Home/ProfileXML", PCNode{}, 200, "<V><L2tpPsk>********</L2tpPsk></V>"},
		{"Add", vendor + "WiFi/Profile/A%2FB/WlanXml", v("x"), 200, ""},
		{"Get", vendor + "WiFi/Profile", PCNode{}, 200, "A%2FB"},
		{"Replace", "./User/Vendor/MSFT/Policy/Config/A/B", v("1"), 200, ""},
		{"Get", "./User/Vendor/MSFT/Policy/Result/A/B", PCNode{}, 200, "1"},
		{"Replace", "./User/Vendor/MSFT/BitLocker/X", v("1"), 405, ""},
		{"Get", "./User/Vendor/MSFT/Nothing/X", PCNode{}, 404, ""},
		{"Get", "./Device/Vendor/MSFT", PCNode{}, 200, "*"},
		{"Get", vendor + "BitLocker/Status/DeviceEncryptionStatus", PCNode{}, 200, "0"},
		{"Replace", vendor + "BitLocker/Status/DeviceEncryptionStatus", v("1"), 405, ""},
	}
	d := NewPC("https://mdm.example.com", "ada", "secret", &PCOptions{CSPs: []string{"OurCSP"}})
	d.tree.signedIn = true
	for _, st := range steps {
		s, err := pcSegments(st.loc)
		require.NoError(t, err)
		code, origin, got := d.tree.apply(st.verb, s, st.n)
		require.Equal(t, st.code, code, "%s %s", st.verb, st.loc)
		require.Equal(t, code == 500, origin != "")
		if st.value != "*" {
			require.Equal(t, st.value, got.Value, "%s %s", st.verb, st.loc)
		}
	}
	require.Equal(t, "<a><keyMaterial>********</keyMaterial><keyMaterial>", pcRedact("<a><keyMaterial>x</keyMaterial><keyMaterial>y"))
}

func TestPCTreeBehindTheServersBack(t *testing.T) {
	d := NewPC("https://mdm.example.com", "ada", "secret", nil)
	require.NoError(t, d.SetNode(pcCamera, PCNode{Value: "1", Format: "int"}))
	require.NoError(t, d.SetNode(pcResult, PCNode{Value: "0", Format: "int"}))
	config, _ := d.Node(pcCamera)
	result, _ := d.Node(pcResult)
	require.Equal(t, []string{"1", "0"}, []string{config.Value, result.Value}, "another source won")
	require.NoError(t, d.RemoveNode("./Vendor/MSFT/Policy/Config"))
	_, ok := d.Tree()[pcCamera]
	require.False(t, ok)
	require.Error(t, d.SetNode("/x", PCNode{}))
	require.Error(t, d.RemoveNode("/x"))
	_, ok = d.Node("/x")
	require.False(t, ok)
}
