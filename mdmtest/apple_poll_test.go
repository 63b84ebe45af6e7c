package mdmtest

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPollExecutesUntilTheServerIsDone(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	first, second := s.install(simpleProfile("a")), s.install(simpleProfile("b"))
	require.Equal(t, 2, mac.Poll())
	require.Equal(t, 0, mac.Poll())

	var uuids []string
	for i, r := range mac.Record() {
		uuids = append(uuids, r.UUID)
		require.Equal(t, "InstallProfile", r.RequestType)
		require.Equal(t, []string{"Acknowledged"}, r.Answers())
		require.Equal(t, FateDelivered, r.Sightings[0].Fate)
		require.Equal(t, i+1, r.Sightings[0].Seq)
		require.Len(t, r.Hash, 64)
		require.Equal(t, 1, r.Executed())
		require.False(t, r.LostByInjection())
	}
	require.Equal(t, []string{first, second}, uuids)
	require.NotEqual(t, mac.Record()[0].Hash, mac.Record()[1].Hash)
	require.Equal(t, mac.UDID(), s.last("Acknowledged").body["UDID"])
	require.Empty(t, mac.Duplicates())
}

func TestHashIgnoresTheFormOnTheWire(t *testing.T) {
	one, err := parseCommand([]byte(`<plist version="1.0"><dict><key>Command</key><dict><key>RequestType</key><string>X</string><key>B</key><true/></dict><key>CommandUUID</key><string>u</string></dict></plist>`))
	require.NoError(t, err)
	two, err := parseCommand([]byte("<?xml version=\"1.0\"?>\n<plist><dict> <key>CommandUUID</key><string>v</string><key>Command</key><dict><key>B</key><true></true>\n<key>RequestType</key><string>X</string></dict></dict></plist>"))
	require.NoError(t, err)
	require.Equal(t, one.hash, two.hash)
}

func TestPollIsStrict(t *testing.T) {
	const head = `<?xml version="1.0" encoding="UTF-8"?><plist version="1.0">`
	write := func(contentType, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", contentType)
			w.Write([]byte(body))
		}
	}
	for _, c := range []struct {
		name  string
		write func(http.ResponseWriter)
		want  string
	}{
		{"not a property list", write("application/xml", "hello"), "not a command"},
		{"JSON", write("application/json", `{"CommandUUID":"x"}`), "not a command"},
		{"an array", write("application/xml", head+`<array></array></plist>`), "not a dictionary"},
		{"binary", write("application/x-apple-aspen-mdm", "bplist00xx"), "binary"},
		{"no CommandUUID", write("application/xml", head+`<dict><key>Command</key><dict><key>RequestType</key><string>ProfileList</string></dict></dict></plist>`), "CommandUUID"},
		{"no Command", write("application/xml", head+`<dict><key>CommandUUID</key><string>x</string></dict></plist>`), "Command"},
		{"Command is text", write("application/xml", head+`<dict><key>CommandUUID</key><string>x</string><key>Command</key><string>y</string></dict></plist>`), "Command"},
		{"no RequestType", write("application/xml", head+`<dict><key>CommandUUID</key><string>x</string><key>Command</key><dict></dict></dict></plist>`), "RequestType"},
		{"a key twice", write("application/xml", head+`<dict><key>CommandUUID</key><string>x</string><key>CommandUUID</key><string>y</string></dict></plist>`), "twice"},
		{"something after the end", write("application/xml", head+`<dict></dict></plist><plist></plist>`), "outside of plist"},
		{"an empty dictionary", write("application/xml", head+`<dict></dict></plist>`), "CommandUUID"},
		{"401", func(w http.ResponseWriter) { w.WriteHeader(401) }, "status 401, on which a device may remove its enrollment"},
		{"403", func(w http.ResponseWriter) { w.WriteHeader(403) }, "status 403"},
		{"404", func(w http.ResponseWriter) { w.WriteHeader(404) }, "status 404"},
		{"204", func(w http.ResponseWriter) { w.WriteHeader(204) }, "success is 200"},
		{"redirect", func(w http.ResponseWriter) { w.Header().Set("Location", "/mdm"); w.WriteHeader(302) }, "redirect"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newMDMServer(t)
			mac := s.device(t, AppleMac).Enroll()
			s.answer = func(w http.ResponseWriter, _ *http.Request, m received) bool {
				if m.path == "/mdm" {
					c.write(w)
					return true
				}
				return false
			}
			_, err := mac.Apple.Poll(t.Context())
			require.Error(t, err)
			require.Contains(t, violationTexts(mac.TakeViolations()), c.want)
			require.True(t, mac.Enrolled(), "the device stays, so that the test can go on")
		})
	}
}

