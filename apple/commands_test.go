package apple_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/apple"
	"github.com/keelson-mdm/keelson/apple/command"
	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/mdmtest"
	"github.com/keelson-mdm/keelson/queue"
)

// sent lists the request types that a device saw, in order.
func sent(a *mdmtest.AppleDevice) (out []string) {
	for _, c := range a.Record() {
		out = append(out, c.RequestType)
	}
	return out
}

// TestKinds: every kind of command on the wire, and what comes back.
func TestKinds(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	ids := w.enqueue(a.UDID(),
		install("com.example.one"),
		queue.Command{Kind: mdm.KindProfileList, Owner: mdm.OwnerProfiles, Ref: mdm.Ref{Key: 3, Order: 4}},
		queue.Command{Kind: mdm.KindDeviceInformation, Content: []byte("OSVersion\nSerialNumber\nDeviceName UDID")},
		queue.Command{Kind: mdm.KindRemoveProfile, Content: []byte("com.example.one")},
		queue.Command{Kind: mdm.KindRawApple, Content: message("RequestType", "DeviceLock", "PIN", "123456")},
	)
	w.sink.told()
	require.Equal(t, len(ids), a.Poll())
	require.Equal(t, []string{"InstallProfile", "ProfileList", "DeviceInformation", "RemoveProfile", "DeviceLock"}, sent(a))
	require.Equal(t, "123456", a.LockPIN())
	e := w.enrollment(a.UDID())
	signals, results := w.sink.told()
	require.Len(t, results, len(ids))
	for i, r := range results {
		d := w.command(ids[i])
		require.Equal(t, mdm.OutcomeAcknowledged, d.Outcome)
		require.Contains(t, string(d.Body), string(ids[i]), "the whole answer is kept")
		require.Equal(t, ids[i], r.Command)
		require.Equal(t, mdm.OutcomeAcknowledged, r.Outcome)
		require.Equal(t, e.Key, r.Enrollment)
		require.Equal(t, e.Host, r.Host)
		require.False(t, r.Late())
	}
	require.Equal(t, mdm.OwnerProfiles, results[1].Owner)
	require.Equal(t, mdm.Ref{Key: 3, Order: 4}, results[1].Ref)

	require.Equal(t, []mdm.SignalKind{mdm.SignalObserved, mdm.SignalFacts}, kinds(signals))
	for _, g := range signals {
		require.Equal(t, e.Key, g.Key)
		require.Equal(t, e.Host, g.Host)
		require.Equal(t, e.Generation, g.Generation)
	}
	seen := signals[0].Data.(mdm.Observation)
	require.True(t, seen.Complete)
	require.Equal(t, results[1].Seq, seen.Asked)
	require.Contains(t, seen.Items, mdm.Observed{Identifier: "com.example.one", UUID: "00000000-0000-4000-8000-00000000000A"})
	require.Equal(t, seen, results[1].Body)
	facts := signals[1].Data.(mdm.HostFacts)
	require.Equal(t, a.Serial(), facts.Serial)
	require.NotEmpty(t, facts.OSVersion)
	require.Equal(t, facts, results[2].Body)
	require.Nil(t, results[0].Body)
	require.Empty(t, a.Duplicates())
	require.False(t, w.holds([]byte("123456")), "no command is stored in the clear")
}

func TestFailures(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	ids := w.enqueue(a.UDID(), install("com.example.one"), queue.Command{Kind: mdm.KindRawApple, Content: message("RequestType", "DeviceLock", "PIN", "1")}, install("com.example.two"))
	a.FailNext(1, mdmtest.ErrorChainItem{ErrorCode: 4001, ErrorDomain: "MCInstallationErrorDomain", LocalizedDescription: "Nein", USEnglishDescription: "No"},
		mdmtest.ErrorChainItem{ErrorCode: 1, ErrorDomain: "Deep", LocalizedDescription: "because"})
	require.Equal(t, 3, a.Poll())
	failed := w.command(ids[0])
	require.Equal(t, mdm.OutcomeError, failed.Outcome)
	require.Equal(t, "MCInstallationErrorDomain/4001", failed.Code)
	require.Equal(t, "No > because", failed.Detail)
	require.NotEmpty(t, failed.Body)
	require.Equal(t, mdm.OutcomeMalformed, w.command(ids[1]).Outcome)
	require.Equal(t, mdm.OutcomeAcknowledged, w.command(ids[2]).Outcome, "and the queue goes on")
	signals, _ := w.sink.told()
	require.NotContains(t, kinds(signals), mdm.SignalObserved)
	require.Zero(t, a.Poll())
}

