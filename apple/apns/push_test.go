package apns_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
)

func TestPushSendsWhatAppleAsksForAndNothingElse(t *testing.T) {
	now := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name       string
		options    apns.Options
		priority   string
		expiration string
	}{
		{name: "defaults", priority: "10", expiration: fmt.Sprint(now.Add(7 * 24 * time.Hour).Unix())},
		{name: "an hour, when it suits", options: apns.Options{Expiration: time.Hour, Priority: 5}, priority: "5", expiration: fmt.Sprint(now.Add(time.Hour).Unix())},
		{name: "not kept", options: apns.Options{Expiration: -1, Priority: 1}, priority: "1", expiration: "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := mdmtest.NewAPNs(t)
			c.options.Clock = &clock{now: now}
			p := newPusher(t, fake, c.options)
			target := apns.Target{Token: []byte{0x00, 0xAB, 0xff}, Magic: `4AD1-"quoted"`, Topic: fake.Topic}

			outcomes := p.Push(t.Context(), []apns.Target{target})

			requireAll(t, apns.Delivered, outcomes)
			require.Equal(t, http.StatusOK, outcomes[0].HTTPStatus)
			require.Equal(t, 1, outcomes[0].Attempts)
			require.Len(t, outcomes[0].ID, 36)
			require.NoError(t, outcomes[0].Err)
			got := fake.Requests()
			require.Len(t, got, 1)
			require.Equal(t, http.MethodPost, got[0].Method)
			require.Equal(t, "/3/device/00abff", got[0].Path)
			require.Equal(t, `{"mdm":"4AD1-\"quoted\""}`, string(got[0].Body))
			require.Equal(t, http.Header{
				"Apns-Topic":      {fake.Topic},
				"Apns-Push-Type":  {"mdm"},
				"Apns-Priority":   {c.priority},
				"Apns-Expiration": {c.expiration},
				"Content-Type":    {"application/json; charset=utf-8"},
				"Content-Length":  {fmt.Sprint(len(got[0].Body))},
				"User-Agent":      {"Go-http-client/2.0"},
			}, got[0].Header)
		})
	}
}

