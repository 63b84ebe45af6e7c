package apns_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdmtest"
)

// Pushes a second against a server that answers after 20 ms; the fake's share
// of the processor is in the figure.
func BenchmarkPush(b *testing.B) {
	for _, workers := range []int{100, 256, 900} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			fake, err := mdmtest.StartAPNs(&mdmtest.APNsOptions{Keep: -1})
			require.NoError(b, err)
			b.Cleanup(fake.Close)
			fake.Delay(20 * time.Millisecond)
			p := newPusher(b, fake, apns.Options{Workers: workers})
			requireAll(b, apns.Delivered, p.Push(b.Context(), targets(fake.Topic, 1)))
			all := targets(fake.Topic, 5000)
			b.ReportAllocs()
			sent := 0
			for b.Loop() {
				requireAll(b, apns.Delivered, p.Push(b.Context(), all))
				sent += len(all)
			}
			b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "pushes/s")
			b.ReportMetric(float64(fake.Stats().Total), "connections")
		})
	}
}