func TestNotNow(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	one := install("com.example.one")
	one.Resource = "one"
	again := install("com.example.one")
	again.Resource = "one"
	ids := w.enqueue(a.UDID(), one, install("com.example.two"), again)
	a.NotNowFor("InstallProfile", -1)
	require.Equal(t, 2, a.Poll(), "the second overtakes; the third is about the same thing as the first")
	for i, held := range []bool{true, true, false} {
		d := w.command(ids[i])
		require.Empty(t, d.Outcome)
		require.Equal(t, held, !d.Held.IsZero())
	}
	_, results := w.sink.told()
	require.Empty(t, results)
	a.NotNowFor("InstallProfile", 1)
	require.Equal(t, 1, a.Poll(), "right after a NotNow nothing that is held leaves")
	require.Equal(t, 3, a.Poll())
	for _, id := range ids {
		require.Equal(t, mdm.OutcomeAcknowledged, w.command(id).Outcome)
	}
	require.Empty(t, a.Duplicates())

	w.enqueue(a.UDID(), install("com.example.three"))
	a.NotNowFor("InstallProfile", -1)
	for range 3 {
		require.Equal(t, 1, a.Poll(), "once a session, and never right after")
	}
	a.NotNowFor("InstallProfile", 0)
	require.Equal(t, 1, a.Poll())
}

// TestPoll: what leaves on the wire, and that a poll with nothing to do writes
// nothing and is noted.
func TestPoll(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	me, e := identityOf(t, a), w.enrollment(a.UDID())
	idle := message("Status", "Idle", "UDID", a.UDID())
	clear(w.seen)
	before := w.dump()
	got := w.from(me, commandURL, idle)
	require.Equal(t, http.StatusOK, got.status)
	require.Empty(t, got.body)
	require.Equal(t, "0", got.header.Get("Content-Length"))
	require.Equal(t, before, w.dump())
	require.Equal(t, map[mdm.HostKey]int{e.Host: 1}, w.seen)

	w.enqueue(a.UDID(), queue.Command{Kind: mdm.KindProfileList})
	got = w.from(me, commandURL, idle)
	require.Equal(t, "application/xml; charset=UTF-8", got.header.Get("Content-Type"))
	require.Regexp(t, `<key>ManagedOnly</key>\s*<true/>`, got.body)
}

// TestLosses: a lost reply makes delivery unknowable; exactly one outcome is
// recorded, and only a loss makes a device see a command twice.
func TestLosses(t *testing.T) {
	for _, loss := range []mdmtest.Loss{mdmtest.LossBeforeSend, mdmtest.LossAfterSend, mdmtest.LossOfCommand} {
		t.Run(loss.String(), func(t *testing.T) {
			w := newWorld(t, options{})
			a := w.mac()
			ids := w.enqueue(a.UDID(), install("com.example.one"), install("com.example.two"))
			a.LoseReply(loss, 1)
			a.Poll()
			a.RepeatPost(1)
			for a.Poll() > 0 {
			}
			_, results := w.sink.told()
			require.Len(t, results, 2)
			for _, id := range ids {
				require.Equal(t, mdm.OutcomeAcknowledged, w.command(id).Outcome)
			}
			require.Empty(t, a.Duplicates())
		})
	}
}

