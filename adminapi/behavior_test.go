package adminapi

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/profiles"
	"github.com/keelson-mdm/keelson/queue"
)

// into decodes a success.
func into[T any](w *world, q request, status int) T {
	w.t.Helper()
	rec := w.do(q)
	require.Equal(w.t, status, rec.Code, rec.Body.String())
	var v T
	require.NoError(w.t, json.Unmarshal(rec.Body.Bytes(), &v))
	return v
}

// TestPages: walking by cursor sees everything once, in order, and ends.
func TestPages(t *testing.T) {
	w := furnished(t)
	for i := range 11 {
		into[keelson.Host](w, request{put, fmt.Sprintf("/hosts/by-external/p%02d", i), `{"platform":"ios"}`, nil}, 200)
	}
	all := into[hostList](w, request{get, "/hosts?platform=ios", "", nil}, 200)
	require.Len(t, all.Items, 11)
	require.Empty(t, all.Next)
	for limit := 1; limit <= 12; limit++ {
		var walked []keelson.HostSummary
		for next, pages := "", 0; ; pages++ {
			require.Less(t, pages, 12)
			p := into[hostList](w, request{get, fmt.Sprintf("/hosts?platform=ios&limit=%d&cursor=%s", limit, next), "", nil}, 200)
			require.LessOrEqual(t, len(p.Items), limit)
			walked = append(walked, p.Items...)
			if next = p.Next; next == "" {
				break
			}
		}
		require.Equal(t, all.Items, walked)
	}

	carriers := into[profileHostList](w, request{get, "/profiles/$dock/hosts", "", nil}, 200)
	require.Len(t, carriers.Items, 12)
	require.Empty(t, carriers.Next)
	for limit := 1; limit <= 13; limit++ {
		var walked []keelson.ProfileHost
		for next := ""; ; {
			p := into[profileHostList](w, request{get, fmt.Sprintf("/profiles/$dock/hosts?limit=%d&cursor=%s", limit, next), "", nil}, 200)
			require.LessOrEqual(t, len(p.Items), limit)
			walked = append(walked, p.Items...)
			if next = p.Next; next == "" {
				break
			}
		}
		require.Equal(t, carriers.Items, walked)
	}

	for range 4 {
		w.send("$more", nil)
	}
	commands := into[commandList](w, request{get, "/hosts/$mac/commands", "", nil}, 200)
	var walked []keelson.Command
	for next := ""; ; {
		p := into[commandList](w, request{get, "/hosts/$mac/commands?limit=3&cursor=" + next, "", nil}, 200)
		walked = append(walked, p.Items...)
		if next = p.Next; next == "" {
			break
		}
	}
	require.Equal(t, commands.Items, walked)
	require.Equal(t, w.names["$more"], string(walked[0].ID), "the newest first")
}

