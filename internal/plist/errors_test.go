package plist

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

// TestErrorsQuoteNothing: in a broken document a secret may stand anywhere.
func TestErrorsQuoteNothing(t *testing.T) {
	const secret = "s3cret-token"
	for _, doc := range []string{
		"<plist><dict><key>Token</key><string " + secret + "</string></dict></plist>",
		"<plist><dict><key>Token</key><" + secret + "</string></dict></plist>",
		"<plist><dict><key>Token</key><string>a&" + secret + ";</string></dict></plist>",
		"<plist><dict><key>Token</key><string>a&" + secret + "</string></dict></plist>",
		"<plist><" + secret + "></dict></plist>",
		"<plist><dict></" + secret + "></plist>",
		"<plist a='" + secret + "></plist>",
		"<plist " + secret + "=></plist>",
		"<?xml version='" + secret + "'?><plist/>",
		"<?xml version='1.0' encoding='" + secret + "'?><plist/>",
		"<plist><dict><key>Token</key><string>" + secret + "</dict></plist>",
		"<plist><dict><key>" + secret + "</key><integer>" + secret + "</integer></dict></plist>",
		"<plist><dict><key>Token</key><data>" + secret + "</data></dict></plist>",
		"<plist><dict><key>Token</key><date>" + secret + "</date></dict></plist>",
		"<!DOCTYPE " + secret + " [<!ENTITY x '" + secret + "'>]><plist/>",
		secret,
	} {
		var v struct{ Token string }
		err := Unmarshal([]byte(doc), &v, nil)
		if err == nil {
			require.NotEqual(t, secret, v.Token, doc)
			continue
		}
		require.NotContains(t, err.Error(), "s3cret", doc)
	}
}

func TestSyntaxErrorsStillHelp(t *testing.T) {
	err := Unmarshal([]byte("<plist>\n<dict>\n<key>A</key><string>x</dict></plist>"), new(map[string]any), nil)
	require.ErrorIs(t, err, mdm.CodeMalformed)
	require.ErrorContains(t, err, "line 3: the end of <dict> closes nothing")
	err = Unmarshal([]byte("<plist><dict><key>A</key><string>a & b</string></dict></plist>"), new(map[string]any), nil)
	require.ErrorContains(t, err, "invalid character entity")
	err = Unmarshal([]byte("<plist><dict>"), new(map[string]any), nil)
	require.ErrorContains(t, err, "<dict> is not closed")
	err = Unmarshal([]byte("<plist><sting>a</sting></plist>"), new(map[string]any), nil)
	require.ErrorContains(t, err, "<sting> is not an element of property lists")
}
