package mde

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

const (
	pkcs10 = nsEnroll + "#PKCS10"
	pkcs7  = nsEnroll + "#PKCS7"
)

func TestDecodeRequestSecurityToken(t *testing.T) {
	der := []byte(strings.Repeat("any bytes ", 40))
	in := request(OpRequestSecurityToken, tokenID, password, tokenBody(Issue, pkcs10, der, windowsItems()))
	got, err := DecodeRequestSecurityToken([]byte(in))
	require.NoError(t, err)
	require.Equal(t, tokenID, got.MessageID)
	require.Equal(t, "kim@example.com", got.Credential.Password.Username)
	require.Equal(t, Issue, got.RequestType)
	require.Equal(t, der, got.PKCS10)
	require.Nil(t, got.PKCS7)

	c := got.Context
	require.Len(t, c, 15)
	require.Equal(t, testDeviceID, c.DeviceID())
	require.Equal(t, strings.Repeat("3B", 32), c.HWDevID())
	require.Equal(t, EnrollmentFull, c.EnrollmentType())
	require.Equal(t, "DESKTOP-1A2B3C4", c.DeviceName())
	require.Equal(t, "10.0.19043.2364", c.OSVersion())
	require.Equal(t, []string{"00-0C-29-00-00-01", "00-0C-29-00-00-02", "00-0C-29-00-00-02"}, c.All("MAC"))
	require.Empty(t, c.All("IMEI"))
	require.Empty(t, c.Get("deviceid"), "names are exact")
	for name, want := range map[string][2]bool{
		"TargetedUserLoggedIn": {true, true}, "UXInitiated": {true, true}, "NotInOobe": {false, true}, "Locale": {}, "None": {},
	} {
		v, ok := c.Bool(name)
		require.Equal(t, want, [2]bool{v, ok}, name)
	}
}

// Renewals differ: prefixes, the type of the token, an empty password, and a
// context that names no device.
func TestDecodeRenewal(t *testing.T) {
	for _, valueType := range []string{pkcs7, nsSecurity + "#PKCS7"} {
		in := `<s:Envelope xmlns:s="` + nsSOAP + `" xmlns:a="` + nsAddressing + `" xmlns:u="` + nsUtility + `"><s:Header>` +
			`<a:MessageID>urn:uuid:61a17f2c-42e9-4a45-9c85-f15c1c8baee8</a:MessageID>` +
			`<o:Security s:mustUnderstand="1" xmlns:o="` + nsSecurity + `"><u:Timestamp u:Id="_0"><u:Created>2026-07-11T19:49:08.579Z</u:Created>` +
			`<u:Expires>2026-07-11T19:54:08.579Z</u:Expires></u:Timestamp><o:UsernameToken><o:Username>kim@example.com</o:Username>` +
			`<o:Password o:Type="urn:x#PasswordText"></o:Password></o:UsernameToken></o:Security></s:Header><s:Body>` +
			`<RequestSecurityToken xmlns="` + nsTrust + `"><TokenType>` + tokenType + `</TokenType><RequestType> ` + string(Renew) + ` </RequestType>` +
			`<BinarySecurityToken xmlns="` + nsSecurity + `" ValueType="` + valueType + `">MAA=</BinarySecurityToken>` +
			`<AdditionalContext xmlns="` + nsAuth + `"><ContextItem Name="DeviceType"><Value>CIMClient_Windows</Value></ContextItem></AdditionalContext>` +
			`</RequestSecurityToken></s:Body></s:Envelope>`
		got, err := DecodeRequestSecurityToken([]byte(in))
		require.NoError(t, err)
		require.Equal(t, Renew, got.RequestType)
		require.Equal(t, []byte{0x30, 0}, got.PKCS7)
		require.Nil(t, got.PKCS10)
		require.Equal(t, &UsernameToken{Username: "kim@example.com"}, got.Credential.Password)
		require.Equal(t, AdditionalContext{{Name: "DeviceType", Value: "CIMClient_Windows"}}, got.Context)
		require.Empty(t, got.Context.EnrollmentType())
	}
}

// Only two items are required, and no others.
func TestDecodeRequestSecurityTokenSmallest(t *testing.T) {
	in := request(OpRequestSecurityToken, tokenID, "", tokenBody(Issue, pkcs10, []byte("x"), item("DeviceID", " a ")+item("EnrollmentType", "Device")+item("FutureItem", "kept")))
	got, err := DecodeRequestSecurityToken([]byte(in))
	require.NoError(t, err)
	require.Equal(t, "a", got.Context.DeviceID())
	require.Equal(t, EnrollmentDevice, got.Context.EnrollmentType())
	require.Equal(t, "kept", got.Context.Get("FutureItem"))
}

