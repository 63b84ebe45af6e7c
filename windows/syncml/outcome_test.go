package syncml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOutcome(t *testing.T) {
	for _, tt := range []struct {
		cmd  Kind
		code int
		want Class
	}{
		{Replace, 200, Success}, {Add, 201, Success}, {Replace, 202, Accepted}, {SyncHdr, 212, Authenticated},
		{Add, 213, Continue}, {Add, 214, NotExecuted}, {Exec, 215, Canceled}, {Add, 216, RolledBack},
		{Replace, 304, Permanent}, {Replace, 400, Malformed}, {Get, 401, Unauthenticated}, {Get, 407, Unauthenticated},
		{Replace, 403, Permanent}, {Delete, 404, Success}, {Get, 404, Absent}, {Replace, 404, NotFound}, {Exec, 404, NotFound},
		{Replace, 405, Permanent}, {Delete, 405, Permanent}, {Get, 406, Permanent}, {Get, 408, Transient}, {Add, 409, Transient},
		{Add, 412, Malformed}, {Add, 413, Permanent}, {Add, 415, Permanent}, {Add, 416, Permanent}, {Add, 417, NotExecuted},
		{Add, 418, AlreadyExists}, {Replace, 418, Permanent}, {Add, 420, Transient}, {Add, 424, Permanent}, {Add, 425, Permanent},
		{Get, 500, Transient}, {Exec, 501, Permanent}, {Exec, 503, NotExecuted}, {Exec, 505, Permanent}, {Atomic, 507, AtomicFailed},
		{Replace, 508, NotExecuted}, {Replace, 510, Transient}, {Atomic, 516, Unknown}, {Replace, 599, Transient},
		{Replace, 0, Permanent}, {Replace, 999, Permanent},
	} {
		require.Equal(t, tt.want, Outcome(tt.cmd, tt.code), "%s %d", tt.cmd, tt.code)
	}
}

func TestClassGroups(t *testing.T) {
	type group struct{ ok, retry, cause bool }
	for class, want := range map[Class]group{
		Success: {ok: true}, Accepted: {ok: true}, Continue: {ok: true}, Authenticated: {ok: true}, Absent: {ok: true},
		AlreadyExists: {retry: true, cause: true}, NotExecuted: {retry: true, cause: true}, Unauthenticated: {retry: true, cause: true},
		Canceled: {retry: true, cause: true}, Transient: {retry: true, cause: true}, Unknown: {retry: true, cause: true},
		NotFound: {cause: true}, Permanent: {cause: true}, Malformed: {cause: true},
		RolledBack: {retry: true}, AtomicFailed: {retry: true},
	} {
		require.Equal(t, want, group{class.OK(), class.Retry(), class.Cause()}, class)
	}
	require.Equal(t, "node not found", Meaning(404))
	require.Empty(t, Meaning(299))
}

func TestCheckMediaType(t *testing.T) {
	for _, ok := range []string{
		"", MediaType, "Application/vnd.syncml.dm+XML", MediaType + "; charset=utf-8", MediaType + `; charset="UTF-8"`,
		"application/vnd.syncml+xml",
	} {
		require.NoError(t, CheckMediaType(ok), ok)
	}
	for _, bad := range []string{
		"application/vnd.syncml.dm+wbxml", "application/vnd.syncml+wbxml", "application/octet-stream", "text/html",
		MediaType + "; charset=utf-16", "/", ";",
	} {
		err := CheckMediaType(bad)
		require.Error(t, err, bad)
		require.ErrorContains(t, err, "unsupported", bad)
	}
}