func TestResultOfNobodysCommand(t *testing.T) {
	w := newWorld(t, options{})
	a, b := w.mac(), w.mac()
	mine := w.enqueue(a.UDID(), install("com.example.a"))
	others := w.enqueue(b.UDID(), install("com.example.b"))
	me := identityOf(t, a)
	w.sink.told()
	for name, id := range map[string]string{
		"unknown":          "0190a000-0000-7000-8000-000000000000",
		"no UUID":          "InstalledByAnotherServer",
		"another device's": string(others[0]),
	} {
		for _, status := range []string{"Acknowledged", "Error", "NotNow"} {
			before := w.command(others[0])
			got := w.from(me, commandURL, message("Status", status, "UDID", a.UDID(), "CommandUUID", id))
			require.Equal(t, http.StatusOK, got.status, name)
			require.Contains(t, got.body, string(mine[0]), "%s: what is next leaves", name)
			require.Equal(t, before, w.command(others[0]), name)
		}
	}
	signals, results := w.sink.told()
	require.Empty(t, signals)
	require.Empty(t, results)
	require.Equal(t, 1, b.Poll())
}

// TestUnsendable: a command that cannot be written ends, nothing of it is sent,
// and the next one leaves.
func TestUnsendable(t *testing.T) {
	bad := map[string]queue.Command{
		"of no kind":          {Kind: "Unheard"},
		"of another system":   {Kind: mdm.KindSyncML, Content: []byte("<Get/>")},
		"no property list":    {Kind: mdm.KindRawApple, Content: []byte("hunter2")},
		"no request type":     {Kind: mdm.KindRawApple, Content: message("PIN", "hunter2")},
		"an empty profile":    {Kind: mdm.KindInstallProfile},
		"a profile too large": {Kind: mdm.KindInstallProfile, Content: make([]byte, command.MaxPayload+1)},
		"no identifier":       {Kind: mdm.KindRemoveProfile},
		"no questions":        {Kind: mdm.KindDeviceInformation, Content: []byte(" \n ")},
	}
	for name, c := range bad {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options{})
			a := w.mac()
			ids := w.enqueue(a.UDID(), c, install("com.example.one"))
			w.sink.told()
			require.Equal(t, 1, a.Poll())
			require.Equal(t, []string{"InstallProfile"}, sent(a))
			d := w.command(ids[0])
			require.Equal(t, mdm.OutcomeUnrenderable, d.Outcome)
			require.NotEmpty(t, d.Code)
			require.NotContains(t, d.Detail+w.log.String(), "hunter2")
			require.Equal(t, mdm.OutcomeAcknowledged, w.command(ids[1]).Outcome)
			_, results := w.sink.told()
			require.Len(t, results, 2, "its owner is told")
			require.Equal(t, mdm.OutcomeUnrenderable, results[0].Outcome)
		})
	}
	t.Run("many", func(t *testing.T) {
		w := newWorld(t, options{})
		a := w.mac()
		var commands []queue.Command
		for range 40 {
			commands = append(commands, bad["of no kind"])
		}
		ids := w.enqueue(a.UDID(), append(commands, install("com.example.one"))...)
		polls := 0
		for ; a.Poll() == 0; polls++ {
			require.Less(t, polls, 10)
		}
		require.Equal(t, 2, polls, "a bounded number in each request")
		require.Equal(t, mdm.OutcomeAcknowledged, w.command(ids[40]).Outcome)
	})
	t.Run("behind a result", func(t *testing.T) {
		w := newWorld(t, options{})
		a := w.mac()
		ids := w.enqueue(a.UDID(), install("com.example.one"), bad["of no kind"], install("com.example.two"))
		require.Equal(t, 2, a.Poll())
		require.Equal(t, mdm.OutcomeUnrenderable, w.command(ids[1]).Outcome)
	})
}

// faultyQueue hands out commands whose content is missing.
type faultyQueue struct {
	*queue.Queue
	err error
}

func (q *faultyQueue) spoil(hs []queue.Handout) {
	for i := range hs {
		if q.err != nil {
			hs[i].Data, hs[i].Err = nil, q.err
		}
	}
}

func (q *faultyQueue) Poll(ctx context.Context, t mdm.TenantID, p queue.Poll) (queue.Answer, error) {
	a, err := q.Queue.Poll(ctx, t, p)
	q.spoil(a.Handouts)
	return a, err
}