func TestPushTellsAnswersApart(t *testing.T) {
	since := time.Date(2026, 11, 20, 8, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		answer mdmtest.APNsAnswer
		status apns.Status
		reason apns.Reason
		code   mdm.Code
		since  time.Time
		wait   time.Duration
	}{
		{name: "410", answer: mdmtest.APNsAnswer{Status: 410, Reason: "Unregistered", Timestamp: since}, status: apns.TokenGone, reason: apns.ReasonUnregistered, code: mdm.CodeNotFound, since: since},
		{name: "410 expired", answer: mdmtest.APNsAnswer{Status: 410, Reason: "ExpiredToken"}, status: apns.TokenGone, reason: apns.ReasonExpiredToken, code: mdm.CodeNotFound},
		{name: "410 without a body", answer: mdmtest.APNsAnswer{Status: 410}, status: apns.TokenGone, reason: apns.ReasonUnregistered, code: mdm.CodeNotFound},
		{name: "410 with a foreign timestamp", answer: mdmtest.APNsAnswer{Status: 410, Body: `{"reason":"Unregistered","timestamp":"yesterday"}`}, status: apns.TokenGone, reason: apns.ReasonUnregistered, code: mdm.CodeNotFound},
		{name: "bad token", answer: mdmtest.APNsAnswer{Status: 400, Reason: "BadDeviceToken"}, status: apns.TokenGone, reason: apns.ReasonBadDeviceToken, code: mdm.CodeNotFound},
		{name: "token of another topic", answer: mdmtest.APNsAnswer{Status: 400, Reason: "DeviceTokenNotForTopic"}, status: apns.Failed, reason: apns.ReasonDeviceTokenNotForTopic, code: mdm.CodeInvalid},
		{name: "a reason of the future", answer: mdmtest.APNsAnswer{Status: 400, Reason: "DeviceAsleep"}, status: apns.Failed, reason: "DeviceAsleep", code: mdm.CodeInvalid},
		{name: "certificate", answer: mdmtest.APNsAnswer{Status: 403, Reason: "BadCertificate"}, status: apns.Failed, reason: apns.ReasonBadCertificate, code: mdm.CodeForbidden},
		{name: "too large", answer: mdmtest.APNsAnswer{Status: 413, Reason: "PayloadTooLarge"}, status: apns.Failed, reason: "PayloadTooLarge", code: mdm.CodeInvalid},
		{name: "redirection", answer: mdmtest.APNsAnswer{Status: 302}, status: apns.Failed, reason: apns.ReasonUnrecognized, code: mdm.CodeInvalid},
		{name: "too many", answer: mdmtest.APNsAnswer{Status: 429, Reason: "TooManyRequests", RetryAfter: "600"}, status: apns.Retry, reason: apns.ReasonTooManyRequests, code: mdm.CodeBusy, wait: 10 * time.Minute},
		{name: "unavailable for long", answer: mdmtest.APNsAnswer{Status: 503, Reason: "ServiceUnavailable", RetryAfter: "60"}, status: apns.Retry, reason: apns.ReasonServiceUnavailable, code: mdm.CodeUnavailable, wait: time.Minute},
		{name: "a gateway's page", answer: mdmtest.APNsAnswer{Status: 502, Body: "<html>bad gateway</html>", RetryAfter: "999999999"}, status: apns.Retry, reason: apns.ReasonUnrecognized, code: mdm.CodeUnavailable, wait: 24 * time.Hour},
		{name: "a reason that is none", answer: mdmtest.APNsAnswer{Status: 400, Reason: "see https://example.com/<script>"}, status: apns.Failed, reason: apns.ReasonUnrecognized, code: mdm.CodeInvalid},
		{name: "a body without end", answer: mdmtest.APNsAnswer{Status: 400, Body: `{"reason":"` + strings.Repeat("x", 1<<20)}, status: apns.Failed, reason: apns.ReasonUnrecognized, code: mdm.CodeInvalid},
		{name: "delivered with a strange body", answer: mdmtest.APNsAnswer{Status: 200, Body: "OK"}, status: apns.Delivered},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := mdmtest.NewAPNs(t)
			p := newPusher(t, fake, apns.Options{})
			three := targets(fake.Topic, 3)
			fake.Answer(tokenOf(three[1]), c.answer)

			outcomes := p.Push(t.Context(), three)

			if c.status != apns.Failed || c.code != mdm.CodeForbidden {
				// Only the certificate is everybody's matter.
				require.Equal(t, apns.Delivered, outcomes[0].Status)
				require.Equal(t, apns.Delivered, outcomes[2].Status)
			}
			got := outcomes[1]
			require.Equal(t, c.status, got.Status, got.Reason)
			require.Equal(t, c.reason, got.Reason)
			require.Equal(t, c.since, got.GoneSince)
			require.Equal(t, c.wait, got.Wait)
			require.Equal(t, c.answer.Status, got.HTTPStatus)
			require.Equal(t, c.code, mdm.CodeOf(got.Err))
		})
	}
}

func TestPushRefusesTargetsWithoutSendingThem(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	p := newPusher(t, fake, apns.Options{})
	good := targets(fake.Topic, 1)[0]
	bad := []struct {
		name   string
		change func(*apns.Target)
		reason apns.Reason
		field  string
	}{
		{"no token", func(t *apns.Target) { t.Token = nil }, apns.ReasonInvalidTarget, "token"},
		{"token too long", func(t *apns.Target) { t.Token = make([]byte, 513) }, apns.ReasonInvalidTarget, "token"},
		{"no magic", func(t *apns.Target) { t.Magic = "" }, apns.ReasonInvalidTarget, "magic"},
		{"magic is not text", func(t *apns.Target) { t.Magic = "\xff\xfe" }, apns.ReasonInvalidTarget, "magic"},
		{"magic too long", func(t *apns.Target) { t.Magic = strings.Repeat("m", 4096) }, apns.ReasonInvalidTarget, "magic"},
		{"no topic", func(t *apns.Target) { t.Topic = "" }, apns.ReasonTopicMismatch, "topic"},
		{"another topic", func(t *apns.Target) { t.Topic += "x" }, apns.ReasonTopicMismatch, "topic"},
	}
	all := []apns.Target{good}
	for _, b := range bad {
		target := good
		b.change(&target)
		all = append(all, target)
	}

	outcomes := p.Push(t.Context(), all)

	require.Equal(t, apns.Delivered, outcomes[0].Status)
	require.Len(t, fake.Requests(), 1)
	for i, b := range bad {
		got := outcomes[i+1]
		require.Equal(t, apns.Failed, got.Status, b.name)
		require.Equal(t, b.reason, got.Reason, b.name)
		require.Zero(t, got.Attempts, b.name)
		var typed *mdm.Error
		require.ErrorAs(t, got.Err, &typed, b.name)
		require.Equal(t, b.field, typed.Field, b.name)
	}
	require.Empty(t, p.Push(t.Context(), nil))
}

