package profiles_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
)

// The words are part of the API: they never change, whatever the numbers do.
func TestEvidenceInWords(t *testing.T) {
	for e, word := range map[profiles.Evidence]string{
		profiles.NoEvidence: "none", profiles.Accepted: "accepted", profiles.Present: "present",
		profiles.VersionMatched: "version_matched", profiles.ContentMatched: "content_matched", profiles.Effective: "effective",
	} {
		b, err := json.Marshal(map[string]profiles.Evidence{"e": e})
		require.NoError(t, err)
		require.JSONEq(t, `{"e":"`+word+`"}`, string(b))
		var back profiles.Evidence
		require.NoError(t, json.Unmarshal([]byte(`"`+word+`"`), &back))
		require.Equal(t, e, back)
	}
	for _, e := range []profiles.Evidence{-1, 6, 127} {
		require.Equal(t, "none", e.String(), "what nobody can name proves nothing")
	}
	for _, bad := range []string{`"3"`, `3`, `"Present"`, `""`} {
		e := profiles.Present
		require.Error(t, json.Unmarshal([]byte(bad), &e), bad)
		require.Equal(t, profiles.Present, e)
	}
	require.ErrorIs(t, new(profiles.Evidence).UnmarshalText([]byte("proven")), mdm.CodeInvalid)
}
