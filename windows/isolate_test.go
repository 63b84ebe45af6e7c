package windows_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/keelson-mdm/keelson/mdm"
	"github.com/keelson-mdm/keelson/queue"
	"github.com/keelson-mdm/keelson/windows"
	"github.com/keelson-mdm/keelson/windows/syncml"
)

// sync holds a session with a device that rejects every message in which one of
// the nodes is poison. It returns the messages' nodes.
func (d *pc) sync(session string, poison ...string) (sent [][]string) {
	d.t.Helper()
	d.begin(session)
	cmds := d.packageOne()
	for len(cmds) > 0 {
		require.Less(d.t, len(sent), 200, "the session does not end")
		nodes := uris(cmds)
		sent = append(sent, nodes)
		if slices.ContainsFunc(nodes, func(n string) bool { return slices.Contains(poison, n) }) {
			cmds = d.rejecting(500)
			continue
		}
		cmds = d.answer(d.obey(cmds, nil)...)
	}
	return sent
}

func TestPoisonIsIsolated(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	ids := d.enqueue(write(syncml.Replace, base+"A", "1"), write(syncml.Replace, base+"Bad", "1"),
		write(syncml.Replace, base+"C", "1"), write(syncml.Replace, base+"D", "1"))
	sent := d.sync("2", "Bad")
	require.Equal(t, [][]string{{"A", "Bad", "C", "D"}, {"A"}, {"Bad"}, {"C"}, {"D"}}, sent)
	for i, id := range ids {
		done := d.done(id)
		if i == 1 {
			require.Equal(t, mdm.OutcomeMalformed, done.Outcome)
			require.Equal(t, "500", done.Code)
			require.Contains(t, done.Detail, "with this command alone")
		} else {
			require.Equal(t, mdm.OutcomeAcknowledged, done.Outcome)
			require.Equal(t, 2, done.Sent, "with the others, and alone")
		}
	}
	require.Len(t, w.sink.results, 4)
	require.Empty(t, d.sync("3", "Bad"))
}

func TestPoisonAlone(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	id := d.enqueue(write(syncml.Replace, base+"Bad", "1"))[0]
	require.Equal(t, [][]string{{"Bad"}, {"Bad"}}, d.sync("2", "Bad"), "it has to reproduce")
	require.Equal(t, mdm.OutcomeMalformed, d.done(id).Outcome)

	// A rejection that does not happen again ends nothing.
	id = d.enqueue(write(syncml.Replace, base+"A", "1"))[0]
	d.begin("3")
	cmds := d.packageOne()
	require.Len(t, cmds, 1)
	cmds = d.rejecting(500)
	require.Len(t, cmds, 1)
	require.Empty(t, d.answer(d.obey(cmds, nil)...))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(id).Outcome)
}

// A device that rejects everything is at fault itself.
func TestDeviceThatRejectsEverything(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	var poison []string
	var ids []mdm.CommandID
	for i := range 10 {
		name := fmt.Sprintf("N%d", i)
		poison = append(poison, name)
		ids = append(ids, d.enqueue(write(syncml.Replace, base+name, "1"))...)
	}
	d.sync("2", poison...)
	ended := 0
	for _, id := range ids {
		if d.done(id).Outcome != "" {
			ended++
		}
	}
	require.Equal(t, 3, ended)
	d.sync("3")
	for _, id := range ids {
		require.NotEmpty(t, d.done(id).Outcome, "the others were delivered when it was well again")
	}
}

// Several commands may be poison; those that the device takes in between show
// that it is well.
func TestMuchPoison(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	var ids []mdm.CommandID
	for range 5 {
		ids = append(ids, d.enqueue(write(syncml.Replace, base+"Bad", "1"), write(syncml.Replace, base+"A", "1"))...)
	}
	d.sync("2", "Bad")
	for i, id := range ids {
		require.Equal(t, i%2 == 1, d.done(id).Outcome.OK())
		require.NotEmpty(t, d.done(id).Outcome)
	}
}

