package mobileconfig_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/mobileconfig"
	"github.com/keelson-mdm/keelson/mdm"
)

func TestCheck(t *testing.T) {
	prefs := func(domain string, settings dict) func(dict) {
		return func(d dict) {
			payloadOf(d, 1)["PayloadType"] = "com.apple.ManagedClient.preferences"
			payloadOf(d, 1)["PayloadContent"] = dict{domain: dict{"Forced": []any{dict{"mcx_preference_settings": settings}}}}
		}
	}
	kind := func(kind string) func(dict) { return func(d dict) { payloadOf(d, 1)["PayloadType"] = kind } }
	ours := mobileconfig.ReservedIdentifierPrefix
	allow := &mobileconfig.Policy{Allow: []string{"com.apple.MCX.FileVault2", "com.apple.mdm"}}

	for name, c := range map[string]struct {
		spoil  func(dict)
		policy *mobileconfig.Policy
		field  string // empty means let through
	}{
		"nothing":               {func(dict) {}, nil, ""},
		"our identifier":        {func(d dict) { d["PayloadIdentifier"] = ours + "x" }, nil, "PayloadIdentifier"},
		"without case":          {func(d dict) { d["PayloadIdentifier"] = "Com.GitHub.Keelson-MDM.x" }, nil, "PayloadIdentifier"},
		"the prefix itself":     {func(d dict) { d["PayloadIdentifier"] = "com.github.keelson-mdm" }, nil, "PayloadIdentifier"},
		"a longer node":         {func(d dict) { d["PayloadIdentifier"] = "com.github.keelson-mdmx" }, nil, ""},
		"in a payload":          {func(d dict) { payloadOf(d, 1)["PayloadIdentifier"] = ours + "x" }, nil, "PayloadContent[1].PayloadIdentifier"},
		"nothing reserved":      {func(d dict) { d["PayloadIdentifier"] = ours + "x" }, &mobileconfig.Policy{ReservedPrefixes: []string{}}, ""},
		"the caller's prefix":   {func(dict) {}, &mobileconfig.Policy{ReservedPrefixes: []string{"org.a", "com.example."}}, "PayloadIdentifier"},
		"an empty prefix":       {func(dict) {}, &mobileconfig.Policy{ReservedPrefixes: []string{""}}, ""},
		"MDM":                   {kind("com.apple.mdm"), nil, "PayloadContent[1].PayloadType"},
		"MDM is never allowed":  {kind("com.apple.mdm"), allow, "PayloadContent[1].PayloadType"},
		"FileVault":             {kind("com.apple.MCX.FileVault2"), nil, "PayloadContent[1].PayloadType"},
		"FileVault allowed":     {kind("com.apple.MCX.FileVault2"), allow, ""},
		"escrow":                {kind("com.apple.security.FDERecoveryKeyEscrow"), allow, "PayloadContent[1].PayloadType"},
		"redirect":              {kind("com.apple.security.FDERecoveryRedirect"), nil, "PayloadContent[1].PayloadType"},
		"MCX":                   {kind("com.apple.MCX"), nil, ""},
		"MCX, FileVault":        {func(d dict) { kind("com.apple.MCX")(d); payloadOf(d, 1)["dontAllowFDEDisable"] = true }, nil, "PayloadContent[1].dontAllowFDEDisable"},
		"preferences":           {prefs("com.example.app", dict{"a": 1}), nil, ""},
		"preferences, allowed":  {prefs("com.apple.MCX", dict{"dontAllowFDEEnable": true}), allow, ""},
		"preferences, domain":   {prefs("com.apple.MCX.FileVault2", dict{}), nil, "PayloadContent[1].PayloadContent.com.apple.MCX.FileVault2"},
		"preferences, settings": {prefs("com.apple.MCX", dict{"dontAllowFDEEnable": true}), nil, "PayloadContent[1].PayloadContent.com.apple.MCX.Forced[0].mcx_preference_settings.dontAllowFDEEnable"},
	} {
		t.Run(name, func(t *testing.T) {
			d := base()
			c.spoil(d)
			p, err := mobileconfig.Parse(encode(t, d))
			require.NoError(t, err)
			err = p.Check(c.policy)
			if c.field == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, mdm.CodeForbidden)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.field, e.Field)
		})
	}
}

func TestClassify(t *testing.T) {
	for kind, c := range map[string]struct {
		role   mobileconfig.Role
		single []mdm.Platform
	}{
		"com.apple.wifi.managed":          {mobileconfig.Connectivity, nil},
		"com.apple.proxy.http.global":     {mobileconfig.Connectivity, []mdm.Platform{mdm.MacOS, mdm.IOS, mdm.IPadOS, mdm.TVOS}},
		"com.apple.dnsProxy.managed":      {mobileconfig.Connectivity, []mdm.Platform{mdm.MacOS, mdm.IOS, mdm.IPadOS}},
		"com.apple.cellular":              {mobileconfig.Connectivity, []mdm.Platform{mdm.IOS, mdm.IPadOS}},
		"com.apple.security.root":         {mobileconfig.Trust, nil},
		"com.apple.security.scep":         {mobileconfig.Identity, nil},
		"com.apple.dock":                  {mobileconfig.Other, []mdm.Platform{mdm.MacOS}},
		"com.apple.app.lock":              {mobileconfig.Other, []mdm.Platform{mdm.IOS, mdm.IPadOS, mdm.TVOS}},
		"com.apple.notificationsettings":  {mobileconfig.Other, []mdm.Platform{mdm.IOS, mdm.IPadOS}},
		"com.example.something.we.forgot": {mobileconfig.Other, nil},
		"COM.APPLE.WIFI.MANAGED":          {mobileconfig.Other, nil},
	} {
		class := mobileconfig.Classify(kind)
		require.Equal(t, c.role, class.Role, kind)
		var single []mdm.Platform
		for _, p := range []mdm.Platform{mdm.MacOS, mdm.IOS, mdm.IPadOS, mdm.TVOS, mdm.Windows} {
			if class.Single(p) {
				single = append(single, p)
			}
		}
		require.Equal(t, c.single, single, kind)
	}
}
