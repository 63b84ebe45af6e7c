package mde

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

func TestDecodeGetPolicies(t *testing.T) {
	in := request(OpGetPolicies, policiesID, password, policiesBody(""))
	got, err := DecodeGetPolicies([]byte(in))
	require.NoError(t, err)
	require.Equal(t, policiesID, got.MessageID)
	require.Equal(t, Credential{Password: &UsernameToken{Username: "kim@example.com", Password: " s3<cret "}}, got.Credential,
		"a password is taken as it stands")

	in = request(OpGetPolicies, policiesID, "", policiesBody(`<TPMManufacturer>INTC</TPMManufacturer><TPMFirmwareVersion>600.18</TPMFirmwareVersion>`))
	got, err = DecodeGetPolicies([]byte(in))
	require.NoError(t, err)
	require.Zero(t, got.Credential)
	require.Equal(t, []string{"INTC", "600.18"}, []string{got.TPMManufacturer, got.TPMFirmwareVersion})

	_, err = DecodeGetPolicies([]byte(request(OpDiscover, discoverID, "", discoverBody("4.0", ""))))
	requireCode(t, err, mdm.CodeUnsupported, "GetPolicies")
	_, err = DecodeGetPolicies([]byte("<a"))
	requireCode(t, err, mdm.CodeMalformed, "")
	_, err = DecodeGetPolicies([]byte(request(OpGetPolicies, policiesID, "", strings.Replace(policiesBody(""), "<client>", "<client/><client>", 1))))
	requireCode(t, err, mdm.CodeMalformed, "client")
}

func TestCredentials(t *testing.T) {
	const jwt = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"
	encoded := base64.StdEncoding.EncodeToString([]byte(jwt))
	for _, valueType := range []string{TokenUser, TokenJWT, TokenX509, "urn:other"} {
		for _, form := range []string{encoded, "\r\n  " + encoded[:8] + "\r\n\t" + encoded[8:] + " ", strings.TrimRight(encoded, "=")} {
			got, err := DecodeGetPolicies([]byte(request(OpGetPolicies, policiesID, binaryToken(valueType, form), policiesBody(""))))
			require.NoError(t, err)
			require.Equal(t, Credential{Token: &SecurityToken{ValueType: valueType, Data: []byte(jwt)}}, got.Credential)
		}
	}
	user := `<wsse:UsernameToken><wsse:Username>a</wsse:Username></wsse:UsernameToken>`
	bin := `<wsse:BinarySecurityToken ValueType="x">QQ==</wsse:BinarySecurityToken>`
	security := func(s string) string { return `<wsse:Security>` + s + `</wsse:Security>` }
	for name, c := range map[string]struct {
		header string
		code   mdm.Code
		field  string
	}{
		"two security headers": {security(user) + security(user), mdm.CodeMalformed, "Security"},
		"two kinds":            {security(user + bin), mdm.CodeMalformed, "Security"},
		"two users":            {security(user + user), mdm.CodeMalformed, "UsernameToken"},
		"two tokens":           {security(bin + bin), mdm.CodeMalformed, "BinarySecurityToken"},
		"two names":            {security(strings.Replace(user, "<wsse:Username>", "<wsse:Username/><wsse:Username>", 1)), mdm.CodeMalformed, "Username"},
		"two passwords":        {security(strings.Replace(user, "</wsse:UsernameToken>", "<wsse:Password/><wsse:Password/></wsse:UsernameToken>", 1)), mdm.CodeMalformed, "Password"},
		"a digest":             {strings.Replace(password, "#PasswordText", "#PasswordDigest", 1), mdm.CodeUnsupported, "Password"},
		"not base64":           {security(strings.Replace(bin, "QQ==", "Q_Q!", 1)), mdm.CodeMalformed, "BinarySecurityToken"},
		"an empty token":       {security(strings.Replace(bin, "QQ==", " ", 1)), mdm.CodeMalformed, "BinarySecurityToken"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeGetPolicies([]byte(request(OpGetPolicies, policiesID, c.header, policiesBody(""))))
			requireCode(t, err, c.code, c.field)
		})
	}
}

// A credential that ends in a log by accident shows nothing.
func TestCredentialsPrintNoSecrets(t *testing.T) {
	auth, err := NewAppAuth("name", strings.NewReader(strings.Repeat("s", 40)))
	require.NoError(t, err)
	for _, v := range []any{
		UsernameToken{Username: "kim", Password: "hunter2"}, &UsernameToken{Username: "kim", Password: "hunter2"},
		SecurityToken{ValueType: "x", Data: []byte("hunter2")}, &SecurityToken{ValueType: "x", Data: []byte("hunter2")},
		auth, Provisioning{Device: auth}, Credential{Password: &UsernameToken{Password: "hunter2"}},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			s := fmt.Sprintf(verb, v)
			require.NotContains(t, s, "hunter2")
			require.NotContains(t, s, auth.Secret)
			require.NotContains(t, s, fmt.Sprint([]byte("hunter2")))
		}
	}
}

func TestPoliciesReplyGolden(t *testing.T) {
	got, err := PoliciesReply{}.Encode(Header{MessageID: policiesID}.Reply(""))
	require.NoError(t, err)
	golden(t, "policies.xml", got)

	got, err = PoliciesReply{
		CommonName: "A & B <MDM>", Validity: 30 * 24 * time.Hour, Renewal: 10 * 24 * time.Hour, Providers: []string{},
	}.Encode(Reply{RelatesTo: policiesID, ActivityID: "8c6060c4-3d78-4d73-ae17-e8bce88426ee"})
	require.NoError(t, err)
	golden(t, "policies-options.xml", got)
}

func TestPoliciesReplyRefuses(t *testing.T) {
	for field, p := range map[string]PoliciesReply{
		"Renewal":    {Validity: time.Hour, Renewal: time.Hour},
		"Providers":  {Providers: []string{""}},
		"CommonName": {CommonName: "a\x00b"},
	} {
		_, err := p.Encode(Reply{})
		requireCode(t, err, mdm.CodeInvalid, field)
	}
	_, err := PoliciesReply{Providers: []string{"a\n"}}.Encode(Reply{})
	requireCode(t, err, mdm.CodeInvalid, "Providers")
	_, err = PoliciesReply{Validity: -1}.Encode(Reply{})
	requireCode(t, err, mdm.CodeInvalid, "Renewal")
}