func TestContentTypeOfACommand(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	s.enqueue("ProfileList", nil)
	raw := s.queue[0].raw
	s.answer = func(w http.ResponseWriter, _ *http.Request, m received) bool {
		if m.body["Status"] != "Idle" {
			return false
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Write(raw)
		return true
	}
	require.Equal(t, 1, mac.Poll())
	require.Contains(t, violationTexts(mac.TakeViolations()), `content type "text/plain"`)
}

func TestRefusalsOfTheServerAreNoViolations(t *testing.T) {
	for _, status := range []int{400, 405, 410, 413, 415, 429, 500, 503} {
		s := newMDMServer(t)
		mac := s.device(t, AppleMac).Enroll()
		s.answer = func(w http.ResponseWriter, _ *http.Request, _ received) bool { w.WriteHeader(status); return true }
		_, err := mac.Apple.Poll(t.Context())
		var se *StatusError
		require.ErrorAs(t, err, &se)
		require.Equal(t, status, se.Status)
		require.Empty(t, mac.Violations())
	}
}

func TestRefusedReportIsNoDuplicateLater(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	uuid := s.install(simpleProfile("a"))
	s.answer = func(w http.ResponseWriter, _ *http.Request, m received) bool {
		if m.body["Status"] == "Acknowledged" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	n, err := mac.Apple.Poll(t.Context())
	require.Error(t, err)
	require.Equal(t, 1, n)
	s.answer = nil
	require.Equal(t, 1, mac.Poll())
	r := mac.Record()[0]
	require.Equal(t, uuid, r.UUID)
	require.Equal(t, FateRefused, r.Sightings[0].Fate)
	require.Contains(t, r.Sightings[0].Reason, "503")
	require.Equal(t, FateDelivered, r.Sightings[1].Fate)
	require.Empty(t, mac.Duplicates())
}

func TestLostConnectionIsNoDuplicateLater(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	s.install(simpleProfile("a"))
	var cut atomic.Bool // the aborted handler may still be running when the device goes on
	cut.Store(true)
	s.answer = func(_ http.ResponseWriter, _ *http.Request, m received) bool {
		if m.body["Status"] == "Acknowledged" && cut.Load() {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	_, err := mac.Apple.Poll(t.Context())
	require.Error(t, err)
	cut.Store(false)
	mac.Poll()
	r := mac.Record()[0]
	require.Equal(t, FateLost, r.Sightings[0].Fate)
	require.False(t, r.LostByInjection())
	require.Equal(t, 2, r.Executed())
	require.Empty(t, mac.Duplicates())
}

func TestDuplicatesAreSeen(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	uuid := s.install(simpleProfile("a"))
	forgetful := s.queue[0]
	mac.Poll()
	require.Empty(t, mac.Duplicates())
	s.queue = append(s.queue, forgetful)
	mac.Poll()
	d := mac.Duplicates()
	require.Len(t, d, 1)
	require.Equal(t, uuid, d[0].UUID)
	require.Equal(t, 2, d[0].Executed())
}

func TestEndlessServer(t *testing.T) {
	s := newMDMServer(t)
	mac := s.deviceWith(t, AppleMac, &AppleOptions{MaxCommands: 3})
	mac.Enroll()
	s.enqueue("ProfileList", nil)
	raw := s.queue[0].raw
	s.answer = func(w http.ResponseWriter, _ *http.Request, m received) bool {
		if m.path != "/mdm" {
			return false
		}
		w.Header().Set("Content-Type", "application/xml")
		w.Write(raw)
		return true
	}
	n, err := mac.Apple.Poll(t.Context())
	require.ErrorContains(t, err, "more than 3 commands")
	require.Equal(t, 3, n)
	require.NotEmpty(t, mac.Duplicates())
}

func TestRepeatAfterNotNow(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	s.enqueue("ProfileList", nil)
	raw := s.queue[0].raw
	s.answer = func(w http.ResponseWriter, _ *http.Request, _ received) bool {
		w.Header().Set("Content-Type", "application/xml")
		w.Write(raw)
		return true
	}
	mac.NotNow(100)
	_, err := mac.Apple.Poll(t.Context())
	require.ErrorContains(t, err, "after NotNow")
	require.Contains(t, violationTexts(mac.TakeViolations()), "came again after NotNow")
}

// Two commands that are declined do not take turns: only what was carried out in
// between makes room for another try.
func TestDeclinedCommandsTakeNoTurns(t *testing.T) {
	s := newMDMServer(t) // it skips the one that was declined last, and no other
	mac := s.device(t, AppleMac).Enroll()
	mac.NotNowFor("ProfileList", -1)
	s.enqueue("ProfileList", nil)
	s.enqueue("DeviceInformation", map[string]any{"Queries": []any{"UDID"}})
	require.Equal(t, 3, mac.Poll(), "another was carried out in between")

	s.enqueue("ProfileList", nil)
	n, err := mac.Apple.Poll(t.Context())
	require.ErrorContains(t, err, "after NotNow")
	require.Equal(t, 2, n)
	require.Len(t, mac.TakeViolations(), 1)
}

func TestCanceledContext(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleMac).Enroll()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := mac.Apple.Poll(ctx)
	require.ErrorIs(t, err, context.Canceled)

	end, err := mac.begin(t.Context()) // somebody else's session
	require.NoError(t, err)
	_, err = mac.Apple.Poll(ctx)
	require.ErrorIs(t, err, context.Canceled)
	end()
	require.Equal(t, 0, mac.Poll())
}

func TestHandlers(t *testing.T) {
	s := newMDMServer(t)
	mac := s.deviceWith(t, AppleMac, &AppleOptions{Handlers: map[string]CommandHandler{
		"SecurityInfo": func(_ context.Context, cmd map[string]any) (map[string]any, error) {
			require.Equal(t, "SecurityInfo", cmd["RequestType"])
			return map[string]any{"SecurityInfo": map[string]any{"FDE_Enabled": true}}, nil
		},
		"ProfileList": func(context.Context, map[string]any) (map[string]any, error) {
			return nil, &DeviceError{Chain: []ErrorChainItem{{ErrorCode: 7, ErrorDomain: "d", LocalizedDescription: "l"}}}
		},
		"RestartDevice": func(context.Context, map[string]any) (map[string]any, error) { return nil, errors.New("no") },
		"UserList": func(context.Context, map[string]any) (map[string]any, error) {
			return map[string]any{"Users": nil}, nil // no property list has a nil
		},
	}})
	mac.Enroll()
	for _, r := range []string{"SecurityInfo", "ProfileList", "RestartDevice", "UserList"} {
		s.enqueue(r, nil)
	}
	require.Equal(t, 4, mac.Poll())
	require.Equal(t, map[string]any{"FDE_Enabled": true}, s.last("Acknowledged").body["SecurityInfo"])
	errs := s.messages("Error")
	require.Len(t, errs, 3)
	require.Equal(t, []any{map[string]any{"ErrorCode": uint64(7), "ErrorDomain": "d", "LocalizedDescription": "l"}}, errs[0].body["ErrorChain"])
	require.Equal(t, "no", errs[1].body["ErrorChain"].([]any)[0].(map[string]any)["LocalizedDescription"])
	require.NotContains(t, errs[2].body, "Users")
}

func TestUnknownRequestType(t *testing.T) {
	s := newMDMServer(t)
	mac := s.device(t, AppleIPhone).Enroll()
	s.enqueue("MakeCoffee", nil)
	mac.Poll()
	chain := s.last("Error").body["ErrorChain"].([]any)
	require.Equal(t, uint64(12021), chain[0].(map[string]any)["ErrorCode"])
	require.Equal(t, "MCMDMErrorDomain", chain[0].(map[string]any)["ErrorDomain"])
	require.Contains(t, chain[0].(map[string]any)["LocalizedDescription"], "MakeCoffee")
	require.Equal(t, mac.Record()[0].Sightings[0].ErrorChain[0].ErrorCode, 12021)
}

func TestTimesAreTheDevices(t *testing.T) {
	s := newMDMServer(t)
	now := time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)
	s.clock = func() time.Time { return now }
	mac := s.deviceWith(t, AppleMac, &AppleOptions{Clock: func() time.Time { return now }})
	mac.Enroll() // the server would reject a signature dated outside of the certificate's validity
	s.install(simpleProfile("a"))
	mac.Poll()
	require.Equal(t, now, mac.Record()[0].Sightings[0].At)
	p, _ := mac.Profile("a")
	require.Equal(t, now, p.InstalledAt)
	require.Equal(t, now, mac.Now())
}

func TestWaitTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.NoError(t, waitTimer(t.Context(), 10*time.Second))
		require.Equal(t, 10*time.Second, time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, waitTimer(ctx, time.Hour), context.DeadlineExceeded)
		require.Equal(t, 11*time.Second, time.Since(start))
	})
}

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	require.ErrorIs(t, refuse("d", 1, "outer: %w", cause), cause)
	require.Equal(t, "outer: cause (d 1)", refuse("d", 1, "outer: %w", cause).Error())
	require.Equal(t, "the device refused", (&DeviceError{}).Error())
	require.ErrorIs(t, &SCEPError{Text: "x", Err: cause}, cause)
	require.Equal(t, "SCEP: x: cause", (&SCEPError{Text: "x", Err: cause}).Error())
	require.Equal(t, `Idle: u answered with status 500: "b"`, (&StatusError{During: "Idle", URL: "u", Status: 500, Body: "b"}).Error())
	require.Equal(t, "cause", chainOf(cause)[0].LocalizedDescription)
	require.NotEmpty(t, chainOf(&DeviceError{Err: cause}))
}
