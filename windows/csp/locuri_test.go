package csp

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// must parses an address that is right.
func must(t require.TestingT, s string) LocURI {
	u, err := Parse(s)
	require.NoError(t, err, s)
	return u
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		in, canonical, key string
		scope              Scope
	}{
		{"./Vendor/MSFT/WiFi/Profile", "./Device/Vendor/MSFT/WiFi/Profile", "device/vendor/msft/wifi/profile", Device},
		{" ./device/vendor/msft/wifi/profile/Net/wlanxml ", "./Device/Vendor/MSFT/WiFi/Profile/Net/WlanXml", "device/vendor/msft/wifi/profile/net/wlanxml", Device},
		{"./user/Vendor/MSFT/Policy/config/Start/x", "./User/Vendor/MSFT/Policy/Config/Start/x", "user/vendor/msft/policy/config/start/x", User},
		{"./DevInfo/DevId", "./DevInfo/DevId", "device/devinfo/devid", Device},
		{"./Device/DevInfo/DevId", "./DevInfo/DevId", "device/devinfo/devid", Device},
		{"./SyncML/DMAcc/%30x/appauth/CLCRED/AAuthSecret", "./SyncML/DMAcc/0x/AppAuth/CLCRED/AAuthSecret", "device/syncml/dmacc/0x/appauth/clcred/aauthsecret", Device},
		{"./Vendor/MSFT/Update/ApprovedUpdates/{a b}", "./Device/Vendor/MSFT/Update/ApprovedUpdates/%7Ba%20b%7D", "device/vendor/msft/update/approvedupdates/{a b}", Device},
		{"./Vendor/MSFT/Policy/Config/Chrome~Policy~a%2Fb/X", "./Device/Vendor/MSFT/Policy/Config/Chrome~Policy~a%2Fb/X", "device/vendor/msft/policy/config/chrome~policy~a%2fb/x", Device},
		{"./User", "./User", "user", User},
		{"./Device/User/x", "./Device/User/x", "device/user/x", Device},
		{"./a/...", "./a/...", "device/a/...", Device},
	} {
		u := must(t, tt.in)
		require.Equal(t, tt.canonical, u.Canonical(), tt.in)
		require.Equal(t, tt.key, u.Key(), tt.in)
		require.Equal(t, tt.scope, u.Scope(), tt.in)
		require.Equal(t, strings.TrimSpace(tt.in), u.String(), "what was written goes on the wire")
	}
}

func TestParseRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"empty": "", "space": "  ", "slash": "/Vendor/MSFT", "no dot": "Vendor/MSFT", "dot": ".", "root": "./",
		"slash at the end": "./Vendor/MSFT/", "empty segment": "./Vendor//MSFT", "dot inside": "./Vendor/./MSFT", "up": "./Vendor/../MSFT",
		"encoded up": "./Vendor/%2e%2e/MSFT", "wildcard": "./Vendor/MSFT/*", "encoded wildcard": "./Vendor/%2A",
		"query": "./Vendor/MSFT/A?list=Struct", "bad escape": "./Vendor/%zz", "short escape": "./Vendor/%4", "not UTF-8": "./Vendor/%ff",
		"raw not UTF-8": "./Vendor/\xff", "control": "./Vendor/a%00b", "line": "./Vendor/a\nb", "delete": "./Vendor/\x7f",
		"long": "./" + strings.Repeat("a", MaxLocURI), "deep": "." + strings.Repeat("/a", MaxSegments+1),
	} {
		u, err := Parse(in)
		require.ErrorIs(t, err, mdm.CodeInvalid, name)
		require.True(t, u.IsZero(), name)
		var e *mdm.Error
		require.True(t, errors.As(err, &e))
		require.Equal(t, "locURI", e.Field)
	}
	require.Len(t, must(t, "."+strings.Repeat("/a", MaxSegments)).Segments(), MaxSegments)
}

func TestWithin(t *testing.T) {
	update := must(t, "./Vendor/MSFT/Update")
	require.True(t, must(t, "./Device/Vendor/MSFT/update").Within(update))
	require.True(t, must(t, "./Vendor/MSFT/UPDATE/ApprovedUpdates").Within(update))
	require.False(t, must(t, "./Vendor/MSFT/UpdateX/ApprovedUpdates").Within(update), "a boundary is a boundary")
	require.False(t, must(t, "./Vendor/MSFT").Within(update))
	require.False(t, must(t, "./User/Vendor/MSFT/Update/A").Within(update), "another scope")
	require.True(t, must(t, "./Vendor/MSFT").AncestorOf(update))
	require.False(t, update.AncestorOf(update))
	require.False(t, update.Within(LocURI{}))
	require.False(t, LocURI{}.AncestorOf(update))
}