// TestLinksAreListed: walking sees every link once, and each state has its own;
// no link's secret is told again.
func TestLinksAreListed(t *testing.T) {
	w := newWorld(t, choices{})
	var made []keelson.Link
	for i := range 7 {
		l := into[keelson.Link](w, request{post, "/enrollments", `{"person":"ada","quota":2}`, map[string]string{"X-Reason": "new Macs"}}, 201)
		made = append(made, l)
		if i%2 == 1 {
			require.Equal(t, 204, w.do(request{del, "/enrollments/" + string(l.ID), "", nil}).Code)
		}
	}
	rec := w.do(request{get, "/enrollments?closed=true", "", nil})
	for _, l := range made {
		require.Contains(t, rec.Body.String(), l.ID)
		require.NotContains(t, rec.Body.String(), l.URL[strings.LastIndex(l.URL, "/")+1:])
	}
	all := into[linkList](w, request{get, "/enrollments?closed=true", "", nil}, 200)
	require.Len(t, all.Items, 7)
	open := into[linkList](w, request{get, "/enrollments", "", nil}, 200)
	require.Len(t, open.Items, 4)
	require.Equal(t, open.Items, into[linkList](w, request{get, "/enrollments?state=open&closed=true", "", nil}, 200).Items)
	require.Len(t, into[linkList](w, request{get, "/enrollments?state=withdrawn", "", nil}, 200).Items, 3)
	require.Empty(t, into[linkList](w, request{get, "/enrollments?state=expired", "", nil}, 200).Items)
	for path, want := range map[string][]keelson.LinkSummary{"/enrollments?": open.Items, "/enrollments?closed=true&": all.Items} {
		for limit := 1; limit <= 8; limit++ {
			var walked []keelson.LinkSummary
			for next := ""; ; {
				p := into[linkList](w, request{get, fmt.Sprintf("%slimit=%d&cursor=%s", path, limit, next), "", nil}, 200)
				require.LessOrEqual(t, len(p.Items), limit)
				walked = append(walked, p.Items...)
				if next = p.Next; next == "" {
					break
				}
			}
			require.Equal(t, want, walked)
		}
	}
	require.Equal(t, mdm.Actor{Kind: "token", Name: "ci", Reason: "new Macs"}, open.Items[0].Actor)
	require.Equal(t, []any{"ada", 2, 0}, []any{open.Items[0].Person, open.Items[0].Quota, open.Items[0].Used})
}

// TestDeletedHosts are listed when they are asked for.
func TestDeletedHosts(t *testing.T) {
	w := furnished(t)
	before := len(into[hostList](w, request{get, "/hosts", "", nil}, 200).Items)
	require.Equal(t, 204, w.do(request{del, "/hosts/$mac", "", nil}).Code)
	require.Len(t, into[hostList](w, request{get, "/hosts", "", nil}, 200).Items, before-1)
	require.Len(t, into[hostList](w, request{get, "/hosts?deleted=true", "", nil}, 200).Items, before)
	gone := into[hostList](w, request{get, "/hosts?state=deleted", "", nil}, 200).Items
	require.Len(t, gone, 1)
	require.Equal(t, mdm.HostDeleted, gone[0].State)
}

// TestContentIsByteForByte: what was uploaded comes back, however it came.
func TestContentIsByteForByte(t *testing.T) {
	odd := strings.ReplaceAll(string(dock), "\n", "\r\n") + "\n\n"
	body, formType := form("content", odd)
	for name, q := range map[string]request{
		"raw":  {post, "/profiles", odd, map[string]string{"Content-Type": mediaApple}},
		"JSON": {post, "/profiles", `{"content":"` + b64([]byte(odd)) + `"}`, nil},
		"form": {post, "/profiles", body, formType},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, choices{})
			p := into[keelson.Profile](w, q, 201)
			rec := w.do(request{get, "/profiles/" + string(p.ID) + "/content", "", nil})
			require.Equal(t, odd, rec.Body.String())
			require.Equal(t, mediaApple, rec.Header().Get("Content-Type"))
			require.Equal(t, len(odd), p.Size)
			require.Equal(t, profiles.AppleProfile, p.Family)
			require.Equal(t, "Dock", p.Name)
		})
	}
}

