package windows_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/windows"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

func TestFirstSessionConfirms(t *testing.T) {
	w := newWorld(t, nil)
	d := w.enroll("AB01", "ada@example.com")
	require.Equal(t, mdm.EnrollmentAuthenticating, d.enrollment().State)
	d.begin("1")
	require.Empty(t, d.packageOne())
	e := d.enrollment()
	require.Equal(t, mdm.EnrollmentEnrolled, e.State)
	require.Equal(t, e.Generation, w.sink.of(mdm.SignalConfirmed)[0].Generation)
	require.Equal(t, "Book 5", w.sink.of(mdm.SignalFacts)[0].Data.(mdm.HostFacts).Model)
	require.Equal(t, 1, w.seen[e.Host])

	d.begin("2")
	d.packageOne()
	require.Len(t, w.sink.of(mdm.SignalConfirmed), 1, "confirmed once")
}

func TestAcknowledgements(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	d.begin("2")
	m := d.message(
		syncml.Command{Kind: syncml.Alert, Code: syncml.AlertClientInitiated},
		alert(syncml.AlertClientEvent, syncml.AlertTypeLoginStatus, "user"),
		alert(syncml.AlertGeneric, syncml.AlertTypeMSIInstall, "0"),
		syncml.Command{Kind: syncml.Replace, Items: []syncml.Item{{Source: syncml.Location{URI: "./DevInfo/Man"}, Data: "x"}}},
		syncml.Command{Kind: syncml.Results, MsgRef: 7, CmdRef: "9", Items: []syncml.Item{{Source: syncml.Location{URI: "./A"}, Data: "x"}}},
		syncml.Command{Kind: syncml.Get, Items: []syncml.Item{{Target: syncml.Location{URI: "./A"}}}},
		syncml.Command{Kind: syncml.Status, MsgRef: 7, CmdRef: "9", Cmd: "Get", Code: 200},
	)
	r := d.send(m)
	c := m.Commands
	require.Equal(t, []string{
		"0 SyncHdr 212", c[0].CmdID + " Alert 200", c[1].CmdID + " Alert 200", c[2].CmdID + " Alert 200",
		c[3].CmdID + " Replace 200", c[4].CmdID + " Results 200", c[5].CmdID + " Get 406",
	}, statuses(r))
	require.Empty(t, commands(r))
	require.True(t, r.Final)
	require.Equal(t, d.deviceID, r.Header.Target.URI)
	require.Equal(t, "2", r.Header.SessionID)
	require.Empty(t, w.sink.results, "a result for a command that never was")
}

func TestCommandsAndOutcomes(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	ids := d.enqueue(write(syncml.Replace, base+"A", "1"), write(syncml.Replace, base+"B", "x &amp; y"), del(base+"C"))
	d.begin("2")
	cmds := d.packageOne()
	require.Equal(t, []string{"A", "B", "C"}, uris(cmds))
	require.Equal(t, "x & y", cmds[1].Items[0].Data)

	require.Empty(t, d.answer(d.status(cmds[0], 200), d.status(cmds[1], 202), d.status(cmds[2], 404)))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(ids[0]).Outcome)
	require.Equal(t, mdm.OutcomeAccepted, d.done(ids[1]).Outcome)
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(ids[2]).Outcome, "what is gone is deleted")
	require.Len(t, w.sink.results, 3)
	require.Equal(t, ids[0], w.sink.results[0].Command)
	require.Nil(t, w.sink.results[0].Body)

	d.begin("3")
	require.Empty(t, d.packageOne())
}

func TestBatches(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	var fragments []string
	for range 90 {
		fragments = append(fragments, write(syncml.Replace, base+"A", "1"))
	}
	ids := d.enqueue(fragments...)
	d.begin("2")
	cmds := d.packageOne()
	for _, want := range []int{40, 40, 10, 0} {
		require.Len(t, cmds, want)
		seen := map[string]bool{}
		var answers []syncml.Command
		for _, c := range cmds {
			require.False(t, seen[c.CmdID])
			seen[c.CmdID] = true
			answers = append(answers, d.status(c, 200))
		}
		if want > 0 {
			cmds = d.answer(answers...)
		}
	}
	for _, id := range ids {
		require.Equal(t, mdm.OutcomeAcknowledged, d.done(id).Outcome)
		require.Equal(t, 1, d.done(id).Sent)
	}
}