func TestChildAndParent(t *testing.T) {
	p := must(t, "./Vendor/MSFT/WiFi/Profile")
	c := p.Child("50% a/b?")
	require.Equal(t, "./Vendor/MSFT/WiFi/Profile/50%25%20a%2Fb%3F", c.String())
	require.Equal(t, "50% a/b?", c.Name())
	require.True(t, c.Parent().Equal(p))
	for _, bad := range []string{"", ".", "..", "*", "a\x00", "\xff", strings.Repeat("x", MaxLocURI)} {
		require.True(t, p.Child(bad).IsZero(), "%q", bad)
	}
	require.True(t, LocURI{}.Child("a").IsZero())
	require.True(t, LocURI{}.Parent().IsZero())
	require.Nil(t, LocURI{}.Segments())
	require.Empty(t, LocURI{}.Name())
	require.Equal(t, "./Device", must(t, "./DevInfo").Parent().Canonical())
	require.True(t, must(t, "./Device").Parent().IsZero())
	require.True(t, must(t, "./User").Parent().IsZero())
}

// genLocURI draws an address in one of its spellings.
func genLocURI(t *rapid.T) LocURI {
	segment := rapid.OneOf(
		rapid.SampledFrom([]string{"Vendor", "MSFT", "WiFi", "Policy", "Config", "User", "Device", "Profile", "WlanXml", "Update"}),
		rapid.StringOfN(rapid.RuneFrom([]rune("aZ09 %/{}?*~.é\ufffdſİ")), 1, 6, -1),
	)
	prefix := rapid.SampledFrom([]string{"./", "./Vendor/MSFT/", "./Device/Vendor/MSFT/", "./User/Vendor/MSFT/"}).Draw(t, "prefix")
	segs := rapid.SliceOfN(segment, 1, 5).Draw(t, "segments")
	for i, s := range segs {
		segs[i] = escapeSegment(s)
	}
	u, problem := parse(prefix + strings.Join(segs, "/"))
	if problem != "" {
		t.Skip(problem)
	}
	return u
}

func TestLocURIProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := genLocURI(t)
		again := must(t, u.Canonical())
		require.Equal(t, u.Canonical(), again.Canonical(), "the canonical form is a fixed point")
		require.True(t, again.Equal(u))
		require.Equal(t, u.Key(), syncml.URIKey(u.String()), "one key in both packages")
		require.Equal(t, u.Key(), syncml.URIKey(u.Canonical()))
		require.Equal(t, u.Segments(), again.Segments())
		require.Equal(t, u.Scope(), again.Scope())
		require.True(t, u.Within(u))
		require.False(t, u.AncestorOf(u))
	})
}

func TestAncestryProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := genLocURI(t)
		name := rapid.StringOfN(rapid.RuneFrom([]rune("aB %/é")), 1, 5, -1).Draw(t, "name")
		c := u.Child(name)
		if c.IsZero() {
			t.Skip("no child of that name")
		}
		require.Equal(t, name, c.Name())
		require.True(t, u.AncestorOf(c))
		require.False(t, c.AncestorOf(u))
		require.True(t, c.Parent().Equal(u))
		require.True(t, NewSet(c).Touches(u), "deleting u takes c away")
		require.False(t, NewSet(u).Touches(c))
		for p := u; !p.IsZero(); p = p.Parent() {
			require.True(t, p.AncestorOf(c), "transitive")
		}

		w := genLocURI(t)
		require.Equal(t, u.Within(w) && w.Within(u), u.Equal(w), "antisymmetric")
	})
}

func TestSet(t *testing.T) {
	var s *Set
	require.Zero(t, s.Len())
	require.False(t, s.Has(must(t, "./a")))
	require.False(t, s.Touches(must(t, "./a")))
	for range s.All() {
		t.Fatal("nil is empty")
	}

	s = NewSet(must(t, "./Vendor/MSFT/B"), must(t, "./Vendor/MSFT/A/x"), must(t, "./device/VENDOR/msft/b"), LocURI{})
	require.Equal(t, 2, s.Len())
	require.True(t, s.Has(must(t, "./Device/Vendor/MSFT/b")))
	require.False(t, s.Has(must(t, "./Vendor/MSFT/A")))
	require.True(t, s.Touches(must(t, "./Vendor/MSFT/A")))
	require.False(t, s.Touches(must(t, "./Vendor/MSFT/A/x/y")))
	require.False(t, s.Touches(must(t, "./User/Vendor/MSFT/A")))
	var all []string
	for u := range s.All() {
		all = append(all, u.String())
	}
	require.Equal(t, []string{"./Vendor/MSFT/A/x", "./Vendor/MSFT/B"}, all, "the first spelling stays")
	for range s.All() {
		break
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"./Device/Vendor/MSFT/Policy/Config/Chrome~Policy~googlechrome/HomepageLocation", "./Vendor/MSFT/WiFi/Profile/My%20Net/WlanXml",
		"./SyncML/DMAcc/x", "./User/Vendor", "./a/%C3%A9%2F", "./%55ser/x", "./Device",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		if err != nil {
			require.ErrorIs(t, err, mdm.CodeInvalid)
			return
		}
		again := must(t, u.Canonical())
		require.Equal(t, u.Canonical(), again.Canonical())
		require.Equal(t, u.Key(), again.Key())
		require.Equal(t, u.Key(), syncml.URIKey(s))
		ReservedFor(u)
		FactOf(u)
	})
}