// TestIdempotency: a key queues once for a host.
func TestIdempotency(t *testing.T) {
	w := furnished(t)
	q := request{post, "/hosts/$mac/commands", `{"kind":"DeviceInformation","content":"` + b64([]byte("OSVersion")) + `"}`, map[string]string{"Idempotency-Key": "k"}}
	before := len(into[commandList](w, request{get, "/hosts/$mac/commands", "", nil}, 200).Items)
	first, second := into[commandQueued](w, q, 202), into[commandQueued](w, q, 202)
	require.Equal(t, first, second)
	for _, body := range []string{
		`{"kind":"DeviceInformation","content":"` + b64([]byte("DeviceName")) + `"}`,
		`{"kind":"Raw","content":"` + b64([]byte(`<plist version="1.0"><dict><key>RequestType</key><string>DeviceLock</string></dict></plist>`)) + `"}`,
		`{"kind":"DeviceInformation","content":"` + b64([]byte("OSVersion")) + `","urgent":true}`,
		`{"kind":"DeviceInformation","content":"` + b64([]byte("OSVersion")) + `","expires":"2026-05-02T12:00:00Z"}`,
	} {
		rec := w.do(request{q.method, q.path, body, q.header})
		require.Equal(t, 422, rec.Code, rec.Body.String())
		p := problem(t, rec.Body.Bytes())
		require.Equal(t, mdm.CodeKeyReused, p.Code)
		require.Equal(t, headerIdempotency, p.Field)
		require.Empty(t, rec.Header().Get("Location"))
	}
	require.Equal(t, first, into[commandQueued](w, request{q.method, q.path, " " + strings.Replace(q.body, `,`, ` , `, 1), q.header}, 202), "written otherwise, it is the same request")
	q.header = map[string]string{"Idempotency-Key": "l"}
	require.NotEqual(t, first, into[commandQueued](w, q, 202))
	require.Len(t, into[commandList](w, request{get, "/hosts/$mac/commands", "", nil}, 200).Items, before+2)
}

// TestIdempotencyInFlight: of many requests with one key at the same time, one
// queues a command; those for something else are refused.
func TestIdempotencyInFlight(t *testing.T) {
	w := furnished(t)
	before := len(into[commandList](w, request{get, "/hosts/$mac/commands", "", nil}, 200).Items)
	recs := make([]*httptest.ResponseRecorder, 16)
	var wg sync.WaitGroup
	for i := range recs {
		content := b64([]byte([]string{"OSVersion", "DeviceName"}[i%2]))
		wg.Go(func() {
			recs[i] = w.do(request{post, "/hosts/$mac/commands", `{"kind":"DeviceInformation","content":"` + content + `"}`, map[string]string{headerIdempotency: "k"}})
		})
	}
	wg.Wait()
	won := ""
	for i, rec := range recs {
		if rec.Code == 202 {
			require.True(t, won == "" || won == rec.Body.String(), "one command")
			won = rec.Body.String()
			require.Equal(t, recs[i%2].Code, rec.Code, "all who asked for the same")
		} else {
			require.Equal(t, 422, rec.Code, rec.Body.String())
		}
	}
	require.NotEmpty(t, won)
	require.Len(t, into[commandList](w, request{get, "/hosts/$mac/commands", "", nil}, 200).Items, before+1)
}

// TestCommandTakesEverything: each field of a request reaches the queue.
func TestCommandTakesEverything(t *testing.T) {
	w := furnished(t)
	q := request{post, "/hosts/$mac/commands", `{"kind":"DeviceInformation","content":"` + b64([]byte("OSVersion")) +
		`","urgent":true,"not_before":"2026-05-01T11:59:59Z","expires":"2026-05-01T13:00:00+00:00","redelivery":"once","resource":"r","supersede":"s"}`, nil}
	first, second := into[commandQueued](w, q, 202), into[commandQueued](w, q, 202)
	require.Equal(t, mdm.OutcomeSuperseded, into[keelson.Command](w, request{get, "/commands/" + string(first.ID), "", nil}, 200).Outcome)
	e, err := w.store.Queue().Get(t.Context(), mdm.DefaultTenant, second.ID)
	require.NoError(t, err)
	now := fixed{}.Now()
	require.Equal(t, []any{mdm.KindDeviceInformation, queue.LaneUrgent, now.Add(-time.Second), now.Add(time.Hour), mdm.Once, "r", "s"},
		[]any{e.Kind, e.Lane, e.NotBefore.UTC(), e.Expires.UTC(), e.Redelivery, e.Resource, e.Supersede})
	w.handOut("$mac", 1) // the urgent one overtakes
	require.Equal(t, 1, into[keelson.Command](w, request{get, "/commands/" + string(second.ID), "", nil}, 200).Sent)
}