func TestPushTriesAgainAfterAPause(t *testing.T) {
	again := mdmtest.APNsAnswer{Status: 503, Reason: "Shutdown"}
	busy := mdmtest.APNsAnswer{Status: 429, Reason: "TooManyRequests", RetryAfter: "4"}
	for _, c := range []struct {
		name     string
		options  apns.Options
		answers  []mdmtest.APNsAnswer
		status   apns.Status
		attempts int
		pauses   []time.Duration
	}{
		{name: "once", answers: []mdmtest.APNsAnswer{again}, status: apns.Delivered, attempts: 2, pauses: []time.Duration{187500 * time.Microsecond}},
		{name: "twice", answers: []mdmtest.APNsAnswer{again, {Status: 500}}, status: apns.Delivered, attempts: 3, pauses: []time.Duration{187500 * time.Microsecond, 375 * time.Millisecond}},
		{name: "as asked", answers: []mdmtest.APNsAnswer{busy}, status: apns.Delivered, attempts: 2, pauses: []time.Duration{4 * time.Second}},
		{name: "idle connection", answers: []mdmtest.APNsAnswer{{Status: 400, Reason: "IdleTimeout"}}, status: apns.Delivered, attempts: 2, pauses: []time.Duration{187500 * time.Microsecond}},
		{name: "no more than allowed", answers: []mdmtest.APNsAnswer{again, again, again}, status: apns.Retry, attempts: 3, pauses: []time.Duration{187500 * time.Microsecond, 375 * time.Millisecond}},
		{name: "never", options: apns.Options{Attempts: 1}, answers: []mdmtest.APNsAnswer{again}, status: apns.Retry, attempts: 1},
		{name: "no pauses", options: apns.Options{MaxWait: -1}, answers: []mdmtest.APNsAnswer{again}, status: apns.Retry, attempts: 1},
		{name: "not that long", options: apns.Options{MaxWait: 3 * time.Second}, answers: []mdmtest.APNsAnswer{busy}, status: apns.Retry, attempts: 1},
		{name: "pauses are bounded", options: apns.Options{MaxWait: 100 * time.Millisecond}, answers: []mdmtest.APNsAnswer{again}, status: apns.Delivered, attempts: 2, pauses: []time.Duration{75 * time.Millisecond}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := mdmtest.NewAPNs(t)
			w := &waits{}
			c.options.Wait, c.options.Rand = w.wait, func() float64 { return 0.5 }
			p := newPusher(t, fake, c.options)
			two := targets(fake.Topic, 2)
			fake.Answer(tokenOf(two[1]), c.answers...)

			outcomes := p.Push(t.Context(), two)

			require.Equal(t, apns.Delivered, outcomes[0].Status)
			require.Equal(t, 1, outcomes[0].Attempts, "what was delivered is not sent again")
			require.Equal(t, c.status, outcomes[1].Status)
			require.Equal(t, c.attempts, outcomes[1].Attempts)
			require.Equal(t, c.pauses, w.all())
			require.Len(t, fake.Requests(), 1+c.attempts)
		})
	}
}

func TestPushReadsADateToRetryAfter(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	now := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	p := newPusher(t, fake, apns.Options{Attempts: 1, Clock: &clock{now: now}})
	four := targets(fake.Topic, 4)
	for i, value := range []string{now.Add(90 * time.Second).Format(http.TimeFormat), now.Add(-time.Hour).Format(http.TimeFormat), "-5", "soon"} {
		fake.Answer(tokenOf(four[i]), mdmtest.APNsAnswer{Status: 503, RetryAfter: value})
	}

	outcomes := p.Push(t.Context(), four)

	requireAll(t, apns.Retry, outcomes)
	for i, want := range []time.Duration{90 * time.Second, 0, 0, 0} {
		require.Equal(t, want, outcomes[i].Wait, i)
		var typed *mdm.Error
		require.ErrorAs(t, outcomes[i].Err, &typed)
		require.Equal(t, want, typed.RetryAfter, i)
	}
}

