package mobileconfig_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/mobileconfig"
	"github.com/keelson-mdm/keelson/internal/plist"
	"github.com/keelson-mdm/keelson/mdm"
)

type dict = map[string]any

// base returns a valid profile with two payloads, to be spoiled.
func base() dict {
	payload := func(n, kind string) dict {
		return dict{
			"PayloadType": kind, "PayloadIdentifier": "com.example.p." + n,
			"PayloadUUID": "0000000A-0000-4000-8000-00000000000" + n, "PayloadVersion": 1,
		}
	}
	return dict{
		"PayloadType": "Configuration", "PayloadIdentifier": "com.example.p", "PayloadVersion": 1,
		"PayloadUUID": "0000000A-0000-4000-8000-000000000000",
		"PayloadContent": []any{
			payload("1", "com.apple.security.root"),
			payload("2", "com.apple.dock"),
		},
	}
}

func payloadOf(p dict, i int) dict { return p["PayloadContent"].([]any)[i].(dict) }

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := plist.Marshal(v)
	require.NoError(t, err)
	return b
}

func TestParse(t *testing.T) {
	data := readFile(t, "vendor.mobileconfig")
	before := bytes.Clone(data)
	p, err := mobileconfig.Parse(data)
	require.NoError(t, err)
	require.Equal(t, before, data, "the bytes stay as they are")
	require.Equal(t, data, p.Content)
	require.Equal(t, "com.example.office", p.Identifier)
	require.Equal(t, "5C0A3F6E-9B0D-4E0E-8F57-54C4E4A0A000", p.UUID)
	require.Equal(t, "Office", p.DisplayName)
	require.Equal(t, "Office", p.Name())
	require.Equal(t, "Example", p.Organization)
	require.Equal(t, mobileconfig.System, p.Scope)
	require.True(t, p.ScopeStated)
	require.False(t, p.Signed())
	require.Equal(t, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), p.RemovalDate)
	require.Len(t, p.Payloads, 2)
	require.Equal(t, "com.apple.wifi.managed", p.Payloads[0].Type)
	require.Equal(t, "com.example.office.wifi", p.Payloads[0].Identifier)
	require.Equal(t, "5C0A3F6E-9B0D-4E0E-8F57-54C4E4A0A001", p.Payloads[0].UUID)
	require.Equal(t, "Wi-Fi", p.Payloads[0].DisplayName)
	require.EqualValues(t, 1, p.Payloads[1].Version)
	require.True(t, p.Has(mobileconfig.Connectivity))
	require.False(t, p.Has(mobileconfig.Trust))
	require.Equal(t, []string{"com.apple.dock"}, p.Single(mdm.MacOS))
	require.Empty(t, p.Single(mdm.IOS))
	require.NoError(t, p.Check(nil))

	// The same profile in binary, with a mark, and with nothing optional.
	bin := tool(t, "plistutil")
	for _, other := range [][]byte{
		run(t, data, bin, "-i", "-", "-o", "-", "-f", "bin"),
		append([]byte("\xef\xbb\xbf"), data...),
	} {
		q, err := mobileconfig.Parse(other)
		require.NoError(t, err)
		require.Equal(t, p.Payloads, q.Payloads)
		require.Equal(t, p.RemovalDate, q.RemovalDate)
		require.Equal(t, other, q.Content)
	}
}

func TestParseDefaults(t *testing.T) {
	p, err := mobileconfig.Parse(encode(t, base()))
	require.NoError(t, err)
	require.Equal(t, mobileconfig.System, p.Scope, "absent means System")
	require.False(t, p.ScopeStated)
	require.Equal(t, mdm.DeviceChannel, p.Scope.Channel())
	require.Equal(t, mdm.UserChannel, mobileconfig.User.Channel())
	require.Equal(t, "com.example.p", p.Name())
	_, expires := p.Expiry(time.Now())
	require.False(t, expires)
}

func TestExpiry(t *testing.T) {
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		date     any
		duration any
		want     time.Time
	}{
		"date":              {at, nil, at},
		"duration":          {nil, 86400.5, at.Add(24*time.Hour + 500*time.Millisecond)},
		"whole seconds":     {nil, 60, at.Add(time.Minute)},
		"the date first":    {at.Add(time.Second), 60, at.Add(time.Second)},
		"the duration soon": {at.Add(time.Hour), 60, at.Add(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			d := base()
			if c.date != nil {
				d["RemovalDate"] = c.date
			}
			if c.duration != nil {
				d["DurationUntilRemoval"] = c.duration
			}
			p, err := mobileconfig.Parse(encode(t, d))
			require.NoError(t, err)
			got, ok := p.Expiry(at)
			require.True(t, ok)
			require.Equal(t, c.want, got)
		})
	}
}

func TestParseRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(dict)
		field string
		says  string
	}{
		"no type":               {func(d dict) { delete(d, "PayloadType") }, "PayloadType", "missing"},
		"other type":            {func(d dict) { d["PayloadType"] = "Profile Service" }, "PayloadType", `must be "Configuration"`},
		"type is a number":      {func(d dict) { d["PayloadType"] = 1 }, "PayloadType", "must be a string, not an integer"},
		"no identifier":         {func(d dict) { delete(d, "PayloadIdentifier") }, "PayloadIdentifier", "missing"},
		"empty identifier":      {func(d dict) { d["PayloadIdentifier"] = "" }, "PayloadIdentifier", "empty"},
		"blank around":          {func(d dict) { d["PayloadIdentifier"] = " com.example" }, "PayloadIdentifier", "space"},
		"newline inside":        {func(d dict) { d["PayloadIdentifier"] = "com\nexample" }, "PayloadIdentifier", "control"},
		"long identifier":       {func(d dict) { d["PayloadIdentifier"] = strings.Repeat("x", 256) }, "PayloadIdentifier", "too long"},
		"no UUID":               {func(d dict) { delete(d, "PayloadUUID") }, "PayloadUUID", "missing"},
		"no version":            {func(d dict) { delete(d, "PayloadVersion") }, "PayloadVersion", "missing"},
		"version 2":             {func(d dict) { d["PayloadVersion"] = 2 }, "PayloadVersion", "must be 1"},
		"version is a string":   {func(d dict) { d["PayloadVersion"] = "1" }, "PayloadVersion", "an integer, not a string"},
		"name is data":          {func(d dict) { d["PayloadDisplayName"] = []byte("x") }, "PayloadDisplayName", "a string, not data"},
		"other scope":           {func(d dict) { d["PayloadScope"] = "system" }, "PayloadScope", `"System" or "User"`},
		"empty scope":           {func(d dict) { d["PayloadScope"] = "" }, "PayloadScope", `"System" or "User"`},
		"date is a string":      {func(d dict) { d["RemovalDate"] = "tomorrow" }, "RemovalDate", "a date, not a string"},
		"duration is a string":  {func(d dict) { d["DurationUntilRemoval"] = "1h" }, "DurationUntilRemoval", "a real, not a string"},
		"no duration":           {func(d dict) { d["DurationUntilRemoval"] = 0 }, "DurationUntilRemoval", "positive"},
		"negative duration":     {func(d dict) { d["DurationUntilRemoval"] = -1.5 }, "DurationUntilRemoval", "positive"},
		"endless duration":      {func(d dict) { d["DurationUntilRemoval"] = 1e300 }, "DurationUntilRemoval", "292 years"},
		"no content":            {func(d dict) { delete(d, "PayloadContent") }, "PayloadContent", "missing"},
		"content is a dict":     {func(d dict) { d["PayloadContent"] = dict{} }, "PayloadContent", "an array, not a dictionary"},
		"encrypted, no content": {func(d dict) { d["IsEncrypted"] = true }, "EncryptedPayloadContent", "missing"},
		"a payload is a string": {func(d dict) { d["PayloadContent"].([]any)[1] = "x" }, "PayloadContent[1]", "a dictionary, not a string"},
		"payload, no type":      {func(d dict) { delete(payloadOf(d, 1), "PayloadType") }, "PayloadContent[1].PayloadType", "missing"},
		"payload, empty type":   {func(d dict) { payloadOf(d, 0)["PayloadType"] = "" }, "PayloadContent[0].PayloadType", "empty"},
		"payload, identifier":   {func(d dict) { delete(payloadOf(d, 1), "PayloadIdentifier") }, "PayloadContent[1].PayloadIdentifier", "missing"},
		"payload, UUID":         {func(d dict) { payloadOf(d, 1)["PayloadUUID"] = true }, "PayloadContent[1].PayloadUUID", "a boolean"},
		"payload, version":      {func(d dict) { delete(payloadOf(d, 1), "PayloadVersion") }, "PayloadContent[1].PayloadVersion", "missing"},
		"payload, name":         {func(d dict) { payloadOf(d, 1)["PayloadDisplayName"] = 1 }, "PayloadContent[1].PayloadDisplayName", "a string"},
		"identifier twice": {func(d dict) { payloadOf(d, 1)["PayloadIdentifier"] = "com.example.p.1" },
			"PayloadContent[1].PayloadIdentifier", "same as that of PayloadContent[0]"},
		"UUID twice": {func(d dict) { payloadOf(d, 1)["PayloadUUID"] = "0000000a-0000-4000-8000-000000000001" },
			"PayloadContent[1].PayloadUUID", "same as that of PayloadContent[0]"},
		"the profile's UUID": {func(d dict) { payloadOf(d, 0)["PayloadUUID"] = d["PayloadUUID"] },
			"PayloadContent[0].PayloadUUID", "the profile's own"},
	} {
		t.Run(name, func(t *testing.T) {
			d := base()
			c.spoil(d)
			p, err := mobileconfig.Parse(encode(t, d))
			require.Nil(t, p)
			require.ErrorIs(t, err, mdm.CodeInvalid)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.field, e.Field)
			require.Contains(t, e.Message, c.says)
		})
	}
}