func TestLargeCommandsLeave(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	big := write(syncml.Replace, base+"Big", stringOf('x', 300<<10))
	ids := d.enqueue(write(syncml.Exec, base+"Silent", ""), big, big)
	d.begin("2")
	cmds := d.packageOne()
	require.Equal(t, []string{"Silent"}, uris(cmds))
	// Nothing is said to the first: this session brings no more.
	require.Empty(t, d.answer())
	d.begin("3")
	cmds = d.packageOne()
	require.Equal(t, []string{"Silent"}, uris(cmds))
	cmds = d.answer(d.status(cmds[0], 200))
	require.Equal(t, []string{"Big"}, uris(cmds))
	cmds = d.answer(d.status(cmds[0], 200))
	require.Equal(t, []string{"Big"}, uris(cmds))
	require.Empty(t, d.answer(d.status(cmds[0], 200)))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(ids[2]).Outcome)
}

// A silent command is passed over in its session, and does not keep a large one
// behind it from leaving.
func TestPassedOver(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	ids := d.enqueue(write(syncml.Exec, base+"Silent", ""), write(syncml.Replace, base+"A", "1"),
		write(syncml.Replace, base+"Big", stringOf('x', 300<<10)))
	d.begin("2")
	cmds := d.packageOne()
	require.Equal(t, []string{"Silent", "A"}, uris(cmds))
	cmds = d.answer(d.status(cmds[1], 200))
	require.Equal(t, []string{"Big"}, uris(cmds))
	require.Empty(t, d.answer(d.status(cmds[0], 200)))
	require.Empty(t, d.done(ids[0]).Outcome, "it waits")

	d.begin("3")
	cmds = d.packageOne()
	require.Equal(t, []string{"Silent"}, uris(cmds))
	require.Empty(t, d.answer(d.status(cmds[0], 200)))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(ids[0]).Outcome)
}

func TestRepeatedPost(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	d.enqueue(write(syncml.Replace, base+"A", "1"), get(base+"A"))
	d.begin("2")
	first := encode(t, d.message(d.hello()...))
	a, b := d.post(first), d.post(first)
	require.Equal(t, a.Body.Bytes(), b.Body.Bytes())
	cmds := commands(d.read(a))
	require.Len(t, cmds, 2)

	second := encode(t, d.answering(d.status(cmds[0], 200), d.status(cmds[1], 200), d.result(cmds[1], base+"A", "1")))
	a = d.post(second)
	w.clock.advance(24 * time.Hour)
	b = d.post(second)
	require.Equal(t, a.Body.Bytes(), b.Body.Bytes())
	require.Len(t, w.sink.results, 2, "told once")
	require.Len(t, w.sink.of(mdm.SignalObserved), 1)
}

// The first messages of two sessions may be the same bytes: a device that reuses
// its session id must not get yesterday's answer.
func TestSameFirstMessageLater(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	id := d.enqueue(write(syncml.Replace, base+"A", "1"))[0]
	d.begin("1")
	m := encode(t, d.message(d.hello()...))
	cmds := commands(d.read(d.post(m)))
	require.Empty(t, d.answer(d.status(cmds[0], 200)))
	require.True(t, d.done(id).Outcome.OK())

	for range 2 {
		w.clock.advance(2 * time.Minute)
		require.Empty(t, commands(d.read(d.post(m))), "idle")
		id = d.enqueue(write(syncml.Replace, base+"B", "1"))[0]
		w.clock.advance(2 * time.Minute)
		d.begin("1")
		d.msg = 1
		cmds = commands(d.read(d.post(m)))
		require.Equal(t, []string{"B"}, uris(cmds))
		require.Empty(t, d.answer(d.status(cmds[0], 200)))
		require.True(t, d.done(id).Outcome.OK())
	}
}

// The device vanished after its first message, and says the same much later.
func TestSameFirstMessageAfterVanishing(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	d.enqueue(write(syncml.Replace, base+"A", "1"))
	d.begin("1")
	m := encode(t, d.message(d.hello()...))
	require.Equal(t, []string{"A"}, uris(commands(d.read(d.post(m)))))
	d.enqueue(write(syncml.Replace, base+"B", "1"))
	w.clock.advance(9 * time.Minute)
	require.Equal(t, []string{"A"}, uris(commands(d.read(d.post(m)))), "a retry")
	w.clock.advance(2 * time.Minute)
	require.Equal(t, []string{"A", "B"}, uris(commands(d.read(d.post(m)))), "another session")

	// The same after a session that ended with its first message.
	d = w.managed("CD02")
	d.enqueue("<broken")
	d.begin("1")
	m = encode(t, d.message(d.hello()...))
	require.Empty(t, commands(d.read(d.post(m))))
	d.enqueue(write(syncml.Replace, base+"A", "1"))
	require.Empty(t, commands(d.read(d.post(m))), "a retry")
	w.clock.advance(2 * time.Minute)
	require.Equal(t, []string{"A"}, uris(commands(d.read(d.post(m)))))
}

