package csp

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// FuzzParseProfile holds that parsing never panics, that every error is typed,
// that nothing reserved and no foreign verb passes, and that what is sent means
// what was uploaded.
func FuzzParseProfile(f *testing.F) {
	f.Add([]byte(set("Replace", policyURI, "chr", "<![CDATA[<enabled/>]]>") + set("Add", wlanURI, "chr", "&lt;WLANProfile/&gt;")))
	f.Add([]byte("<Atomic>" + set("Add", "./Vendor/MSFT/VPNv2/c/AlwaysOn", "bool", "true") + "</Atomic>"))
	f.Add([]byte(scepProfile(scepRoot)))
	f.Add([]byte("<!-- c -->" + set("Replace", "./User/Vendor/MSFT/BitLocker/x", "int", "1")))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseProfile(b, nil)
		if err != nil {
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Contains(t, []mdm.Code{mdm.CodeInvalid, mdm.CodeMalformed, mdm.CodeTooLarge, mdm.CodeUnsupported}, e.Code)
			return
		}
		require.Equal(t, b, p.Source)
		require.NotEmpty(t, p.Operations)
		for _, o := range p.Operations {
			_, reserved := ReservedFor(o.LocURI)
			require.False(t, reserved)
			require.True(t, o.settles() || isEnroll(o.LocURI))
		}
		p.Advise()
		Probes(p.Operations)
		Effects(p.Operations)
		require.Empty(t, Conflicts(p.Operations, p.Operations))
		RemovalOperations(p.Operations, NewSet(p.LocURIs()[:1]...))

		out, err := syncml.EncodeFragment(Commands(p.Operations))
		if err != nil {
			require.ErrorIs(t, err, mdm.CodeInvalid) // text that XML 1.0 cannot carry
			return
		}
		again, err := ParseProfile(out, nil)
		require.NoError(t, err)
		require.Equal(t, bare(p.Operations), bare(again.Operations))
	})
}

// bare leaves out where an operation stood.
func bare(ops []Operation) []Operation {
	out := make([]Operation, len(ops))
	for i, o := range ops {
		o.Path = ""
		out[i] = o
	}
	return out
}

// FuzzCompare holds that comparing never panics, and that a value which reads
// back as it was written never counts against it.
func FuzzCompare(f *testing.F) {
	for _, uri := range []string{policyURI, wlanURI, "./Vendor/MSFT/SharedPC/X", "./Vendor/MSFT/Unheard/Of", "./Vendor/MSFT/AppLocker/ApplicationLaunchRestrictions/g/EXE/Policy",
		"./Vendor/MSFT/RootCATrustedCertificates/Root/AB/EncodedCertificate"} {
		f.Add(uri, "chr", wlanXML, `<enabled/><data id="a" value="1"/>`)
		f.Add(uri, "bool", "TRUE", "1")
		f.Add(uri, "int", "-007", "+7")
		f.Add(uri, "b64", "AA==", "AA")
	}
	f.Fuzz(func(t *testing.T, uri, format, x, y string) {
		u, err := Parse(uri)
		if err != nil {
			return
		}
		fact, _ := FactOf(u)
		a, b := Value{format, x}, Value{format, y}
		Compare(fact, a, b)
		if fact.ReadBack != ReadResult {
			require.False(t, Compare(fact, a, a).Failed())
		}
		require.Equal(t, sameValue(fact, a, b), sameValue(fact, b, a), "symmetric")
	})
}