func TestParseBytesRefused(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		code mdm.Code
	}{
		"nothing":        {nil, mdm.CodeMalformed},
		"JSON":           {[]byte(`{"Type":"com.apple.configuration.x"}`), mdm.CodeMalformed},
		"SyncML":         {[]byte("<Replace></Replace>"), mdm.CodeMalformed},
		"an array":       {encode(t, []any{base()}), mdm.CodeMalformed},
		"not quite DER":  {[]byte("0 is not DER"), mdm.CodeMalformed},
		"too large":      {append(encode(t, base()), make([]byte, mobileconfig.MaxSize)...), mdm.CodeTooLarge},
		"nested deep":    {[]byte(strings.Repeat("<array>", 60) + strings.Repeat("</array>", 60)), mdm.CodeTooLarge},
		"another signed": {readCertificate(t, "root.pem").Raw, mdm.CodeMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mobileconfig.Parse(c.data)
			require.ErrorIs(t, err, c.code)
		})
	}
}

func TestEncrypted(t *testing.T) {
	d := base()
	delete(d, "PayloadContent")
	d["IsEncrypted"] = true
	d["EncryptedPayloadContent"] = []byte("CMS")
	p, err := mobileconfig.Parse(encode(t, d))
	require.NoError(t, err)
	require.True(t, p.Encrypted)
	require.Empty(t, p.Payloads)
	require.ErrorIs(t, p.Check(nil), mdm.CodeUnsupported)
}

func TestLargestProfile(t *testing.T) {
	d := base()
	d["PayloadDescription"] = strings.Repeat("x", mobileconfig.MaxSize-len(encode(t, base()))-100)
	_, err := mobileconfig.Parse(encode(t, d))
	require.NoError(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add(readFile(f, "vendor.mobileconfig"))
	f.Add(encode(f, base()))
	s := newSigner(f, ecKey(f))
	signed, err := mobileconfig.Sign(encode(f, base()), s.cert, s.key, nil)
	require.NoError(f, err)
	f.Add(signed)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := mobileconfig.Parse(data)
		if err != nil {
			require.Nil(t, p)
			require.Contains(t, []mdm.Code{mdm.CodeMalformed, mdm.CodeTooLarge, mdm.CodeInvalid, mdm.CodeUnsupported}, mdm.CodeOf(err))
			return
		}
		require.NotEmpty(t, p.Identifier)
		require.LessOrEqual(t, len(p.Identifier), mobileconfig.MaxIdentifier)
		require.Contains(t, []mobileconfig.Scope{mobileconfig.System, mobileconfig.User}, p.Scope)
		ids := make(dict)
		for _, l := range p.Payloads {
			ids[l.Identifier] = true
		}
		require.Len(t, slices.Collect(maps.Keys(ids)), len(p.Payloads))
		if err := p.Check(nil); err != nil {
			require.Contains(t, []mdm.Code{mdm.CodeForbidden, mdm.CodeUnsupported}, mdm.CodeOf(err))
		}
	})
}
