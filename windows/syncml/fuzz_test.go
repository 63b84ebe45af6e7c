package syncml

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

// FuzzDecode holds that decoding never panics, that every error is typed, and
// that what was decoded once survives encoding and decoding unchanged.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(samplePackage1))
	f.Add([]byte(sampleAnswers))
	f.Add([]byte(sampleUnenroll))
	batch, err := Encode(sampleBatch())
	require.NoError(f, err)
	f.Add(batch)
	f.Add([]byte(wrap(`<Atomic><CmdID>1</CmdID><Add><CmdID>2</CmdID><Item><Data><a b="&lt;"/> x</Data></Item></Add></Atomic>`)))
	f.Add([]byte(wrap(`<Get><CmdID>1</CmdID><Item><Data><![CDATA[x]]>` + "\r\n" + `</Data><MoreData/></Item></Get><Foo><CmdID>3</CmdID></Foo>`)))
	f.Add([]byte("\xef\xbb\xbf" + `<?xml version="1.0" encoding='utf-8'?><s:SyncML xmlns:s="SYNCML:SYNCML1.1"/>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		limits := &Limits{MaxBytes: 1 << 16, MaxDepth: 20, MaxCommands: 50, MaxItems: 100}
		m, err := Decode(b, limits)
		if err != nil {
			requireTyped(t, err)
			return
		}
		out, err := Encode(m)
		if err != nil {
			requireTyped(t, err) // a device may send what we would not
			return
		}
		back, err := Decode(out, nil)
		require.NoError(t, err)
		if m.Header.VerDTD == "" {
			m.Header.VerDTD = "1.2"
		}
		if m.Header.VerProto == "" {
			m.Header.VerProto = "DM/1.2"
		}
		require.Equal(t, m, back)
		NewReplies(m).Find(1, &Command{Kind: Get, CmdID: "1", Items: []Item{{Target: Location{URI: "./a"}}}})
	})
}

// FuzzDecodeFragment holds the same for fragments.
func FuzzDecodeFragment(f *testing.F) {
	f.Add([]byte(`<Replace><Item><Target><LocURI>./Vendor/MSFT/A</LocURI></Target><Meta><Format xmlns="syncml:metinf">int</Format></Meta><Data>1</Data></Item></Replace>`))
	f.Add([]byte(`<!-- c --><Atomic><CmdID>1</CmdID><Add><Item/></Add></Atomic>`))
	f.Add([]byte(`<Exec><Item><Data><![CDATA[x]]></Data></Item></Exec>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		cmds, err := DecodeFragment(b, &Limits{MaxBytes: 1 << 16, MaxDepth: 20, MaxCommands: 50, MaxItems: 100})
		if err != nil {
			requireTyped(t, err)
			return
		}
		out, err := EncodeFragment(cmds)
		if err != nil {
			requireTyped(t, err)
			return
		}
		back, err := DecodeFragment(out, nil)
		require.NoError(t, err)
		require.Equal(t, cmds, back)
	})
}

func requireTyped(t *testing.T, err error) {
	t.Helper()
	var e *mdm.Error
	require.ErrorAs(t, err, &e)
	require.NotEqual(t, mdm.CodeInternal, e.Code)
	require.NotEmpty(t, e.Message)
}