func TestPoisonAndOnce(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	ids := d.enqueueAll(
		queue.Command{Content: []byte(write(syncml.Replace, base+"Bad", "1"))},
		queue.Command{Content: []byte(write(syncml.Exec, base+"Once", "1")), Redelivery: mdm.Once},
		queue.Command{Content: []byte(write(syncml.Replace, base+"C", "1"))})
	require.Equal(t, [][]string{{"Bad", "Once", "C"}, {"Bad"}, {"C"}}, d.sync("2", "Bad"))
	require.Equal(t, mdm.OutcomeError, d.done(ids[1]).Outcome)
	require.Contains(t, d.done(ids[1]).Detail, "nothing in it was executed")
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(ids[2]).Outcome)

	// One that is handed out while a message is taken apart leaves at once.
	d.enqueue(write(syncml.Replace, base+"A", "1"), write(syncml.Exec, base+"Silent", "1"))
	d.begin("3")
	d.packageOne()
	cmds := d.rejecting(500)
	require.Equal(t, []string{"A"}, uris(cmds))
	once := d.enqueueAll(queue.Command{Content: []byte(write(syncml.Exec, base+"Once", "1")), Redelivery: mdm.Once, Lane: queue.LaneUrgent})
	cmds = d.answer(d.obey(cmds, nil)...)
	require.Equal(t, []string{"Once"}, uris(cmds))
	cmds = d.answer(d.obey(cmds, nil)...)
	require.True(t, d.done(once[0]).Outcome.OK())
	require.Equal(t, []string{"Silent"}, uris(cmds))
}

// The queue gives more than one when something is left aside: what may leave only
// once then goes first.
func TestOnceGoesFirst(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	d.enqueueAll(queue.Command{Content: []byte(write(syncml.Exec, base+"Silent", "")), Lane: queue.LaneBulk},
		queue.Command{Content: []byte(write(syncml.Replace, base+"A", "1"))})
	d.begin("2")
	cmds := d.packageOne()
	require.Equal(t, []string{"A", "Silent"}, uris(cmds))
	d.enqueue(write(syncml.Replace, base+"B", "1"))
	cmds = d.answer(d.status(cmds[0], 200))
	require.Equal(t, []string{"B"}, uris(cmds))
	id := d.enqueueAll(queue.Command{Content: []byte(write(syncml.Exec, base+"Once", "1")), Redelivery: mdm.Once})[0]
	cmds = d.rejecting(500)
	require.Equal(t, []string{"Once"}, uris(cmds))
	cmds = d.answer(d.obey(cmds, nil)...)
	require.Equal(t, []string{"B"}, uris(cmds))
	require.True(t, d.done(id).Outcome.OK())
}

// What was suspected in a session of long ago is forgotten.
func TestSuspectsAreForgotten(t *testing.T) {
	for pause, want := range map[time.Duration][]string{time.Minute: {"A"}, time.Hour: {"A", "B"}} {
		w := newWorld(t, nil)
		d := w.managed("AB01")
		d.enqueue(write(syncml.Replace, base+"A", "1"), write(syncml.Replace, base+"B", "1"))
		d.begin("2")
		d.packageOne()
		require.Equal(t, []string{"A"}, uris(d.rejecting(500)))
		w.clock.advance(pause)
		d.begin("2")
		require.Equal(t, want, uris(d.packageOne(alert(syncml.AlertGeneric, "com.example", "1"))))
	}
}

// A handler that failed because the request ended has not failed for good.
func TestHandlerOfARequestThatEnds(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	id := d.enqueue(write(syncml.Replace, base+"A", "1"))[0]
	d.begin("2")
	cmds := d.packageOne()
	body := encode(t, d.answering(d.status(cmds[0], 200)))
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), peerKey{}, d.leaf))
	w.sink.fail = func(string) error { cancel(); return ctx.Err() }
	rec := httptest.NewRecorder()
	w.manage.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body)).WithContext(ctx))
	require.Equal(t, 503, rec.Code)
	require.Empty(t, d.done(id).Outcome)
	w.sink.fail = nil
	d.read(d.post(body))
	require.True(t, d.done(id).Outcome.OK())
	require.Len(t, w.sink.results, 1)
}