func (q *faultyQueue) Next(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, p queue.Poll) ([]queue.Handout, error) {
	hs, err := q.Queue.Next(ctx, tx, e, p)
	q.spoil(hs)
	return hs, err
}

// TestContentIsMissing: a key that is out of reach costs no command; one that
// does not open ends its command alone.
func TestContentIsMissing(t *testing.T) {
	var faulty *faultyQueue
	w := newWorld(t, options{apple: func(c *apple.Config) {
		faulty = &faultyQueue{Queue: c.Queue.(*queue.Queue)}
		c.Queue = faulty
	}})
	a := w.mac()
	ids := w.enqueue(a.UDID(), install("com.example.one"), install("com.example.two"))
	faulty.err = &mdm.Error{Code: mdm.CodeBusy, Message: "the key service is busy", RetryAfter: time.Minute}
	got := w.from(identityOf(t, a), commandURL, message("Status", "Idle", "UDID", a.UDID()))
	require.Equal(t, http.StatusTooManyRequests, got.status)
	require.Equal(t, "60", got.header.Get("Retry-After"))
	require.Empty(t, w.command(ids[0]).Outcome)
	faulty.err = mdm.CodeInternal
	require.Zero(t, a.Poll())
	require.Equal(t, mdm.OutcomeUnrenderable, w.command(ids[0]).Outcome)
	require.Equal(t, mdm.OutcomeUnrenderable, w.command(ids[1]).Outcome)
}

// TestEngineFails: an engine's permanent error is put on record and blocks
// nothing; a transient one files nothing, and the device comes again.
func TestEngineFails(t *testing.T) {
	for name, fail := range map[string]func() error{
		"refuses":    func() error { return mdm.Errorf(mdm.CodeNotFound, "", "no such row") },
		"conflicted": func() error { return fmt.Errorf("evidence: %w", mdm.Errorf(mdm.CodeInvalid, "", "no")) },
		"no code":    func() error { return errors.New("a defect") },
		"panics":     func() error { panic("a defect") },
	} {
		for _, where := range []string{"result acknowledged", "signal observed", "result error", "result unrenderable"} {
			t.Run(name+"/"+where, func(t *testing.T) {
				w := newWorld(t, options{})
				a := w.mac()
				first := queue.Command{Kind: mdm.KindProfileList}
				want := mdm.OutcomeAcknowledged
				switch where {
				case "result error":
					a.FailNext(1)
					want = mdm.OutcomeError
				case "result unrenderable":
					first.Kind = "Unheard"
					want = mdm.OutcomeUnrenderable
				}
				ids := w.enqueue(a.UDID(), first, install("com.example.two"))
				failed := 0
				w.sink.fail = func(what string) error {
					if what == where && failed == 0 {
						failed++
						return fail()
					}
					return nil
				}
				w.sink.told()
				require.Positive(t, a.Poll())
				require.Equal(t, 1, failed)
				d := w.command(ids[0])
				require.Equal(t, want, d.Outcome)
				require.Contains(t, d.Detail, "its owner could not take the result in")
				require.NotContains(t, d.Detail, "defect")
				if where == "result error" {
					require.Contains(t, d.Detail, "the device said: ")
				}
				require.Equal(t, mdm.OutcomeAcknowledged, w.command(ids[1]).Outcome)
				_, results := w.sink.told()
				require.Len(t, results, 1, "what the engine did with the first was rolled back")
				require.Contains(t, w.log.String(), "a result was filed without its owner")
				require.Empty(t, a.Duplicates())
			})
		}
	}
}