func TestRestart(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	ids := d.enqueue(write(syncml.Replace, base+"A", "1"), write(syncml.Replace, base+"B", "1"))
	d.begin("2")
	old := d.packageOne(alert(syncml.AlertGeneric, "com.example", "1"))
	require.Len(t, old, 2)
	oldMsg := d.replyMsg

	// The reply was lost and the session begins again, in other words.
	d.begin("2")
	cmds := d.packageOne(alert(syncml.AlertGeneric, "com.example", "2"))
	require.Equal(t, []string{"A", "B"}, uris(cmds))
	require.NotEqual(t, old[0].CmdID, cmds[0].CmdID, "CmdIDs go on")

	// What answers the lost message answers nothing.
	stray := syncml.Command{Kind: syncml.Status, MsgRef: oldMsg, CmdRef: old[0].CmdID, Cmd: "Replace", Code: 500}
	require.Empty(t, d.answer(stray, d.status(cmds[0], 200), d.status(cmds[1], 200)))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(ids[0]).Outcome)
	require.Equal(t, 2, d.done(ids[0]).Sent)
}

func TestLostReplyInTheMiddle(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	w2 := d.enqueue(write(syncml.Replace, base+"A", "1"))
	d.begin("2")
	first := d.packageOne()
	d.enqueue(write(syncml.Replace, base+"B", "1"))
	firstMsg := d.replyMsg
	second := d.answer(d.status(first[0], 200))
	require.Equal(t, []string{"B"}, uris(second))

	// The device never saw B. It says message 2 again, in other words.
	d.msg--
	d.replyMsg = firstMsg
	cmds := d.answer(d.status(first[0], 200), syncml.Command{Kind: syncml.Alert, Code: syncml.AlertNextMessage})
	require.Equal(t, []string{"B"}, uris(cmds))
	require.Empty(t, d.answer(d.status(cmds[0], 200)))
	require.True(t, d.done(w2[0]).Outcome.OK())
	require.Len(t, w.sink.results, 2)

	// A message out of the past changes nothing.
	d.enqueue(write(syncml.Replace, base+"C", "1"))
	d.begin("3")
	cmds = d.packageOne()
	d.enqueue(write(syncml.Replace, base+"D", "1"))
	more := d.answer(d.status(cmds[0], 200))
	require.Equal(t, []string{"D"}, uris(more))
	last := d.enqueue(write(syncml.Replace, base+"E", "1"))[0]
	more = d.answer(d.status(more[0], 200))
	at := d.msg
	d.msg = 1
	require.Empty(t, d.answer(d.status(more[0], 500)))
	require.Empty(t, d.done(last).Outcome)
	d.msg, d.replyMsg = at, at
	require.Empty(t, d.answer(d.status(more[0], 200)))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(last).Outcome)
}

// A command that was passed over leaves again when the session begins again.
func TestPassedOverAndRestart(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	d.enqueue(write(syncml.Exec, base+"Silent", ""), write(syncml.Replace, base+"A", "1"))
	d.begin("2")
	cmds := d.packageOne()
	require.Empty(t, d.answer(d.status(cmds[1], 200)))
	d.begin("2")
	d.noLogin = true
	require.Equal(t, []string{"Silent"}, uris(d.packageOne()))
}

// What is left aside takes no room from what can leave.
func TestRoomBesideThePassedOver(t *testing.T) {
	w := newWorld(t, func(c *windows.Config) { c.BatchCommands = 2 })
	d := w.managed("AB01")
	d.enqueue(write(syncml.Exec, base+"Silent", ""), write(syncml.Replace, base+"A", "1"),
		write(syncml.Replace, base+"B", "1"), write(syncml.Replace, base+"C", "1"))
	d.begin("2")
	cmds := d.packageOne()
	require.Equal(t, []string{"Silent", "A"}, uris(cmds))
	require.Equal(t, []string{"B", "C"}, uris(d.answer(d.status(cmds[1], 200))))
}

// A command that two sessions brought ends by the first answer.
func TestAnswersInTwoSessions(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	id := d.enqueue(write(syncml.Replace, base+"A", "1"))[0]
	d.begin("2")
	first := d.packageOne()
	in2 := *d
	d.begin("3")
	cmds := d.packageOne()
	require.Empty(t, d.answer(d.status(cmds[0], 200)))
	require.Empty(t, in2.answer(in2.status(first[0], 500)))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(id).Outcome)
	require.Len(t, w.sink.results, 1)
}