func TestDecodeRequestSecurityTokenRefuses(t *testing.T) {
	id, full := item("DeviceID", "a"), item("EnrollmentType", "Full")
	body := func(items string) string { return tokenBody(Issue, pkcs10, []byte("x"), items) }
	for name, c := range map[string]struct {
		body  string
		code  mdm.Code
		field string
	}{
		"another operation":        {policiesBody(""), mdm.CodeUnsupported, "RequestSecurityToken"},
		"no DeviceID":              {body(full), mdm.CodeInvalid, "DeviceID"},
		"an empty DeviceID":        {body(item("DeviceID", " ") + full), mdm.CodeInvalid, "DeviceID"},
		"a long DeviceID":          {body(item("DeviceID", strings.Repeat("a", 129)) + full), mdm.CodeTooLarge, "DeviceID"},
		"two lines of DeviceID":    {body(item("DeviceID", "a\nb") + full), mdm.CodeInvalid, "DeviceID"},
		"two DeviceIDs":            {body(id + full + item("DeviceID", "b")), mdm.CodeMalformed, "DeviceID"},
		"two EnrollmentTypes":      {body(id + full + item("EnrollmentType", "Device")), mdm.CodeMalformed, "EnrollmentType"},
		"no EnrollmentType":        {body(id), mdm.CodeInvalid, "EnrollmentType"},
		"another EnrollmentType":   {body(id + item("EnrollmentType", "AppManagement")), mdm.CodeUnsupported, "EnrollmentType"},
		"no context":               {strings.ReplaceAll(body(id+full), "AdditionalContext", "Other"), mdm.CodeInvalid, "DeviceID"},
		"two contexts":             {strings.Replace(body(id+full), "</wst:RequestSecurityToken>", "<ac:AdditionalContext/></wst:RequestSecurityToken>", 1), mdm.CodeMalformed, "AdditionalContext"},
		"two values":               {body(strings.Replace(id, "<ac:Value>", "<ac:Value/><ac:Value>", 1) + full), mdm.CodeMalformed, "Value"},
		"no request type":          {strings.ReplaceAll(body(id+full), "RequestType", "Other"), mdm.CodeUnsupported, "RequestType"},
		"another request type":     {strings.Replace(body(id+full), "/Issue<", "/Cancel<", 1), mdm.CodeUnsupported, "RequestType"},
		"no certificate request":   {strings.ReplaceAll(body(id+full), "BinarySecurityToken", "Other"), mdm.CodeInvalid, FieldCSR},
		"an empty one":             {tokenBody(Issue, pkcs10, nil, id+full), mdm.CodeMalformed, FieldCSR},
		"an Issue of PKCS7":        {tokenBody(Issue, pkcs7, []byte("x"), id+full), mdm.CodeUnsupported, FieldCSR},
		"a Renew of PKCS10":        {tokenBody(Renew, pkcs10, []byte("x"), id+full), mdm.CodeUnsupported, FieldCSR},
		"another value type":       {tokenBody(Issue, "urn:x", []byte("x"), id+full), mdm.CodeUnsupported, FieldCSR},
		"two certificate requests": {strings.Replace(body(id+full), "<wsse:Bin", `<wsse:BinarySecurityToken/><wsse:Bin`, 1), mdm.CodeMalformed, "BinarySecurityToken"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeRequestSecurityToken([]byte(request(OpRequestSecurityToken, tokenID, password, c.body)))
			requireCode(t, err, c.code, c.field)
			require.Nil(t, got)
		})
	}
	got, err := DecodeRequestSecurityToken([]byte(request(OpRequestSecurityToken, tokenID, "", body(id+id+full))))
	require.NoError(t, err, "said twice alike is no contradiction")
	require.Equal(t, "a", got.Context.DeviceID())
}

func TestTokenReplyGolden(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 30, 0, 123456789, time.FixedZone("CET", 3600))
	got, err := TokenReply{Document: []byte(`<wap-provisioningdoc version="1.1"/>`), Now: now}.Encode(
		Reply{RelatesTo: tokenID, ActivityID: "8c6060c4-3d78-4d73-ae17-e8bce88426ee"})
	require.NoError(t, err)
	golden(t, "token.xml", got)

	_, err = TokenReply{Now: now}.Encode(Reply{})
	requireCode(t, err, mdm.CodeInvalid, "Document")
	_, err = TokenReply{Document: []byte("x")}.Encode(Reply{})
	requireCode(t, err, mdm.CodeInvalid, "Now")
}

// What is written is what a device reads, whatever the bytes.
func TestTokenReplyCarriesTheDocument(t *testing.T) {
	doc := make([]byte, 3000)
	for i := range doc {
		doc[i] = byte(i * 7)
	}
	b, err := TokenReply{Document: doc, Now: time.Unix(1e9, 0)}.Encode(Reply{RelatesTo: `<&">`})
	require.NoError(t, err)
	env, err := parseTree(b)
	require.NoError(t, err)
	e := env
	for _, step := range [][2]string{
		{nsSOAP, "Body"}, {nsTrust, "RequestSecurityTokenResponseCollection"}, {nsTrust, "RequestSecurityTokenResponse"},
		{nsTrust, "RequestedSecurityToken"}, {nsSecurity, "BinarySecurityToken"},
	} {
		e, err = e.one(step[0], step[1])
		require.NoError(t, err)
		require.NotNil(t, e, step[1])
	}
	got, err := base64.StdEncoding.DecodeString(e.text)
	require.NoError(t, err, "no line breaks, padded")
	require.Equal(t, doc, got)
	head, err := env.one(nsSOAP, "Header")
	require.NoError(t, err)
	v, err := head.value(nsAddressing, "RelatesTo")
	require.NoError(t, err)
	require.Equal(t, `<&">`, v)
}
