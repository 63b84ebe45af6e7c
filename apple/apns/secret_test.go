package apns_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple/apns"
	"github.com/keelson-mdm/keelson/mdmtest"
)

// logged is a log that may be written from many goroutines.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Every way in which a push can end says nothing of its token and magic: not in
// the log, not in the error, not in the outcome.
func TestNothingHoldsATokenOrAMagic(t *testing.T) {
	log := &logged{}
	options := func() apns.Options {
		return apns.Options{Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), Timeout: 200 * time.Millisecond}
	}
	var all []apns.Target
	push := func(p *apns.Pusher, ctx context.Context, topic string) []apns.Outcome {
		batch := targets(topic, 3)
		all = append(all, batch...)
		return p.Push(ctx, batch)
	}
	var ends []apns.Outcome

	fake := mdmtest.NewAPNs(t)
	p := newPusher(t, fake, options())
	for _, answer := range []mdmtest.APNsAnswer{
		{Status: 200}, {Status: 410, Reason: "Unregistered"}, {Status: 400, Reason: "BadTopic"}, {Status: 503, RetryAfter: "100"},
		{Status: 302}, {Status: 500, Body: "{"}, {GoAway: true}, {Reset: true},
	} {
		fake.Answer("", answer)
		ends = append(ends, push(p, t.Context(), fake.Topic)...)
	}
	ends = append(ends, push(p, t.Context(), "com.apple.mgmt.other")...)
	release := fake.Hold()
	ends = append(ends, push(p, t.Context(), fake.Topic)...) // times out
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	ends = append(ends, push(p, canceled, fake.Topic)...)
	release()

	stranger := newPusher(t, fake, options())
	fake.Close()
	ends = append(ends, push(stranger, t.Context(), fake.Topic)...) // refused
	ends = append(ends, push(p, t.Context(), fake.Topic)...)        // broken
	require.NoError(t, p.Close())
	ends = append(ends, push(p, t.Context(), fake.Topic)...) // closed

	text := log.String()
	require.Contains(t, text, "apns: pushed")
	require.Contains(t, text, "apns: no connection")
	reasons := map[apns.Reason]bool{}
	for _, o := range ends {
		reasons[o.Reason] = true
		text += fmt.Sprintf("%v %+v %#v\n", o, o, o)
		if o.Err != nil {
			text += fmt.Sprintf("%v %+v\n", o.Err, o.Err)
		}
	}
	for _, reason := range []apns.Reason{apns.ReasonConnection, apns.ReasonTimeout, apns.ReasonCanceled, apns.ReasonClosed, apns.ReasonTopicMismatch, apns.ReasonUnregistered} {
		require.True(t, reasons[reason], "%s did not happen", reason)
	}
	for _, target := range all {
		encoded, err := json.Marshal(target)
		require.NoError(t, err)
		text += fmt.Sprintf("%v %+v %#v %s", target, target, &target, encoded)
	}
	for _, target := range all {
		require.NotContains(t, text, target.Magic)
		require.NotContains(t, strings.ToLower(text), tokenOf(target))
		require.NotContains(t, text, base64.StdEncoding.EncodeToString(target.Token))
	}
}
