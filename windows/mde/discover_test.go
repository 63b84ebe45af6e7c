package mde

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

func TestDecodeDiscover(t *testing.T) {
	full := request(OpDiscover, discoverID, "", discoverBody("6.0", bothPolicies))
	want := &DiscoverRequest{
		Header: Header{
			Action: string(OpDiscover), MessageID: discoverID,
			To: "https://EnterpriseEnrollment.example.com:443/EnrollmentServer/Any.svc",
		},
		EmailAddress: "kim@example.com", RequestVersion: 6 << 8, DeviceType: "CIMClient_Windows",
		ApplicationVersion: "10.0.22621.1702", OSEdition: 101,
		AuthPolicies: []AuthPolicy{AuthOnPremise, AuthFederated},
	}
	prefixed := strings.NewReplacer("<s:", "<SOAP-ENV:", "</s:", "</SOAP-ENV:", "xmlns:s=", "xmlns:SOAP-ENV=", " s:mustUnderstand", " SOAP-ENV:mustUnderstand").Replace(full)
	for name, in := range map[string]string{
		"as Windows sends it": full,
		"byte order mark":     "\xef\xbb\xbf" + full,
		"declaration, CRLF":   "<?xml version=\"1.0\"?>\r\n" + strings.ReplaceAll(full, "><", ">\r\n  <"),
		"other prefixes":      prefixed,
		"SOAP 1.1":            strings.ReplaceAll(full, nsSOAP, nsSOAP11),
		"trailing slash":      strings.ReplaceAll(full, `<Discover xmlns="`+nsManagement, `<Discover xmlns="`+nsManagement+"/"),
		"unknown elements":    strings.Replace(full, "<DeviceType>", "<New>1</New><DeviceType>", 1),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeDiscover([]byte(in))
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.Equal(t, discoverID, MessageID([]byte(in)))
		})
	}
}

func TestDecodeDiscoverSparse(t *testing.T) {
	got, err := DecodeDiscover([]byte(request(OpDiscover, discoverID, "", `<Discover xmlns="`+nsManagement+`"><request/></Discover>`)))
	require.NoError(t, err)
	require.Zero(t, got.RequestVersion)
	require.Empty(t, got.AuthPolicies)

	got, err = DecodeDiscover([]byte(`<Envelope xmlns="` + nsSOAP + `"><Body><Discover xmlns="` + nsManagement + `"><request/></Discover></Body></Envelope>`))
	require.NoError(t, err)
	require.Zero(t, got.Header)
}

func TestDecodeDiscoverRefuses(t *testing.T) {
	full := request(OpDiscover, discoverID, "", discoverBody("6.0", bothPolicies))
	for name, c := range map[string]struct {
		in    string
		code  mdm.Code
		field string
	}{
		"not SOAP":            {"<html/>", mdm.CodeUnsupported, "Envelope"},
		"another namespace":   {strings.ReplaceAll(full, nsSOAP, "urn:x"), mdm.CodeUnsupported, "Envelope"},
		"no body":             {`<s:Envelope xmlns:s="` + nsSOAP + `"/>`, mdm.CodeMalformed, "Body"},
		"two bodies":          {strings.Replace(full, "</s:Envelope>", "<s:Body/></s:Envelope>", 1), mdm.CodeMalformed, "Body"},
		"two headers":         {strings.Replace(full, "<s:Header>", "<s:Header/><s:Header>", 1), mdm.CodeMalformed, "Header"},
		"two message ids":     {strings.Replace(full, "<a:MessageID>", "<a:MessageID/><a:MessageID>", 1), mdm.CodeMalformed, "MessageID"},
		"a long message id":   {strings.Replace(full, discoverID, strings.Repeat("x", 1025), 1), mdm.CodeTooLarge, "MessageID"},
		"another operation":   {request(OpGetPolicies, policiesID, password, policiesBody("")), mdm.CodeUnsupported, "Discover"},
		"two Discovers":       {request(OpDiscover, discoverID, "", discoverBody("6.0", "")+discoverBody("6.0", "")), mdm.CodeMalformed, "Discover"},
		"no request":          {request(OpDiscover, discoverID, "", `<Discover xmlns="`+nsManagement+`"/>`), mdm.CodeMalformed, "request"},
		"a version of words":  {request(OpDiscover, discoverID, "", discoverBody("six", "")), mdm.CodeInvalid, "RequestVersion"},
		"an edition of words": {strings.Replace(full, ">101<", ">Pro<", 1), mdm.CodeInvalid, "OSEdition"},
		"two addresses":       {strings.Replace(full, "<EmailAddress>", "<EmailAddress/><EmailAddress>", 1), mdm.CodeMalformed, "EmailAddress"},
		"a newline inside":    {strings.Replace(full, "CIMClient_Windows", "CIM\nClient", 1), mdm.CodeInvalid, "DeviceType"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeDiscover([]byte(c.in))
			requireCode(t, err, c.code, c.field)
			require.Nil(t, got)
		})
	}
}