// TestCommandsNameTheirProfile: by its name now, and by its identifier when it is
// deleted.
func TestCommandsNameTheirProfile(t *testing.T) {
	w := furnished(t)
	of := func() keelson.CommandProfile {
		t.Helper()
		c := into[keelson.Command](w, request{get, "/commands/$install", "", nil}, 200)
		require.Equal(t, c, into[commandList](w, request{get, "/hosts/$mac/commands?limit=1", "", nil}, 200).Items[0])
		require.NotNil(t, c.Profile)
		return *c.Profile
	}
	require.Equal(t, keelson.CommandProfile{Identifier: "com.example.dock", ID: mdm.ProfileID(w.names["$dock"]), Name: "Dock"}, of())
	require.Equal(t, 200, w.do(request{patch, "/profiles/$dock", `{"name":"Dock, larger"}`, nil}).Code)
	require.Equal(t, "Dock, larger", of().Name)
	require.Equal(t, 204, w.do(request{del, "/profiles/$dock", "", nil}).Code)
	require.Equal(t, keelson.CommandProfile{Identifier: "com.example.dock", Deleted: true}, of())
	require.NoError(t, w.m.Plan(t.Context()))
	require.Equal(t, keelson.CommandProfile{Identifier: "com.example.dock", Deleted: true}, of())
	require.Nil(t, into[keelson.Command](w, request{get, "/commands/$waiting", "", nil}, 200).Profile)
}

// TestCancelIsTruthful: the three answers.
func TestCancelIsTruthful(t *testing.T) {
	w := furnished(t)
	require.Equal(t, commandCanceled{"canceled"}, into[commandCanceled](w, request{del, "/commands/$waiting", "", nil}, 200))
	for path, answer := range map[string]string{"/commands/$waiting": "ended", "/commands/$left": "too_late", "/commands/$answered": "ended"} {
		rec := w.do(request{del, path, "", nil})
		require.Equal(t, 409, rec.Code)
		p := problem(t, rec.Body.Bytes())
		require.Equal(t, answer, p.Answer)
		require.Equal(t, mdm.CodeTooLate, p.Code)
	}
}

// TestScopeAndSummary: labels and teams move counts at once.
func TestScopeAndSummary(t *testing.T) {
	w := furnished(t)
	s := into[summary](w, request{get, "/summary", "", nil}, 200)
	require.Equal(t, 3, s.Hosts.Total)
	require.Equal(t, map[mdm.HostState]int{mdm.HostEnrolled: 1}, s.Hosts.ByPlatform[mdm.MacOS])
	require.Equal(t, map[mdm.HostState]int{mdm.HostPending: 1}, s.Hosts.ByPlatform[noPlatform])
	require.Equal(t, 3, s.Profiles.Total)
	require.Equal(t, 2, s.Profiles.ByStatus[profiles.Pending])
	require.Equal(t, 204, w.do(request{put, "/labels/$usedlabel/hosts/$pc", `{"membership":"yes"}`, nil}).Code)
	require.Equal(t, 204, w.do(request{patch, "/hosts/$mac", `{"team":"$team"}`, nil}).Code)
	require.Equal(t, 1, into[summary](w, request{get, "/summary", "", nil}, 200).Profiles.ByStatus[profiles.Pending])
	require.Equal(t, w.names["$team"], string(into[keelson.Host](w, request{get, "/hosts/$mac", "", nil}, 200).Team))
}

