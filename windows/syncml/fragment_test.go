package syncml

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

func TestDecodeFragment(t *testing.T) {
	cmds, err := DecodeFragment([]byte(`
<!-- written by a person -->
<Replace>
  <CmdID>x</CmdID>
  <Item><Target><LocURI> ./Vendor/MSFT/A </LocURI></Target><Meta><Format xmlns="syncml:metinf">int</Format></Meta><Data>1</Data></Item>
</Replace>
<Atomic><Add><Item><Target><LocURI>./Vendor/MSFT/B</LocURI></Target></Item></Add></Atomic>`), nil)
	require.NoError(t, err)
	require.Equal(t, []Command{
		{Kind: Replace, CmdID: "x", Items: []Item{{Target: Location{URI: "./Vendor/MSFT/A"}, Meta: Meta{Format: "int"}, Data: "1"}}},
		{Kind: Atomic, Commands: []Command{{Kind: Add, Items: []Item{{Target: Location{URI: "./Vendor/MSFT/B"}}}}}},
	}, cmds)

	none, err := DecodeFragment(nil, nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestDecodeFragmentRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, src, field string
		code             mdm.Code
	}{
		{"envelope", "<SyncML><SyncBody/></SyncML>", "commands[0]", mdm.CodeInvalid},
		{"text", "hello", "", mdm.CodeInvalid},
		{"text between", "<Get/> x <Get/>", "", mdm.CodeInvalid},
		{"text in a command", "<Get/><Get>x</Get>", "commands[1]", mdm.CodeInvalid},
		{"unknown part", "<Get><Itm/></Get>", "commands[0]", mdm.CodeInvalid},
		{"unknown item part", "<Get><Item/><Item><Targt/></Item></Get>", "commands[0].item[1]", mdm.CodeInvalid},
		{"unknown target part", "<Get><Item><Target><URI/></Target></Item></Get>", "commands[0].item[0].target", mdm.CodeInvalid},
		{"unknown meta", "<Get><Item><Meta><Fmt/></Meta></Item></Get>", "commands[0].item[0].meta", mdm.CodeInvalid},
		{"elements in an address", "<Get><Item><Target><LocURI><b/></LocURI></Target></Item></Get>", "commands[0].item[0].target", mdm.CodeInvalid},
		{"item in Atomic", "<Atomic><Item/></Atomic>", "commands[0]", mdm.CodeInvalid},
		{"command in Get", "<Get><Get/></Get>", "commands[0]", mdm.CodeInvalid},
		{"unknown in Atomic", "<Atomic><Get/><Copy/></Atomic>", "commands[0]", mdm.CodeInvalid},
		{"declaration", `<?xml version="1.0"?><Get/>`, "", mdm.CodeMalformed},
		{"processing instruction", `<Get/><?a b?>`, "", mdm.CodeMalformed},
		{"document type", `<!DOCTYPE a><Get/>`, "", mdm.CodeMalformed},
		{"not closed", "<Get><Item>", "commands[0].item[0]", mdm.CodeMalformed},
		{"utf-16", "\xfe\xff\x00<", "", mdm.CodeUnsupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmds, err := DecodeFragment([]byte(tt.src), nil)
			require.Nil(t, cmds)
			require.ErrorIs(t, err, tt.code)
			var e *mdm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.field, e.Field)
		})
	}
}

func TestEncodeFragment(t *testing.T) {
	cmds := []Command{
		{Kind: Delete, Items: []Item{{Target: Location{URI: "./Vendor/MSFT/B"}}}},
		{Kind: Atomic, Commands: []Command{{Kind: Add, CmdID: "k", Items: []Item{{Target: Location{URI: "./Vendor/MSFT/A"}, Data: "a<b"}}}}},
	}
	b, err := EncodeFragment(cmds)
	require.NoError(t, err)
	require.Equal(t, `<Delete><Item><Target><LocURI>./Vendor/MSFT/B</LocURI></Target></Item></Delete>`+
		`<Atomic><Add><CmdID>k</CmdID><Item><Target><LocURI>./Vendor/MSFT/A</LocURI></Target><Data>a&lt;b</Data></Item></Add></Atomic>`, string(b))
	back, err := DecodeFragment(b, nil)
	require.NoError(t, err)
	require.Equal(t, cmds, back)

	_, err = EncodeFragment([]Command{{Kind: Delete}})
	require.ErrorIs(t, err, mdm.CodeInvalid)
}
