package mdm_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

func TestNewUUID(t *testing.T) {
	at := time.UnixMilli(0x0123456789ab)
	id, err := mdm.NewUUID(at, bytes.NewReader(bytes.Repeat([]byte{0xff}, 10)))
	require.NoError(t, err)
	require.Equal(t, "01234567-89ab-7fff-bfff-ffffffffffff", id) // RFC 9562, 5.7
	require.True(t, mdm.IsUUID(id))
	_, err = mdm.NewUUID(at, iotest.ErrReader(errors.New("no randomness")))
	require.Error(t, err)
	before1970, err := mdm.NewUUID(time.Time{}, bytes.NewReader(make([]byte, 10)))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(before1970, "00000000-0000-7000-8000-"))
}

func TestIsUUID(t *testing.T) {
	for s, want := range map[string]bool{
		"01234567-89ab-7fff-bfff-ffffffffffff":  true,
		"01234567-89AB-7FFF-BFFF-FFFFFFFFFFFF":  true,
		"":                                      false,
		"01234567-89ab-7fff-bfff-fffffffffff":   false,
		"01234567x89ab-7fff-bfff-ffffffffffff":  false,
		"g1234567-89ab-7fff-bfff-ffffffffffff":  false,
		"{1234567-89ab-7fff-bfff-fffffffffff}":  false,
		"01234567-89ab-7fff-bfff-ffffffffffff ": false,
	} {
		require.Equal(t, want, mdm.IsUUID(s), s)
	}
}

func TestTenantID(t *testing.T) {
	for _, ok := range []mdm.TenantID{"default", "a", "a-1", mdm.TenantID(strings.Repeat("x", 40))} {
		require.NoError(t, ok.Validate())
	}
	for _, bad := range []mdm.TenantID{"", "-a", "a-", "A", "a/b", "ü", "a b", mdm.TenantID(strings.Repeat("x", 41))} {
		require.ErrorIs(t, bad.Validate(), mdm.CodeInvalid, string(bad))
	}
}

func TestHash(t *testing.T) {
	h := mdm.Hash{1, 2, 0xff}
	got, err := mdm.ParseHash(h.String())
	require.NoError(t, err)
	require.Equal(t, h, got)
	require.True(t, mdm.Hash{}.IsZero())
	require.False(t, h.IsZero())
	for _, bad := range []string{"", "00", strings.Repeat("g", 64), strings.Repeat("0", 65)} {
		_, err := mdm.ParseHash(bad)
		require.ErrorIs(t, err, mdm.CodeInvalid)
	}
}

func TestMicros(t *testing.T) {
	require.Zero(t, mdm.Micros(time.Time{}))
	require.True(t, mdm.FromMicros(0).IsZero())
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	require.Equal(t, at.Truncate(time.Microsecond).UTC(), mdm.FromMicros(mdm.Micros(at)))
}

// What the machine's clock tells survives a store.
func TestSystemClock(t *testing.T) {
	now := mdm.SystemClock{}.Now()
	require.True(t, now.Equal(mdm.FromMicros(mdm.Micros(now))), now)
	require.Equal(t, time.UTC, now.Location())
	require.WithinDuration(t, time.Now(), now, time.Minute)
}

func TestNaturalKeys(t *testing.T) {
	require.Equal(t, mdm.Natural("apple:0000"), mdm.AppleNatural("0000"))
	require.Equal(t, mdm.Natural("windows:0000"), mdm.WindowsNatural("0000"))
}
