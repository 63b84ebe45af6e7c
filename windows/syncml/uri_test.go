package syncml

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestURIKey(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"./Vendor/MSFT/WiFi", "device/vendor/msft/wifi"},
		{"./Device/Vendor/MSFT/WiFi", "device/vendor/msft/wifi"},
		{" ./device/VENDOR/msft/wifi/ ", "device/vendor/msft/wifi"},
		{"./User/Vendor/MSFT/WiFi", "user/vendor/msft/wifi"},
		{"./DevInfo/DevId", "device/devinfo/devid"},
		{"./Vendor/MSFT/WiFi/Profile/My%20Net", "device/vendor/msft/wifi/profile/my net"},
		{"./Vendor/MSFT/WiFi/Profile/My Net", "device/vendor/msft/wifi/profile/my net"},
		{"./a/%7B1%7d", "device/a/{1}"},
		{"./a/b%2Fc", "device/a/b%2fc"},
		{"./a/b%252Fc", "device/a/b%252fc"},
		{"./a/100%", "device/a/100%25"},
		{"./a/%zz", "device/a/%25zz"},
		{"./a/caf%C3%A9", "device/a/café"},
		{"./a/CAFÉ", "device/a/café"},
		{"./a/%EF%BF%BD", "device/a/\ufffd"},
		{"./a/%C3", "device/a/%25c3"},
		{"https://MDM.example.com/x", "https://mdm.example.com/x"},
		{"", ""},
	} {
		require.Equal(t, tt.want, URIKey(tt.in), tt.in)
	}
	require.True(t, SameURI("./Vendor/MSFT/A%7e", "./device/vendor/msft/a~"))
	require.False(t, SameURI("./Vendor/MSFT/A", "./User/Vendor/MSFT/A"))
	require.False(t, SameURI("./a/b%2Fc", "./a/b/c"), "an encoded slash is no boundary")
}

func TestURIKeyProperties(t *testing.T) {
	segment := rapid.StringMatching(`[A-Za-z0-9 %{}~._-]{1,12}`)
	rapid.Check(t, func(t *rapid.T) {
		segs := rapid.SliceOfN(segment, 1, 6).Draw(t, "segments")
		escaped := make([]string, len(segs))
		for i, s := range segs {
			escaped[i] = percent(s)
		}
		uri := "./Vendor/" + strings.Join(escaped, "/")
		key := URIKey(uri)
		require.Equal(t, key, URIKey("./Device/Vendor/"+strings.Join(escaped, "/")), "the device part may be omitted")
		require.Equal(t, key, URIKey(strings.ToUpper(uri)), "letters do not count, nor do those of escapes")
		require.Equal(t, strings.Count(uri, "/"), strings.Count(key, "/"), "boundaries stay")
		require.NotEqual(t, key, URIKey("./User/Vendor/"+strings.Join(escaped, "/")))
	})
}

// percent encodes every byte that is not a letter or digit.
func percent(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

func FuzzURIKey(f *testing.F) {
	f.Add("./Vendor/MSFT/WiFi/Profile/My%20Net/WlanXml")
	f.Add("./User/a/%C3%A9%2F%25")
	f.Add("./device/")
	f.Fuzz(func(t *testing.T, s string) {
		key := URIKey(s)
		require.Equal(t, key, URIKey("  "+s+"\n"))
		require.True(t, SameURI(s, s))
	})
}