// TestLinkTakesEverything: each field of a request reaches the intent.
func TestLinkTakesEverything(t *testing.T) {
	w := furnished(t)
	l := into[keelson.Link](w, request{post, "/enrollments", `{"platform":"macos","serials":["A"],"hardware_ids":["B"],"person":"ada","team":"$team","quota":3,"lifetime_seconds":60}`, nil}, 201)
	require.Equal(t, fixed{}.Now().Add(time.Minute), l.ExpiresAt)
	i, err := w.store.Identity().Intent(t.Context(), mdm.DefaultTenant, l.ID)
	require.NoError(t, err)
	require.Equal(t, []any{mdm.MacOS, []string{"A"}, []string{"B"}, "ada", 3, "ci"},
		[]any{i.Platform, i.Serials, i.HardwareIDs, i.Person, i.Quota, i.Actor.Name})
	require.NotZero(t, i.Team)
	require.Equal(t, 204, w.do(request{del, "/enrollments/" + string(l.ID), "", nil}).Code)
	i, err = w.store.Identity().Intent(t.Context(), mdm.DefaultTenant, l.ID)
	require.NoError(t, err)
	require.True(t, i.Revoked)
}

// TestReasonsAreKept: who asks for something, and why, stands with what came of it.
func TestReasonsAreKept(t *testing.T) {
	w := furnished(t)
	because := func(reason string) map[string]string { return map[string]string{DefaultReasonHeader: reason} }
	who := func(reason string) mdm.Actor { return mdm.Actor{Kind: "token", Name: "ci", Reason: reason} }
	sent := into[commandQueued](w, request{post, "/hosts/$mac/commands", `{"kind":"DeviceInformation","content":"` + b64([]byte("OSVersion")) + `"}`, because("inventory")}, 202)
	require.Equal(t, who("inventory"), into[keelson.Command](w, request{get, "/commands/" + string(sent.ID), "", nil}, 200).Actor)
	listed := into[commandList](w, request{get, "/hosts/$mac/commands", "", nil}, 200).Items
	require.Equal(t, who("inventory"), listed[0].Actor)
	require.Zero(t, into[keelson.Command](w, request{get, "/commands/$install", "", nil}, 200).Actor, "an engine's")
	into[commandCanceled](w, request{del, "/commands/" + string(sent.ID), "", because("not needed")}, 200)
	require.Equal(t, who("inventory"), into[keelson.Command](w, request{get, "/commands/" + string(sent.ID), "", nil}, 200).Actor, "when it has ended, too")
	p := into[keelson.Profile](w, request{patch, "/profiles/$dock", `{"name":"x"}`, because("a better name")}, 200)
	require.Equal(t, who("a better name"), p.Actor)
	require.Equal(t, 204, w.do(request{del, "/enrollments/$link", "", because("lost")}).Code)
	i, err := w.store.Identity().Intent(t.Context(), mdm.DefaultTenant, mdm.IntentID(w.names["$link"]))
	require.NoError(t, err)
	require.Equal(t, who("lost"), i.RevokedBy)
}

// TestEvents pins the envelope of what administration tells the application.
func TestEvents(t *testing.T) {
	w := furnished(t)
	into[keelson.Host](w, request{put, "/hosts/by-external/asset-9", `{"platform":"ios"}`, nil}, 200)
	require.Equal(t, 200, w.do(request{del, "/commands/$waiting", "", nil}).Code)
	require.Equal(t, 204, w.do(request{post, "/hosts/$mac/unenroll", "", nil}).Code)
	require.Equal(t, 204, w.do(request{del, "/hosts/$pending", "", map[string]string{DefaultReasonHeader: "sold"}}).Code)
	require.Equal(t, 204, w.do(request{del, "/profiles/$lock", "", nil}).Code)
	var shown []json.RawMessage
	for {
		es, err := w.store.Lifecycle().ClaimEvents(t.Context(), mdm.DefaultTenant, fixed{}.Now(), time.Minute, 8)
		require.NoError(t, err)
		if len(es) == 0 {
			break
		}
		for _, e := range es {
			require.NoError(t, w.store.Lifecycle().EventDone(t.Context(), mdm.DefaultTenant, e.Seq))
			e.Seq = 0 // of a sequence that others draw from
			b, err := json.Marshal(e.Event)
			require.NoError(t, err)
			shown = append(shown, json.RawMessage(w.settle(string(b))))
		}
	}
	require.NotEmpty(t, shown)
	compareFile(t, "testdata/events.json", shown)
}
