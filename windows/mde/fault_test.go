package mde

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

// The whole table: what each code becomes, and the number that Windows shows.
func TestFaultFor(t *testing.T) {
	for code, want := range map[mdm.Code]struct {
		sub     Subcode
		typ     ErrorType
		hresult uint32
	}{
		mdm.CodeInvalid:         {SubMessageFormat, "", 0x80180001},
		mdm.CodeMalformed:       {SubMessageFormat, "", 0x80180001},
		mdm.CodeTooLarge:        {SubMessageFormat, "", 0x80180001},
		mdm.CodeUnsupported:     {SubMessageFormat, ErrorDeviceNotSupported, 0x80180014},
		mdm.CodeNotFound:        {SubMessageFormat, "", 0x80180001},
		mdm.CodeConflict:        {SubEnrollmentServer, "", 0x80180005},
		mdm.CodeUnauthenticated: {SubAuthentication, "", 0x80180002},
		mdm.CodeForbidden:       {SubAuthorization, "", 0x80180003},
		mdm.CodeIdentity:        {SubAuthentication, "", 0x80180002},
		mdm.CodeChallenge:       {SubAuthentication, "", 0x80180002},
		mdm.CodeNotAdmitted:     {SubAuthorization, ErrorCustomServer, 0x80180032},
		mdm.CodeTooLate:         {SubEnrollmentServer, "", 0x80180005},
		mdm.CodeUnresolved:      {SubEnrollmentServer, "", 0x80180005},
		mdm.CodeUnavailable:     {SubEnrollmentServer, ErrorInMaintenance, 0x80180017},
		mdm.CodeBusy:            {SubEnrollmentServer, ErrorInMaintenance, 0x80180017},
		mdm.CodeInternal:        {SubEnrollmentServer, "", 0x80180005},
		"a code of tomorrow":    {SubEnrollmentServer, "", 0x80180005},
	} {
		t.Run(string(code), func(t *testing.T) {
			f := FaultFor(OpGetPolicies, fmt.Errorf("outer: %w", mdm.Errorf(code, "x", "Say this.")), "trace")
			require.Equal(t, OpGetPolicies, f.Operation)
			require.Equal(t, want.sub, f.Subcode)
			require.Equal(t, want.typ, f.ErrorType)
			require.Equal(t, want.hresult, f.HRESULT())
			require.Equal(t, "trace", f.TraceID)
			require.Equal(t, string(want.sub), code.Answer().SOAP)
			require.Contains(t, subcodes, f.Subcode)
			if code != mdm.CodeInternal {
				require.Equal(t, "Say this.", f.Reason)
			}
		})
	}
}

func TestFaultForCertificateRequest(t *testing.T) {
	for _, code := range []mdm.Code{mdm.CodeInvalid, mdm.CodeMalformed, mdm.CodeTooLarge, mdm.CodeUnsupported} {
		f := FaultFor(OpRequestSecurityToken, mdm.Errorf(code, FieldCSR, "no"), "")
		require.Equal(t, SubCertificateRequest, f.Subcode)
		require.Empty(t, f.ErrorType)
		require.Equal(t, uint32(0x80180004), f.HRESULT())
	}
	f := FaultFor(OpRequestSecurityToken, mdm.Errorf(mdm.CodeUnavailable, FieldCSR, "the CA is down"), "")
	require.Equal(t, SubEnrollmentServer, f.Subcode)
}

// What is not meant for a caller is not told.
func TestFaultForKeepsSecrets(t *testing.T) {
	for _, err := range []error{
		errors.New("dial tcp 10.0.0.1: hunter2"),
		mdm.WrapError(mdm.CodeInternal, "", "row hunter2 is gone", errors.New("hunter2")),
		mdm.WrapError(mdm.CodeUnavailable, "", "The database is away.", errors.New("hunter2")),
		fmt.Errorf("hunter2: %w", mdm.CodeForbidden),
		nil,
	} {
		f := FaultFor(OpDiscover, err, "")
		require.NotContains(t, f.Reason, "hunter2")
		require.NotEmpty(t, f.Reason)
		b, err := f.Encode(Reply{})
		require.NoError(t, err)
		require.NotContains(t, string(b), "hunter2")
	}
}

func TestFaultGolden(t *testing.T) {
	r := Header{MessageID: tokenID}.Reply("2493ee37-beeb-4cb9-833c-cadde9067645")
	f := FaultFor(OpRequestSecurityToken, mdm.Errorf(mdm.CodeForbidden, "", "This user <kim> may not enroll."), r.ActivityID)
	b, err := f.Encode(r)
	require.NoError(t, err)
	golden(t, "fault.xml", b)

	f.ErrorType, f.Reason = ErrorDeviceCapReached, "Too many devices."
	b, err = f.Encode(r)
	require.NoError(t, err)
	golden(t, "fault-detail.xml", b)

	b, err = Fault{Operation: OpDiscover, Subcode: SubInvalidSecurity}.Encode(Reply{})
	require.NoError(t, err)
	golden(t, "fault-security.xml", b)
}

// Whatever is in it, a fault can be sent and read.
func TestFaultAlwaysEncodes(t *testing.T) {
	long := strings.Repeat("é", 600)
	for _, f := range []Fault{
		{},
		{Subcode: "nonsense", ErrorType: "nonsense", Operation: "nonsense"},
		{Reason: "a\x00b\xff]]>" + long, ErrorType: ErrorCustomServer, TraceID: "\x01t"},
	} {
		b, err := f.Encode(Reply{RelatesTo: "\x02r", ActivityID: `"<`})
		require.NoError(t, err)
		e, err := parseTree(b)
		require.NoError(t, err)
		body, err := e.one(nsSOAP, "Body")
		require.NoError(t, err)
		fault, err := body.one(nsSOAP, "Fault")
		require.NoError(t, err)
		reason, err := fault.one(nsSOAP, "Reason")
		require.NoError(t, err)
		text, err := reason.value(nsSOAP, "Text")
		require.NoError(t, err)
		require.LessOrEqual(t, len([]rune(text)), 500)
		if f.Reason != "" {
			require.True(t, strings.HasPrefix(text, "ab]]>é"))
		}
		code, err := fault.one(nsSOAP, "Code")
		require.NoError(t, err)
		sub, err := code.one(nsSOAP, "Subcode")
		require.NoError(t, err)
		v, err := sub.value(nsSOAP, "Value")
		require.NoError(t, err)
		require.Equal(t, "a:InternalServiceFault", v)
	}
	require.Equal(t, uint32(0x80180006), Fault{}.HRESULT())
}