// A value may come a message later than the status of its Get.
func TestResultsAfterStatus(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	id := d.enqueue(get(base + "A"))[0]
	d.begin("2")
	cmds := d.packageOne()
	m := d.answering(d.status(cmds[0], 200))
	m.Final = false
	sent := d.replyMsg
	d.send(m)
	require.Empty(t, d.done(id).Outcome)
	d.replyMsg = sent
	d.answer(d.result(cmds[0], base+"A", "1"))
	require.Equal(t, "1", w.sink.of(mdm.SignalObserved)[0].Data.(mdm.Observation).Items[0].Value)
}

func TestEachCommandIsAcknowledgedOnce(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	d.begin("2")
	m := d.message(syncml.Command{Kind: syncml.Alert, Code: 1201}, syncml.Command{Kind: syncml.Alert, Code: 1226}, syncml.Command{Kind: syncml.Alert, Code: 1226})
	body := bytes.ReplaceAll(encode(t, m), []byte("<CmdID>2</CmdID>"), []byte("<CmdID>1</CmdID>"))
	body = bytes.ReplaceAll(body, []byte("<CmdID>3</CmdID>"), nil)
	require.Equal(t, []string{"0 SyncHdr 212", "1 Alert 200"}, statuses(d.read(d.post(body))))
}

func TestMissingMsgRefInResults(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	d.enqueue(write(syncml.Replace, base+"A", "1"))
	d.begin("2")
	cmds := d.packageOne()
	d.enqueue(get(base + "A"))
	cmds = d.answer(d.status(cmds[0], 200))
	r := d.result(cmds[0], base+"A", "1")
	r.MsgRef = 0 // left out: means 1, although the Get left in message 2
	d.answer(d.status(cmds[0], 200), r)
	o := w.sink.of(mdm.SignalObserved)[0].Data.(mdm.Observation)
	require.Equal(t, "1", o.Items[0].Value)
}

func TestPackageOfSeveralMessages(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	ids := d.enqueue(get(base+"A", base+"B"), write(syncml.Replace, base+"C", "1"))
	d.begin("2")
	cmds := d.packageOne()
	d.enqueue(write(syncml.Replace, base+"D", "1"))

	chunk := d.result(cmds[0], base+"A", "first ")
	chunk.Items[0].MoreData = true
	m := d.answering(d.status(cmds[0], 200, base+"A"), d.status(cmds[1], 200), chunk)
	m.Final = false
	sent := d.replyMsg
	r := d.send(m)
	require.False(t, r.Final)
	require.Equal(t, []syncml.Command{{Kind: syncml.Alert, CmdID: commands(r)[0].CmdID, Code: syncml.AlertNextMessage}}, commands(r))
	require.Contains(t, statuses(r), chunk.CmdID+m.Commands[3].CmdID+" Results 213")
	require.True(t, d.done(ids[1]).Outcome.OK())
	require.Empty(t, d.done(ids[0]).Outcome)

	d.replyMsg = sent
	cmds = d.answer(d.status(cmds[0], 404, base+"B"), d.result(cmds[0], base+"A", "second"))
	require.Equal(t, []string{"D"}, uris(cmds))
	o := w.sink.of(mdm.SignalObserved)[0].Data.(mdm.Observation)
	require.Equal(t, []mdm.Observed{
		{Identifier: base + "A", Value: "first second", Status: 200}, {Identifier: base + "B", Status: 404},
	}, o.Items)
	require.Equal(t, d.done(ids[0]).Seq, o.Asked)
}

func TestAbort(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	ids := d.enqueue(write(syncml.Replace, base+"A", "1"), write(syncml.Replace, base+"B", "1"))
	d.begin("2")
	cmds := d.packageOne()
	d.enqueue(write(syncml.Replace, base+"C", "1"))
	require.Empty(t, d.answer(d.status(cmds[0], 200), syncml.Command{Kind: syncml.Alert, Code: syncml.AlertSessionAbort}))
	require.True(t, d.done(ids[0]).Outcome.OK())
	require.Empty(t, d.done(ids[1]).Outcome)
	d.begin("3")
	require.Equal(t, []string{"B", "C"}, uris(d.packageOne()))
}

func TestIdleSessionsLeaveNothing(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	writes := 0
	w.fault = func(string) error { writes++; return nil }
	d.begin("2")
	d.packageOne()
	require.Equal(t, 1, writes, "the commit, and nothing else")
}

func stringOf(c byte, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = c
	}
	return string(b)
}
