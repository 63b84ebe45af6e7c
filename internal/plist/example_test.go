package plist_test

import (
	"fmt"

	"github.com/keelson-mdm/keelson/internal/plist"
)

func ExampleUnmarshal() {
	var message struct{ Status, CommandUUID string }
	err := plist.Unmarshal([]byte(`<plist version="1.0"><dict>
		<key>Status</key><string>Idle</string>
	</dict></plist>`), &message, &plist.Limits{Bytes: 1 << 20})
	fmt.Println(message.Status, err)

	err = plist.Unmarshal([]byte(`<plist><dict><key>Status</key></dict></plist>`), &message, nil)
	fmt.Println(err)
	// Output:
	// Idle <nil>
	// malformed: this is not a well-formed property list: line 1: a <key> has no value
}
