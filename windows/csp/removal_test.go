package csp

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/windows/syncml"
)

func opsOn(t require.TestingT, uris ...string) []Operation {
	ops := make([]Operation, len(uris))
	for i, u := range uris {
		ops[i] = Operation{Verb: syncml.Replace, LocURI: must(t, u), Data: "1"}
	}
	return ops
}

func setOf(t require.TestingT, uris ...string) *Set {
	s := NewSet()
	for _, u := range uris {
		s.Add(must(t, u))
	}
	return s
}

func canonicals(us []LocURI) []string {
	var out []string
	for _, u := range us {
		out = append(out, u.Canonical())
	}
	return out
}

const (
	lock  = "./Device/Vendor/MSFT/Policy/Config/DeviceLock/MinDevicePasswordLength"
	rule  = "./Device/Vendor/MSFT/Firewall/MdmStore/FirewallRules/ssh"
	cert  = "./Device/Vendor/MSFT/RootCATrustedCertificates/Root/AB12"
	vpn   = "./User/Vendor/MSFT/VPNv2/My%20VPN"
	plain = "./Device/Vendor/MSFT/Unheard/Of"
)

func TestRemovalOperations(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		old, keep             []string
		deletes, kept, sticky []string
	}{
		{name: "nothing"},
		{name: "plain nodes, last first", old: []string{lock, plain}, deletes: []string{plain, lock}},
		{name: "twice", old: []string{lock, "./vendor/msft/policy/config/devicelock/mindevicepasswordlength"}, deletes: []string{lock}},
		{name: "another profile owns it, in other letters", old: []string{lock, plain},
			keep: []string{"./Vendor/MSFT/POLICY/Config/DeviceLock/MinDevicePasswordLength"}, deletes: []string{plain}, kept: []string{lock}},
		{name: "another profile owns all", old: []string{lock}, keep: []string{lock}, kept: []string{lock}},
		{name: "another scope protects nothing", old: []string{lock},
			keep: []string{"./User/Vendor/MSFT/Policy/Config/DeviceLock/MinDevicePasswordLength"}, deletes: []string{lock}},
		{name: "a certificate goes with its node", old: []string{cert + "/EncodedCertificate"}, deletes: []string{cert}},
		{name: "the new content sets the same certificate", old: []string{cert + "/EncodedCertificate"},
			keep: []string{cert + "/EncodedCertificate"}, kept: []string{cert + "/EncodedCertificate"}},
		{name: "a rule goes with its node, once", old: []string{rule, rule + "/Enabled", rule + "/App/FilePath"}, deletes: []string{rule}},
		{name: "of a rule that another profile completes, what can go goes", old: []string{rule + "/Enabled", rule + "/App/FilePath"},
			keep: []string{rule + "/Name"}, deletes: []string{rule + "/App/FilePath"}, kept: []string{rule + "/Enabled"}},
		{name: "an interior node below which another profile owns something", old: []string{plain, plain + "/A"},
			keep: []string{plain + "/B"}, deletes: []string{plain + "/A"}, kept: []string{plain}},
		{name: "a node below one that another profile owns", old: []string{plain + "/A"}, keep: []string{plain}, deletes: []string{plain + "/A"}},
		{name: "a delete takes the subtree", old: []string{plain, plain + "/A", plain + "/A/B"}, deletes: []string{plain}},
		{name: "names stay escaped and in their scope", old: []string{vpn + "/AlwaysOn", vpn + "/NativeProfile/Servers"}, deletes: []string{vpn}},
		{name: "no Delete is documented", old: []string{"./Vendor/MSFT/Firewall/MdmStore/DomainProfile/EnableFirewall"},
			sticky: []string{"./Device/Vendor/MSFT/Firewall/MdmStore/DomainProfile/EnableFirewall"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := RemovalOperations(opsOn(t, tt.old...), setOf(t, tt.keep...))
			var deletes []LocURI
			for _, d := range r.Deletes {
				require.Equal(t, syncml.Delete, d.Verb)
				require.False(t, d.Atomic, "each does what it can")
				deletes = append(deletes, d.LocURI)
			}
			require.Equal(t, tt.deletes, canonicals(deletes))
			require.Equal(t, tt.kept, canonicals(r.Kept))
			require.Equal(t, tt.sticky, canonicals(r.Stuck))
		})
	}
}

func TestRemovalOfSCEP(t *testing.T) {
	p, err := ParseProfile([]byte(scepProfile(scepRoot)), nil)
	require.NoError(t, err)
	r := RemovalOperations(p.Operations, nil)
	require.Len(t, r.Deletes, 1, "Delete on the unique id removes the certificate; Exec is not undone")
	require.Equal(t, scepRoot, r.Deletes[0].LocURI.Canonical())

	exec := []Operation{{Verb: syncml.Exec, LocURI: must(t, scepRoot+"/Install/Enroll")}, {Verb: syncml.Delete, LocURI: must(t, plain)}}
	require.Empty(t, RemovalOperations(exec, nil).Deletes)
}

// TestRemovalProperties holds what protects other profiles: no delete takes a
// kept node away, and every node is deleted, covered, kept or stuck.
func TestRemovalProperties(t *testing.T) {
	nodes := []string{
		lock, plain, plain + "/A", plain + "/A/B", plain + "/C", rule, rule + "/Enabled", rule + "/App/FilePath", rule + "/Name",
		cert + "/EncodedCertificate", vpn, vpn + "/AlwaysOn", vpn + "/NativeProfile/L2tpPsk", vpn + "/ProfileXML",
		scepRoot + "/Install/ServerURL", scepRoot, "./Vendor/MSFT/Firewall/MdmStore/Global/CRLcheck",
	}
	rapid.Check(t, func(t *rapid.T) {
		old := opsOn(t, rapid.SliceOf(rapid.SampledFrom(nodes)).Draw(t, "old")...)
		keep := setOf(t, rapid.SliceOf(rapid.SampledFrom(nodes)).Draw(t, "keep")...)
		r := RemovalOperations(old, keep)
		deleted := NewSet()
		for _, d := range r.Deletes {
			require.False(t, keep.Touches(d.LocURI), "%s takes away what is kept", d.LocURI)
			require.False(t, deleted.Has(d.LocURI), "twice")
			deleted.Add(d.LocURI)
		}
		stay := NewSet(append(r.Kept, r.Stuck...)...)
		for _, o := range old {
			gone := false
			for d := range deleted.All() {
				gone = gone || o.LocURI.Within(d)
			}
			require.True(t, gone || stay.Has(o.LocURI), "%s is forgotten", o.LocURI)
			if keep.Has(o.LocURI) {
				require.False(t, gone)
			}
		}
	})
}
