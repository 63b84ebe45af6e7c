package mdmtest_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/keelson-mdm/keelson/mdmtest"
)

// A device is one line in a test. Whatever the server does against Apple's
// schema fails the test when it ends.
func ExampleMac() {
	test := func(t *testing.T, serverURL string) {
		mac := mdmtest.Mac(t, serverURL+"/enroll").Enroll()

		mac.NotNow(1) // busy for one command
		mac.Poll()
		mac.Poll()

		if _, ok := mac.Profile("com.example.wifi"); !ok {
			t.Error("the profile did not arrive")
		}
		if twice := mac.Duplicates(); len(twice) > 0 {
			t.Errorf("handed out again although answered: %v", twice)
		}
	}
	_ = test
}

// Outside of a test the same device returns errors. Here its handler answers a
// command that it does not know by itself.
func ExampleNewApple() {
	phone := mdmtest.NewApple(mdmtest.AppleIPhone, "https://mdm.example.com/enroll", &mdmtest.AppleOptions{
		HTTPClient: &http.Client{},
		Handlers: map[string]mdmtest.CommandHandler{
			"SecurityInfo": func(_ context.Context, command map[string]any) (map[string]any, error) {
				return map[string]any{"SecurityInfo": map[string]any{"PasscodePresent": true}}, nil
			},
		},
	})
	defer phone.Close()
	phone.SetOffline(true)
	fmt.Println(phone.Enroll(context.Background()))
	// Output: mdmtest: the device is offline
}
