package checkin_test

import (
	"fmt"
	"os"

	"github.com/keelson-mdm/keelson/apple/checkin"
)

func ExampleDecode() {
	data, err := os.ReadFile("testdata/tokenupdate-mac-user.plist")
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := checkin.Decode(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	switch m := m.(type) {
	case *checkin.Authenticate:
		fmt.Println("enrolls", m.ID)
	case *checkin.TokenUpdate:
		fmt.Println(m.ID.Type, m.Sender.UserShortName, "of", m.ID.Parent(), "waits:", m.AwaitingConfiguration)
	}
	// Output: User ada of 66ADE930-5FDF-5EC4-8429-15640684C489 waits: false
}
