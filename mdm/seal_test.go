package mdm_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/mdm"
)

func ring(current string) mdm.LocalKeyring {
	return mdm.LocalKeyring{Current: current, Keys: map[string][]byte{
		"one": bytes.Repeat([]byte{1}, 32), "two": bytes.Repeat([]byte{2}, 32), "short": {1},
	}}
}

// The format cannot be changed: what is in databases has to open. The ciphertext
// was made by another implementation of AES-GCM.
func TestSealedFormat(t *testing.T) {
	box, err := mdm.NewBox(ring("one"), bytes.NewReader(bytes.Repeat([]byte{7}, 12)))
	require.NoError(t, err)
	sealed, err := box.Seal("default", "table", "row", []byte("value"))
	require.NoError(t, err)
	require.Equal(t, "01"+"03"+hex.EncodeToString([]byte("one"))+strings.Repeat("07", 12)+
		"fb9286d16a4371c04f19dcbdecc763ade10dcefddc", hex.EncodeToString(sealed))
	name, err := mdm.SealedKey(sealed)
	require.NoError(t, err)
	require.Equal(t, "one", name)
}

func TestBoxOpensOnlyInPlace(t *testing.T) {
	box, err := mdm.NewBox(ring("one"), rand.Reader)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		place := rapid.SliceOfN(rapid.StringMatching(`[a-z/]{0,4}`), 3, 3)
		a, b := place.Draw(t, "a"), place.Draw(t, "b")
		value := rapid.SliceOf(rapid.Byte()).Draw(t, "value")
		if value == nil {
			value = []byte{}
		}
		sealed, err := box.Seal(mdm.TenantID(a[0]), a[1], a[2], value)
		require.NoError(t, err)
		require.False(t, len(value) > 8 && bytes.Contains(sealed, value))
		got, err := box.Open(mdm.TenantID(b[0]), b[1], b[2], sealed)
		if strings.Join(a, "\x00") == strings.Join(b, "\x00") {
			require.NoError(t, err)
			require.Equal(t, value, got)
		} else {
			require.ErrorIs(t, err, mdm.CodeInternal)
		}
		sealed[rapid.IntRange(5, len(sealed)-1).Draw(t, "at")] ^= 1
		_, err = box.Open(mdm.TenantID(a[0]), a[1], a[2], sealed)
		require.Error(t, err)
	})
}

func TestKeyring(t *testing.T) {
	old, err := mdm.NewBox(ring("one"), rand.Reader)
	require.NoError(t, err)
	sealed, err := old.Seal("t", "x", "1", []byte("v"))
	require.NoError(t, err)
	rotated, err := mdm.NewBox(ring("two"), rand.Reader)
	require.NoError(t, err)
	got, err := rotated.Open("t", "x", "1", sealed)
	require.NoError(t, err)
	require.Equal(t, []byte("v"), got)

	without, err := mdm.NewBox(mdm.LocalKeyring{Current: "two", Keys: map[string][]byte{"two": bytes.Repeat([]byte{2}, 32)}}, rand.Reader)
	require.NoError(t, err)
	_, err = without.Open("t", "x", "1", sealed)
	require.ErrorIs(t, err, mdm.CodeInternal)

	for _, bad := range []string{"", "short", "nobody", strings.Repeat("n", 256)} {
		_, err := mdm.NewBox(ring(bad), rand.Reader)
		require.Error(t, err, "key %q", bad)
	}
	none, err := old.Seal("t", "x", "1", nil)
	require.NoError(t, err)
	require.Nil(t, none)
	back, err := old.Open("t", "x", "1", nil)
	require.NoError(t, err)
	require.Nil(t, back)
}

func FuzzOpen(f *testing.F) {
	box, err := mdm.NewBox(ring("one"), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := box.Seal("t", "x", "1", []byte("v"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{1, 0})
	f.Add([]byte{1, 255, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := box.Open("t", "x", "1", b)
		if err == nil && b != nil && !bytes.Equal(got, []byte("v")) {
			t.Fatalf("%x opened as %q", b, got)
		}
	})
}

// A key is the one that the keyring has now, also when another has been used, or
// another has its name.
func TestBoxKeepsUpWithItsKeyring(t *testing.T) {
	keys := ring("one")
	box, err := mdm.NewBox(keys, rand.Reader)
	require.NoError(t, err)
	first, err := box.Seal("t", "a", "b", []byte("first"))
	require.NoError(t, err)
	other := ring("two")
	second, err := mdm.NewBox(other, rand.Reader)
	require.NoError(t, err)
	sealed, err := second.Seal("t", "a", "b", []byte("second"))
	require.NoError(t, err)
	for range 3 { // in turns
		for want, s := range map[string][]byte{"first": first, "second": sealed} {
			got, err := box.Open("t", "a", "b", s)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}
	}
	keys.Keys["one"] = bytes.Repeat([]byte{9}, 32)
	_, err = box.Open("t", "a", "b", first)
	require.ErrorIs(t, err, mdm.CodeInternal, "it is another key now")
	delete(keys.Keys, "one")
	_, err = box.Open("t", "a", "b", first)
	require.ErrorIs(t, err, mdm.CodeInternal)
}