func TestEngineFailsForAWhile(t *testing.T) {
	for name, err := range map[string]error{
		"unavailable": mdm.Errorf(mdm.CodeUnavailable, "", "down"),
		"busy":        mdm.Errorf(mdm.CodeBusy, "", "down"),
		"conflict":    fmt.Errorf("wrapped: %w", mdm.CodeConflict),
		"canceled":    fmt.Errorf("wrapped: %w", context.Canceled),
		"timed out":   mdm.WrapError(mdm.CodeInternal, "", "query", context.DeadlineExceeded),
	} {
		for _, where := range []string{"result acknowledged", "signal observed"} {
			t.Run(name+"/"+where, func(t *testing.T) {
				w := newWorld(t, options{})
				a := w.mac()
				ids := w.enqueue(a.UDID(), queue.Command{Kind: mdm.KindProfileList})
				me := identityOf(t, a)
				w.from(me, commandURL, message("Status", "Idle", "UDID", a.UDID()))
				body := message("Status", "Acknowledged", "UDID", a.UDID(), "CommandUUID", string(ids[0]), "ProfileList", "<array/>")
				w.sink.fail = func(what string) error {
					if what == where {
						return err
					}
					return nil
				}
				before := w.dump()
				clear(w.seen)
				got := w.from(me, commandURL, body)
				require.Contains(t, []int{http.StatusServiceUnavailable, http.StatusTooManyRequests}, got.status)
				require.NotEmpty(t, got.header.Get("Retry-After"))
				if got.status >= 500 {
					require.NotContains(t, got.body, ":", "why is for the log")
				}
				require.Equal(t, before, w.dump(), "nothing is filed")
				require.Empty(t, w.seen)
				w.sink.fail = nil
				require.Equal(t, http.StatusOK, w.from(me, commandURL, body).status)
				require.Equal(t, mdm.OutcomeAcknowledged, w.command(ids[0]).Outcome)
				require.Empty(t, w.command(ids[0]).Detail)
			})
		}
	}
}

// TestCommandFaults: the store fails at every write in turn.
func TestCommandFaults(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, options{})
		a := w.mac()
		me := identityOf(t, a)
		ids := w.enqueue(a.UDID(), queue.Command{Kind: "Unheard"}, install("com.example.one"), install("com.example.two"))
		calls, struck := 0, false
		w.fault = func(string) error {
			if calls++; calls == n {
				struck = true
				return mdm.Errorf(mdm.CodeUnavailable, "", "injected")
			}
			return nil
		}
		for _, body := range [][]byte{
			message("Status", "Idle", "UDID", a.UDID()),
			message("Status", "NotNow", "UDID", a.UDID(), "CommandUUID", string(ids[1])),
			message("Status", "Acknowledged", "UDID", a.UDID(), "CommandUUID", string(ids[2])),
			[]byte("<key>CommandUUID</key><string>" + string(ids[1]) + "</string>"),
		} {
			was := struck
			got := w.from(me, commandURL, body)
			if struck && !was {
				require.Equal(t, http.StatusServiceUnavailable, got.status, "write %d", n)
				got = w.from(me, commandURL, body)
			}
			require.Equal(t, http.StatusOK, got.status, "write %d: %s", n, got.body)
		}
		for i, want := range []mdm.Outcome{mdm.OutcomeUnrenderable, mdm.OutcomeUndecodable, mdm.OutcomeAcknowledged} {
			require.Equal(t, want, w.command(ids[i]).Outcome, "write %d", n)
		}
		if !struck {
			require.Greater(t, n, 12, "faults were injected")
			return
		}
	}
}

