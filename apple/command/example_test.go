package command_test

import (
	"fmt"
	"os"

	"github.com/keelson-mdm/keelson/apple/command"
)

func ExampleEncode() {
	out, err := command.Encode("0199a1b2-0000-7000-8000-000000000001", command.RemoveProfile{Identifier: "com.example.office"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(out))
	// Output:
	// <?xml version="1.0" encoding="UTF-8"?>
	// <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
	// <plist version="1.0">
	// <dict>
	// 	<key>Command</key>
	// 	<dict>
	// 		<key>Identifier</key>
	// 		<string>com.example.office</string>
	// 		<key>RequestType</key>
	// 		<string>RemoveProfile</string>
	// 	</dict>
	// 	<key>CommandUUID</key>
	// 	<string>0199a1b2-0000-7000-8000-000000000001</string>
	// </dict>
	// </plist>
}

func ExampleDecodeResult() {
	for _, name := range []string{"idle", "profilelist", "error"} {
		data, err := os.ReadFile("testdata/" + name + ".plist")
		if err != nil {
			fmt.Println(err)
			return
		}
		r, err := command.DecodeResult(data)
		if err != nil {
			fmt.Println(err)
			return
		}
		switch r.Status {
		case command.Idle, command.NotNow:
			fmt.Println(r.Status)
		case command.Acknowledged: // the queue knows that it was a ProfileList
			profiles, err := command.ParseProfileList(r.Raw)
			fmt.Println(r.Status, len(profiles), err)
		default:
			code, detail := r.Failure()
			fmt.Println(r.Status, code, detail)
		}
	}
	// Output:
	// Idle
	// Acknowledged 2 <nil>
	// Error MCInstallationErrorDomain/4001 Profile Failed to Install > The profile must be signed.
}
