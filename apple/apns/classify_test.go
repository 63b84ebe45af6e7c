package apns

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sideshow/apns2"
	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Whatever answers, an outcome has one of the four states, a typed error that
// fits it, a bounded wait, and nothing of what was answered but a plain word.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "", "", "eabeae54-14a8-11e5-b60b-1697f925ec7b")
	f.Add(410, `{"reason":"Unregistered","timestamp":1454402113000}`, "", "")
	f.Add(400, `{"reason":"BadDeviceToken"}`, "", "x")
	f.Add(429, `{"reason":"TooManyRequests"}`, "120", "")
	f.Add(503, `{"reason":"Shutdown"}`, "Wed, 21 Oct 2026 07:28:00 GMT", "")
	f.Add(502, "<html>bad gateway</html>", "-1", "")
	f.Add(400, `{"reason":"`+strings.Repeat("A", 100)+`"}`, "99999999999999999999", "")
	f.Add(410, `{"reason":1,"timestamp":"x"}`, "", "")
	f.Add(403, `{"reason":null}{"reason":"BadCertificate"}`, "", "")
	f.Add(500, strings.Repeat("[", 10000), "", "")
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, status int, body, after, id string) {
		if status < 100 || status > 999 {
			return // net/http gives no such status
		}
		client := &apns2.Client{Host: "https://apns.invalid", HTTPClient: &http.Client{
			CheckRedirect: noRedirect,
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Header: http.Header{}, Request: r,
					Body: io.NopCloser(io.LimitReader(strings.NewReader(body), maxAnswer))}, nil
			}),
		}}
		resp, err := client.PushWithContext(context.Background(), &apns2.Notification{DeviceToken: "00"})
		if err != nil {
			resp = nil
		}
		o := classifyAnswer(&exchange{status: status, retryAfter: after, id: apnsID(id)}, resp, now)

		if o.Status < Delivered || o.Status > Failed {
			t.Fatalf("status %d", o.Status)
		}
		if (o.Status == Delivered) != (status == http.StatusOK) || (o.Status == Delivered) != (o.Err == nil) || (o.Status == Delivered) != (o.Reason == "") {
			t.Fatalf("%d: %+v", status, o)
		}
		if o.Status == Retry && o.Wait < 0 || o.Status != Retry && o.Wait != 0 || o.Wait > 24*time.Hour {
			t.Fatalf("wait %s", o.Wait)
		}
		if o.Err != nil && !mdm.CodeOf(o.Err).Answer().Transient == (o.Status == Retry) {
			t.Fatalf("%s with %v", o.Status, o.Err)
		}
		if len(o.Reason) > 40 || strings.Trim(string(o.Reason), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
			t.Fatalf("reason %q", o.Reason)
		}
		if len(o.ID) > 36 || strings.Trim(o.ID, "0123456789abcdefABCDEF-") != "" {
			t.Fatalf("id %q", o.ID)
		}
	})
}

func TestFaultOfKeepsSecretsAndForeignTextOut(t *testing.T) {
	token := hex.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	n := &apns2.Notification{DeviceToken: token}
	inner := &url.Error{Op: "Post", URL: "https://api.push.apple.com/3/device/" + token, Err: fault("reset at " + token + strings.Repeat("é", 1000))}
	got := faultOf(&openError{inner}, n).Error()
	require.NotContains(t, got, token)
	require.True(t, strings.HasPrefix(got, "reset at [token]"), got)
	require.LessOrEqual(t, len(got), maxFaultText+len("…"))
}