func TestPushEndsWithTheCallersContext(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	release := fake.Hold()
	defer release()
	p := newPusher(t, fake, apns.Options{Workers: 4})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan []apns.Outcome, 1)
	go func() { done <- p.Push(ctx, targets(fake.Topic, 100)) }()
	require.Eventually(t, func() bool { return fake.Stats().InFlight > 0 }, 10*time.Second, time.Millisecond)

	cancel()

	outcomes := <-done
	requireAll(t, apns.Retry, outcomes)
	for _, o := range outcomes {
		require.Equal(t, apns.ReasonCanceled, o.Reason)
		require.ErrorIs(t, o.Err, context.Canceled)
		require.LessOrEqual(t, o.Attempts, 1)
	}
	// The pusher is as good as new.
	release()
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 100)))
	require.Equal(t, 1, fake.Stats().Total, "giving up is not the connection's fault")
}

func TestPushEndsWithTheCallersContextInAPause(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := newPusher(t, fake, apns.Options{Wait: func(ctx context.Context, _ time.Duration) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}})
	two := targets(fake.Topic, 2)
	fake.Answer(tokenOf(two[0]), mdmtest.APNsAnswer{Status: 503, Reason: "Shutdown"})

	outcomes := p.Push(ctx, two)

	require.Equal(t, apns.Retry, outcomes[0].Status)
	require.Equal(t, apns.ReasonShutdown, outcomes[0].Reason, "what APNs said is not forgotten")
	require.Equal(t, apns.Delivered, outcomes[1].Status)
}

func TestPushWaitsNoLongerThanItsTimeout(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	p := newPusher(t, fake, apns.Options{Timeout: 300 * time.Millisecond, Attempts: 1})
	requireAll(t, apns.Delivered, p.Push(t.Context(), targets(fake.Topic, 1)))
	release := fake.Hold()

	outcomes := p.Push(t.Context(), targets(fake.Topic, 5))

	requireAll(t, apns.Retry, outcomes)
	for _, o := range outcomes {
		require.Equal(t, apns.ReasonTimeout, o.Reason)
	}
	release()
	// A connection that answered nobody is not used again.
	require.Zero(t, p.Connections())
	require.Eventually(t, func() bool { return fake.Stats().Open == 0 }, 10*time.Second, time.Millisecond)
}

func TestPushReportsAnExpiredCertificateWithoutSending(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	c := &clock{now: time.Now()}
	p := newPusher(t, fake, apns.Options{Clock: c})
	c.add(366 * 24 * time.Hour)

	outcomes := p.Push(t.Context(), targets(fake.Topic, 3))

	requireAll(t, apns.Failed, outcomes)
	for _, o := range outcomes {
		require.Equal(t, apns.ReasonCertificateExpired, o.Reason)
		require.ErrorIs(t, o.Err, mdm.CodeForbidden)
	}
	require.Zero(t, fake.Stats().Total)
}

// Whatever a server answers to each of the targets, outcomes are in order, and
// are those of their own target.
func TestPushKeepsOutcomesWithTheirTargets(t *testing.T) {
	fake := mdmtest.NewAPNs(t)
	p := newPusher(t, fake, apns.Options{Workers: 7})
	kinds := []struct {
		answers []mdmtest.APNsAnswer
		status  apns.Status
	}{
		{nil, apns.Delivered},
		{[]mdmtest.APNsAnswer{{Status: 410, Reason: "Unregistered"}}, apns.TokenGone},
		{[]mdmtest.APNsAnswer{{Status: 400, Reason: "BadDeviceToken"}}, apns.TokenGone},
		{[]mdmtest.APNsAnswer{{Status: 400, Reason: "DeviceTokenNotForTopic"}}, apns.Failed},
		{[]mdmtest.APNsAnswer{{Status: 503}}, apns.Delivered},
		{[]mdmtest.APNsAnswer{{Status: 503}, {Status: 429}, {Status: 500}}, apns.Retry},
	}
	rapid.Check(t, func(t *rapid.T) {
		chosen := rapid.SliceOfN(rapid.IntRange(0, len(kinds)-1), 0, 40).Draw(t, "kinds")
		all := targets(fake.Topic, len(chosen))
		for i, k := range chosen {
			fake.Answer(tokenOf(all[i]), kinds[k].answers...)
		}
		for i, o := range p.Push(context.Background(), all) {
			if o.Status != kinds[chosen[i]].status {
				t.Fatalf("target %d, kind %d: %s (%s)", i, chosen[i], o.Status, o.Reason)
			}
		}
	})
}