// Part of a message was answered before the rest of it was rejected.
func TestRejectionAfterAnswers(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	ids := d.enqueue(write(syncml.Replace, base+"A", "1"), write(syncml.Replace, base+"B", "1")+write(syncml.Replace, base+"C", "1"))
	d.begin("2")
	cmds := d.packageOne()
	m := d.message(syncml.Command{Kind: syncml.Status, MsgRef: d.replyMsg, CmdRef: "0", Cmd: syncml.SyncHdr, Code: 513},
		d.status(cmds[0], 200), d.status(cmds[1], 200))
	cmds = commands(d.send(m))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(ids[0]).Outcome)
	require.Equal(t, []string{"C"}, uris(cmds), "what was answered does not leave again")
	require.Empty(t, d.answer(d.obey(cmds, nil)...))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(ids[1]).Outcome)
}

// A device that wants a credential of ours has nothing against the commands.
func TestDeviceAsksForCredential(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	id := d.enqueue(write(syncml.Replace, base+"A", "1"))[0]
	d.begin("2")
	require.Len(t, d.packageOne(), 1)
	require.Empty(t, d.rejecting(407))
	require.Empty(t, d.done(id).Outcome)
	require.Equal(t, [][]string{{"A"}}, d.sync("3"))
}

// A command over which the device falls silent delays the others and does not
// keep them from leaving for ever.
func TestSilencingCommand(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	ids := d.enqueue(write(syncml.Replace, base+"A", "1"), write(syncml.Exec, base+"Bad", "1"), write(syncml.Replace, base+"C", "1"))
	done := func() bool { return d.done(ids[0]).Outcome.OK() && d.done(ids[2]).Outcome.OK() }
	for session := 2; !done(); session++ {
		require.Less(t, session, 200)
		d.begin(fmt.Sprint(session))
		for cmds := d.packageOne(); len(cmds) > 0 && !slices.Contains(uris(cmds), "Bad"); {
			cmds = d.answer(d.obey(cmds, nil)...)
		}
	}
	require.Empty(t, d.done(ids[1]).Outcome)
	// And what is new overtakes it.
	d.enqueue(write(syncml.Replace, base+"New", "1"))
	d.begin("new")
	require.Equal(t, []string{"New"}, uris(d.packageOne()))
}

// locked is a queue whose contents cannot be opened.
type locked struct{ *queue.Queue }

func (l locked) Next(ctx context.Context, tx mdm.Tx, e mdm.Enrollment, p queue.Poll) ([]queue.Handout, error) {
	hs, err := l.Queue.Next(ctx, tx, e, p)
	for i := range hs {
		if hs[i].Lane == queue.LaneUrgent {
			hs[i].Data, hs[i].Err = nil, errors.New("password=hunter2 could not be filled in")
		}
	}
	return hs, err
}

func TestHandoutThatCannotBeFilledIn(t *testing.T) {
	w := newWorld(t, func(c *windows.Config) { c.Queue = locked{c.Queue.(*queue.Queue)} })
	d := w.managed("AB01")
	ids := d.enqueueAll(queue.Command{Content: []byte(write(syncml.Replace, base+"A", "1")), Lane: queue.LaneUrgent},
		queue.Command{Content: []byte(write(syncml.Replace, base+"B", "1"))})
	require.Equal(t, [][]string{{"B"}}, d.sync("2"))
	done := d.done(ids[0])
	require.Equal(t, mdm.OutcomeUnrenderable, done.Outcome)
	require.NotContains(t, done.Detail, "hunter2")
}

func TestHandlerThatFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		what string // prefix of the handler
	}{
		{"a result", "result "}, {"an observation", "observed"}, {"facts", "facts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			d := w.managed("AB01")
			ids := d.enqueue(get(base+"A"), write(syncml.Replace, base+"B", "1"))
			w.sink.fail = func(what string) error {
				if what == tt.what || tt.what == "result " && what == "result "+string(ids[0]) {
					return mdm.Errorf(mdm.CodeInternal, "", "a defect")
				}
				return nil
			}
			require.Equal(t, [][]string{{"A", "B"}}, d.sync("2"))
			require.True(t, d.done(ids[0]).Outcome.OK(), "the outcome is filed all the same")
			require.True(t, d.done(ids[1]).Outcome.OK())
			n := len(w.sink.results)
			if tt.what == "result " {
				n++
			}
			require.Equal(t, 2, n)

			// One that may pass makes the device come again, and nothing is kept.
			w.sink.fail = nil
			ids = d.enqueue(get(base+"A"), write(syncml.Replace, base+"B", "1"))
			d.begin("3")
			cmds := d.packageOne()
			w.sink.fail = func(what string) error {
				if what == tt.what || tt.what == "result " && what == "result "+string(ids[0]) {
					return mdm.Errorf(mdm.CodeUnavailable, "", "later")
				}
				return nil
			}
			m := d.answering(append(d.obey(cmds, nil), d.result(cmds[0], base+"A", "1"), d.hello()[2])...)
			told := len(w.sink.results)
			rec := d.post(encode(t, m))
			require.Equal(t, 503, rec.Code)
			require.Equal(t, "60", rec.Header().Get("Retry-After"))
			require.Empty(t, rec.Body.Bytes())
			require.Empty(t, d.done(ids[1]).Outcome)
			require.Len(t, w.sink.results, told)
			w.sink.fail = nil
			require.Empty(t, commands(d.send(m)), "the same message again")
			require.True(t, d.done(ids[1]).Outcome.OK())
			require.Len(t, w.sink.results, told+2)
		})
	}
}

// A fault at any write leaves nothing behind, and the same message succeeds
// afterwards.
func TestFaultAtEveryWrite(t *testing.T) {
	w := newWorld(t, nil)
	d := w.managed("AB01")
	ids := d.enqueue(write(syncml.Add, base+"A", "1"), get(base+"B"), "<broken", write(syncml.Replace, "./User/X", "1"))
	d.begin("2")
	d.noLogin = true
	everyWrite := func(body []byte) []syncml.Command {
		for n := 1; ; n++ {
			left := n
			w.fault = func(string) error {
				if left--; left == 0 {
					return mdm.Errorf(mdm.CodeUnavailable, "", "the disk is full")
				}
				return nil
			}
			rec := d.post(body)
			w.fault = nil
			if rec.Code == 200 {
				require.Positive(t, left, "a fault went unnoticed")
				require.Greater(t, n, 3)
				return commands(d.read(rec))
			}
			require.Equal(t, 503, rec.Code)
		}
	}
	cmds := everyWrite(encode(t, d.message(d.hello()...)))
	require.Equal(t, []string{"Add A", "Get B"}, kinds(cmds))
	body := encode(t, d.answering(d.status(cmds[0], 418), d.status(cmds[1], 200), d.result(cmds[1], base+"B", "2")))
	cmds = everyWrite(body)
	require.Equal(t, []string{"Replace A"}, kinds(cmds))
	everyWrite(encode(t, d.answering(d.status(cmds[0], 200))))
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(ids[0]).Outcome)
	require.Equal(t, mdm.OutcomeAcknowledged, d.done(ids[1]).Outcome)
	require.Equal(t, mdm.OutcomeUnrenderable, d.done(ids[2]).Outcome)
	require.Len(t, w.sink.results, 3)
	require.Len(t, w.sink.of(mdm.SignalObserved), 1)
}
