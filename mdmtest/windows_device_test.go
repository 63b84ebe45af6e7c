package mdmtest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestPCLeavesNothingBehind(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	f := &pcExampleTB{}
	s := pcNewServer(f)
	d := NewPC(s.URL, "ada", "secret", s.options())
	require.NoError(t, d.Enroll(t.Context()))
	for range 3 {
		_, err := d.Sync(t.Context())
		require.NoError(t, err)
	}
	f.done()
	goleak.VerifyNone(t, leaks)
}

func TestPCIsSafeForConcurrentUse(t *testing.T) {
	s := pcNewServer(t)
	pc := s.pc()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3 {
				s.queue(pcCmd("Replace", "1", pcCamera, "int", "1"))
				if _, err := pc.PCDevice.Sync(t.Context()); err != nil {
					t.Errorf("sync: %v", err)
				}
			}
		})
		wg.Go(func() {
			for range 50 {
				pc.Deliveries()
				pc.Tree()
				pc.Violations()
				pc.QueueAlert(PCAlert{Code: 1226, Type: "x", Data: "1"})
				pc.Answer(pcCamera, 200, 1)
				pc.RenewalDue()
				_, _ = pc.PCDevice.Snapshot()
			}
		})
	}
	wg.Wait()
	require.Empty(t, pc.Violations(), "sessions run one at a time")

	done, err := pc.begin(t.Context())
	require.NoError(t, err)
	defer done()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = pc.PCDevice.Sync(ctx)
	require.ErrorIs(t, err, context.Canceled, "it waits no longer than it may")
}

type pcFixedClock time.Time

func (c pcFixedClock) Now() time.Time { return time.Time(c) }

func TestPCHasItsOwnClock(t *testing.T) {
	s := pcNewServer(t)
	o := s.options()
	o.Clock = pcFixedClock(time.Now().Add(2 * 365 * 24 * time.Hour))
	d := NewPC(s.URL, "ada", "secret", o)
	require.ErrorContains(t, d.Enroll(t.Context()), "Timestamp")
	o.Tolerate = []PCRule{PCRuleSOAP}
	d = NewPC(s.URL, "ada", "secret", o)
	require.ErrorContains(t, d.Enroll(t.Context()), "expired")

	o.Tolerate, o.Clock = nil, pcFixedClock(time.Now().Add(time.Minute))
	pc := PCWith(t, s.URL, "ada", "secret", o).Enroll()
	s.queue(pcCmd("Get", "1", "./DevInfo/Man", "", ""))
	pc.Sync()
	require.Equal(t, o.Clock.Now().UTC(), pc.Deliveries()[0].At)
}

func TestPCDeviceEnrollment(t *testing.T) {
	s := pcNewServer(t)
	o := s.options()
	o.DeviceEnrollment, o.LoginStatus = true, "none"
	d := NewPC(s.URL, "ada", "secret", o)
	require.ErrorContains(t, d.Enroll(t.Context()), "want My/System")
	s.on("document", func(doc string) string {
		doc = strings.Replace(doc, `"My"><characteristic type="User"`, `"My"><characteristic type="System"`, 1)
		return strings.Replace(doc, `My%5CUser`, `My%5CSystem`, 1)
	})
	PCWith(t, s.URL, "ada", "secret", o).Enroll().Sync()
	require.Contains(t, s.requests["enroll"][1], "<ac:Value>Device</ac:Value>")
}

func TestPCMakesItsIdentityFromRand(t *testing.T) {
	opts := func() *PCOptions { return &PCOptions{Rand: strings.NewReader(strings.Repeat("abcdefgh", 100))} }
	a, b := NewPC("https://mdm.example.com", "ada", "", opts()), NewPC("https://mdm.example.com", "ada", "", opts())
	require.Equal(t, a.DeviceID(), b.DeviceID())
	require.Equal(t, a.Name(), b.Name())
	require.Len(t, a.DeviceID(), 32)
	require.Len(t, a.HWDevID(), 64)
	require.Error(t, NewPC("https://mdm.example.com", "ada", "", &PCOptions{Rand: strings.NewReader("short")}).Enroll(t.Context()))
}

func TestPCErrorsSayWhatHappened(t *testing.T) {
	for want, err := range map[string]error{
		"the server answered HTTP 503: later":                                              &PCHTTPError{Status: 503, Body: "later"},
		"the server refused the session: SyncHdr status 403":                               &PCRefusedError{Code: 403},
		"the server answered the fault Receiver/Authorization: no (DeviceCapReached)":      &PCSOAPFault{Code: "Receiver", Subcode: "Authorization", Reason: "no", ErrorType: "DeviceCapReached"},
		"the server broke the final rule in session D message 2: the message has no Final": PCViolation{Rule: PCRuleFinal, Where: "session", Session: "D", Message: 2, Detail: "the message has no Final"},
		"the server broke the discovery rule in discover: DiscoverResult is missing":       PCViolation{Rule: PCRuleDiscovery, Where: "discover", Detail: "DiscoverResult is missing"},
	} {
		require.EqualError(t, err, want)
	}
}

func TestPCToHeader(t *testing.T) {
	require.Equal(t, "https://Enterpriseenrollment.example.com:443/EnrollmentServer/Discovery.svc", pcToHeader("https://enterpriseenrollment.example.com/EnrollmentServer/Discovery.svc"))
	require.Equal(t, "https://127.0.0.1:8443/x", pcToHeader("https://127.0.0.1:8443/x"))
	require.Equal(t, "https://[::1]:8443/x", pcToHeader("https://[::1]:8443/x"))
	require.Equal(t, "%", pcToHeader("%"))
}