// A body that does not decode still says which message the fault answers.
func TestMessageIDOfABadRequest(t *testing.T) {
	bad := request(OpDiscover, discoverID, "", discoverBody("six", ""))
	_, err := DecodeDiscover([]byte(bad))
	require.Error(t, err)
	require.Equal(t, discoverID, MessageID([]byte(bad)))
	require.Empty(t, MessageID([]byte("<html>")))
}

func TestDiscoverReplyGolden(t *testing.T) {
	r := Header{MessageID: discoverID}.Reply("8c6060c4-3d78-4d73-ae17-e8bce88426ee")
	d := DiscoverReply{
		AuthPolicy: AuthOnPremise, Version: Version4,
		PolicyURL:     "https://mdm.example.com/mdm/v1/windows/policy",
		EnrollmentURL: "https://mdm.example.com/mdm/v1/windows/enroll",
	}
	got, err := d.Encode(r)
	require.NoError(t, err)
	golden(t, "discover-onpremise.xml", got)

	d.AuthPolicy, d.AuthenticationURL = AuthFederated, "https://mdm.example.com/signin?a=1&b=2"
	got, err = d.Encode(Reply{})
	require.NoError(t, err)
	golden(t, "discover-federated.xml", got)
	require.Contains(t, string(got), "a=1&amp;b=2")
}

func TestDiscoverReplyRefuses(t *testing.T) {
	good := DiscoverReply{
		AuthPolicy: AuthFederated, Version: Version4, PolicyURL: "https://a.example/p", EnrollmentURL: "https://A.example/e",
		AuthenticationURL: "https://idp.example/s",
	}
	_, err := good.Encode(Reply{})
	require.NoError(t, err)
	for field, change := range map[string]func(*DiscoverReply){
		"AuthPolicy":        func(d *DiscoverReply) { d.AuthPolicy = "" },
		"Version":           func(d *DiscoverReply) { d.Version = 0 },
		"PolicyURL":         func(d *DiscoverReply) { d.PolicyURL = "https://b.example/p" },
		"EnrollmentURL":     func(d *DiscoverReply) { d.EnrollmentURL = "http://a.example/e" },
		"AuthenticationURL": func(d *DiscoverReply) { d.AuthPolicy = AuthOnPremise },
	} {
		t.Run(field, func(t *testing.T) {
			d := good
			change(&d)
			_, err := d.Encode(Reply{})
			requireCode(t, err, mdm.CodeInvalid, field)
		})
	}
	for _, raw := range []string{"", "/p", "https://", "https://u:p@a.example/e", "https://a.example/e#f", "ftp://a.example", "https://a.example/\n", ":"} {
		d := good
		d.EnrollmentURL = raw
		_, err := d.Encode(Reply{})
		requireCode(t, err, mdm.CodeInvalid, "EnrollmentURL")
	}
}

func TestChooseAuthPolicy(t *testing.T) {
	both := []AuthPolicy{AuthOnPremise, AuthFederated}
	got, err := ChooseAuthPolicy(both, []AuthPolicy{AuthFederated, AuthOnPremise})
	require.NoError(t, err)
	require.Equal(t, AuthFederated, got, "the server's order counts")
	got, err = ChooseAuthPolicy([]AuthPolicy{"federated"}, both)
	require.NoError(t, err)
	require.Equal(t, AuthFederated, got)
	for _, c := range [][2][]AuthPolicy{{both, nil}, {nil, both}, {{AuthCertificate}, both}} {
		_, err = ChooseAuthPolicy(c[0], c[1])
		requireCode(t, err, mdm.CodeUnauthenticated, "AuthPolicies")
	}
}

func TestVersions(t *testing.T) {
	for in, want := range map[string]Version{"4.0": Version4, " 6 ": 6 << 8, "9.5": 9<<8 | 5, "4.": Version4} {
		got, err := ParseVersion(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, in := range []string{"", ".", "-4.0", "4.0.1", "four", "256", "4.256"} {
		_, err := ParseVersion(in)
		requireCode(t, err, mdm.CodeInvalid, "RequestVersion")
	}
	for _, c := range []struct{ requested, max, want string }{
		{"3.0", "7.0", "3.0"}, {"4.0", "4.0", "4.0"}, {"9.0", "4.0", "4.0"}, {"6.0", "7.0", "6.0"}, {"6.0", "", "4.0"}, {"3.0", "", "3.0"},
	} {
		requested, err := ParseVersion(c.requested)
		require.NoError(t, err)
		var limit Version
		if c.max != "" {
			limit, err = ParseVersion(c.max)
			require.NoError(t, err)
		}
		got, err := NegotiateVersion(requested, limit)
		require.NoError(t, err)
		require.Equal(t, c.want, got.String())
	}
	_, err := NegotiateVersion(2<<8, 0)
	requireCode(t, err, mdm.CodeUnsupported, "RequestVersion")
	_, err = NegotiateVersion(Version4, 2<<8)
	requireCode(t, err, mdm.CodeInvalid, "max")
}
