package csp

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/windows/syncml"
)

func TestProbes(t *testing.T) {
	p, err := ParseProfile([]byte(
		set("Add", policyURI, "chr", "&lt;enabled/&gt;")+set("Replace", policyURI, "chr", "&lt;enabled/&gt; ")+
			set("Replace", "./Vendor/MSFT/Policy/Config/Chrome~Policy~googlechrome/Home", "chr", "&lt;enabled/&gt;")+
			set("Replace", "./Vendor/MSFT/Personalization/DesktopImageUrl", "chr", "https://x/y.jpg")+
			set("Replace", "./Vendor/MSFT/Accounts/Users/u/Password", "chr", "k")), nil)
	require.NoError(t, err)

	ps := Probes(p.Operations)
	require.Equal(t, []string{
		policyURI, "./Vendor/MSFT/Policy/Config/Chrome~Policy~googlechrome/Home", "./Vendor/MSFT/Personalization/DesktopImageUrl",
	}, ats(ps), "one for a node, none for what is write-only")
	require.Equal(t, "<enabled/> ", ps[0].Operation.Data, "the last write counts")
	require.Equal(t, Match, ps[0].Judge(200, Value{"chr", "<enabled/>"}))
	require.Equal(t, Differ, ps[0].Judge(200, Value{"chr", "<disabled/>"}))
	require.Equal(t, Missing, ps[0].Judge(404, Value{}))
	require.Equal(t, Unverifiable, ps[0].Judge(500, Value{}), "500 proves nothing")
	require.Equal(t, Unverifiable, ps[0].Judge(405, Value{"chr", "<enabled/>"}))
	require.Equal(t, Unverifiable, ps[1].Judge(404, Value{}), "ingested policies answer 404 though they are set")
	require.Equal(t, Match, ps[1].Judge(200, Value{"chr", "<enabled/>"}))

	es := Effects(p.Operations)
	require.Equal(t, []string{
		"./Device/Vendor/MSFT/Policy/Result/AppVirtualization/PublishingAllowServer2", "./Device/Vendor/MSFT/Personalization/DesktopImageStatus",
	}, ats(es))
	require.Equal(t, Match, es[0].Judge(200, Value{"chr", "<enabled/>"}))
	require.Equal(t, Differ, es[0].Judge(200, Value{"chr", "<disabled/>"}), "another source decided")
	require.Equal(t, Match, es[1].Judge(200, Value{"int", "1"}))
	require.Equal(t, Pending, es[1].Judge(200, Value{"int", "2"}))
	require.Equal(t, Differ, es[1].Judge(200, Value{"int", "3"}))

	gets := Gets(ps)
	require.Len(t, gets, 1)
	require.Equal(t, syncml.Get, gets[0].Kind)
	require.Len(t, gets[0].Items, 3)
	_, err = syncml.EncodeFragment(gets)
	require.NoError(t, err)
	require.Nil(t, Gets(nil))
}

func ats(ps []Probe) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.At.String())
	}
	return out
}

func TestProbesOfSCEP(t *testing.T) {
	p, err := ParseProfile([]byte(scepProfile(scepRoot)), nil)
	require.NoError(t, err)
	require.Equal(t, []string{scepRoot, scepRoot + "/Status"}, ats(Probes(p.Operations)), "all parameters are judged by one status")

	user, err := ParseProfile([]byte(scepProfile("./User/Vendor/MSFT/ClientCertificateInstall/SCEP/a%2Fb")), nil)
	require.NoError(t, err)
	require.Equal(t, "./User/Vendor/MSFT/ClientCertificateInstall/SCEP/a%2Fb/Status", Probes(user.Operations)[1].At.String())
}
