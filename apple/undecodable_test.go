package apple_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/mdm"
)

// TestUndecodable: an answer that nobody can read ends the command that it names,
// and no other.
func TestUndecodable(t *testing.T) {
	const id = "%ID%"
	name := "<key>CommandUUID</key><string>" + id + "</string>"
	for what, c := range map[string]struct {
		body string
		ends bool
		why  mdm.Code
	}{
		"a control character": {`<plist><dict><key>Status</key><string>Acknowledged</string>` + name + "<key>A</key><string>\x01</string></dict></plist>", true, mdm.CodeMalformed},
		"cut off":             {`<plist><dict>` + name + `<key>A</key><str`, true, mdm.CodeMalformed},
		"deep":                {`<plist><dict>` + name + `<key>A</key>` + strings.Repeat("<array>", 1000), true, mdm.CodeTooLarge},
		"space in between":    {"<dict><key>CommandUUID</key>\r\n\t <string>" + id + "</string>", true, mdm.CodeMalformed},
		"a status to come":    {string(message("Status", "OfTomorrow", "UDID", "A", "CommandUUID", id)), true, mdm.CodeInvalid},
		"no status":           {string(message("UDID", "A", "CommandUUID", id)), true, mdm.CodeInvalid},
		"no device":           {string(message("Status", "Acknowledged", "CommandUUID", id)), true, mdm.CodeInvalid},
		"no name":             {"garbage", false, mdm.CodeMalformed},
		"nothing":             {"", false, mdm.CodeMalformed},
		"half a name":         {"<key>CommandUUID</key><string>" + id, false, mdm.CodeMalformed},
		"a name of its own":   {"<key>CommandUUID</key><string>mine</string>", false, mdm.CodeMalformed},
		"another type":        {"<key>CommandUUID</key><integer>1</integer>", false, mdm.CodeMalformed},
		"binary":              {"bplist00garbage" + id, false, mdm.CodeMalformed},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, options{})
			a, b := w.mac(), w.mac()
			me := identityOf(t, a)
			ids := w.enqueue(a.UDID(), install("com.example.one"), install("com.example.two"))
			w.from(me, commandURL, message("Status", "Idle", "UDID", a.UDID()))
			w.sink.told()
			body := []byte(strings.ReplaceAll(c.body, id, string(ids[0])))
			got := w.from(me, commandURL, body)
			require.Equal(t, http.StatusOK, got.status, got.body)
			_, results := w.sink.told()
			d := w.command(ids[0])
			if c.ends {
				require.Equal(t, mdm.OutcomeUndecodable, d.Outcome)
				require.Equal(t, string(c.why), d.Code)
				require.Len(t, results, 1, "its owner is told")
				require.Equal(t, mdm.OutcomeUndecodable, results[0].Outcome)
				require.Contains(t, got.body, string(ids[1]), "the queue goes on")
			} else {
				require.Empty(t, d.Outcome)
				require.Empty(t, results)
				require.Empty(t, got.body, "the same command would only leave again")
			}
			kept, err := w.server.Undecoded(w.ctx, tenant, w.enrollment(a.UDID()))
			require.NoError(t, err)
			require.Equal(t, []apple.Undecoded{{Why: c.why, Body: nonNil(body), At: kept[0].At}}, kept)
			require.WithinDuration(t, w.clock.Now(), kept[0].At, 1000)
			if len(body) > 0 {
				require.False(t, w.holds(body), "sealed")
			}
			none, err := w.server.Undecoded(w.ctx, tenant, w.enrollment(b.UDID()))
			require.NoError(t, err)
			require.Empty(t, none)
			w.log.Reset()
			require.Positive(t, a.Poll(), "and the device is served")
		})
	}
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// A name in the garbage is a claim: it ends nobody else's command.
func TestUndecodableNamesAnother(t *testing.T) {
	w := newWorld(t, options{})
	a, b := w.mac(), w.mac()
	w.enqueue(a.UDID(), install("com.example.a"))
	others := w.enqueue(b.UDID(), install("com.example.b"))
	w.sink.told()
	got := w.from(identityOf(t, a), commandURL, []byte("<key>CommandUUID</key><string>"+string(others[0])+"</string>"))
	require.Equal(t, http.StatusOK, got.status)
	require.Empty(t, got.body)
	require.Empty(t, w.command(others[0]).Outcome)
	_, results := w.sink.told()
	require.Empty(t, results)
	require.Equal(t, 1, a.Poll())
	require.Equal(t, 1, b.Poll())
}

// What is put aside is bounded, and sealed for its place.
func TestAside(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	me := identityOf(t, a)
	for i := range 20 {
		w.from(me, commandURL, bytes.Repeat([]byte{byte('a' + i)}, 100_000))
	}
	e := w.enrollment(a.UDID())
	kept, err := w.server.Undecoded(w.ctx, tenant, e)
	require.NoError(t, err)
	require.Len(t, kept, 16)
	require.Equal(t, bytes.Repeat([]byte{'t'}, 64<<10), kept[0].Body, "the newest first, its first part")

	rows, err := w.store.Apple().Aside(w.ctx, tenant, e.Key)
	require.NoError(t, err)
	open, err := w.box.Open(tenant, "apple_aside", string(e.Natural), rows[0].Sealed)
	require.NoError(t, err, "the place is part of the sealed format")
	require.Equal(t, kept[0].Body, open)
	e.Natural = "apple:elsewhere"
	_, err = w.server.Undecoded(w.ctx, tenant, e)
	require.ErrorIs(t, err, mdm.CodeInternal)
}
