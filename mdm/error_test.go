package mdm_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

// The table is part of the API: what a device is answered decides whether it
// keeps its enrollment.
func TestAnswers(t *testing.T) {
	want := map[mdm.Code]mdm.Answer{
		mdm.CodeInvalid:         {Device: 400, SOAP: "MessageFormat", Admin: 422},
		mdm.CodeMalformed:       {Device: 400, SOAP: "MessageFormat", Admin: 400},
		mdm.CodeTooLarge:        {Device: 413, SOAP: "MessageFormat", Admin: 413},
		mdm.CodeUnsupported:     {Device: 415, SOAP: "MessageFormat", Admin: 415},
		mdm.CodeNotFound:        {Device: 400, SOAP: "MessageFormat", Admin: 404},
		mdm.CodeConflict:        {Device: 503, SOAP: "EnrollmentServer", Admin: 409, Transient: true},
		mdm.CodeUnauthenticated: {Device: 400, SOAP: "Authentication", Admin: 401},
		mdm.CodeForbidden:       {Device: 400, SOAP: "Authorization", Admin: 403},
		mdm.CodeIdentity:        {Device: 400, SOAP: "Authentication", Admin: 403},
		mdm.CodeChallenge:       {Device: 400, SOAP: "Authentication", Admin: 403},
		mdm.CodeNotAdmitted:     {Device: 400, SOAP: "Authorization", Admin: 403},
		mdm.CodeTooLate:         {Device: 400, SOAP: "EnrollmentServer", Admin: 409},
		mdm.CodePrecondition:    {Device: 400, SOAP: "MessageFormat", Admin: 412},
		mdm.CodeKeyReused:       {Device: 400, SOAP: "MessageFormat", Admin: 422},
		mdm.CodeUnresolved:      {Device: 503, SOAP: "EnrollmentServer", Admin: 422},
		mdm.CodeUnavailable:     {Device: 503, SOAP: "EnrollmentServer", Admin: 503, Transient: true},
		mdm.CodeBusy:            {Device: 429, SOAP: "EnrollmentServer", Admin: 429, Transient: true},
		mdm.CodeInternal:        {Device: 503, SOAP: "EnrollmentServer", Admin: 500},
	}
	for code, a := range want {
		require.Equal(t, a, code.Answer(), code)
		require.True(t, slices.Contains(mdm.DeviceStatuses(), a.Device), code)
	}
	require.Equal(t, mdm.CodeInternal.Answer(), mdm.Code("of another time").Answer())
	for _, s := range []int{401, 403, 404} {
		require.NotContains(t, mdm.DeviceStatuses(), s, "a device may unenroll itself on it")
	}
}

func TestErrors(t *testing.T) {
	err := fmt.Errorf("doing: %w", mdm.Errorf(mdm.CodeInvalid, "name", "a name has %d bytes", 3))
	require.ErrorIs(t, err, mdm.CodeInvalid)
	require.NotErrorIs(t, err, mdm.CodeConflict)
	require.Equal(t, mdm.CodeInvalid, mdm.CodeOf(err))
	var e *mdm.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, "name", e.Field)
	require.Equal(t, "a name has 3 bytes", e.Message)

	cause := io.ErrUnexpectedEOF
	wrapped := mdm.WrapError(mdm.CodeUnavailable, "", "try again", cause)
	require.ErrorIs(t, wrapped, cause)
	require.ErrorIs(t, wrapped, mdm.CodeUnavailable)
	require.True(t, mdm.Transient(wrapped))
	require.True(t, errors.As(wrapped, &e))
	require.NotContains(t, e.Message, cause.Error(), "the cause is for logs")

	require.NoError(t, mdm.WrapError(mdm.CodeInternal, "", "nothing happened", nil))
	require.Equal(t, mdm.CodeInternal, mdm.CodeOf(io.EOF))
	require.Equal(t, mdm.CodeNotFound, mdm.CodeOf(mdm.CodeNotFound))
	require.Empty(t, mdm.CodeOf(nil))
	require.False(t, mdm.Transient(nil))
	require.False(t, mdm.Transient(io.EOF), "a defect does not go away by trying again")
}