// TestLateAnswers: what is said after a command ended without the device is kept
// and changes nothing.
func TestLateAnswers(t *testing.T) {
	w := newWorld(t, options{})
	a := w.mac()
	me := identityOf(t, a)
	e := w.enrollment(a.UDID())
	ids := w.enqueue(a.UDID(), queue.Command{Kind: mdm.KindProfileList, Owner: mdm.OwnerProfiles, Ref: mdm.Ref{Key: 9}})
	w.from(me, commandURL, message("Status", "Idle", "UDID", a.UDID()))
	w.do(func(ctx context.Context, tx mdm.Tx) error {
		_, left, err := w.queue.EndRef(ctx, tx, e.Key, mdm.OwnerProfiles, 9)
		require.Equal(t, 1, left)
		return err
	})
	w.sink.told()
	body := message("Status", "Acknowledged", "UDID", a.UDID(), "CommandUUID", string(ids[0]), "ProfileList", "<array/>")
	require.Equal(t, http.StatusOK, w.from(me, commandURL, body).status)
	d := w.command(ids[0])
	require.Equal(t, mdm.OutcomeSuperseded, d.Outcome)
	require.Equal(t, mdm.OutcomeAcknowledged, d.Late.Outcome)
	signals, results := w.sink.told()
	require.Len(t, results, 1, "its owner hears of it, as evidence")
	require.Equal(t, []mdm.SignalKind{mdm.SignalObserved}, kinds(signals), "the device has shown what it carries in this life")

	before := w.dump()
	require.Equal(t, http.StatusOK, w.from(me, commandURL, body).status)
	require.Equal(t, before, w.dump(), "the first answer counts")

	// Of an earlier life it is no observation.
	ids = w.enqueue(a.UDID(), queue.Command{Kind: mdm.KindProfileList})
	w.from(me, commandURL, message("Status", "Idle", "UDID", a.UDID()))
	a.Erase()
	a.Enroll()
	w.sink.told()
	body = message("Status", "Acknowledged", "UDID", a.UDID(), "CommandUUID", string(ids[0]), "ProfileList", "<array/>")
	require.Equal(t, http.StatusOK, w.from(identityOf(t, a), commandURL, body).status)
	signals, results = w.sink.told()
	require.Empty(t, signals)
	require.Len(t, results, 1)
	require.True(t, results[0].Late())

	// Neither is what is said after the end.
	ids = w.enqueue(a.UDID(), queue.Command{Kind: mdm.KindProfileList}, install("com.example.one"))
	me = identityOf(t, a)
	w.from(me, commandURL, message("Status", "Idle", "UDID", a.UDID()))
	w.unenroll(a.UDID())
	w.enqueue(a.UDID(), install("com.example.two")) // by somebody who has not heard of it
	w.sink.told()
	seen := w.seen[e.Host]
	body = message("Status", "Acknowledged", "UDID", a.UDID(), "CommandUUID", string(ids[0]), "ProfileList", "<array/>")
	got := w.from(me, commandURL, body)
	require.Equal(t, http.StatusOK, got.status)
	require.Empty(t, got.body, "it is handed nothing")
	signals, results = w.sink.told()
	require.Empty(t, signals)
	require.Len(t, results, 1)
	require.Equal(t, mdm.OutcomeAcknowledged, w.command(ids[0]).Late.Outcome)
	require.Equal(t, seen, w.seen[e.Host])
	require.Equal(t, http.StatusBadRequest, w.from(me, commandURL, message("Status", "Idle", "UDID", a.UDID())).status)
}

// A question that is acknowledged and not answered brought nothing.
func TestQuestionWithoutAnAnswer(t *testing.T) {
	for kind, pairs := range map[string][]string{
		mdm.KindProfileList:       nil,
		mdm.KindDeviceInformation: nil,
		"wrong list":              {"ProfileList", "none"},
		"nameless entry":          {"ProfileList", "<array><dict><key>PayloadUUID</key><string>x</string></dict></array>"},
		"wrong responses":         {"QueryResponses", "<array/>"},
	} {
		t.Run(kind, func(t *testing.T) {
			c := queue.Command{Kind: kind, Content: []byte("OSVersion")}
			switch {
			case strings.Contains(kind, "responses"):
				c.Kind = mdm.KindDeviceInformation
			case len(pairs) > 0:
				c.Kind = mdm.KindProfileList
			}
			w := newWorld(t, options{})
			a := w.mac()
			ids := w.enqueue(a.UDID(), c)
			me := identityOf(t, a)
			w.from(me, commandURL, message("Status", "Idle", "UDID", a.UDID()))
			w.sink.told()
			got := w.from(me, commandURL, message(append([]string{"Status", "Acknowledged", "UDID", a.UDID(), "CommandUUID", string(ids[0])}, pairs...)...))
			require.Equal(t, http.StatusOK, got.status)
			require.Equal(t, mdm.OutcomeAcknowledged, w.command(ids[0]).Outcome, "the history has what the device said")
			signals, results := w.sink.told()
			require.Empty(t, signals)
			require.Equal(t, mdm.OutcomeUndecodable, results[0].Outcome, "the owner learns that there is no answer")
			require.Nil(t, results[0].Body)
		})
	}
}
