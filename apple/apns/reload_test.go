package apns_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
)

func TestReloadLosesNoPush(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	p := newPusher(t, fake, apns.Options{Workers: 20})
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 20)))
	release := fake.Hold()
	done := make(chan []apns.Outcome, 1)
	go func() { done <- p.Push(context.Background(), targets(fake.Topic, 100)) }()
	require.Eventually(t, func() bool { return fake.Stats().InFlight == 20 }, 10*time.Second, time.Millisecond)
	renewed, err := fake.IssueCertificate(fake.Topic, time.Time{}, time.Now().Add(2*365*24*time.Hour))
	require.NoError(t, err)
	former := p.NotAfter()

	require.NoError(t, p.Reload(renewed, nil))

	require.True(t, p.NotAfter().After(former))
	release()
	requireAll(t, apns.Delivered, <-done)
	stats := fake.Stats()
	require.Equal(t, 120, stats.Requests, "nothing was sent twice")
	require.Equal(t, 2, stats.Total)
	require.Eventually(t, func() bool { return fake.Stats().Open == 1 }, 10*time.Second, time.Millisecond, "the former connection is closed when its last push has ended")
	last := fake.Requests()[119]
	require.Equal(t, 2, last.Connection)
}

// Who waits for a connection of the former certificate gets one of the new.
func TestReloadDuringTheFirstConnection(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	p := newPusher(t, fake, apns.Options{})
	release := fake.Hold()
	done := make(chan []apns.Outcome, 1)
	go func() { done <- p.Push(context.Background(), targets(fake.Topic, 100)) }()
	require.Eventually(t, func() bool { return fake.Stats().InFlight == 1 }, 10*time.Second, time.Millisecond)
	renewed, err := fake.IssueCertificate(fake.Topic, time.Time{}, time.Time{})
	require.NoError(t, err)
	require.NoError(t, p.Reload(renewed, nil))
	release()
	outcomes := <-done
	requireAll(t, apns.Delivered, outcomes)
	requireAttempts(t, 1, outcomes)
	require.Equal(t, 2, fake.Stats().Total)
}

func TestReloadRefusesWhatWouldLoseTheFleet(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	p := newPusher(t, fake, apns.Options{})
	other := "com.apple.mgmt.External.other"
	another, err := fake.IssueCertificate(other, time.Time{}, time.Time{})
	require.NoError(t, err)
	expired, err := fake.IssueCertificate(fake.Topic, time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour))
	require.NoError(t, err)
	topicless, err := fake.IssueCertificate("", time.Time{}, time.Time{})
	require.NoError(t, err)

	requireError(t, p.Reload(another, nil), mdm.CodeConflict, "certificate.topic")
	requireError(t, p.Reload(another, &apns.ReloadOptions{}), mdm.CodeConflict, "certificate.topic")
	requireError(t, p.Reload(expired, &apns.ReloadOptions{AnotherTopic: true}), mdm.CodeInvalid, "certificate.not_after")
	requireError(t, p.Reload(topicless, &apns.ReloadOptions{AnotherTopic: true}), mdm.CodeInvalid, "certificate.topic")
	require.Equal(t, fake.Topic, p.Topic())
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1)))

	require.NoError(t, p.Reload(another, &apns.ReloadOptions{AnotherTopic: true}))
	require.Equal(t, other, p.Topic())
	outcomes := p.Push(t.Context(), targets(fake.Topic, 1))
	require.Equal(t, apns.ReasonTopicMismatch, outcomes[0].Reason)
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(other, 1)))
}

func TestReloadMendsAnExpiredCertificate(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	c := &clock{now: time.Now()}
	p := newPusher(t, fake, apns.Options{Clock: c})
	c.add(400 * 24 * time.Hour)
	requireAll(t, apns.Failed, p.Push(t.Context(), targets(fake.Topic, 1)))
	renewed, err := fake.IssueCertificate(fake.Topic, time.Time{}, time.Now().Add(800*24*time.Hour))
	require.NoError(t, err)
	require.NoError(t, p.Reload(renewed, nil))
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1)))
}

func TestCloseInterruptsAndWaits(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	p := newPusher(t, fake, apns.Options{Workers: 10})
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1)))
	release := fake.Hold()
	defer release()
	done := make(chan []apns.Outcome, 1)
	go func() { done <- p.Push(context.Background(), targets(fake.Topic, 100)) }()
	require.Eventually(t, func() bool { return fake.Stats().InFlight == 10 }, 10*time.Second, time.Millisecond)

	require.NoError(t, p.Close())

	var outcomes []apns.Outcome
	select {
	case outcomes = <-done:
	case <-time.After(10 * time.Second):
		require.FailNow(t, "Close returned before Push")
	}
	requireAll(t, apns.Retry, outcomes)
	for _, o := range outcomes {
		require.Equal(t, apns.ReasonClosed, o.Reason)
	}
	require.Zero(t, p.Connections())
	require.Eventually(t, func() bool { return fake.Stats().Open == 0 }, 10*time.Second, time.Millisecond)

	again := p.Push(t.Context(), targets(fake.Topic, 2))
	requireAll(t, apns.Retry, again)
	require.Equal(t, apns.ReasonClosed, again[1].Reason)
	require.ErrorIs(t, p.Reload(fake.Certificate, nil), mdm.CodeConflict)
	require.NoError(t, p.Close())
}

func TestCloseInterruptsAPause(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	pausing := make(chan struct{})
	p := newPusher(t, fake, apns.Options{Wait: func(ctx context.Context, _ time.Duration) error {
		close(pausing)
		<-ctx.Done()
		return ctx.Err()
	}})
	one := targets(fake.Topic, 1)
	fake.Answer("", mdmtest.APNsAnswer{Status: 503})
	done := make(chan []apns.Outcome, 1)
	go func() { done <- p.Push(context.Background(), one) }()
	<-pausing
	require.NoError(t, p.Close())
	requireAll(t, apns.Retry, <-done)
}
