package keelson_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdmtest"
)

// meter sums what it is told.
type meter struct {
	mu     sync.Mutex
	counts map[string]int64
	seen   int
}

func (m *meter) Count(name string, n int64, labels ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range labels {
		name += " " + l
	}
	m.counts[name] += n
}

func (m *meter) Observe(string, float64, ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen++
}

func TestMeter(t *testing.T) {
	sums := &meter{counts: map[string]int64{}}
	w := serve(t, newInmem(), func(c *keelson.Config) { c.Meter = sums })
	mac := w.mac(w.link()).Enroll()
	mac.Poll()
	mac.UseIdentityOf(mdmtest.Mac(t, w.link(), &mdmtest.AppleOptions{RootCAs: w.roots, Keys: w.pool.Key}).Enroll().Apple)
	_, err := mac.Apple.Poll(t.Context())
	refused(t, err)
	mac.TakeViolations()
	sums.mu.Lock()
	defer sums.mu.Unlock()
	require.Equal(t, int64(2), sums.counts[keelson.MeterRequests+" route apple/enroll/{link} status 200"], "%v", sums.counts)
	require.Equal(t, int64(4), sums.counts[keelson.MeterRequests+" route apple/checkin status 200"])
	require.Equal(t, int64(1), sums.counts[keelson.MeterRequests+" route apple/server status 200"])
	require.Equal(t, int64(1), sums.counts[keelson.MeterRequests+" route apple/server status 400"])
	require.NotZero(t, sums.seen)
}
