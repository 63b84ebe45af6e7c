package mde

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

// requireTyped fails unless err is one that a device can be answered with.
func requireTyped(t *testing.T, err error) {
	t.Helper()
	var e *mdm.Error
	require.True(t, errors.As(err, &e), "%v", err)
	require.Contains(t, []mdm.Code{mdm.CodeMalformed, mdm.CodeTooLarge, mdm.CodeUnsupported, mdm.CodeInvalid}, e.Code)
	require.NotEmpty(t, e.Message)
}

// requireEcho fails unless a reply can be written to what was read, and says
// which message it answers.
func requireEcho(t *testing.T, h Header, encode func(Reply) ([]byte, error)) {
	t.Helper()
	b, err := encode(h.Reply("8c6060c4-3d78-4d73-ae17-e8bce88426ee"))
	require.NoError(t, err)
	e, err := parseTree(b)
	require.NoError(t, err)
	head, err := e.one(nsSOAP, "Header")
	require.NoError(t, err)
	v, err := head.value(nsAddressing, "RelatesTo")
	require.NoError(t, err)
	require.Equal(t, h.MessageID, v)
}

func FuzzDecodeDiscover(f *testing.F) {
	f.Add([]byte(request(OpDiscover, discoverID, "", discoverBody("4.0", bothPolicies))))
	f.Add([]byte(request(OpDiscover, discoverID, "", discoverBody("", ""))))
	f.Add([]byte(`<?xml version="1.0" encoding="utf-16"?><Envelope xmlns="` + nsSOAP11 + `"><Body/></Envelope>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeDiscover(b)
		if err != nil {
			require.Nil(t, got)
			requireTyped(t, err)
			requireEcho(t, Header{MessageID: MessageID(b)}, FaultFor(OpDiscover, err, "").Encode)
			return
		}
		require.Equal(t, got.MessageID, MessageID(b))
		requireEcho(t, got.Header, DiscoverReply{
			AuthPolicy: AuthOnPremise, Version: Version4, PolicyURL: "https://a.example/p", EnrollmentURL: "https://a.example/e",
		}.Encode)
		if v, err := NegotiateVersion(got.RequestVersion, Version5); err == nil {
			require.True(t, v >= MinVersion && v <= Version5 && v <= got.RequestVersion)
		}
	})
}

func FuzzDecodeGetPolicies(f *testing.F) {
	f.Add([]byte(request(OpGetPolicies, policiesID, password, policiesBody(""))))
	f.Add([]byte(request(OpGetPolicies, policiesID, binaryToken(TokenUser, "dG9r\r\nZW4="), policiesBody("<TPMManufacturer>INTC</TPMManufacturer>"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeGetPolicies(b)
		if err != nil {
			require.Nil(t, got)
			requireTyped(t, err)
			return
		}
		require.False(t, got.Credential.Password != nil && got.Credential.Token != nil)
		if tok := got.Credential.Token; tok != nil {
			require.NotEmpty(t, tok.Data)
		}
		requireEcho(t, got.Header, PoliciesReply{}.Encode)
	})
}

func FuzzDecodeRequestSecurityToken(f *testing.F) {
	f.Add([]byte(request(OpRequestSecurityToken, tokenID, password, tokenBody(Issue, pkcs10, make([]byte, 200), windowsItems()))))
	f.Add([]byte(request(OpRequestSecurityToken, tokenID, binaryToken(TokenJWT, "ZTMw"), tokenBody(Renew, pkcs7, []byte{0x30, 0}, item("DeviceType", "CIMClient_Windows")))))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeRequestSecurityToken(b)
		if err != nil {
			require.Nil(t, got)
			requireTyped(t, err)
			return
		}
		switch got.RequestType {
		case Issue:
			require.NotEmpty(t, got.PKCS10)
			require.Empty(t, got.PKCS7)
			require.NotEmpty(t, got.Context.DeviceID())
			require.Contains(t, []EnrollmentType{EnrollmentFull, EnrollmentDevice}, got.Context.EnrollmentType())
		case Renew:
			require.NotEmpty(t, got.PKCS7)
			require.Empty(t, got.PKCS10)
		default:
			t.Fatal("neither Issue nor Renew")
		}
		requireEcho(t, got.Header, TokenReply{Document: []byte("x"), Now: time.Unix(1e9, 0)}.Encode)
	})
}

func FuzzParseCSR(f *testing.F) {
	key := rsaKey(f, 2048)
	f.Add(makeCSR(f, key, windows10()))
	f.Add(makeCSR(f, key, csrShape{subject: "pc", deviceIDs: []string{"A"}, eku: true}))
	f.Add(makeCSR(f, key, csrShape{subject: "pc", noAttributes: true}))
	f.Fuzz(func(t *testing.T, der []byte) {
		got, err := ParseCSR(der)
		if err != nil {
			require.Nil(t, got)
			requireTyped(t, err)
			return
		}
		require.True(t, slices.Equal(der, got.Raw))
		require.NoError(t, got.CheckSignature())
		CSRDeviceID(got)
	})
}

func FuzzParseProvisioningDoc(f *testing.F) {
	f.Add(encode(f, testProvisioning(f), nil))
	f.Add(encode(f, testProvisioning(f), &ProvisioningOptions{Renewal: Renewal{Days: 60}, UPN: "kim@example.com"}))
	f.Add([]byte(`<wap-provisioningdoc version="1.1"><characteristic type="a&#10;b"><parm name="x" value=""/></characteristic></wap-provisioningdoc>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := ParseProvisioningDoc(b)
		if err != nil {
			require.Nil(t, doc)
			requireTyped(t, err)
			return
		}
		out, err := doc.Encode()
		if err != nil { // a line end, which a document of ours never has
			requireTyped(t, err)
			return
		}
		if len(out) > MaxRequestBytes {
			return // escaping made it longer
		}
		back, err := ParseProvisioningDoc(out)
		require.NoError(t, err)
		require.Equal(t, doc, back)
	})
}
