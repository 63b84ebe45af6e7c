package bench

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	nano "github.com/micromdm/nanomdm/mdm"

	"github.com/keelson-mdm/keelson/apple/checkin"
	apple "github.com/keelson-mdm/keelson/apple/command"
)

// listCase is a message that both sides decode.
type listCase struct {
	name         string
	theirs, ours load
}

func lists() []listCase {
	const id, command = "00000000-0000-4000-8000-00000000000A", "0190a000-0000-7000-8000-00000000000a"
	poll := dict(`<key>Status</key><string>Idle</string><key>UDID</key><string>` + id + `</string>`)
	token := dict(`<key>MessageType</key><string>TokenUpdate</string>
	<key>AwaitingConfiguration</key><false/>
	<key>PushMagic</key><string>` + id + `</string>
	<key>Token</key><data>` + base64.StdEncoding.EncodeToString([]byte(id)[:32]) + `</data>
	<key>Topic</key><string>` + topic + `</string>
	<key>UDID</key><string>` + id + `</string>`)
	result := dict(`<key>CommandUUID</key><string>` + command + `</string>
	<key>InstalledApplicationList</key><array>` + applications(700) + `</array>
	<key>Status</key><string>Acknowledged</string>
	<key>UDID</key><string>` + id + `</string>`)
	results := func(body []byte) (theirs, ours load) {
		return repeated(func() error {
				r, err := nano.DecodeCommandResults(body)
				if err == nil && r.UDID != id {
					err = errors.New("NanoMDM reads another device")
				}
				return err
			}), repeated(func() error {
				r, err := apple.DecodeResult(body)
				if err == nil && r.Sender.UDID != id {
					err = errors.New("Keelson reads another device")
				}
				return err
			})
	}
	pollTheirs, pollOurs := results(poll)
	resultTheirs, resultOurs := results(result)
	return []listCase{
		{"idle-poll", pollTheirs, pollOurs},
		{"token-update", repeated(func() error {
			m, err := nano.DecodeCheckin(token)
			if u, ok := m.(*nano.TokenUpdate); err == nil && (!ok || u.PushMagic != id) {
				err = errors.New("NanoMDM reads another message")
			}
			return err
		}), repeated(func() error {
			m, err := checkin.Decode(token)
			if u, ok := m.(*checkin.TokenUpdate); err == nil && (!ok || u.PushMagic != id) {
				err = errors.New("Keelson reads another message")
			}
			return err
		})},
		{fmt.Sprintf("result-%d-KB", len(result)>>10), resultTheirs, resultOurs},
	}
}

// repeated is one operation again and again.
func repeated(do func() error) load {
	return load{round: fleetSize, prepare: nothing, do: func(int) error { return do() }}
}

func applications(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `
		<dict>
			<key>AdHocCodeSigned</key>
			<false/>
			<key>AppStoreVendable</key>
			<true/>
			<key>BundleSize</key>
			<integer>%d</integer>
			<key>Identifier</key>
			<string>com.example.application-%d</string>
			<key>Name</key>
			<string>Application &amp; Company %d</string>
			<key>ShortVersion</key>
			<string>1.%d</string>
			<key>Version</key>
			<string>%d</string>
		</dict>`, i<<10, i, i, i, i)
	}
	return b.String()
}
