package apns_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
)

func TestPortSendsEachTargetWithTheCertificateOfItsTopic(t *testing.T) {
	one, two := mdmtest.NewAPNs(t), mdmtest.NewAPNs(t)
	first, second := newPusher(t, one, apns.Options{}), newPusher(t, two, apns.Options{})
	var port mdm.Pusher = apns.NewPort(func(tenant mdm.TenantID, topic string) *apns.Pusher {
		switch {
		case tenant == "acme" && topic == one.Topic:
			return first
		case tenant == "acme" && topic == two.Topic:
			return second
		}
		return nil
	})
	target := func(topic string, token byte) mdm.PushTarget {
		return mdm.PushTarget{Protocol: mdm.AppleProtocol, Topic: topic, Token: []byte{token}, Magic: "m"}
	}
	two.Gone("02", time.Time{})
	two.Answer("04", mdmtest.APNsAnswer{Status: 429, RetryAfter: "60"})

	outcomes, err := port.Push(t.Context(), "acme", []mdm.PushTarget{
		target(two.Topic, 2), target(one.Topic, 1), target("com.apple.mgmt.unknown", 3),
		{Protocol: mdm.WindowsProtocol, ChannelURI: "https://wns.example"}, target(two.Topic, 4), target(two.Topic, 5),
	})

	require.NoError(t, err)
	require.Len(t, outcomes, 6)
	require.Equal(t, mdm.PushGone, outcomes[0].Status)
	require.Equal(t, mdm.PushDelivered, outcomes[1].Status)
	require.NoError(t, outcomes[1].Err)
	require.Equal(t, mdm.PushFailed, outcomes[2].Status)
	require.ErrorIs(t, outcomes[2].Err, mdm.CodeInvalid)
	require.Equal(t, mdm.PushFailed, outcomes[3].Status)
	require.ErrorIs(t, outcomes[3].Err, mdm.CodeUnsupported)
	require.Equal(t, mdm.PushRetry, outcomes[4].Status)
	require.Equal(t, time.Minute, outcomes[4].RetryAfter)
	require.Equal(t, mdm.PushDelivered, outcomes[5].Status)
	require.Len(t, one.Requests(), 1)

	outcomes, err = port.Push(t.Context(), "other", []mdm.PushTarget{target(one.Topic, 1)})
	require.NoError(t, err)
	require.Equal(t, mdm.PushFailed, outcomes[0].Status, "another tenant's certificate is out of reach")
	require.Len(t, one.Requests(), 1)
}

func TestPortOfOnePusher(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	port := newPusher(t, fake, apns.Options{}).Port()
	outcomes, err := port.Push(t.Context(), mdm.DefaultTenant, []mdm.PushTarget{
		{Protocol: mdm.AppleProtocol, Topic: fake.Topic, Token: []byte{1}, Magic: "m"},
		{Protocol: mdm.AppleProtocol, Topic: "com.apple.mgmt.x", Token: []byte{1}, Magic: "m"},
	})
	require.NoError(t, err)
	require.Equal(t, mdm.PushDelivered, outcomes[0].Status)
	require.Equal(t, mdm.PushFailed, outcomes[1].Status)
}

type meter struct {
	mu       sync.Mutex
	counts   map[string]int64
	observed int
}

func (m *meter) Count(name string, n int64, labels ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, label := range labels {
		name += " " + label
	}
	m.counts[name] += n
}

func (m *meter) Observe(string, float64, ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.observed++
}

func TestPushIsMeasured(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	m := &meter{counts: map[string]int64{}}
	p := newPusher(t, fake, apns.Options{Meter: m})
	three := targets(fake.Topic, 3)
	fake.Gone(tokenOf(three[1]), time.Time{})
	p.Push(t.Context(), three)
	require.Equal(t, map[string]int64{"apns_pushes outcome delivered": 2, "apns_pushes outcome token_gone": 1}, m.counts)
	require.Equal(t, 1, m.observed)
}
