package mdmtest

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPCAnswersAChallenge(t *testing.T) {
	s := pcNewServer(t)
	s.syncHdr, s.chal = 407, "next"
	pc := s.pc()
	s.queue(pcCmd("Get", "1", "./DevInfo/Man", "", ""))
	pc.Sync()
	m := s.got()
	require.Len(t, m, 3)
	require.Empty(t, m[0].Hdr.Cred)
	require.Equal(t, []string{"1/0 SyncHdr 200"}, m[1].statuses())
	require.Equal(t, "2", m[1].Hdr.MsgID)
	require.Equal(t, []string{"Status", "Alert", "Alert", "Replace", "Final"}, m[1].names())
	require.Equal(t, "client", m[1].Hdr.LocName)
	require.Equal(t, "syncml:auth-md5", m[1].Hdr.CredType)
	for i, nonce := range []string{"next1", "next2"} {
		_, want := pcCredential(pcCred{Name: "client", Secret: "s2", Nonce: []byte(nonce)})
		require.Equal(t, want, m[i+1].Hdr.Cred, "after 200 every message needs it")
	}

	s.chal = ""
	_, err := pc.PCDevice.Sync(t.Context())
	var refused *PCRefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 407, refused.Code)
	s.syncHdr = 403
	_, err = pc.PCDevice.Sync(t.Context())
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 403, refused.Code)
}

func TestPCJudgesChallenges(t *testing.T) {
	swap := func(old, with string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, with, 1) }
	}
	for name, c := range map[string]struct {
		first, second func(string) string // of the challenge, and of the reply to the credential
		detail        string
	}{
		"what was refused is taken": {swap("<Cmd>Alert</Cmd><Data>407", "<Cmd>Alert</Cmd><Data>200"), nil, "takes our Alert"},
		"commands":                  {swap("<Final/>", pcCmd("Get", "7", "./DevInfo/Man", "", "")+"<Final/>"), nil, "commands in a message"},
		"another credential":        {swap("syncml:auth-md5", "syncml:auth-x509"), nil, "which no device has"},
		"no format":                 {swap(`<Format xmlns="syncml:metinf">b64</Format>`, ""), nil, "not padded base64"},
		"a nonce in clear":          {swap("<NextNonce xmlns=\"syncml:metinf\">", "<NextNonce xmlns=\"syncml:metinf\">!"), nil, "not padded base64"},
		"the same nonce again":      {nil, swap(base64.StdEncoding.EncodeToString([]byte("next2")), base64.StdEncoding.EncodeToString([]byte("next1"))), "just used"},
	} {
		t.Run(name, func(t *testing.T) {
			s := pcNewServer(t)
			s.syncHdr, s.chal = 407, "next"
			d := NewPC(s.URL, "ada", "secret", s.options())
			require.NoError(t, d.Enroll(t.Context()))
			n := 0
			s.on("session", func(r string) string {
				n++
				for i, f := range []func(string) string{c.first, c.second} {
					if f != nil && n == i+1 {
						out := f(r)
						require.NotEqual(t, r, out, "the test's own mistake: nothing was broken")
						return out
					}
				}
				return r
			})
			_, err := d.Sync(t.Context())
			require.NoError(t, err)
			require.Len(t, d.Violations(), 1)
			require.Contains(t, d.Violations()[0].Detail, c.detail)
		})
	}
}
