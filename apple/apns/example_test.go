package apns_test

import (
	"context"
	"fmt"
	"time"

	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdmtest"
)

// Two devices are woken; one of them has been erased since it enrolled.
func ExamplePusher_Push() {
	fake, err := mdmtest.StartAPNs(nil) // in production, Apple's
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fake.Close()
	fake.Gone("0b0b", time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))

	pusher, err := apns.New(fake.Certificate, &apns.Options{Host: fake.URL, RootCAs: fake.RootCAs})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pusher.Close()

	// Token, magic and topic are those of the devices' last TokenUpdate.
	outcomes := pusher.Push(context.Background(), []apns.Target{
		{Token: []byte{0x0a, 0x0a}, Magic: "3E9C2F6A", Topic: pusher.Topic()},
		{Token: []byte{0x0b, 0x0b}, Magic: "7D11B0C4", Topic: pusher.Topic()},
	})
	for _, o := range outcomes {
		fmt.Println(o.Status, o.Reason, o.GoneSince.Format(time.DateOnly))
	}
	// Output:
	// delivered  0001-01-01
	// token_gone Unregistered 2026-11-20
}
