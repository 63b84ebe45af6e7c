package command_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	nanomdm "github.com/micromdm/nanomdm/mdm"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/checkin"
	"github.com/keelson-mdm/keelson/apple/command"
	"github.com/keelson-mdm/keelson/internal/plist"
)

// What is decoded field by field was once decoded by reflection, into these
// types: by the library, which is the oracle.

type resultByLibrary struct {
	nanomdm.CommandResults
	NotOnConsole bool
}

type profilesByLibrary struct {
	ProfileList []struct {
		PayloadIdentifier        string
		PayloadUUID              string
		PayloadVersion           int64
		PayloadDisplayName       string
		PayloadOrganization      string
		PayloadDescription       string
		PayloadRemovalDisallowed bool
		HasRemovalPasscode       bool
		IsEncrypted              bool
		IsManaged                *bool
		Source                   string
		SignerCertificates       [][]byte
		PayloadContent           []struct {
			PayloadType         string
			PayloadIdentifier   string
			PayloadUUID         string
			PayloadVersion      int64
			PayloadDisplayName  string
			PayloadOrganization string
			PayloadDescription  string
		}
	}
}

func resultAgrees(t *testing.T, data []byte) {
	t.Helper()
	var v resultByLibrary
	refused := plist.Unmarshal(data, &v, nil)
	got, err := command.DecodeResult(data)
	if refused != nil {
		require.Error(t, err, "%s", data)
		return
	}
	sender := checkin.Sender(v.Enrollment)
	if _, bad := sender.ID(); bad != nil || err != nil {
		require.Error(t, err, "%s", data) // what it says is refused, not how it says it
		return
	}
	require.Equal(t, sender, got.Sender)
	require.Equal(t, command.Status(v.Status), got.Status)
	require.Equal(t, v.NotOnConsole, got.NotOnConsole)
	if got.Status != command.Idle {
		require.Equal(t, v.CommandUUID, got.CommandUUID)
	}
	require.Len(t, got.Errors, len(v.ErrorChain))
	for i, e := range v.ErrorChain {
		require.Equal(t, int64(e.ErrorCode), got.Errors[i].Code)
		require.Equal(t, e.ErrorDomain, got.Errors[i].Domain)
	}
}

func profilesAgree(t *testing.T, data []byte) {
	t.Helper()
	var v profilesByLibrary
	refused := plist.Unmarshal(data, &v, nil)
	got, err := command.ParseProfileList(data)
	if refused != nil || v.ProfileList == nil {
		require.Error(t, err, "%s", data)
		return
	}
	for _, p := range v.ProfileList {
		if p.PayloadIdentifier == "" {
			require.Error(t, err, "%s", data)
			return
		}
	}
	require.NoError(t, err, "%s", data)
	require.Len(t, got, len(v.ProfileList))
	for i, p := range v.ProfileList {
		want := command.InstalledProfile{
			Identifier: p.PayloadIdentifier, UUID: p.PayloadUUID, Version: p.PayloadVersion,
			DisplayName: p.PayloadDisplayName, Organization: p.PayloadOrganization, Description: p.PayloadDescription,
			RemovalDisallowed: p.PayloadRemovalDisallowed, HasPasscode: p.HasRemovalPasscode, Encrypted: p.IsEncrypted,
			Managed: p.IsManaged, Source: p.Source, Signers: p.SignerCertificates,
		}
		for _, l := range p.PayloadContent {
			want.Payloads = append(want.Payloads, command.InstalledPayload{
				Type: l.PayloadType, Identifier: l.PayloadIdentifier, UUID: l.PayloadUUID, Version: l.PayloadVersion,
				DisplayName: l.PayloadDisplayName, Organization: l.PayloadOrganization, Description: l.PayloadDescription,
			})
		}
		if len(want.Signers) == 0 {
			want.Signers = got[i].Signers
			require.Empty(t, want.Signers)
		}
		require.Equal(t, want, got[i])
	}
}

// bent is a document with one element after another made another one, or with a
// byte less.
func bent(doc string, each func([]byte)) {
	for _, swap := range [][2]string{
		{"<string>", "<data>"}, {"<integer>", "<real>"}, {"<integer>", "<string>"}, {"<true/>", "<false/>"}, {"<true/>", "<integer>1</integer>"},
		{"<false/>", "<string>no</string>"}, {"<array>", "<dict>"}, {"<dict>", "<array>"}, {"<data>", "<string>"}, {"<key>", "<key>x"}, {"<integer>", "<integer>-"},
		{"<string>", "<string>&lt;"}, {"<string>", "<string><!-- -->"}, {"<data>", "<data> "},
	} {
		for i := range strings.Count(doc, swap[0]) {
			parts := strings.SplitN(doc, swap[0], i+2)
			head, tail := strings.Join(parts[:i+1], swap[0]), parts[i+1]
			if close := "</" + swap[0][1:]; strings.HasSuffix(swap[1], ">") && !strings.Contains(swap[1], "/>") && strings.Contains(tail, close) {
				to := strings.TrimPrefix(swap[1], "<")
				to, _, _ = strings.Cut(to, ">")
				tail = strings.Replace(tail, close, "</"+to+">", 1)
			}
			each([]byte(head + swap[1] + tail))
		}
	}
	for i := 0; i < len(doc); i += 11 {
		each([]byte(doc[:i] + doc[i+1:]))
	}
}

func TestAsByLibrary(t *testing.T) {
	files, err := filepath.Glob("testdata/*.plist")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			resultAgrees(t, data)
			profilesAgree(t, data)
			if !bytes.HasPrefix(data, []byte("<?xml")) {
				return
			}
			bent(string(data), func(d []byte) {
				resultAgrees(t, d)
				profilesAgree(t, d)
			})
		})
	}
}

func FuzzAsByLibrary(f *testing.F) {
	files, err := filepath.Glob("testdata/*.plist")
	require.NoError(f, err)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		resultAgrees(t, data)
		profilesAgree(t, data)
	})
}
