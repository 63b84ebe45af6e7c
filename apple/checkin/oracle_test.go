package checkin_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/checkin"
)

// agrees holds a message against NanoMDM's decoder, the oracle: what is accepted
// here, it accepts, and means the same. (It checks less: what is refused here, it
// may accept.)
func agrees(t *testing.T, data []byte) (accepted bool) {
	t.Helper()
	got, err := checkin.Decode(data)
	if err != nil {
		require.Nil(t, got)
		return false
	}
	other, err := nanomdm.DecodeCheckin(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	require.NoError(t, err, "%s", data)
	sender := func(e nanomdm.Enrollment) { require.Equal(t, checkin.Sender(e), got.Head().Sender, "%s", data) }
	switch o := other.(type) {
	case *nanomdm.Authenticate:
		m := got.(*checkin.Authenticate)
		sender(o.Enrollment)
		require.Equal(t, []string{o.Topic, o.SerialNumber}, []string{m.Topic, m.SerialNumber})
	case *nanomdm.TokenUpdate:
		m := got.(*checkin.TokenUpdate)
		sender(o.Enrollment)
		require.Equal(t, []string{o.Topic, o.PushMagic}, []string{m.Topic, m.PushMagic})
		require.True(t, bytes.Equal(o.Token, m.Token))
		require.True(t, bytes.Equal(o.UnlockToken, m.UnlockToken))
	case *nanomdm.CheckOut:
		sender(o.Enrollment)
	case *nanomdm.SetBootstrapToken:
		sender(o.Enrollment)
		require.True(t, bytes.Equal(o.BootstrapToken.BootstrapToken, got.(*checkin.SetBootstrapToken).BootstrapToken))
	case *nanomdm.GetBootstrapToken:
		sender(o.Enrollment)
	case *nanomdm.UserAuthenticate:
		sender(o.Enrollment)
		require.Equal(t, o.DigestResponse, got.(*checkin.UserAuthenticate).DigestResponse)
	case *nanomdm.DeclarativeManagement:
		m := got.(*checkin.DeclarativeManagement)
		sender(o.Enrollment)
		require.Equal(t, o.Endpoint, m.Endpoint)
		require.True(t, bytes.Equal(o.Data, m.Data))
	case *nanomdm.GetToken:
		m := got.(*checkin.GetToken)
		sender(o.Enrollment)
		require.Equal(t, o.TokenServiceType, m.Service)
		if o.TokenParameters != nil {
			require.Equal(t, *o.TokenParameters, nanomdm.TokenParameters{PhoneUDID: m.PhoneUDID, SecurityToken: m.SecurityToken, WatchUDID: m.WatchUDID})
		}
	default:
		require.Fail(t, "another message", "%T", other)
	}
	return true
}

func TestAsByNanoMDM(t *testing.T) {
	files, err := filepath.Glob("testdata/*.plist")
	require.NoError(t, err)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, agrees(t, data), name)
		accepted := 0
		for i := range data {
			if agrees(t, append(bytes.Clone(data[:i]), data[i+1:]...)) {
				accepted++
			}
			agrees(t, data[:i])
		}
		require.Positive(t, accepted, "white space may go")
		for _, swap := range [][2]string{{"<string>", "<data>"}, {"</string>", "</data>"}, {"<true/>", "<string/>"}, {"<data>", "<string>"}, {"<string>", "<string><!-- -->"}} {
			agrees(t, bytes.ReplaceAll(data, []byte(swap[0]), []byte(swap[1])))
		}
	}
}

// TestDecodeAllocates: a message costs what is kept of it.
func TestDecodeAllocates(t *testing.T) {
	for name, most := range map[string]float64{"tokenupdate-mac": 10, "authenticate-mac": 14, "checkout": 6} {
		data := readFile(t, name)
		require.LessOrEqual(t, testing.AllocsPerRun(10, func() {
			_, err := checkin.Decode(data)
			require.NoError(t, err)
		}), most, name)
	}
}
